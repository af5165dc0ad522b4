"""httpx and httpx2: calls of a program for itself to an HTTP API or MCP server.

auth = ClientCredentialsAuth("https://mcp.example.com/mcp", "nightly",
                             issuer="https://auth.example.com", client_secret=secret)

The API says by its 401 who protects it (RFC 9728); that has to be the issuer which whoever set the
program up has named, and no other sees its secret or its assertions. The protocol is that of the
MCP SDK, ``mcp.client.auth``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Final

import httpx

from carnet.errors import ConfigurationError
from carnet.jose.key import Key
from carnet.verifier.access import check_address
from carnet.verifier.bearer import not_installed
from carnet.verifier.httpx_bridge import BothHttpx
from carnet.verifier.token_endpoint import Client

try:
    import anyio
    import httpx2
    from mcp.client.auth import OAuthClientProvider, OAuthFlowError
    from mcp.client.auth.utils import extract_scope_from_www_auth, issuers_match, union_scopes
    from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
except ModuleNotFoundError:
    raise not_installed("mcp") from None

__all__ = ["ClientCredentialsAuth", "WorkloadAuth"]

JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
Proof = tuple[dict[str, str], dict[str, str]]


class _ProgramAuth(BothHttpx, OAuthClientProvider, httpx.Auth):  # type: ignore[misc]  # two Auths
    """The access tokens of a program itself."""

    def __init__(
        self,
        resource: str,
        issuer: str,
        client_id: str | None,
        grant: str,
        scope: str | None,
        dpop: bool,
    ) -> None:
        for address in (resource, issuer):
            check_address(address)
        metadata = OAuthClientMetadata(redirect_uris=None)
        super().__init__(resource, metadata, _Memory(), None, None, dpop=dpop)
        self._issuer = issuer
        self._grant = grant
        self._scope = scope
        self._challenged: str | None = None
        # It is registered: the SDK has nothing to register, whether the issuer is told a name or
        # finds it by the assertion.
        self._known = OAuthClientInformationFull(client_id=client_id or "-", issuer=issuer)

    def _prove(self) -> Proof:
        """Give the headers and the parameters that prove who asks; they may take a while."""
        raise NotImplementedError

    async def _initialize(self) -> None:
        self.context.client_info = self._known
        self._initialized = True

    async def _auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        flow = super()._auth_flow(request)
        try:
            outgoing = await anext(flow)
            while True:
                if outgoing is not request:
                    self._allowed.check(str(outgoing.url))
                response = yield outgoing
                if outgoing is request:
                    self._challenged = extract_scope_from_www_auth(response)
                outgoing = await flow.asend(response)
        except StopAsyncIteration:
            return
        finally:
            await flow.aclose()

    def _select_authorization_server(self, advertised: list[str]) -> str:
        matching = (one for one in advertised if issuers_match(one, self._issuer))
        return next(matching, advertised[0])

    def _expected_issuer(self) -> str:
        expected = super()._expected_issuer()
        if not issuers_match(expected, self._issuer):
            raise OAuthFlowError(
                f"the resource is protected by {expected}, and {self._issuer} was expected"
            )
        return expected

    async def _perform_authorization(self) -> httpx2.Request:
        context = self.context
        if context.oauth_metadata is None:
            raise OAuthFlowError(f"{self._issuer} publishes no metadata")
        headers, proof = await anyio.to_thread.run_sync(self._prove)
        form = {"grant_type": self._grant, **proof}
        if context.should_include_resource_param(context.protocol_version):
            form["resource"] = context.get_resource_url()
        context.client_metadata.scope = self._wanted()
        if context.client_metadata.scope:
            form["scope"] = context.client_metadata.scope
        return httpx2.Request("POST", self._get_token_endpoint(), data=form, headers=headers)

    def _wanted(self) -> str | None:
        """Choose what to ask for: never all that the issuer has, which is for others, too."""
        wanted = union_scopes(self._scope, self._challenged)
        resource = self.context.protected_resource_metadata
        if wanted is None and resource is not None and resource.scopes_supported:
            return " ".join(resource.scopes_supported)
        return wanted


class ClientCredentialsAuth(_ProgramAuth):
    """The access tokens that a program gets as a client, for one API or MCP server.

    One object is for one event loop, or for threads; not for both at the same time.

    Args:
        resource: the address of the API or MCP server; the token goes to its origin alone.
        client_id: the name under which the issuer knows this program.
        issuer: its authorization server.
        client_secret: what both know, or
        key: a private key of which the issuer knows the public one, or
        assertion: gives a token of another issuer (a CI system, a cluster) that says who this is.
        scope: what is asked for, names with spaces between them; unless given, what the resource
            names.
        dpop: whether a token that is not bound to a key is refused, as for
            ``AuthorizationCodeAuth``.

    Raises:
        ConfigurationError: if an argument is not of its kind, or the MCP SDK is not installed.
        InvalidKey: if the key can't sign.

    Requests raise ``mcp.client.auth.OAuthFlowError`` when no token can be got.

    Added in version 0.1.0.
    """

    def __init__(
        self,
        resource: str,
        client_id: str,
        *,
        issuer: str,
        client_secret: str | None = None,
        key: Key | None = None,
        assertion: Callable[[], str] | None = None,
        scope: str | None = None,
        dpop: bool = False,
    ) -> None:
        if client_secret is None and key is None and assertion is None:
            raise ConfigurationError("give exactly one of client_secret, key and assertion")
        self._client = Client(client_id, client_secret, key, assertion)
        super().__init__(resource, issuer, client_id, "client_credentials", scope, dpop)

    def _prove(self) -> Proof:
        return self._client.authenticate(self._issuer)


class WorkloadAuth(_ProgramAuth):
    """The access tokens that a workload gets for the token that it has, without being a client.

    The issuer knows by the token which client it is (RFC 7523 section 2.1; MCP's workload identity
    federation). One object is for one event loop, or for threads; not for both at the same time.

    Args:
        resource: the address of the API or MCP server; the token goes to its origin alone.
        issuer: its authorization server.
        assertion: gives the workload's token, which is for the issuer alone.
        client_id: the name under which the issuer knows it, where it needs that.
        scope: as for ``ClientCredentialsAuth``.
        dpop: as there.

    Raises:
        ConfigurationError: if an argument is not of its kind, or the MCP SDK is not installed.

    Requests raise ``mcp.client.auth.OAuthFlowError`` when no token can be got.

    Added in version 0.1.0.
    """

    def __init__(
        self,
        resource: str,
        *,
        issuer: str,
        assertion: Callable[[], str],
        client_id: str | None = None,
        scope: str | None = None,
        dpop: bool = False,
    ) -> None:
        if not callable(assertion):
            raise ConfigurationError("assertion must be a function that returns the token")
        self._assertion = assertion
        self._name = {} if client_id is None else {"client_id": client_id}
        super().__init__(resource, issuer, client_id, JWT_BEARER, scope, dpop)

    def _prove(self) -> Proof:
        return {}, {**self._name, "assertion": self._assertion().strip()}


class _Memory:
    """The SDK's storage: what can be got again at any time is not kept."""

    async def get_tokens(self) -> OAuthToken | None:
        return None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        return None

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        return None
