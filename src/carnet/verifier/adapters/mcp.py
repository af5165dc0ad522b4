"""MCP servers of the MCP SDK: tokens that are for this server, and tools that need a scope.

auth = BearerAuth("https://auth.example.com", resource="https://mcp.example.com/mcp")
server = MCPServer("Notes")
app = auth.protect(server.streamable_http_app())

@server.tool()
@auth.require_scope("notes:write")
def add_note(text: str) -> str: ...current_claims().subject...

Where the SDK runs the server itself, its own middleware asks for the token:

server = MCPServer("Notes", token_verifier=auth, auth=auth.settings)
server.run("streamable-http")

It answers as the SDK does: without our codes, with 500 where the issuer can't be reached, and with
an error of the tool, not a challenge, where a tool needs more than the token allows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, TypeVar, Unpack

from carnet.errors import ConfigurationError, IssuerUnavailable
from carnet.jwt.claims import Claims
from carnet.jwt.key_source import Health
from carnet.jwt.policy import Names
from carnet.verifier.access_token import AsyncAccessTokenVerifier, Options
from carnet.verifier.bearer import (
    Need,
    Refusal,
    authenticate_async,
    check_scope,
    missing,
    needs_acr,
    needs_age,
    needs_role,
    needs_scope,
    not_installed,
    typed,
)
from carnet.verifier.issuer import Trusted
from carnet.verifier.options import check_options
from carnet.verifier.tool_calls import (
    ToolMiddleware,
    check_needs,
    members_of_token,
    required_scope,
    with_scopes,
)

try:
    from mcp.server.auth.middleware.auth_context import get_access_token
    from mcp.server.auth.provider import AccessToken
    from mcp.server.auth.settings import AuthSettings
    from mcp.server.mcpserver.exceptions import ToolError
    from pydantic import PrivateAttr
    from starlette.types import ASGIApp, Scope
except ModuleNotFoundError:
    raise not_installed("mcp") from None

__all__ = ["BearerAccessToken", "BearerAuth", "current_claims", "current_typed_claims"]

Tool = TypeVar("Tool", bound=Callable[..., Any])


class BearerAccessToken(AccessToken):
    """The SDK's ``AccessToken`` of a token that was checked."""

    _claims: Claims = PrivateAttr()
    _typed_claims: Any = PrivateAttr()


def current_claims() -> Claims:
    """Give what the token of the request says that is being answered.

    Raises:
        LookupError: outside of a request that was checked.
    """
    return _current()._claims


def current_typed_claims() -> Any:
    """Give the same in the form of ``claims_type``.

    Raises:
        LookupError: outside of a request that was checked.
    """
    return _current()._typed_claims


