"""httpx and httpx2: calls for a person to an HTTP API or MCP server that says who protects it.

auth = AuthorizationCodeAuth("https://mcp.example.com/mcp", client_name="Notes agent")
http = httpx2.AsyncClient(auth=auth)  # or httpx.Client, httpx.AsyncClient, httpx2.Client

The first 401 leads to the authorization server (RFC 9728, RFC 8414), which the person's browser is
opened at; what they allow is kept, and refreshed for as long as it lasts. The protocol is that of
the MCP SDK, ``mcp.client.auth``. Added here:

- what was got outlives the program: tokens, their end and the servers that they are from are kept
  together, so that a refresh token goes to its own issuer and nowhere else;
- a token that is refused is refreshed first, and the person asked only if that fails;
- a token is sent to the origin of its resource only, and no address is asked that is neither https
  nor, for a resource on this machine, on this machine;
- PKCE by S256 must be offered, a server's scopes are not asked for where the resource names none,
  and a scope that was asked for in vain is not asked for over and over;
- the browser, and the redirect back to this machine.
"""

from __future__ import annotations

import webbrowser
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec

from carnet.errors import ConfigurationError
from carnet.verifier.access import check_address
from carnet.verifier.bearer import not_installed
from carnet.verifier.httpx_bridge import AllowedAddresses, BothHttpx
from carnet.verifier.identity_assertion import IdentityAssertionAuth
from carnet.verifier.program_auth import ClientCredentialsAuth, WorkloadAuth
from carnet.verifier.redirect_listener import RedirectListener
from carnet.verifier.token_store import FileStore, TokenStore

try:
    import anyio
    import httpx2
    from mcp.client.auth import OAuthClientProvider, OAuthFlowError, OAuthRegistrationError
    from mcp.client.auth.utils import (
        create_client_registration_request,
        extract_field_from_www_auth,
        extract_scope_from_www_auth,
        issuers_match,
        union_scopes,
        validate_authorization_response_iss,
    )
    from mcp.shared.auth import (
        AuthorizationCodeResult,
        OAuthClientInformationFull,
        OAuthClientMetadata,
        OAuthMetadata,
        OAuthToken,
        ProtectedResourceMetadata,
        TokenEndpointAuthMethod,
    )
    from pydantic import AnyUrl
except ModuleNotFoundError:
    raise not_installed("mcp") from None

__all__ = [
    "AuthorizationCodeAuth",
    "ClientCredentialsAuth",
    "FileStore",
    "IdentityAssertionAuth",
    "TokenStore",
    "WorkloadAuth",
]

STEP_UPS: Final = 2
"""How often the same scopes are asked for: the person may have pressed the wrong button once."""

# How a program that is registered by itself proves who it is: best of all by nothing, since what
# runs on a person's machine keeps no secret from them.
_METHODS: Final[tuple[TokenEndpointAuthMethod, ...]] = (
    "none",
    "client_secret_basic",
    "client_secret_post",
)


