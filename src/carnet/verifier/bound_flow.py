"""Binds what a flow of the MCP SDK gets to a key of this program (DPoP, RFC 9449).

The SDK knows bearer tokens alone. So its flow is driven from outside: a request for tokens leaves
with a proof of the key, and an answer with a token that is bound to it is shown to the flow as one
with a bearer token; where the flow sends that token, it leaves as ``DPoP``, with a proof for this
one request. A server that wants a nonce of its own in the proof is given it, by one more request.

Each authorization has a key of its own. Tokens are bound where the API asks for that, by its
challenge or its metadata (RFC 9728), or where the program demands it; a server that knows nothing
of DPoP is asked as ever.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from carnet.errors import InvalidToken
from carnet.jose.encoding import json_decode
from carnet.verifier.bearer import not_installed
from carnet.verifier.prover import Prover

try:
    import httpx2
    from mcp.client.auth import OAuthFlowError
except ModuleNotFoundError:
    raise not_installed("mcp") from None

__all__ = ["BoundFlow"]

ALGORITHMS: Final = "dpop_signing_alg_values_supported"
# By what each says of itself, where it says anything; RFC 8414 section 2, RFC 9728 section 2.
METADATA: Final[Mapping[str, str]] = {
    "token_endpoint": "the authorization server",
    "authorization_servers": "the API",
}

_CHALLENGE = re.compile(r"(?:^|,\s*)DPoP(?=[\s,]|$)", re.IGNORECASE)
_FORM = "application/x-www-form-urlencoded"


class BoundFlow:
    """The keys of an auth: of the tokens that it holds, and of those that it asks for.

    Args:
        demanded: whether a token that is not bound is refused.

    Attributes:
        held: makes the proofs for the tokens that are held; None where they are not bound.
    """

    def __init__(self, demanded: bool) -> None:
        self.demanded = demanded
        self.held: Prover | None = None
        self._token: str | None = None
        self._next: Prover | None = None
        self._challenged = self._required = False
        self._taken: dict[str, list[str]] = {}

    def hold(self, prover: Prover | None, access_token: str | None) -> None:
        """Take up what was kept: a token, and the key that it is bound to."""
        self.held, self._token = prover, access_token

    def begin(self) -> Prover | None:
        """Make the key of a new authorization; None where its tokens are not to be bound.

        Raises:
            OAuthFlowError: if they have to be, and can't.
        """
        needed = self.demanded or self._required
        self._next = None
        if needed or self._challenged:
            self._next = Prover.new(*self._taken.values())
            if self._next is None and needed:
                raise OAuthFlowError(
                    "tokens have to be bound to a key here (DPoP), and there is no algorithm that "
                    f"all know: {' and '.join(self._taken)} name others, or none"
                )
        return self._next

    async def through(
        self, flow: AsyncGenerator[Any, Any], request: httpx2.Request
    ) -> AsyncGenerator[Any, Any]:
        """Drive a flow.

        Args:
            flow: yields requests and is sent their answers.
            request: the API's own.
        """
        try:
            outgoing = await anext(flow)
            while True:
                prover, token = self._for(outgoing, request)
                if prover is None:
                    response = yield outgoing
                else:
                    _prove(outgoing, prover, token)
                    response = yield outgoing
                    if await _hears(outgoing, response, prover, token):
                        _prove(outgoing, prover, token)
                        response = yield outgoing
                        await _hears(outgoing, response, prover, token)
                if outgoing is request:
                    self._note_challenge(request, response)
                else:
                    response = await self._noted(response, _grant(outgoing), prover)
                outgoing = await flow.asend(response)
        except StopAsyncIteration:
            return
        finally:
            await flow.aclose()

    def _for(
        self, outgoing: httpx2.Request, request: httpx2.Request
    ) -> tuple[Prover | None, str | None]:
        """Give what makes the proof of a request, and the token that goes with it."""
        if outgoing is request:
            # What stands there of an earlier token is no proof for this one.
            outgoing.headers.pop("DPoP", None)
            scheme, _, token = outgoing.headers.get("Authorization", "").partition(" ")
            ours = token == self._token and scheme in ("Bearer", "DPoP")
            return (self.held, token) if ours and self.held is not None else (None, None)
        grant = _grant(outgoing)
        if grant is None:
            return None, None
        if grant == "refresh_token":
            return self.held, None
        # The key of a code was told when it was asked for.
        return (self._next if grant == "authorization_code" else self.begin()), None

    def _note_challenge(self, request: httpx2.Request, response: httpx2.Response) -> None:
        if response.status_code in (401, 403) and _has_answered(request, response):
            said = response.headers.get("WWW-Authenticate", "")
            self._challenged = _CHALLENGE.search(said) is not None

    async def _noted(
        self, response: httpx2.Response, grant: str | None, prover: Prover | None
    ) -> httpx2.Response:
        """Take note of what a server says, and give the answer as the flow can read it."""
        if response.status_code not in (200, 201):
            return response
        document = await _document(response)
        if grant is None:
            for member, whose in METADATA.items():
                if member in document:
                    self._note_metadata(document, whose)
            return response
        token = document.get("access_token")
        bound = str(document.get("token_type")).lower() == "dpop"
        if bound and prover is None:
            raise OAuthFlowError("the token is bound to a key, and none was shown")
        if not bound and (self.demanded or self._required):
            raise OAuthFlowError("the authorization server does not bind its tokens to a key")
        self.hold(prover if bound else None, token)
        if not bound:
            return response
        shown = {**document, "token_type": "Bearer"}
        return httpx2.Response(response.status_code, json=shown, request=response.request)

    def _note_metadata(self, document: dict[str, Any], whose: str) -> None:
        names = document.get(ALGORITHMS)
        if whose == "the API":
            self._required = document.get("dpop_bound_access_tokens_required") is True
            self._taken.pop(whose, None)
            if not isinstance(names, list):
                # It need not say which: RFC 9728 section 2.
                return
        self._taken[whose] = names if isinstance(names, list) else []


def _prove(outgoing: httpx2.Request, prover: Prover, token: str | None) -> None:
    if token is not None:
        outgoing.headers["Authorization"] = f"DPoP {token}"
    outgoing.headers["DPoP"] = prover.prove(outgoing.method, str(outgoing.url), token)


async def _hears(
    outgoing: httpx2.Request, response: httpx2.Response, prover: Prover, token: str | None
) -> bool:
    """Take a nonce, and tell whether the request is to be sent again with it."""
    nonce = response.headers.get("DPoP-Nonce")
    if not _has_answered(outgoing, response) or not prover.hear(str(outgoing.url), token, nonce):
        return False
    if token is None:
        document = await _document(response) if response.status_code in (400, 401) else {}
        wants_it = document.get("error") == "use_dpop_nonce"
    else:
        wants_it = response.status_code == 401 and "use_dpop_nonce" in response.headers.get(
            "WWW-Authenticate", ""
        )
    # What was streamed can't be sent again.
    return wants_it and isinstance(outgoing.stream, httpx2.ByteStream)


def _has_answered(outgoing: httpx2.Request, response: httpx2.Response) -> bool:
    """Tell whether the server that was asked has answered, and no other that it redirects to."""
    asked, answered = outgoing.url, response.request.url
    return (asked.scheme, asked.netloc) == (answered.scheme, answered.netloc)


def _grant(outgoing: httpx2.Request) -> str | None:
    """Give the grant type of a request for tokens; None where it is none."""
    if outgoing.method != "POST" or outgoing.headers.get("Content-Type") != _FORM:
        return None
    found = parse_qs(outgoing.content.decode("ascii", "replace")).get("grant_type")
    return found[0] if found else None


async def _document(response: httpx2.Response) -> dict[str, Any]:
    try:
        return json_decode(await response.aread(), "the answer")
    except InvalidToken:
        return {}
