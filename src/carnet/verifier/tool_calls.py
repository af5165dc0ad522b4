"""What the adapters for MCP servers share: a middleware that knows which tool a request calls.

The MCP SDK and FastMCP find the caller in ``scope["user"]`` and in a context variable of the SDK;
here both are set from a token that BearerMiddleware has checked. What a tool needs is checked
before the server sees the request, since only then can the answer be a status with a challenge (MCP
2026-07-28, "Runtime Insufficient Scope Errors"): later the answer may have begun.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any, Final

import msgspec

from carnet.errors import ConfigurationError
from carnet.jwt.claims import Claims
from carnet.verifier.access_token import AsyncAccessTokenVerifier
from carnet.verifier.adapters.asgi import (
    BearerMiddleware,
    MetadataEndpoint,
    answer,
    credentials,
)
from carnet.verifier.bearer import (
    Need,
    Refusal,
    bearer_token,
    check_scope,
    not_installed,
    scope_of,
    with_advice,
)
from carnet.verifier.exempt import Exempt
from carnet.verifier.protected_resource import ProtectedResource
from carnet.verifier.refusal import scope_missing

try:
    from mcp.server.auth.middleware.auth_context import auth_context_var
    from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
    from mcp.server.auth.provider import AccessToken
    from starlette.authentication import AuthCredentials
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
except ModuleNotFoundError:
    raise not_installed("mcp") from None

__all__ = ["ToolMiddleware", "check_needs", "members_of_token", "required_scope", "with_scopes"]

MAX_BODY: Final = 4 * 1024 * 1024
"""Bytes of a message that is looked into; the SDK takes no longer ones either."""


class ToolMiddleware(BearerMiddleware):
    """Requires a good token, and calls the tools that the token allows.

    Args:
        app: the server's ASGI app.
        verifier: checks the tokens.
        scope: what every request needs.
        access_token: makes the token as the server knows it of its text and its claims.
        check_tool: checks what a tool needs, or None where no tool needs anything.
        exempt: paths that need no token.
    """

    def __init__(
        self,
        app: ASGIApp,
        verifier: AsyncAccessTokenVerifier[Any],
        scope: str,
        access_token: Callable[[str, Claims, Any], AccessToken],
        check_tool: Callable[[Scope, str, Any, Claims], Awaitable[None]],
        exempt: Collection[str] = (),
    ) -> None:
        # The verifier is there already: nothing of the base's own constructor is wanted.
        self._app = self._identified
        self._exempt = Exempt(exempt)
        self._verifier = verifier
        self._metadata = MetadataEndpoint.of(verifier)
        self._server = app
        self._scope = scope
        self._access_token = access_token
        self._check_tool = check_tool

    async def _identified(self, scope: Scope, receive: Receive, send: Send) -> None:
        claims = scope.get("carnet.claims")
        if claims is None:
            await self._server(scope, receive, send)
            return
        check_scope(claims, self._scope)
        values, presented = credentials(scope)
        text = bearer_token(values, "DPoP" if presented else "Bearer")
        access = self._access_token(text, claims, scope["carnet.typed_claims"])
        user = AuthenticatedUser(access)
        headers = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
        # A server that looks at the header itself knows this scheme only.
        headers.append((b"authorization", b"Bearer " + text.encode()))
        scope = {
            **scope,
            "headers": headers,
            "user": user,
            "auth": AuthCredentials(access.scopes),
        }
        before = auth_context_var.set(user)
        try:
            if scope.get("method") == "POST":
                names, receive = await _called(receive)
                for name in names:
                    await self._check_tool(scope, name, access, claims)
            await self._server(scope, receive, send)
        finally:
            auth_context_var.reset(before)

    async def _refuse(self, refusal: Refusal, scope: Scope, send: Send) -> None:
        # A 403 names its own: what a tool needs besides.
        known = self._scope if refusal.status == 401 else ""
        await answer(with_advice(refusal, self._verifier.resource, known), scope, send)


def check_needs(claims: Claims, needs: Sequence[Need], always: str = "") -> None:
    """Check all that a tool needs; one refusal names every scope that is.

    Args:
        claims: the token's.
        needs: the tool's.
        always: the scopes that every request needs.

    Raises:
        Refusal: 401 or 403.
    """
    try:
        for need in needs:
            need(claims)
    except Refusal as refusal:
        if refusal.code != "scope_missing":
            raise
        raise scope_missing(
            " ".join(dict.fromkeys(f"{always} {scope_of(*needs)}".split()))
        ) from None


def members_of_token(text: str, claims: Claims, resource: str | None) -> dict[str, Any]:
    """Give the members of the SDK's ``AccessToken``."""
    expires_at = claims.expires_at
    return {
        "token": text,
        "client_id": claims.client_id or "",
        "scopes": sorted(claims.scopes),
        "expires_at": None if expires_at is None else int(expires_at),
        "resource": resource if resource in claims.audience else None,
        "subject": claims.subject,
        "claims": dict(claims),
    }


def required_scope(scopes: object) -> str:
    """Check the scopes that every request needs, and join them.

    Raises:
        ConfigurationError: if they are no list of scopes.
    """
    if (
        not isinstance(scopes, Collection)
        or isinstance(scopes, str | bytes)
        or not all(isinstance(one, str) and one and " " not in one for one in scopes)
    ):
        raise ConfigurationError("required_scopes must be a list of scopes, such as ['notes:read']")
    return " ".join(scopes)


def with_scopes(resource: object, scope: str) -> ProtectedResource:
    """Give what clients are told of the server: what every request needs, unless it says more.

    Raises:
        ConfigurationError: if it is no resource.
    """
    given = ProtectedResource.of(resource)
    if given is None:
        raise ConfigurationError(
            "resource must be the address of the MCP server, such as https://mcp.example.com/mcp"
        )
    if given.scopes_supported is not None or not scope:
        return given
    return ProtectedResource(
        given.url,
        scopes_supported=scope.split(),
        name=given.name,
        documentation=given.documentation,
        authorization_servers=given.authorization_servers,
    )


class _Params(msgspec.Struct):
    name: Any = None


class _Message(msgspec.Struct):
    method: Any = None
    params: _Params | None = None


_decode = msgspec.json.Decoder(_Message | list[_Message]).decode


async def _called(receive: Receive) -> tuple[list[str], Receive]:
    """Read the names of the tools that a request calls; what was read is given once more."""
    read: list[Message] = []
    body, more = bytearray(), True
    while more and len(body) <= MAX_BODY:
        message = await receive()
        read.append(message)
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
    again = iter(read)

    async def receive_again() -> Message:
        for message in again:
            return message
        return await receive()

    return list(_names(bytes(body))), receive_again


def _names(body: bytes) -> Iterable[str]:
    try:
        found = _decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        # The server says what is wrong with it.
        return
    for message in found if isinstance(found, list) else [found]:
        name = None if message.params is None else message.params.name
        if message.method == "tools/call" and isinstance(name, str):
            yield name