class AuthorizationCodeAuth(BothHttpx, OAuthClientProvider, httpx.Auth):  # type: ignore[misc]  # two Auths
    """The access tokens that a person allows a program to have, for one API or MCP server.

    One object is for one event loop, or for threads; not for both at the same time.

    Args:
        resource: the address of the API or MCP server.
        client_name: what the person is told about who asks, where the program registers itself.
        client_metadata_url: the address of the program's Client ID Metadata Document, which is its
            name at authorization servers that read such documents.
        client_id: the name that one authorization server knows the program by, ``issuer``.
        client_secret: what both know, if there is one.
        issuer: the only authorization server that is good enough.
        scope: asked for besides what the resource names, names with spaces between them.
        store: keeps what was got; a file in the person's own folder unless given.
        open_browser: shows the person an address, in their browser unless given.
        redirect_port: the port at which the browser comes back; any that is free unless given.
        timeout: seconds that the person may take.

    Raises:
        ConfigurationError: if an argument is not of its kind, or the MCP SDK is not installed.

    Requests raise ``mcp.client.auth.OAuthFlowError`` when no token can be got.
    """

    def __init__(
        self,
        resource: str,
        *,
        client_name: str = "Carnet",
        client_metadata_url: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        issuer: str | None = None,
        scope: str | None = None,
        store: TokenStore | None = None,
        open_browser: Callable[[str], object] = webbrowser.open,
        redirect_port: int = 0,
        timeout: float = 300,
    ) -> None:
        try:
            check_address(resource)
        except ConfigurationError:
            raise ConfigurationError(
                "resource is the address of the API or MCP server: it begins with https://, or "
                "with http:// and a loopback address"
            ) from None
        if client_id is not None and issuer is None:
            raise ConfigurationError(
                "name the issuer that knows this client_id: another one must not see it"
            )
        if client_secret is not None and client_id is None:
            raise ConfigurationError("a client_secret goes with a client_id")
        try:
            super().__init__(
                resource,
                OAuthClientMetadata(client_name=client_name, redirect_uris=[AnyUrl("http://x")]),
                _Memory(self),
                self._show,
                self._come_back,
                client_metadata_url,
            )
        except ValueError:
            raise ConfigurationError(
                "client_metadata_url is an https:// address with a path, at which a document about "
                "this program is found"
            ) from None
        self._allowed = AllowedAddresses(resource)
        self._issuer = issuer
        self._scope = scope
        self._store = FileStore.for_resource(resource) if store is None else store
        self._open = open_browser
        self._port = redirect_port
        self._timeout = timeout
        self._listener: RedirectListener | None = None
        self._challenged: str | None = None
        self._steps_up: Counter[str] = Counter()
        self._known: OAuthClientInformationFull | None = None
        if client_id is not None:
            self._known = OAuthClientInformationFull(
                client_id=client_id,
                client_secret=client_secret,
                token_endpoint_auth_method="client_secret_basic" if client_secret else "none",
                issuer=issuer,
            )

    async def _auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        if not self._allowed.is_ours(request.url):
            yield request
            return
        flow = super()._auth_flow(request)
        asked = False
        try:
            outgoing = await anext(flow)
            while True:
                if outgoing is not request:
                    self._allowed.check(str(outgoing.url))
                response = yield outgoing
                if outgoing is request and not asked:
                    asked = True
                    if response.status_code == 401 and self._can_refresh(request):
                        refresh = await self._refresh_token()
                        self._allowed.check(str(refresh.url))
                        if await self._handle_refresh_response((yield refresh)):
                            self._add_auth_header(request)
                            response = yield request
                    if not self._begins(request, response):
                        return
                outgoing = self._amended(await flow.asend(response))
        except StopAsyncIteration:
            return
        finally:
            await flow.aclose()
            if self._listener is not None:
                self._listener.close()
                self._listener = None

    def _can_refresh(self, request: httpx2.Request) -> bool:
        return (
            _can_be_sent_again(request)
            and "authorization" in request.headers
            and self.context.can_refresh_token()
            and self.context.oauth_metadata is not None
        )

    def _begins(self, request: httpx2.Request, response: httpx2.Response) -> bool:
        """Tell whether the person is to be asked, and get ready for the browser's return."""
        steps_up = (
            response.status_code == 403
            and extract_field_from_www_auth(response, "error") == "insufficient_scope"
        )
        if (
            not (steps_up or response.status_code == 401)
            or not _can_be_sent_again(request)
            # A redirect's other host says nothing about this resource.
            or not self._allowed.is_ours(response.request.url)
        ):
            return False
        self._challenged = extract_scope_from_www_auth(response)
        if steps_up:
            wanted = " ".join(sorted((self._challenged or "").split()))
            self._steps_up[wanted] += 1
            if self._steps_up[wanted] > STEP_UPS:
                return False
        self._listener = RedirectListener(self._port)
        self.context.client_metadata.redirect_uris = [AnyUrl(self._listener.url)]
        return True

    def _amended(self, outgoing: httpx2.Request) -> httpx2.Request:
        """Give the SDK's request, or ours in place of its registration."""
        context = self.context
        if context.client_info is not None or outgoing.method != "POST":
            return outgoing
        metadata = context.oauth_metadata
        if metadata is not None:
            if metadata.registration_endpoint is None:
                raise OAuthRegistrationError(
                    f"{metadata.issuer} registers no programs by itself: register this one there, "
                    "and give its client_id and issuer"
                )
            offered = metadata.token_endpoint_auth_methods_supported or _METHODS
            found = (method for method in _METHODS if method in offered)
            context.client_metadata.token_endpoint_auth_method = next(found, None)
        self._choose_scope()
        base = context.get_authorization_base_url(context.server_url)
        return create_client_registration_request(metadata, context.client_metadata, base)

    def _choose_scope(self) -> None:
        """Ask for no scope where none is named: the server's own are for other resources too."""
        context = self.context
        resource = context.protected_resource_metadata
        if self._challenged is None and (resource is None or resource.scopes_supported is None):
            context.client_metadata.scope = None
        context.client_metadata.scope = union_scopes(context.client_metadata.scope, self._scope)

    async def _perform_authorization_code_grant(self) -> tuple[str, str]:
        metadata = self.context.oauth_metadata
        if metadata is not None and "S256" not in (metadata.code_challenge_methods_supported or ()):
            raise OAuthFlowError(f"{metadata.issuer} does not say that it knows PKCE with S256")
        self._choose_scope()
        return await super()._perform_authorization_code_grant()

    def _select_authorization_server(self, advertised: list[str]) -> str:
        matching = (one for one in advertised if self._issuer and issuers_match(one, self._issuer))
        return next(matching, advertised[0])

    def _expected_issuer(self) -> str:
        expected = super()._expected_issuer()
        if self._issuer is not None and not issuers_match(expected, self._issuer):
            raise OAuthFlowError(
                f"the resource is protected by {expected}, and {self._issuer} was expected"
            )
        return expected

    async def _show(self, address: str) -> None:
        self._allowed.check(address)
        if self._listener is None:
            raise OAuthFlowError("nothing waits for the answer")
        self._listener.expect(parse_qs(urlsplit(address).query)["state"][-1])
        shown = await anyio.to_thread.run_sync(self._open, address)
        if isinstance(shown, Awaitable):
            shown = await shown
        if shown is False:
            raise OAuthFlowError(
                "no browser can be opened here: give open_browser, which shows the person the "
                "address in some other way"
            )

    async def _come_back(self) -> AuthorizationCodeResult:
        listener = self._listener
        if listener is None:
            raise OAuthFlowError("nothing waits for the answer")
        wait = partial(listener.wait, self._timeout)
        answer = await anyio.to_thread.run_sync(wait, abandon_on_cancel=True)
        if answer is None:
            raise OAuthFlowError(f"nobody has answered in the browser in {self._timeout:g} seconds")
        if "code" not in answer:
            # RFC 9207 section 2.4: an error of another server is none of this one's.
            validate_authorization_response_iss(answer.get("iss"), self.context.oauth_metadata)
            code = answer.get("error", "")
            raise OAuthFlowError(
                f"the authorization server says {code!a:.80}"
                + ("; the person did not agree" if code == "access_denied" else "")
            )
        return AuthorizationCodeResult(
            code=answer["code"], state=answer["state"], iss=answer.get("iss")
        )

    async def _initialize(self) -> None:
        context = self.context
        kept = _Kept()
        text = await anyio.to_thread.run_sync(self._store.load)
        if text is not None:
            try:
                kept = msgspec.json.decode(text, type=_Kept)
                context.current_tokens = _model(OAuthToken, kept.tokens)
                context.client_info = _model(OAuthClientInformationFull, kept.client)
                context.oauth_metadata = _model(OAuthMetadata, kept.issuer)
                context.protected_resource_metadata = _model(
                    ProtectedResourceMetadata, kept.resource
                )
            except (msgspec.MsgspecError, ValueError):
                raise OAuthFlowError(
                    "what the store holds is none of this program's: remove it, or use another"
                ) from None
            context.token_expiry_time = kept.expires_at
        if context.protected_resource_metadata is not None:
            servers = context.protected_resource_metadata.authorization_servers
            context.auth_server_url = self._select_authorization_server(list(map(str, servers)))
        if context.oauth_metadata is None and context.current_tokens is not None:
            # Without the issuer's addresses it would be sent to the resource.
            context.current_tokens.refresh_token = None
        if self._known is not None:
            context.client_info = self._known
        self._initialized = True

    async def _handle_refresh_response(self, response: httpx2.Response) -> bool:
        good = await super()._handle_refresh_response(response)
        if not good and response.status_code in (400, 401):
            # The session is over; asking again would be in vain.
            await self._keep()
        return good

    async def _keep(self) -> None:
        context = self.context
        kept = _Kept(
            _plain(context.current_tokens),
            context.token_expiry_time,
            None if self._known else _plain(context.client_info),
            _plain(context.oauth_metadata),
            _plain(context.protected_resource_metadata),
        )
        await anyio.to_thread.run_sync(self._store.save, msgspec.json.encode(kept).decode())


class _Kept(msgspec.Struct, omit_defaults=True):
    """What outlives the program."""

    tokens: dict[str, Any] | None = None
    expires_at: float | None = None
    client: dict[str, Any] | None = None
    issuer: dict[str, Any] | None = None
    resource: dict[str, Any] | None = None


class _Memory:
    """The SDK's storage: all of it is kept together."""

    def __init__(self, auth: AuthorizationCodeAuth) -> None:
        self._auth = auth

    async def get_tokens(self) -> OAuthToken | None:
        return self._auth.context.current_tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        await self._auth._keep()

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._auth.context.client_info

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        await self._auth._keep()


def _model(kind: Any, value: dict[str, Any] | None) -> Any:
    return None if value is None else kind.model_validate(value)


def _plain(model: Any) -> dict[str, Any] | None:
    return None if model is None else model.model_dump(mode="json", exclude_none=True)


def _can_be_sent_again(request: httpx2.Request) -> bool:
    return isinstance(request.stream, httpx2.ByteStream)
