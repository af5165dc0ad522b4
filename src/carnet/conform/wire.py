"""Asking an issuer, politely and within limits.

Every request has a limit of time and size, the whole run one of requests and seconds, with a pause
between them. No redirect is followed unless a check asks for it, no cookie outlives a request, and
an issuer on the internet can't have requests sent to this machine. One that answers 429 is asked
nothing more.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlencode, urljoin, urlsplit

from carnet.errors import ConfigurationError, InvalidToken, IssuerUnavailable
from carnet.jose.encoding import json_decode, json_encode
from carnet.verifier.access import DIRECT, Access, check_address, on_loopback
from carnet.verifier.fetch import content_of, tls_context, unreachable

if TYPE_CHECKING:
    import httpx

__all__ = ["Pairs", "Reply", "Unfinished", "Wire", "origin"]

MAX_ANSWER: Final = 512 * 1024
MAX_REQUESTS: Final = 400
MAX_SECONDS: Final = 240
SECONDS: Final = 10.0
PAUSE: Final = 0.1
MAX_HOPS: Final = 4
MAX_TOLD: Final = 160

Pairs = Mapping[str, str] | Iterable[tuple[str, str]]
"""Parameters; as pairs one may stand twice."""

_CODE: Final = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}")


class Unfinished(Exception):
    """A check can't be finished: the issuer does not answer, or not in time."""


