"""httpx: calls to other services, each with an access token that is kept fresh.

auth = ClientCredentialsAuth("https://auth.example.com", "reports", client_secret=secret,
                             resource="orders", for_origins=["https://orders.example.com"])
orders = httpx.Client(base_url="https://orders.example.com", auth=auth)

The exchange with the issuer runs in a thread of its own, whoever needs it: threads, tasks and event
loops all wait for the same one, and a caller that is cancelled takes nothing with it. That matters,
since a refresh token is good once and its successor must not be lost.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Collection, Generator
from concurrent.futures import Future

import httpx

from carnet.errors import ConfigurationError, IssuerUnavailable
from carnet.jose.key import Key
from carnet.jwt.forks import renew_in_forks
from carnet.verifier.fetch import check_address, run
from carnet.verifier.prover import Prover
from carnet.verifier.token_endpoint import Client, Steps, TokenEndpoint, Tokens

__all__ = ["ClientCredentialsAuth", "SessionAuth"]

AHEAD = 30
"""Seconds before its end at which a token is replaced, at most a fifth of its life."""


class _Auth(httpx.Auth):
    """Puts an access token into requests to the origins that it is for."""

    def __init__(
        self,
        issuer: str,
        client: Client | None,
        for_origins: Collection[str],
        clock: Callable[[], float],
        dpop_key: Key | None,
    ) -> None:
        self._prover = None if dpop_key is None else Prover(dpop_key)
        self._endpoint = TokenEndpoint(issuer, client, self._prover)
        self._origins = _origins(for_origins)
        self._clock = clock
        self._lock = threading.Lock()
        self._flight: Future[str] | None = None
        self._token: str | None = None
        self._ends_at = self._due_at = float("-inf")
        renew_in_forks(self)

    def begin_anew(self) -> None:
        """Wait for no request of another process in a fork."""
        self._lock = threading.Lock()
        self._flight = None

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Send a request with a token, and once more with another where it was stale."""
        if _origin(request.url) not in self._origins:
            yield request
            return
        token = self._held() or self._get(None).result()
        response = yield self._bearing(request, token)
        if self._wants_nonce(request, response, token):
            response = yield self._bearing(request, token)
        if self._is_stale(request, response):
            yield self._bearing(request, self._get(token).result())

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do as ``sync_auth_flow`` does, without blocking."""
        if _origin(request.url) not in self._origins:
            yield request
            return
        token = self._held()
        if token is None:
            token = await asyncio.wrap_future(self._get(None))
        response = yield self._bearing(request, token)
        if self._wants_nonce(request, response, token):
            response = yield self._bearing(request, token)
        if self._is_stale(request, response):
            yield self._bearing(request, await asyncio.wrap_future(self._get(token)))

    def _exchange(self) -> Steps:
        """Ask the issuer for tokens."""
        raise NotImplementedError

    def _received(self, tokens: Tokens) -> None:
        """Take note of what the issuer has given, before anyone uses it."""

    def _held(self) -> str | None:
        return self._token if self._clock() < self._due_at else None

    def _get(self, stale: str | None) -> Future[str]:
        """Give a token, now or later; ``stale`` is one that was refused."""
        with self._lock:
            if self._flight is not None:
                return self._flight
            if stale is not None and stale != self._token:
                # Another caller has replaced it meanwhile.
                stale = None
            if stale is None and (held := self._held()) is not None:
                done: Future[str] = Future()
                done.set_result(held)
                return done
            flight: Future[str] = Future()
            # What runs can't be cancelled by one of those who wait.
            flight.set_running_or_notify_cancel()
            self._flight = flight
        try:
            thread = threading.Thread(
                target=self._fly, args=(flight, stale), name="carnet-tokens", daemon=True
            )
            thread.start()
        except RuntimeError:
            # No thread can be started, as when the interpreter ends.
            self._fly(flight, stale)
        return flight

    def _fly(self, flight: Future[str], stale: str | None) -> None:
        try:
            token = self._renew(stale)
        except BaseException as error:
            with self._lock:
                self._flight = None
            flight.set_exception(error)
        else:
            with self._lock:
                self._flight = None
            flight.set_result(token)

    def _renew(self, stale: str | None) -> str:
        began_at = self._clock()
        try:
            tokens = run(self._exchange())
        except IssuerUnavailable:
            if stale is None and self._token is not None and began_at < self._ends_at:
                # It was to be replaced ahead of its end, and is still good.
                return self._token
            raise
        self._received(tokens)
        self._token = tokens.access
        self._ends_at = began_at + tokens.lifetime
        self._due_at = self._ends_at - min(AHEAD, tokens.lifetime / 5)
        return tokens.access

    def _bearing(self, request: httpx.Request, token: str) -> httpx.Request:
        """Put the token into a request, with a proof for this one where it is bound to a key."""
        if self._prover is None:
            request.headers["Authorization"] = f"Bearer {token}"
        else:
            request.headers["Authorization"] = f"DPoP {token}"
            request.headers["DPoP"] = self._prover.prove(request.method, str(request.url), token)
        return request

    def _wants_nonce(self, request: httpx.Request, response: httpx.Response, token: str) -> bool:
        """Take a service's nonce, and tell whether it was missed (RFC 9449 section 9)."""
        if self._prover is None or _origin(response.request.url) != _origin(request.url):
            return False
        nonce = response.headers.get("dpop-nonce")
        is_new = self._prover.hear(str(request.url), token, nonce)
        return is_new and self._is_refused(request, response, "use_dpop_nonce")

    def _is_stale(self, request: httpx.Request, response: httpx.Response) -> bool:
        return self._is_refused(request, response, "invalid_token")

    def _is_refused(self, request: httpx.Request, response: httpx.Response, code: str) -> bool:
        return (
            response.status_code == 401
            and code in response.headers.get("www-authenticate", "")
            # A redirect's other host was not sent the token, and can't make it stale.
            and _origin(response.request.url) in self._origins
            # What was streamed can't be sent again.
            and isinstance(request.stream, httpx.ByteStream)
        )


