"""Cookie mode: an app keeps its browsers' tokens in cookies that no script can read.

app = CookieSessions(app, "https://auth.example.com", "orders", origin="https://app.example.com")

It is a plain ASGI middleware. It answers these addresses itself, with JSON:

    POST   /session   signs in with {"username": …, "password": …}, and sets the cookies
    GET    /session   tells who is signed in, or 401
    DELETE /session   signs out: the session ends at the issuer, and the cookies go

An app that is a client of the issuer's (``client_id``) has people sign in on the issuer's own page
and never sees a password; then there is no ``POST``, but

    GET /session/sign-in    goes to the issuer, and later back to ``?return_to=/…``
    GET /session/callback   is where the issuer sends the person: the client's redirect URI

In every other request it turns the access token of the cookie into the ``Authorization`` header
that the app's own verifier checks. What may happen on the way:

    the request                                what becomes of it
    ─────────────────────────────────────────  ───────────────────────────────────────────────────
    has an Authorization header of its own     passed on as it is; the cookies don't count
    is another site's doing                    403 ``cross_site``; no token for anybody to handle
    its access token ends soon, or is refused  the refresh token gets a new one first
    the issuer refuses the refresh token       passed on without a token; the cookies go
    the issuer can't be reached                503 with Retry-After; the cookies stay

Requests with the same refresh token that come at the same moment share one refresh.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Unpack
from urllib.parse import parse_qsl, urlsplit

from carnet.browser.cookies import SameSite, TokenCookies
from carnet.browser.origin import comes_from_own_pages
from carnet.errors import (
    ConfigurationError,
    GrantRefused,
    InvalidToken,
    IssuerBusy,
    IssuerUnavailable,
)
from carnet.jwt.claims import Claims
from carnet.jwt.policy import Names
from carnet.verifier.access_token import AsyncAccessTokenVerifier, Options
from carnet.verifier.bearer import RETRY_SECONDS
from carnet.verifier.cookie_mode.answers import (
    App,
    Receive,
    Refused,
    Scope,
    Send,
    answer,
    headers_of,
    kept_private,
    read_credentials,
    values_of,
)
from carnet.verifier.cookie_mode.code_flow import LIFETIME, Flow, is_own_path
from carnet.verifier.fetch import check_address, run_async
from carnet.verifier.options import check_options
from carnet.verifier.token_endpoint import Client, TokenEndpoint, Tokens

__all__ = ["CookieSessions"]

AHEAD: Final = 30
TWO_WEEKS: Final = 14 * 86_400


@dataclass
class _Resumed:
    """What a request's cookies have come to.

    Attributes:
        token: the access token to pass on, or None.
        claims: what it says, where it was checked.
        cookies: the values of the Set-Cookie headers that the answer carries.
    """

    token: str | None = None
    claims: Claims | None = None
    cookies: Iterable[str] = ()


class CookieSessions:
    """An ASGI middleware that keeps a browser's tokens in cookies.

    Args:
        app: the ASGI app, which checks bearer tokens as if there were no cookies.
        issuer: the Carnet issuer, exactly as it stands in its tokens.
        audience: the app's name, or names, in ``aud``.
        origin: the app's own origin, as browsers see it, such as ``https://app.example.com``;
            without TLS only on loopback, where the cookies can't be ``Secure``.
        path: where the middleware's own addresses begin.
        same_site: ``lax`` keeps people signed in who follow a link to the app; ``strict`` doesn't.
        allow_same_site: whether pages of the site's other origins may write, too.
        cookie: what the cookies' names begin with; apps that share a host need different ones.
        max_age: seconds for which a browser keeps the cookies after their last refresh; None is
            until it is closed.
        expires_in: seconds that access tokens shall be good for, at most what the issuer allows.
        client_id: the client that the app is; None has people give their password to the app.
        client_secret: the client's, if it has one.
        scope: what the client asks for, names with spaces between them.
        options: as for ``carnet.verifier.AccessTokenVerifier``.

    Raises:
        ConfigurationError: if an argument is not of its kind.
    """

    def __init__(
        self,
        app: App,
        issuer: str,
        audience: Names,
        *,
        origin: str,
        path: str = "/session",
        same_site: SameSite = "lax",
        allow_same_site: bool = False,
        cookie: str = "carnet",
        max_age: int | None = TWO_WEEKS,
        expires_in: int | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        scope: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        # The app's own verifier gives the claims their type.
        check_options(CookieSessions, options)
        if options.get("resource") is not None:
            raise ConfigurationError("resource belongs to the app's own verifier: give it there")
        check_address(origin)
        parts = urlsplit(origin)
        if origin != f"{parts.scheme}://{parts.netloc}":
            raise ConfigurationError(
                "origin must be scheme and host, such as https://app.example.com"
            )
        if not path.startswith("/") or path.endswith("/"):
            raise ConfigurationError("path must begin with a slash and end without one")
        self._app = app
        self._origin = origin
        self._path = path
        self._allow_same_site = allow_same_site
        self._max_age = max_age
        self._redirect_uri = f"{origin}{path}/callback"
        self._resource = audience if isinstance(audience, str) else None
        self._expires_in = expires_in
        self._form = {
            "resource": self._resource,
            "expires_in": None if expires_in is None else str(expires_in),
        }
        self._clock = options.get("clock", time.time)
        self._cookies = TokenCookies(parts.scheme == "https", same_site, cookie)
        self._client = None if client_id is None else Client(client_id, client_secret)
        self._issuer = TokenEndpoint(issuer, self._client)
        self._scope = scope
        self._verifier = AsyncAccessTokenVerifier(issuer, audience, **options)
        self._refreshes: dict[str, asyncio.Task[Tokens]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or pass it on with its access token."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            if scope["type"] == "http" and scope["path"] == self._path:
                await self._serve(scope, receive, send)
            elif self._client is not None and scope["path"] == f"{self._path}/sign-in":
                await self._send_to_issuer(self._client, scope, send)
            elif self._client is not None and scope["path"] == f"{self._path}/callback":
                await self._come_back(scope, send)
            else:
                await self._pass_on(scope, receive, send)
        except Refused as refused:
            await answer(scope, send, refused.status, refused.content, refused.headers.items())

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        held = self._cookies.read(values_of(scope, b"cookie"))
        if held == (None, None) or "authorization" in headers:
            await self._app(scope, receive, send)
            return
        self._check_origin(scope, headers)
        resumed = await self._resume(*held)
        passed = [(name, value) for name, value in scope["headers"] if name.lower() != b"cookie"]
        if others := self._cookies.without(values_of(scope, b"cookie")):
            passed.append((b"cookie", others.encode("latin-1")))
        if resumed.token is not None:
            passed.append((b"authorization", f"Bearer {resumed.token}".encode()))

        async def send_on(message: MutableMapping[str, Any]) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = {
                    **message,
                    "headers": kept_private(message, resumed.token is not None, resumed.cookies),
                }
            await send(message)

        await self._app({**scope, "headers": passed}, receive, send_on)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one of the middleware's own addresses."""
        method, headers = scope["method"], headers_of(scope)
        self._check_origin(scope, headers)
        held = self._cookies.read(values_of(scope, b"cookie"))
        if method == "POST" and self._client is not None:
            text = f"sign in at {self._path}/sign-in: this app takes no passwords"
            raise Refused(405, "invalid_request", text, {"Allow": "GET, DELETE"})
        if method == "POST":
            await self._sign_in(scope, receive, send, headers, held.refresh)
        elif method == "DELETE":
            await self._sign_out(scope, send, held.refresh)
        elif method in ("GET", "HEAD"):
            resumed = await self._resume(*held)
            cookies = [("Set-Cookie", value) for value in resumed.cookies]
            if resumed.claims is None and resumed.token is not None:
                # There is a token, and no key to check it with.
                refused = _unavailable()
                headers_and_cookies = [*refused.headers.items(), *cookies]
                await answer(scope, send, refused.status, refused.content, headers_and_cookies)
                return
            if resumed.claims is None:
                nobody = {"error": "not_signed_in", "error_description": "nobody is signed in"}
                await answer(scope, send, 401, nobody, cookies)
            else:
                await answer(scope, send, 200, _person(resumed.claims), cookies)
        else:
            allow = {"Allow": "GET, POST, DELETE"}
            raise Refused(405, "invalid_request", "use GET, POST or DELETE here", allow)

    async def _sign_in(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: dict[str, str],
        before: str | None,
    ) -> None:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            # A form of another site's can't have this type without asking first.
            raise Refused(415, "invalid_request", "the Content-Type must be application/json")
        given = await read_credentials(receive)
        wanted = {"resource": self._resource, "expires_in": self._expires_in}
        document = {**given, **{name: v for name, v in wanted.items() if v is not None}}
        # The issuer slows guessing down by address and lists sessions by device: it hears of the
        # browser's, and believes it where this app is among its trusted_proxies.
        about = {"User-Agent": headers.get("user-agent", "")}
        if scope.get("client"):
            about["X-Forwarded-For"] = scope["client"][0]
        try:
            tokens = await run_async(self._issuer.sign_in(document, about))
            claims = await self._verifier.verify(tokens.access)
        except GrantRefused as error:
            text = "the username or the password is wrong"
            if error.code != "invalid_grant":
                raise Refused(502, error.code, "the issuer refuses what this app asks") from None
            raise Refused(401, error.code, text) from None
        except IssuerBusy as error:
            retry = {"Retry-After": str(error.seconds)}
            text = "there were too many attempts; wait before the next one"
            raise Refused(429, "temporarily_unavailable", text, retry) from None
        except IssuerUnavailable:
            raise _unavailable() from None
        except InvalidToken as error:
            raise _no_token_for_this_app(error) from None
        cookies = [("Set-Cookie", value) for value in self._keep(tokens)]
        if before is not None:
            # Its cookies are overwritten: nobody could end that session any more.
            await self._end(before)
        await answer(scope, send, 200, _person(claims), cookies)

    async def _send_to_issuer(self, client: Client, scope: Scope, send: Send) -> None:
        """Begin a sign-in on the issuer's page."""
        self._check_get(scope)
        return_to = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("return_to", "/")
        if not is_own_path(return_to):
            raise Refused(400, "invalid_request", "return_to must be a path of this app")
        flow = Flow.begin(return_to)
        try:
            endpoint = await run_async(self._issuer.authorization_endpoint())
        except IssuerUnavailable:
            raise _unavailable() from None
        parameters = {
            "client_id": client.id,
            "redirect_uri": self._redirect_uri,
            "scope": self._scope,
            "resource": self._resource,
        }
        headers = [
            ("Location", flow.request(endpoint, parameters)),
            ("Set-Cookie", self._cookies.set_flow(flow.text, LIFETIME)),
        ]
        await answer(scope, send, 303, {}, headers)

    async def _come_back(self, scope: Scope, send: Send) -> None:
        """Take the issuer's answer, and exchange its code for tokens."""
        self._check_get(scope)
        cookies = values_of(scope, b"cookie")
        pairs = parse_qsl(scope["query_string"].decode("latin-1"))
        try:
            flow = Flow.read(self._cookies.read_flow(cookies))
            if len(dict(pairs)) != len(pairs):
                raise GrantRefused("a parameter is given more than once", code="invalid_request")
            code = flow.code(dict(pairs), self._issuer.issuer)
            proof = {"redirect_uri": self._redirect_uri, "code_verifier": flow.verifier}
            tokens = await run_async(self._issuer.code(code, **proof, **self._form))
            await self._verifier.verify(tokens.access)
        except GrantRefused as error:
            raise Refused(400, error.code, str(error)) from None
        except IssuerUnavailable:
            raise _unavailable() from None
        except InvalidToken as error:
            raise _no_token_for_this_app(error) from None
        before = self._cookies.read(cookies).refresh
        if before is not None:
            await self._end(before)
        kept = [*self._keep(tokens), self._cookies.set_flow("", 0)]
        headers = [("Location", flow.return_to), *(("Set-Cookie", value) for value in kept)]
        await answer(scope, send, 303, {}, headers)

    def _check_get(self, scope: Scope) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            raise Refused(405, "invalid_request", "use GET here", {"Allow": "GET"})
        self._check_origin(scope, headers_of(scope))

    async def _sign_out(self, scope: Scope, send: Send, refresh_token: str | None) -> None:
        # Where the issuer can't be told, the browser forgets the tokens all the same: then nobody
        # holds what continues the session.
        ended = refresh_token is None or await self._end(refresh_token)
        cookies = [("Set-Cookie", value) for value in self._cookies.clear()]
        await answer(scope, send, 200, {"ended_at_issuer": ended}, cookies)

    async def _end(self, refresh_token: str) -> bool:
        try:
            await run_async(self._issuer.revoke(refresh_token))
        except IssuerUnavailable:
            return False
        return True

    async def _resume(self, access: str | None, refresh: str | None) -> _Resumed:
        """Give a request the access token of its cookies, or of their refresh.

        Raises:
            Refused: 503, if the issuer has to be asked and can't be.
        """
        claims = None
        if access is not None:
            try:
                claims = await self._verifier.verify(access)
            except InvalidToken:
                access = None
            except IssuerUnavailable:
                # The app's own verifier has its own opinion of that.
                return _Resumed(access)
        if refresh is None or (claims is not None and not self._ends_soon(claims)):
            return _Resumed(access, claims)
        try:
            tokens = await self._refresh(refresh)
        except (GrantRefused, IssuerUnavailable) as error:
            if error.code == "invalid_grant":
                return _Resumed(cookies=self._cookies.clear())
            # Anything else, such as a client's secret that has changed, says nothing about the
            # session.
            if claims is not None:
                return _Resumed(access, claims)
            raise _unavailable() from None
        # From here on the browser must get the successor, whatever is wrong with the token.
        cookies = self._keep(tokens, refresh)
        try:
            claims = await self._verifier.verify(tokens.access)
        except (IssuerUnavailable, InvalidToken):
            # The app's own verifier tells what it is.
            claims = None
        return _Resumed(tokens.access, claims, cookies)

    async def _refresh(self, refresh_token: str) -> Tokens:
        """Get a session's next tokens; who asks meanwhile gets the same ones."""
        task = self._refreshes.get(refresh_token)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            steps = self._issuer.refresh(refresh_token, **self._form)
            task = asyncio.create_task(run_async(steps))
            self._refreshes[refresh_token] = task
            task.add_done_callback(lambda done: self._refreshed(refresh_token, done))
        # A browser that goes away ends its own request only.
        return await asyncio.shield(task)

    def _refreshed(self, refresh_token: str, task: asyncio.Task[Tokens]) -> None:
        if self._refreshes.get(refresh_token) is task:
            del self._refreshes[refresh_token]
        if not task.cancelled():
            # Perhaps nobody waits for it any more; then its failure is nobody's.
            task.exception()

    def _ends_soon(self, claims: Claims) -> bool:
        ends, began = claims.expires_at or 0, claims.issued_at
        ahead = AHEAD if began is None else min(AHEAD, (ends - began) / 5)
        return self._clock() >= ends - ahead

    def _keep(self, tokens: Tokens, before: str = "") -> list[str]:
        try:
            return self._cookies.set(tokens.access, tokens.refresh or before, self._max_age)
        except ConfigurationError as error:
            raise Refused(502, error.code, str(error)) from None

    def _check_origin(self, scope: Scope, headers: dict[str, str]) -> None:
        method = scope.get("method", "WEBSOCKET")
        same_site = self._allow_same_site
        if not comes_from_own_pages(method, headers, self._origin, same_site=same_site):
            text = f"this can only be sent from a page of {self._origin}"
            raise Refused(403, "cross_site", text)


def _person(claims: Claims) -> dict[str, Any]:
    try:
        roles, scopes = claims.roles, claims.scopes
    except InvalidToken as error:
        raise _no_token_for_this_app(error) from None
    return {"sub": claims.subject, "roles": sorted(roles), "scope": " ".join(sorted(scopes))}


def _unavailable() -> Refused:
    text = "the issuer can't be reached; nobody is signed out by that; try again shortly"
    return Refused(503, "temporarily_unavailable", text, {"Retry-After": str(RETRY_SECONDS)})


def _no_token_for_this_app(error: InvalidToken) -> Refused:
    return Refused(502, error.code, f"the issuer's token is not for this app: {error}")
