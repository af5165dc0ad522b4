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
- tokens are bound to a key of this program, by which nobody else can use them, where the resource
  asks for that (DPoP, RFC 9449);
- the browser, and the redirect back to this machine.
"""

from __future__ import annotations

import webbrowser
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from typing import Final

import httpx

from carnet.errors import ConfigurationError
from carnet.verifier.access import check_address
from carnet.verifier.bearer import not_installed
from carnet.verifier.browser_visit import BrowserVisit
from carnet.verifier.httpx_bridge import BothHttpx
from carnet.verifier.identity_assertion import IdentityAssertionAuth
from carnet.verifier.kept_authorization import keep, take_up
from carnet.verifier.program_auth import ClientCredentialsAuth, WorkloadAuth
from carnet.verifier.token_store import FileStore, TokenStore

try:
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
        OAuthToken,
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
        dpop: whether a token that is not bound to a key is refused. Where the API asks for it and
            its authorization server can, tokens are bound in any case (RFC 9449).
        store: keeps what was got, keys too; a file in the person's own folder unless given.
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
        dpop: bool = False,
        store: TokenStore | None = None,
        open_browser: Callable[[str], object] = webbrowser.open,
        redirect_port: int = 0,
        timeout: float = 300,
    ) -> None:
        try:
            check_address(resource)
        except ConfigurationError:
            raise ConfigurationError(
                "resource must be the address of the API or MCP server, beginning with "
                "https://, or "
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
                dpop=dpop,
            )
        except ValueError:
            raise ConfigurationError(
                "client_metadata_url must be an https:// address with a path, where a document "
                "about this program is published"
            ) from None
        self._issuer = issuer
        self._scope = scope
        self._store = FileStore.for_resource(resource) if store is None else store
        self._open = open_browser
        self._port = redirect_port
        self._timeout = timeout
        self._visit: BrowserVisit | None = None
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
                    if response.status_code == 401 and self._can_refresh(request, response):
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
            if self._visit is not None:
                self._visit.close()
                self._visit = None

    def _can_refresh(self, request: httpx2.Request, response: httpx2.Response) -> bool:
        return (
            _can_be_sent_again(request)
            # A redirect's other host was not sent the token, and can't refuse it.
            and self._allowed.is_ours(response.request.url)
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
        self._visit = BrowserVisit(self._open, self._port, self._timeout)
        self.context.client_metadata.redirect_uris = [AnyUrl(self._visit.redirect_uri)]
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
        prover = self._binding.begin()
        if prover is not None:
            # RFC 9449 section 10: the code is no good without the key, either.
            address = f"{address}&dpop_jkt={prover.thumbprint}"
        await self._visited().show(address)

    async def _come_back(self) -> AuthorizationCodeResult:
        answer = await self._visited().come_back()
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

    def _visited(self) -> BrowserVisit:
        if self._visit is None:
            raise OAuthFlowError("nothing waits for the answer")
        return self._visit

    async def _initialize(self) -> None:
        context = self.context
        prover = await take_up(self._store, context)
        if self._binding.demanded and prover is None:
            context.clear_tokens()
        tokens = context.current_tokens
        self._binding.hold(prover, None if tokens is None else tokens.access_token)
        if context.protected_resource_metadata is not None:
            servers = context.protected_resource_metadata.authorization_servers
            context.auth_server_url = self._select_authorization_server(list(map(str, servers)))
        if context.oauth_metadata is None and tokens is not None:
            # Without the issuer's addresses it would be sent to the resource.
            tokens.refresh_token = None
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
        client = None if self._known else self.context.client_info
        await keep(self._store, self.context, client, self._binding.held)


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


def _can_be_sent_again(request: httpx2.Request) -> bool:
    return isinstance(request.stream, httpx2.ByteStream)