class SessionAuth(_Auth):
    """The access tokens of a session, which a refresh token carries on.

    Args:
        issuer: the issuer, exactly as it stands in its tokens.
        refresh_token: the session's newest.
        for_origins: where the token may be sent, such as ``https://orders.example.com``; requests
            to other addresses go without it.
        on_rotated: is given each new refresh token, to keep it, before the access token is used.
        resource: the service that the tokens are for (RFC 8707).
        client_id: the client that the session was begun with, unless by a password.
        client_secret: the client's, if it has one.
        dpop_key: the private key that the session's tokens are bound to, if they are (RFC 9449); it
            is kept with the refresh token.
        clock: gives seconds that only go on.

    Raises:
        ConfigurationError: if an argument is not of its kind.

    Requests raise ``GrantRefused`` when the session is over, and ``IssuerUnavailable`` when no
    token can be got.
    """

    def __init__(
        self,
        issuer: str,
        *,
        refresh_token: str,
        for_origins: Collection[str],
        on_rotated: Callable[[str], None] | None = None,
        resource: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        dpop_key: Key | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        client = None if client_id is None else Client(client_id, client_secret)
        super().__init__(issuer, client, for_origins, clock, dpop_key)
        if not isinstance(refresh_token, str) or not refresh_token:
            raise ConfigurationError("refresh_token is the text that the issuer gave")
        self._refresh_token = refresh_token
        self._on_rotated = on_rotated
        self._resource = resource

    def _exchange(self) -> Steps:
        return self._endpoint.refresh(self._refresh_token, resource=self._resource)

    def _received(self, tokens: Tokens) -> None:
        if tokens.refresh is not None and tokens.refresh != self._refresh_token:
            self._refresh_token = tokens.refresh
            if self._on_rotated is not None:
                self._on_rotated(tokens.refresh)


class ClientCredentialsAuth(_Auth):
    """The access tokens of a program itself, for calls from service to service.

    Args:
        issuer: the issuer, exactly as it stands in its tokens.
        client_id: the name under which the issuer knows this program.
        client_secret: what both know, or
        key: a private key of which the issuer knows the public one, or
        assertion: gives a token of another issuer (a CI system, a cluster) that says who this is;
            it is asked for each time.
        for_origins: where the token may be sent, such as ``https://orders.example.com``; requests
            to other addresses go without it.
        scope: what is asked for, names with spaces between them.
        resource: the service that the tokens are for (RFC 8707).
        dpop_key: a private key that the tokens are to be bound to (RFC 9449), such as a new one:
            ``Key.generate("ES256")``.
        clock: gives seconds that only go on.

    Raises:
        ConfigurationError: if an argument is not of its kind.
        InvalidKey: if the key can't sign.

    Requests raise ``GrantRefused`` when the issuer does not give a token, and
    ``IssuerUnavailable`` when it can't be reached.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        *,
        client_secret: str | None = None,
        key: Key | None = None,
        assertion: Callable[[], str] | None = None,
        for_origins: Collection[str],
        scope: str | None = None,
        resource: str | None = None,
        dpop_key: Key | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if client_secret is None and key is None and assertion is None:
            raise ConfigurationError("give exactly one of client_secret, key and assertion")
        client = Client(client_id, client_secret, key, assertion)
        super().__init__(issuer, client, for_origins, clock, dpop_key)
        self._wanted = {"scope": scope, "resource": resource}

    def _exchange(self) -> Steps:
        return self._endpoint.client_credentials(**self._wanted)


def _origins(given: Collection[str]) -> frozenset[tuple[str, str, int | None]]:
    if isinstance(given, str | bytes) or not given:
        raise ConfigurationError(
            "for_origins must be a list of the origins that may see the token, such as "
            "['https://orders.example.com']"
        )
    for origin in given:
        check_address(origin)
    return frozenset(_origin(httpx.URL(origin)) for origin in given)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    # httpx leaves a scheme's own port away.
    return url.scheme, url.host, url.port
