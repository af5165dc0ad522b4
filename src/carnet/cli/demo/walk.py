"""The walk: one token's life, step by step, each with its real request and its real answer."""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple

import httpx

from carnet.cli.demo.narrator import Narrator, shorten
from carnet.jwt.inspection import inspect

__all__ = ["Addresses", "walk"]

SHORT_LIFE = 3
SPREAD_SECONDS = 1


class Addresses(NamedTuple):
    """Where the three processes listen."""

    server: str
    orders: str
    billing: str


def walk(at: Addresses, password: str, grace: int) -> bool:
    """Walk through a token's life, and tell whether every step went as told.

    Args:
        at: where the processes listen.
        password: of the accounts alice and bob.
        grace: seconds for which a used refresh token gets the same answer.
    """
    with httpx.Client(timeout=10, trust_env=False) as client:
        tell = Narrator(client)
        _present(tell, at, password)
        _tamper_and_misuse(tell, at, password)
        _expire_and_refresh(tell, at, password, grace)
        _sign_out(tell, at, password)
        return tell.conclude()


def _present(tell: Narrator, at: Addresses, password: str) -> None:
    tell.step(
        "Sign in",
        "The server checks the password and begins a session. The access token is good for five "
        "minutes, the refresh token continues the session after that.",
    )
    tokens = _sign_in(tell, at, "alice", password)
    token = tokens.get("access_token", "")
    tell.remember(token=token)

    tell.step(
        "Look at the token",
        "Three parts with dots between them: header, payload, signature. Anyone can read it; only "
        "the server, with its private key, can make one.",
    )
    tell.anatomy(inspect(token))

    tell.step(
        "Call orders",
        "orders fetched the server's public keys once. Now it checks the signature, the issuer, "
        "the audience and the time by itself, and asks nobody.",
    )
    tell.expect(tell.get(f"{at.orders}/orders", token), 200)


def _tamper_and_misuse(tell: Narrator, at: Addresses, password: str) -> None:
    token = tell.token
    tell.step(
        "Change one claim",
        "We write another subject into the payload and leave the signature as it is. The "
        "signature was made over the old text, so it does not fit any more.",
    )
    tell.show("payload", '… "sub": "somebody-else" …')
    tell.expect(tell.get(f"{at.orders}/orders", _forge(token)), 401, "signature_invalid")

    tell.step(
        "Send it to billing",
        "The token is genuine, but it says that it is for orders. billing is another audience: a "
        "token that leaks from one service opens no other.",
    )
    tell.expect(tell.get(f"{at.billing}/invoices", token), 401, "audience_mismatch")

    tell.step(
        "Ask for more than the role allows",
        "bob signs in. His token is good, but DELETE /orders needs the role ADMIN, which only "
        "alice's token carries.",
    )
    bobs = _sign_in(tell, at, "bob", password, quiet=True).get("access_token", "")
    tell.expect(tell.delete(f"{at.orders}/orders", bobs), 403, "role_missing")


def _expire_and_refresh(tell: Narrator, at: Addresses, password: str, grace: int) -> None:
    tell.step(
        "Let a token expire",
        f"This time we ask for a token of {SHORT_LIFE} seconds, use it, wait, and use it again.",
    )
    first = _sign_in(tell, at, "alice", password, expires_in=SHORT_LIFE)
    token, refresh = first.get("access_token", ""), first.get("refresh_token", "")
    tell.expect(tell.get(f"{at.orders}/orders", token), 200)
    tell.wait(SHORT_LIFE, "until it expires")
    tell.expect(tell.get(f"{at.orders}/orders", token), 401, "expired")

    tell.step(
        "Refresh",
        "The refresh token brings a new access token and its own successor. The password is not "
        "needed again.",
    )
    second = _refresh(tell, at, refresh)
    tell.expect(tell.last, 200)
    tell.expect(tell.get(f"{at.orders}/orders", second.get("access_token", "")), 200)

    tell.step(
        "Replay the old refresh token at once",
        f"Within {grace} seconds here (30 by default) the used token gets the same successor "
        "again: a lost answer or a second tab logs nobody out.",
    )
    again = _refresh(tell, at, refresh)
    tell.expect(tell.last, 200)
    tell.check(
        again.get("refresh_token") == second.get("refresh_token"),
        "the same successor as before",
    )

    tell.step(
        "Replay it later",
        "After that time only a thief, or the victim of one, still holds the used token. The "
        "server can't tell which, so it ends the session for both.",
    )
    tell.wait(grace + 0.2, "until the grace is over")
    _refresh(tell, at, refresh)
    tell.expect(tell.last, 400, "invalid_grant")
    _refresh(tell, at, second.get("refresh_token", ""))
    tell.expect(tell.last, 400, "invalid_grant")


def _sign_out(tell: Narrator, at: Addresses, password: str) -> None:
    tell.step("Sign out", "alice signs in once more, and ends the session with her access token.")
    tokens = _sign_in(tell, at, "alice", password, quiet=True)
    ended = tell.delete(f"{at.server}/sessions/current", tokens.get("access_token", ""))
    tell.expect(ended, 204)

    tell.step(
        "Use the access token of the ended session",
        "It is genuine and good for minutes still. But orders follows the server's signed stream "
        "of what has ended, and refuses it, again without asking anybody.",
    )
    tell.wait(SPREAD_SECONDS, "for the news to spread")
    token = tokens.get("access_token", "")
    tell.expect(tell.get(f"{at.orders}/orders", token), 401, "revoked")

    tell.step("Refresh after that", "The session has ended, so its refresh token is worth nothing.")
    _refresh(tell, at, tokens.get("refresh_token", ""))
    tell.expect(tell.last, 400, "invalid_grant")


def _sign_in(
    tell: Narrator, at: Addresses, username: str, password: str, *, quiet: bool = False, **more: Any
) -> dict[str, Any]:
    body = {"username": username, "password": password, **more}
    answer = tell.post_json(f"{at.server}/sessions", body, quiet=quiet)
    tell.expect(answer, 201)
    return tell.document(answer)


def _refresh(tell: Narrator, at: Addresses, token: str) -> dict[str, Any]:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return tell.document(tell.post_form(f"{at.server}/token", form, shown=shorten(token)))


def _forge(token: str) -> str:
    """Give a token in which one claim is changed, under its old signature."""
    header, _, signature = token.split(".")
    claims = inspect(token).claims or {}
    claims["sub"] = "somebody-else"
    text = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{header}.{text}.{signature}"
