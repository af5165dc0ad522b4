"""Somebody's visits to the issuer, and the session that is made of one.

The browser's own session lasts, so that the person signs in once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlencode

from carnet.conform.authorization import PkcePair, parameters_of
from carnet.conform.probe import NotApplicable, Probe
from carnet.conform.wire import Reply, Unfinished

__all__ = ["TOKEN", "Visit", "begin_visit", "given_token", "new_code", "refreshed", "session_of"]

TOKEN: Final = "token_endpoint"


class Visit(NamedTuple):
    """What a visit has brought.

    Attributes:
        request: the parameters that were sent.
        answer: the parameters that came back.
        pair: of PKCE.
    """

    request: Mapping[str, str]
    answer: Mapping[str, str]
    pair: PkcePair

    @property
    def form(self) -> dict[str, str]:
        """The token request for its code."""
        return {
            "grant_type": "authorization_code",
            "code": self.answer.get("code", ""),
            "redirect_uri": self.request["redirect_uri"],
            "code_verifier": self.pair.verifier,
        }


async def begin_visit(probe: Probe, changes: Mapping[str, str | None] | None = None) -> Visit:
    """Have the person's browser open an authorization request.

    Args:
        probe: the issuer.
        changes: parameters that are otherwise; None leaves one out.

    Raises:
        NotApplicable: if nobody signs in.
        Unfinished: if nobody has, in time.
    """
    if probe.visit is None:
        raise NotApplicable("nobody signs in")
    pair = PkcePair.make()
    request = probe.request({"prompt": None, **(changes or {})}, pair)
    address = probe.endpoint("authorization_endpoint")
    end = await probe.visit(f"{address}{'&' if '?' in address else '?'}{urlencode(request)}")
    if end is None:
        probe.visit = None
        raise Unfinished("nobody has signed in")
    answer = parameters_of(end)
    probe.wire.keep_secret(answer.get("code"), pair.verifier)
    return Visit(request, answer, pair)


async def new_code(probe: Probe) -> Visit:
    """Give a visit that has brought a code.

    Raises:
        NotApplicable: if it has brought none.
    """
    visit = await begin_visit(probe)
    if "code" not in visit.answer:
        raise NotApplicable(f"no code was given: {visit.answer.get('error', 'no answer')}")
    return visit


async def session_of(probe: Probe) -> tuple[Visit, Reply]:
    """Give the visit of which the session is, and what its code gave; both are made once."""

    async def begin() -> tuple[Visit, Reply]:
        visit = await begin_visit(probe)
        return visit, await probe.ask(TOKEN, visit.form)

    return await probe.once("session", begin)  # type: ignore[no-any-return]  # it is made there


async def given_token(probe: Probe, name: str) -> str:
    """Give a token of the session.

    Raises:
        NotApplicable: if there is none of that name.
    """
    _, reply = await session_of(probe)
    token = reply.document.get(name)
    if not isinstance(token, str):
        raise NotApplicable(f"the code gave no {name}: {reply.told}")
    return token


async def refreshed(probe: Probe, token: str) -> Reply:
    """Give the answer to a refresh token."""
    return await probe.ask(TOKEN, {"grant_type": "refresh_token", "refresh_token": token})
