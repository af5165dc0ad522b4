"""FastMCP: an auth provider whose tokens are for the path at which the server is.

auth = BearerAuth("https://auth.example.com", base_url="https://mcp.example.com")
mcp = FastMCP("Notes", auth=auth)

@mcp.tool(auth=require_scope("notes:write"))
def add_note(text: str) -> str: ...current_claims().subject...

FastMCP's own checks, ``require_scopes`` among them, work too. Routes besides the server's own
(``custom_route``) stay open to who brings no token.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any, Unpack

from carnet.errors import ConfigurationError
from carnet.jwt.claims import Claims
from carnet.jwt.key_source import Health
from carnet.jwt.policy import Names
from carnet.verifier.access_token import AsyncAccessTokenVerifier, Options
from carnet.verifier.adapters.asgi import MetadataEndpoint
from carnet.verifier.bearer import (
    Need,
    Refusal,
    authenticate_async,
    check_scope,
    needs_acr,
    needs_age,
    needs_role,
    needs_scope,
    not_installed,
    typed,
)
from carnet.verifier.issuer import Trusted
from carnet.verifier.options import check_options
from carnet.verifier.protected_resource import ProtectedResource

try:
    from fastmcp.exceptions import AuthorizationError
    from fastmcp.server.auth import (
        AccessToken,
        AuthContext,
        RemoteAuthProvider,
        TokenVerificationError,
        TokenVerifier,
    )
    from fastmcp.server.dependencies import get_access_token
    from fastmcp.utilities.authorization import scope_requirements
    from pydantic import AnyHttpUrl, PrivateAttr
    from starlette.middleware import Middleware
    from starlette.routing import Route
    from starlette.types import ASGIApp, Receive, Scope, Send
except ModuleNotFoundError:
    raise not_installed("fastmcp") from None

from carnet.verifier.tool_calls import (
    ToolMiddleware,
    check_needs,
    members_of_token,
    required_scope,
    with_scopes,
)

__all__ = [
    "BearerAccessToken",
    "BearerAuth",
    "current_claims",
    "current_typed_claims",
    "require_acr",
    "require_age",
    "require_role",
    "require_scope",
]


class BearerAccessToken(AccessToken):
    """FastMCP's ``AccessToken`` of a token that was checked."""

    _claims: Claims = PrivateAttr()
    _typed_claims: Any = PrivateAttr()


def current_claims() -> Claims:
    """Give what the token of the request says that is being answered.

    Raises:
        LookupError: outside of a request that was checked.
    """
    return _checked(get_access_token())._claims


def current_typed_claims() -> Any:
    """Give the same in the form of ``claims_type``.

    Raises:
        LookupError: outside of a request that was checked.
    """
    return _checked(get_access_token())._typed_claims


class _Check:
    """What a tool, a resource or a prompt of FastMCP is given as ``auth``."""

    def __init__(self, need: Need) -> None:
        self.need = need

    def __call__(self, context: AuthContext) -> bool:
        try:
            self.need(_checked(context.token)._claims)
        except Refusal as refusal:
            raise AuthorizationError(refusal.content["error_description"]) from None
        except LookupError as error:
            raise AuthorizationError(str(error)) from None
        return True


def require_scope(scope: str) -> _Check:
    """Require a token with a scope, or with several, separated by spaces."""
    return _Check(needs_scope(scope))


def require_role(role: str) -> _Check:
    """Require a token with one of ``roles``."""
    return _Check(needs_role(role))


def require_acr(*acr_values: str, max_age: int | None = None) -> _Check:
    """Require a sign-in of one of these levels (``acr``, RFC 9470).

    Args:
        acr_values: the ways, the preferred one first.
        max_age: seconds that may have passed since, where that counts too.
    """
    return _Check(needs_acr(*acr_values, max_age=max_age))


def require_age(max_age: int) -> _Check:
    """Require a sign-in at most so many seconds ago (``auth_time``, RFC 9470)."""
    return _Check(needs_age(max_age))


