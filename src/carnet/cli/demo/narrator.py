"""Tells the walk: shows each request and answer, checks what was promised, and keeps count."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from typing import Any

import click
import httpx

from carnet.cli import ink
from carnet.cli.inspect import show_claims
from carnet.jwt.inspection import Inspection

__all__ = ["Narrator", "shorten"]

WIDTH = 88
INDENT = "   "


def shorten(token: str) -> str:
    """Give the first and the last characters of a token, to be recognised by."""
    return f"{token[:10]}…{token[-8:]}" if len(token) > 24 else token


class Narrator:
    """Sends the walk's requests and shows them.

    Args:
        client: sends the requests.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._steps = 0
        self._failures: list[str] = []
        self._title = ""
        self._told = False
        self.token = ""
        self.last = httpx.Response(599)

    def step(self, title: str, meaning: str) -> None:
        """Begin a step: its number, its name, and why it matters."""
        self._steps += 1
        self._title = title
        self._told = False
        click.echo(f"\n{ink.strong(f'{self._steps:2} {title}')}")
        click.echo(textwrap.fill(meaning, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT))
        click.echo()

    def show(self, name: str, text: str) -> None:
        """Show a detail of the step."""
        click.echo(f"{INDENT}{name}  {ink.payload(text)}")

    def remember(self, token: str) -> None:
        """Keep the token that later steps use."""
        self.token = token

    def get(self, url: str, token: str) -> httpx.Response:
        """Send and show a GET with an access token."""
        return self._with_token("GET", url, token)

    def delete(self, url: str, token: str) -> httpx.Response:
        """Send and show a DELETE with an access token."""
        return self._with_token("DELETE", url, token)

    def post_json(self, url: str, body: dict[str, Any], *, quiet: bool = False) -> httpx.Response:
        """Send and show a POST of JSON; where quiet, only the answer's status is shown."""
        self._request("POST", url, json.dumps(body))
        return self._send("POST", url, quiet=quiet, json=body)

    def post_form(self, url: str, form: dict[str, str], shown: str) -> httpx.Response:
        """Send and show a POST of a form whose token is shown shortened."""
        self._request("POST", url, f"grant_type={form['grant_type']}&refresh_token={shown}")
        return self._send("POST", url, data=form)

    def anatomy(self, seen: Inspection) -> None:
        """Show a token in three inks, and what its parts say."""
        parts = self.token.split(".") if seen.kind == "JWS" else ["", "", ""]
        text = f"{ink.header(parts[0])}.{ink.payload(parts[1])}.{ink.signature(parts[2])}"
        click.echo(f"{INDENT}{text}\n")
        click.echo(f"{INDENT}header     {ink.header(json.dumps(seen.header))}")
        lines = show_claims(seen.claims or {})
        click.echo(f"{INDENT}payload    {lines[0]}")
        for line in lines[1:]:
            click.echo(f"{INDENT}           {line}")
        size = f"{len(seen.signature)} bytes, made with the server's private key"
        click.echo(f"{INDENT}signature  {ink.signature(size)}")
        self.check(not seen.problems and seen.claims is not None, "a well-formed signed token")

    def expect(self, answer: httpx.Response, status: int, code: str | None = None) -> None:
        """Check an answer's status, and its error's code where one is expected."""
        document = self.document(answer)
        given = document.get("code") or document.get("error")
        good = answer.status_code == status and (code is None or given == code)
        wanted = f"{status} {code or ''}".strip()
        if good and status < 400:
            self._verdict(ink.accepted("ACCEPTED"), "")
        elif good:
            self._verdict(ink.refused("REFUSED"), str(document.get("error_description", given)))
        else:
            got = f"{answer.status_code} {given or ''}".strip()
            self._fail(f"expected {wanted}, got {got}")

    def check(self, good: bool, promise: str) -> None:
        """Check something else that the step has promised."""
        if good:
            self._verdict(ink.accepted("AS TOLD"), promise)
        else:
            self._fail(f"expected {promise}")

    def wait(self, seconds: float, reason: str) -> None:
        """Wait, and show on a terminal how long still."""
        if not sys.stdout.isatty():
            click.echo(f"{INDENT}(waiting {seconds:.0f} s {reason})")
            time.sleep(seconds + 0.05)
            return
        end = time.monotonic() + seconds + 0.05
        while (left := end - time.monotonic()) > 0:
            click.echo(f"\r{INDENT}{ink.faint(f'{left:4.1f} s {reason} …')}", nl=False)
            time.sleep(min(0.1, left))
        click.echo("\r" + " " * WIDTH + "\r", nl=False)

    def document(self, answer: httpx.Response) -> dict[str, Any]:
        """Read an answer's JSON object; anything else counts as an empty one."""
        try:
            content = answer.json()
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def conclude(self) -> bool:
        """Say how the walk went, and tell whether all was as told."""
        click.echo()
        if not self._failures:
            click.echo(f"{ink.accepted('DONE')}  All {self._steps} steps went as told.")
            return True
        for failure in self._failures:
            click.echo(f"{ink.refused('FAILED')}  {failure}")
        return False

    def _with_token(self, method: str, url: str, token: str) -> httpx.Response:
        self._request(method, url, "", f"Authorization: Bearer {shorten(token)}")
        return self._send(method, url, headers={"Authorization": f"Bearer {token}"})

    def _request(self, method: str, url: str, body: str, *headers: str) -> None:
        if self._told:
            click.echo()
        click.echo(f"{INDENT}{ink.faint('→')} {method} {url}")
        for line in (*headers, body):
            if line:
                click.echo(f"{INDENT}  {line}")

    def _send(
        self, method: str, url: str, *, quiet: bool = False, **request: Any
    ) -> httpx.Response:
        try:
            answer = self._client.request(method, url, **request)
        except httpx.HTTPError as error:
            answer = httpx.Response(599, json={"error": f"no answer: {type(error).__name__}"})
        self.last = answer
        click.echo(f"{INDENT}{ink.faint('←')} {answer.status_code} {answer.reason_phrase}")
        challenge = answer.headers.get("www-authenticate")
        if challenge:
            click.echo(f"{INDENT}  WWW-Authenticate: {challenge}")
        if not quiet:
            for name, value in self.document(answer).items():
                click.echo(f"{INDENT}  {name}: {_shown(name, value)}")
        return answer

    def _verdict(self, stamp: str, reason: str) -> None:
        click.echo(f"{INDENT}{stamp}{'  ' if reason else ''}{reason}")
        self._told = True

    def _fail(self, reason: str) -> None:
        self._failures.append(f"{self._title}: {reason}")
        self._verdict(ink.refused("NOT AS TOLD"), reason)


def _shown(name: str, value: object) -> str:
    if name == "access_token" and isinstance(value, str) and value.count(".") == 2:
        inks = (ink.header, ink.payload, ink.signature)
        parts = zip(inks, value.split("."), strict=True)
        return ".".join(colour(f"{part[:10]}…") for colour, part in parts)
    if name == "refresh_token" and isinstance(value, str):
        return shorten(value)
    return value if isinstance(value, str) else json.dumps(value)