class Reply:
    """What an issuer has answered.

    Attributes:
        status: the HTTP status.
        url: where from.
        body: the content, which may hold secrets.
        document: the content, where it is a JSON object with each name once; else {}.
    """

    def __init__(self, status: int, url: str, headers: httpx.Headers, body: bytes) -> None:
        self.status = status
        self.url = url
        self.body = body
        self.document: dict[str, Any] = {}
        self._headers = headers
        with suppress(InvalidToken):
            self.document = json_decode(body, "the answer")

    def values(self, name: str) -> list[str]:
        """Give every value of a header."""
        return self._headers.get_list(name)

    def header(self, name: str) -> str:
        """Give a header, several values with commas between them, or ""."""
        return ", ".join(self.values(name))

    @property
    def media_type(self) -> str:
        """The media type of the content, in lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def error(self) -> str:
        """The OAuth error code, or ""."""
        code = self.document.get("error")
        return code if isinstance(code, str) and _CODE.fullmatch(code) else ""

    @property
    def location(self) -> str:
        """Where a redirect leads to, as it stands in the header; or ""."""
        return self.header("location") if 300 <= self.status < 400 else ""

    @property
    def told(self) -> str:
        """The status and the error code, in words."""
        more = self.error or self.media_type
        return f"{self.status} {more}".strip()


class Wire:
    """Sends the requests of one run.

    Args:
        issuer: who is asked.
        access: how it is reached.
        transport: carries the requests; httpx's own unless given.
        pause: seconds between two requests; none on this machine unless given.

    Attributes:
        requests: how many were sent.
        pause: as above.
    """

    def __init__(
        self,
        issuer: str,
        access: Access = DIRECT,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: float | None = None,
    ) -> None:
        import httpx

        check_address(issuer, access.plain_hosts)
        self.requests = 0
        self._is_near = on_loopback(issuer)
        self.pause = (0 if self._is_near else PAUSE) if pause is None else pause
        self._access = access
        self._refusal = ""
        self._spent = 0.0
        self._secrets: set[str] = set()
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=SECONDS,
            trust_env=not self._is_near,
            verify=access.context or tls_context(),
            headers={"User-Agent": "carnet-conform", "Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    def keep_secret(self, *texts: object) -> None:
        """Never tell these: what is given and what the issuer gives."""
        self._secrets.update(text for text in texts if isinstance(text, str) and len(text) > 3)

    def tell(self, text: str) -> str:
        """Make a text fit for a line of a report: no secret, no control character, not long."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "…")
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
        return text if len(text) <= MAX_TOLD else f"{text[: MAX_TOLD - 1]}…"

    async def get(
        self, url: str, query: Pairs = (), headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a GET."""
        return await self.send("GET", _with_query(url, query), headers=headers)

    async def post(self, url: str, form: Pairs, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a form."""
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        given = list(form.items() if isinstance(form, Mapping) else form)
        return await self.send("POST", url, {**kind, **(headers or {})}, urlencode(given).encode())

    async def post_json(self, url: str, document: Any, headers: Mapping[str, str]) -> Reply:
        """Send a JSON document."""
        kind = {"Content-Type": "application/json", "Accept": "application/json"}
        return await self.send("POST", url, {**kind, **headers}, json_encode(document))

    async def page(self, url: str, query: Pairs = ()) -> Reply:
        """Get a page as a browser does: follow redirects that stay at this origin, with cookies."""
        reply = await self.send("GET", _with_query(url, query), {"Accept": "text/html"})
        for _ in range(MAX_HOPS):
            following = urljoin(reply.url, reply.location)
            if not reply.location or origin(following) != origin(url):
                break
            reply = await self.send("GET", following, {"Accept": "text/html"}, cookies=True)
        return reply

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        *,
        cookies: bool = False,
        plain: bool = False,
    ) -> Reply:
        """Send a request.

        Args:
            method: the HTTP method.
            url: where to.
            headers: more headers.
            content: the body.
            cookies: whether those of the last answer go with it.
            plain: whether http:// is meant.

        Raises:
            Unfinished: if it may not be sent, or is not answered.
        """
        self._allow(url, plain)
        if not cookies:
            self._client.cookies.clear()
        if self.requests and self.pause:
            await asyncio.sleep(self.pause)
        self.requests += 1
        began = time.monotonic()
        try:
            async with asyncio.timeout(SECONDS):
                reply = await self._exchange(method, url, headers, content)
        except TimeoutError:
            raise Unfinished(f"{_plain(url)} did not answer within {SECONDS:.0f} seconds") from None
        finally:
            self._spent += time.monotonic() - began
        if reply.status == 429:
            self._refusal = "the issuer answers 429: it was asked nothing more"
            raise Unfinished(self._refusal)
        return reply

    def _allow(self, url: str, plain: bool) -> None:
        if self._refusal:
            raise Unfinished(self._refusal)
        if self.requests >= MAX_REQUESTS or self._spent > MAX_SECONDS:
            raise Unfinished(
                f"the limit of {MAX_REQUESTS} requests or {MAX_SECONDS} seconds is reached: try "
                "--only"
            )
        try:
            host = urlsplit(url).hostname
            plain_hosts = frozenset({host or ""}) if plain else self._access.plain_hosts
            check_address(url, plain_hosts)
        except (ConfigurationError, ValueError):
            raise Unfinished(f"{_plain(url)} was not asked: it is no https address") from None
        if on_loopback(url) and not self._is_near:
            raise Unfinished(f"{_plain(url)} was not asked: it is this machine")

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str] | None, content: bytes | None
    ) -> Reply:
        body = bytearray()
        try:
            async with self._client.stream(method, url, headers=headers, content=content) as answer:
                async for chunk in answer.aiter_raw():
                    body += chunk
                    if len(body) > MAX_ANSWER:
                        raise Unfinished(f"{_plain(url)} answered more than {MAX_ANSWER} bytes")
                encoding = answer.headers.get("content-encoding", "identity").lower()
                found = content_of(bytes(body), encoding, _plain(url))
                return Reply(answer.status_code, url, answer.headers, found)
        except (Unfinished, TimeoutError):
            raise
        except IssuerUnavailable as error:
            raise Unfinished(str(error)) from None
        # As in ``fetch``: what an address makes httpx, idna and ssl raise is not to be foreseen.
        except Exception as error:
            raise Unfinished(str(unreachable(_plain(url), error))) from None


def origin(url: str) -> str:
    """Give the scheme, host and port of an address; "" where it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _with_query(url: str, query: Pairs) -> str:
    text = urlencode(list(query.items() if isinstance(query, Mapping) else query))
    if not text:
        return url
    return f"{url}{'&' if '?' in url else '?'}{text}"


def _plain(url: str) -> str:
    """Give an address without its query, which may hold what nobody else is to know."""
    return url.partition("?")[0]