class BearerAuth(RemoteAuthProvider):
    """Protects a FastMCP server; it is given as ``FastMCP(auth=…)``.

    Args:
        issuer: the issuer's address, exactly as in its tokens, an ``Issuer``, or several.
        audience: the server's name, or names, in ``aud``; its address unless given.
        base_url: the address at which the server's app is, as clients know it, without the path of
            the MCP endpoint, or
        resource: the whole address, or a ``ProtectedResource`` that says more.
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
        base_url: str | None = None,
        required_scopes: Collection[str] = (),
        claims_type: type[Any] | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_options(BearerAuth, options)
        self._scope = required_scope(required_scopes)
        given = options.pop("resource", None)
        if (given is None) == (base_url is None):
            raise ConfigurationError(
                "give the base_url of the server's app, such as https://mcp.example.com, or the "
                "resource, such as https://mcp.example.com/mcp, and not both"
            )
        self._whole = None if given is None else with_scopes(given, self._scope)
        self._base = "" if base_url is None else ProtectedResource(base_url).url
        self._make = partial(
            AsyncAccessTokenVerifier[Any], issuer, audience, claims_type=claims_type, **options
        )
        # Wrong options are an error now, not when the path is known.
        self._verifier = self._make(resource=self._resource_at(None))
        servers = [one.address for one in self._verifier.issuers if one.address is not None]
        super().__init__(
            _Tokens(self),
            [AnyHttpUrl(server) for server in servers],
            base_url or self._published,
            scopes_supported=self._scope.split(),
            required_scopes=self._scope.split(),
        )
        self._waiting: list[_Place] = []

    async def verify_token(self, token: str) -> BearerAccessToken | None:
        """Check a token, where FastMCP asks for that.

        Raises:
            TokenVerificationError: if there is no key to check it with.
        """
        try:
            claims = await authenticate_async(self._verifier, [f"Bearer {token}"])
            check_scope(claims, "")
            return self._access_token(token, claims, typed(self._verifier, claims))
        except Refusal as refusal:
            refusal.log(self._published)
            if refusal.status == 503:
                raise TokenVerificationError(refusal.content["error_description"]) from None
            return None

    def set_mcp_path(self, mcp_path: str | None) -> None:
        """Learn at which path the server is: its tokens are for that address."""
        super().set_mcp_path(mcp_path)
        resource = self._resource_at(mcp_path)
        if resource.url != self._published:
            self._verifier = self._make(resource=resource)

    def get_middleware(self) -> list[Any]:
        """Give what asks for tokens, in the place of FastMCP's own."""
        place = _Place()
        self._waiting.append(place)
        return [Middleware(partial(self._protect, place))]

    def get_routes(self, mcp_path: str | None = None) -> list[Route]:
        """Give the route of the metadata (RFC 9728), for the root of the whole app."""
        self.set_mcp_path(mcp_path)
        for place in self._waiting:
            place.verifier, place.path = self._verifier, mcp_path
        self._waiting.clear()
        resource = self._verifier.resource
        return [] if resource is None else [Route(resource.path, MetadataEndpoint(resource))]

    def health(self) -> list[Health]:
        """Say how well each issuer's keys are known."""
        return self._verifier.health()

    async def aclose(self) -> None:
        """Stop following the revocations; the end of the app's lifespan does it too."""
        await self._verifier.aclose()

    @property
    def _published(self) -> str:
        resource = self._verifier.resource
        return "" if resource is None else resource.resource

    def _resource_at(self, path: str | None) -> ProtectedResource:
        if self._whole is not None:
            return self._whole
        base = self._base.rstrip("/")
        suffix = (path or "").lstrip("/")
        # An address without a path has no slash, as clients write it.
        return with_scopes(f"{base}/{suffix}" if suffix else self._base, self._scope)

    def _get_resource_url(self, path: str | None = None) -> AnyHttpUrl | None:
        return AnyHttpUrl(self._resource_at(path).url)

    def _protect(self, place: _Place, app: ASGIApp) -> ToolMiddleware:
        verifier = place.verifier or self._verifier
        return _EndpointMiddleware(app, verifier, self, place.path)

    def _access_token(self, text: str, claims: Claims, fitting: Any) -> BearerAccessToken:
        access = BearerAccessToken(**members_of_token(text, claims, self._published))
        access._claims, access._typed_claims = claims, fitting
        return access

    async def _check_tool(
        self, scope: Scope, name: str, access: BearerAccessToken, claims: Claims
    ) -> None:
        server = scope["app"].state.fastmcp_server
        if await server.get_tool(name) is not None:
            # FastMCP has found one, of whichever version, that may be called.
            return
        # To who may not call it FastMCP hides it; its providers tell what it needs.
        found = [await provider.get_tool(name) for provider in server.providers]
        tool = next((tool for tool in found if tool is not None and tool.auth is not None), None)
        if tool is None:
            return
        checks = tool.auth if isinstance(tool.auth, list) else [tool.auth]
        needs = [check.need for check in checks if isinstance(check, _Check)]
        others = [check for check in checks if not isinstance(check, _Check)]
        # None where one of them could refuse for another reason, which only the call tells.
        if lacking := scope_requirements(others, AuthContext(token=access, component=tool)):
            needs.append(needs_scope(" ".join(lacking)))
        check_needs(claims, needs, self._scope)


class _Place:
    """Where an app of the server is, once that is known."""

    verifier: AsyncAccessTokenVerifier[Any] | None = None
    path: str | None = None


class _Tokens(TokenVerifier):
    """What RemoteAuthProvider is made of."""

    def __init__(self, auth: BearerAuth) -> None:
        super().__init__()
        self._auth = auth

    async def verify_token(self, token: str) -> BearerAccessToken | None:
        return await self._auth.verify_token(token)


class _EndpointMiddleware(ToolMiddleware):
    """Asks for a token at the server's own path; other routes may be open."""

    def __init__(
        self,
        app: ASGIApp,
        verifier: AsyncAccessTokenVerifier[Any],
        auth: BearerAuth,
        path: str | None,
    ) -> None:
        super().__init__(app, verifier, auth._scope, auth._access_token, auth._check_tool)
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "http"
            and scope["path"].removeprefix(scope.get("root_path", "")) != self._path
            and not any(name == b"authorization" for name, _ in scope["headers"])
            and not (self._metadata is not None and self._metadata.is_meant(scope))
        ):
            await self._server(scope, receive, send)
            return
        await super().__call__(scope, receive, send)


def _checked(access: object) -> BearerAccessToken:
    if not isinstance(access, BearerAccessToken):
        raise LookupError("there is no token: nothing was checked here")
    return access