class BearerAuth:
    """Protects an MCP server: an ASGI app around it, or the ``token_verifier`` of ``MCPServer``.

    Args:
        issuer: the issuer's address, exactly as in its tokens, an ``Issuer``, or several.
        audience: the server's name, or names, in ``aud``; ``resource`` unless given.
        resource: the server's address, exactly as clients know it, or a ``ProtectedResource``.
        required_scopes: what every request needs.
        claims_type: a msgspec Struct, dataclass or TypedDict that the claims must fit; they are
            given in its form by ``current_typed_claims``.
        options: as for ``carnet.verifier.AccessTokenVerifier``.

    Raises:
        ConfigurationError: if an argument is not of its kind.
    """

    def __init__(
        self,
        issuer: Trusted,
        audience: Names | None = None,
        *,
        required_scopes: Collection[str] = (),
        claims_type: type[Any] | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_options(BearerAuth, options)
        self._scope = required_scope(required_scopes)
        if options.get("resource") is not None:
            options["resource"] = with_scopes(options["resource"], self._scope)
        self._verifier = AsyncAccessTokenVerifier(
            issuer, audience, claims_type=claims_type, **options
        )
        resource = self._verifier.resource
        self._resource = None if resource is None else resource.resource
        self._needs: dict[str, list[Need]] = {}

    @property
    def settings(self) -> AuthSettings:
        """The SDK's settings for a server that it runs itself, with ``token_verifier``.

        Raises:
            ConfigurationError: if they can't say what was configured; ``protect`` can.
        """
        servers = [one.address for one in self._verifier.issuers]
        if self._resource is None or len(servers) != 1 or servers[0] is None:
            raise ConfigurationError(
                "the SDK's settings name one issuer and the resource: give one issuer and "
                "resource='https://…/mcp', or use protect(app)"
            )
        settings = AuthSettings.model_validate(
            {
                "issuer_url": servers[0],
                "resource_server_url": self._resource,
                "required_scopes": self._scope.split() or None,
                # The verifier compares the audience.
                "validate_token_resource": False,
            }
        )
        # Clients compare the issuer letter by letter (RFC 8414 section 3.3).
        if str(settings.issuer_url) != servers[0]:
            raise ConfigurationError(
                f"the SDK would write the issuer as {settings.issuer_url}: use protect(app)"
            )
        return settings

    def protect(self, app: ASGIApp, *, exempt: Collection[str] = ()) -> ToolMiddleware:
        """Make the ASGI app that asks for tokens, of the server's ``streamable_http_app()``.

        Args:
            app: the server's app, without ``token_verifier``.
            exempt: paths that need no token, such as ``/health``.

        Raises:
            ConfigurationError: if ``exempt`` holds what is no path.
        """
        return ToolMiddleware(
            app, self._verifier, self._scope, self._access_token, self._check_tool, exempt
        )

    async def verify_token(self, token: str) -> AccessToken | None:
        """Check a token for the SDK's own middleware.

        Raises:
            IssuerUnavailable: if there is no key to check it with.
        """
        try:
            claims = await authenticate_async(self._verifier, [f"Bearer {token}"])
            check_scope(claims, "")
            access = self._access_token(token, claims, typed(self._verifier, claims))
        except Refusal as refusal:
            refusal.log(self._resource or "")
            if refusal.status == 503:
                # The token may be good: the client is not to ask the person for another.
                raise IssuerUnavailable(refusal.reason) from None
            return None
        # The SDK would compare it by its own clock, and without the leeway.
        access.expires_at = None
        return access

    def require_scope(self, scope: str) -> Callable[[Tool], Tool]:
        """Let a tool be called with a scope, or several with spaces between them."""
        return self._requiring(needs_scope(scope))

    def require_role(self, role: str) -> Callable[[Tool], Tool]:
        """Let a tool be called with a role among ``roles``."""
        return self._requiring(needs_role(role))

    def require_acr(self, *acr_values: str, max_age: int | None = None) -> Callable[[Tool], Tool]:
        """Let a tool be called by who has signed in in one of these ways (RFC 9470).

        Args:
            acr_values: the ways, the preferred one first.
            max_age: seconds that may have passed since, where that counts too.
        """
        return self._requiring(needs_acr(*acr_values, max_age=max_age))

    def require_age(self, max_age: int) -> Callable[[Tool], Tool]:
        """Let a tool be called by who has signed in at most so many seconds ago (RFC 9470)."""
        return self._requiring(needs_age(max_age))

    def health(self) -> list[Health]:
        """Say how well each issuer's keys are known."""
        return self._verifier.health()

    async def aclose(self) -> None:
        """Stop following the revocations; the end of the protected app's lifespan does it too."""
        await self._verifier.aclose()

    def _requiring(self, need: Need) -> Callable[[Tool], Tool]:
        def decorate(tool: Tool) -> Tool:
            name = tool.__name__
            needs = self._needs.setdefault(name, [])
            needs.append(need)

            def check() -> None:
                # Here too, whatever the tool was named, and whichever transport calls it.
                try:
                    need(_claims_of(get_access_token()))
                except Refusal as refusal:
                    refusal.log(f"tool {name}")
                    raise ToolError(f"{refusal.content['error_description']}") from None

            @wraps(tool)
            async def guarded_async(*args: Any, **kwargs: Any) -> Any:
                check()
                return await tool(*args, **kwargs)

            @wraps(tool)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                check()
                return tool(*args, **kwargs)

            return guarded_async if inspect.iscoroutinefunction(tool) else guarded  # type: ignore[return-value]

        return decorate

    async def _check_tool(
        self, _scope: Scope, name: str, _access: AccessToken, claims: Claims
    ) -> None:
        check_needs(claims, self._needs.get(name, ()), self._scope)

    def _access_token(self, text: str, claims: Claims, fitting: Any) -> BearerAccessToken:
        access = BearerAccessToken(**members_of_token(text, claims, self._resource))
        access._claims, access._typed_claims = claims, fitting
        return access


def _current() -> BearerAccessToken:
    access = get_access_token()
    if not isinstance(access, BearerAccessToken):
        raise LookupError("there is no token: nothing was checked here")
    return access


def _claims_of(access: AccessToken | None) -> Claims:
    if not isinstance(access, BearerAccessToken):
        raise missing("this tool needs an access token, and there is none")
    return access._claims
