"""httpx and httpx2: calls to an API or MCP server for a person, as their organization allows.

The person has signed in to the program at their identity provider. It vouches for them at the
authorization server of the API (ID-JAG; MCP's enterprise-managed authorization), and nobody is sent
to a browser again:

    identity provider ── ID token ──▶ program ── ID token ──▶ identity provider
    identity provider ── identity assertion ──▶ program ── the same ──▶ authorization server
    authorization server ── access token ──▶ program ── access token ──▶ API

The second half is the MCP SDK's, ``mcp.client.auth``. Both servers are named by who sets the
program up, and never by the API.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from functools import partial

import httpx

from carnet.errors import ConfigurationError
from carnet.jose.key import Key
from carnet.verifier.access import check_address
from carnet.verifier.bearer import not_installed
from carnet.verifier.fetch import run
from carnet.verifier.httpx_bridge import BothHttpx
from carnet.verifier.token_endpoint import Client, TokenEndpoint

try:
    import anyio
    import httpx2
    from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
    from mcp.client.auth.utils import extract_scope_from_www_auth, union_scopes
    from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
except ModuleNotFoundError:
    raise not_installed("mcp") from None

__all__ = ["IdentityAssertionAuth"]


class IdentityAssertionAuth(BothHttpx, IdentityAssertionOAuthProvider, httpx.Auth):  # type: ignore[misc]  # two Auths
    """The access tokens that a person's identity provider vouches for, for one API or MCP server.

    One object is for one person, and for one event loop, or for threads; not for both at the same
    time.

    Args:
        resource: the address of the API or MCP server; the token goes to its origin alone.
        issuer: its authorization server.
        client_id: the name under which that one knows the program.
        client_secret: what both know.
        identity_provider: the issuer that the person has signed in at.
        identity_client_id: the name under which that one knows the program.
        identity_client_secret: what both know, or
        identity_client_key: a private key of which it knows the public one, if there is either.
        id_token: gives the person's ID token that is good now, or
        refresh_token: gives their refresh token there, which stays as it is.
        scope: what is asked for, names with spaces between them.
        dpop: whether a token that is not bound to a key is refused, as for
            ``AuthorizationCodeAuth``.

    Raises:
        ConfigurationError: if an argument is not of its kind, or the MCP SDK is not installed.
        InvalidKey: if the key can't sign.

    Requests raise ``GrantRefused`` where the identity provider does not vouch for them,
    ``IssuerUnavailable`` where it can't be reached, and ``mcp.client.auth.OAuthFlowError`` where
    the authorization server gives no token.

    Added in version 0.1.0.
    """

    def __init__(
        self,
        resource: str,
        *,
        issuer: str,
        client_id: str,
        client_secret: str,
        identity_provider: str,
        identity_client_id: str,
        identity_client_secret: str | None = None,
        identity_client_key: Key | None = None,
        id_token: Callable[[], str] | None = None,
        refresh_token: Callable[[], str] | None = None,
        scope: str | None = None,
        dpop: bool = False,
    ) -> None:
        for address in (resource, issuer):
            check_address(address)
        given = {"id_token": id_token, "refresh_token": refresh_token}
        shown = [(kind, give) for kind, give in given.items() if give is not None]
        if len(shown) != 1:
            raise ConfigurationError("give id_token or refresh_token, a function, and not both")
        if not client_secret:
            raise ConfigurationError("the authorization server takes programs with a secret only")
        super().__init__(
            resource,
            _Memory(),
            client_id,
            client_secret,
            issuer,
            self._vouched_for,
            scope,
            "client_secret_basic",
            dpop=dpop,
        )
        client = Client(identity_client_id, identity_client_secret, identity_client_key)
        self._provider = TokenEndpoint(identity_provider, client)
        self._kind, self._give = shown[0]
        self._wanted = scope

    async def _auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        flow = super()._auth_flow(request)
        try:
            outgoing = await anext(flow)
            while True:
                response = yield outgoing
                if outgoing is request:
                    # Where the API wants more, the assertion has to say more first.
                    challenged = extract_scope_from_www_auth(response)
                    self._wanted = union_scopes(self._scope, challenged)
                outgoing = await flow.asend(response)
        except StopAsyncIteration:
            return
        finally:
            await flow.aclose()

    async def _vouched_for(self, audience: str, resource: str) -> str:
        """Get an identity assertion for the authorization server."""
        return await anyio.to_thread.run_sync(partial(self._ask, audience, resource))

    def _ask(self, audience: str, resource: str) -> str:
        more = {"audience": audience, "resource": resource, "scope": self._wanted}
        return run(self._provider.identity_assertion(self._give(), self._kind, **more))


class _Memory:
    """The SDK's storage: what an assertion can bring again is not kept."""

    def __init__(self) -> None:
        self._tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        return None
