"""Cookie mode: an app keeps its browsers' tokens in cookies that no script can read.

app = CookieSessions(app, "https://auth.example.com", "orders", origin="https://app.example.com")

It is a plain ASGI middleware. It answers these addresses itself, with JSON:

    POST   /session   signs in with {"username": …, "password": …}, and sets the cookies
    GET    /session   tells who is signed in, or 401
    DELETE /session   signs out: the session ends at the issuer, and the cookies go

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
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Unpack
from urllib.parse import urlsplit

from carnet.browser.cookies import SameSite, TokenCookies
from carnet.browser.origin import comes_from_own_pages
from carnet.errors import ConfigurationError, GrantRefused, InvalidToken, IssuerUnavailable
from carnet.jose.encoding import json_decode, json_encode
from carnet.jwt.claims import Claims
from carnet.jwt.policy import Names
from carnet.verifier.access_token import AsyncAccessTokenVerifier, Options
from carnet.verifier.bearer import RETRY_SECONDS
from carnet.verifier.fetch import check_address, run_async
from carnet.verifier.token_endpoint import IssuerBusy, TokenEndpoint, Tokens

__all__ = ["CookieSessions"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

AHEAD: Final = 30
MAX_BODY: Final = 16 * 1024
TWO_WEEKS: Final = 14 * 86_400

_SHARED = ("public", "s-maxage", "must-revalidate", "private", "no-store")


class _Refused(Exception):
    """A request is answered by the middleware itself, with an error."""

    def __init__(
        self, status: int, code: str, description: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(description)
        self.status = status
        self.content = {"error": code, "error_description": description}
        self.headers = headers or {}


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
        **options: Unpack[Options],
    ) -> None:
        check_address(origin)
        parts = urlsplit(origin)
        if origin != f"{parts.scheme}://{parts.netloc}":
            raise ConfigurationError("origin is scheme and host, such as https://app.example.com")
        if not path.startswith("/") or path.endswith("/"):
            raise ConfigurationError("path begins with a slash and ends without one")
        self._app = app
        self._origin = origin
        self._path = path
        self._allow_same_site = allow_same_site
        self._max_age = max_age
        self._more = {
            "resource": audience if isinstance(audience, str) else None,
            "expires_in": expires_in,
        }
        self._clock = options.get("clock", time.time)
        self._cookies = TokenCookies(parts.scheme == "https", same_site, cookie)
        self._issuer = TokenEndpoint(issuer)
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
            else:
                await self._pass_on(scope, receive, send)
        except _Refused as refused:
            headers = [(name, value) for name, value in refused.headers.items()]
            await _answer(scope, send, refused.status, refused.content, headers)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        held = self._cookies.read(_values(scope, b"cookie"))
        if held == (None, None) or "authorization" in headers:
            await self._app(scope, receive, send)
            return
        self._check_origin(scope, headers)
        resumed = await self._resume(*held)
        passed = [(name, value) for name, value in scope["headers"] if name.lower() != b"cookie"]
        if others := self._cookies.without(_values(scope, b"cookie")):
            passed.append((b"cookie", others.encode("latin-1")))
        if resumed.token is not None:
            passed.append((b"authorization", f"Bearer {resumed.token}".encode()))

        async def answer(message: MutableMapping[str, Any]) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = {**message, "headers": _kept_private(message, resumed)}
            await send(message)

        await self._app({**scope, "headers": passed}, receive, answer)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one of the middleware's own addresses."""
        method, headers = scope["method"], _headers(scope)
        self._check_origin(scope, headers)
        held = self._cookies.read(_values(scope, b"cookie"))
        if method == "POST":
            await self._sign_in(scope, receive, send, headers, held.refresh)
        elif method == "DELETE":
            await self._sign_out(scope, send, held.refresh)
        elif method in ("GET", "HEAD"):
            resumed = await self._resume(*held)
            cookies = [("Set-Cookie", value) for value in resumed.cookies]
            if resumed.claims is None:
                nobody = {"error": "not_signed_in", "error_description": "nobody is signed in"}
                await _answer(scope, send, 401, nobody, cookies)
            else:
                await _answer(scope, send, 200, _person(resumed.claims), cookies)
        else:
            allow = {"Allow": "GET, POST, DELETE"}
            raise _Refused(405, "invalid_request", "use GET, POST or DELETE here", allow)

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
            raise _Refused(415, "invalid_request", "the Content-Type must be application/json")
        given = await _read_credentials(receive)
        document = {**given, **{k: v for k, v in self._more.items() if v is not None}}
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
                raise _Refused(502, error.code, "the issuer refuses what this app asks") from None
            raise _Refused(401, error.code, text) from None
        except IssuerBusy as error:
            retry = {"Retry-After": str(error.seconds)}
            text = "there were too many attempts; wait before the next one"
            raise _Refused(429, "temporarily_unavailable", text, retry) from None
        except IssuerUnavailable:
            raise _unavailable() from None
        except InvalidToken as error:
            text = f"the issuer's token is none for this app: {error}"
            raise _Refused(502, error.code, text) from None
        cookies = [("Set-Cookie", value) for value in self._keep(tokens)]
        if before is not None:
            # Its cookies are overwritten: nobody could end that session any more.
            await self._end(before)
        await _answer(scope, send, 200, _person(claims), cookies)

    async def _sign_out(self, scope: Scope, send: Send, refresh_token: str | None) -> None:
        # Where the issuer can't be told, the browser forgets the tokens all the same: then nobody
        # holds what continues the session.
        ended = refresh_token is None or await self._end(refresh_token)
        cookies = [("Set-Cookie", value) for value in self._cookies.clear()]
        await _answer(scope, send, 200, {"ended_at_issuer": ended}, cookies)

    async def _end(self, refresh_token: str) -> bool:
        try:
            await run_async(self._issuer.revoke(refresh_token))
        except IssuerUnavailable:
            return False
        return True

    async def _resume(self, access: str | None, refresh: str | None) -> _Resumed:
        """Give a request the access token of its cookies, or of their refresh.

        Raises:
            _Refused: 503, if the issuer has to be asked and can't be.
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
            claims = await self._verifier.verify(tokens.access)
        except GrantRefused:
            return _Resumed(cookies=self._cookies.clear())
        except (IssuerUnavailable, InvalidToken):
            if claims is not None:
                return _Resumed(access, claims)
            raise _unavailable() from None
        return _Resumed(tokens.access, claims, self._keep(tokens, refresh))

    async def _refresh(self, refresh_token: str) -> Tokens:
        """Get a session's next tokens; who asks meanwhile gets the same ones."""
        task = self._refreshes.get(refresh_token)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            more = {name: None if v is None else str(v) for name, v in self._more.items()}
            steps = self._issuer.refresh(refresh_token, **more)
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
            raise _Refused(502, error.code, str(error)) from None

    def _check_origin(self, scope: Scope, headers: dict[str, str]) -> None:
        method = scope.get("method", "WEBSOCKET")
        same_site = self._allow_same_site
        if not comes_from_own_pages(method, headers, self._origin, same_site=same_site):
            text = f"this can only be sent from a page of {self._origin}"
            raise _Refused(403, "cross_site", text)


def _person(claims: Claims) -> dict[str, Any]:
    return {
        "sub": claims.subject,
        "roles": sorted(claims.roles),
        "scope": " ".join(sorted(claims.scopes)),
    }


async def _read_credentials(receive: Receive) -> dict[str, str]:
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise _Refused(400, "invalid_request", "the request ended early")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY:
            text = f"the body is longer than {MAX_BODY} bytes"
            raise _Refused(413, "invalid_request", text)
    try:
        given = json_decode(bytes(body), "the body")
    except InvalidToken:
        given = {}
    if set(given) != {"username", "password"} or not all(
        isinstance(v, str) for v in given.values()
    ):
        text = "the body is a JSON object with a username and a password"
        raise _Refused(400, "invalid_request", text)
    return given


def _unavailable() -> _Refused:
    text = "the issuer can't be reached; nobody is signed out by that, try again shortly"
    return _Refused(503, "temporarily_unavailable", text, {"Retry-After": str(RETRY_SECONDS)})


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _headers(scope: Scope) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }


def _kept_private(
    message: MutableMapping[str, Any], resumed: _Resumed
) -> list[tuple[bytes, bytes]]:
    """Give an answer its cookies, and keep shared caches from storing it.

    They leave alone what was asked for with an Authorization header (RFC 9111 section 3.5), but
    they have not seen that one.
    """
    headers = list(message.get("headers") or ())
    cookies = [(b"set-cookie", value.encode()) for value in resumed.cookies]
    if message["type"] == "websocket.accept":
        return headers + cookies
    control = b", ".join(value for name, value in headers if name.lower() == b"cache-control")
    if cookies:
        control = b"no-store"
    elif resumed.token is not None and not any(
        word in control.decode("latin-1").lower() for word in _SHARED
    ):
        control = b", ".join(filter(None, (control, b"private")))
    kept = [pair for pair in headers if pair[0].lower() != b"cache-control"]
    return [*kept, *([(b"cache-control", control)] if control else []), *cookies]


async def _answer(
    scope: Scope, send: Send, status: int, content: Any, headers: Iterable[tuple[str, str]] = ()
) -> None:
    websocket = scope["type"] == "websocket"
    if websocket and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1013 if status == 503 else 1008})
        return
    kind = "websocket.http.response" if websocket else "http.response"
    body = json_encode(content)
    fixed = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    raw = [(name.lower().encode(), value.encode()) for name, value in (*fixed, *headers)]
    await send({"type": f"{kind}.start", "status": status, "headers": raw})
    head = scope.get("method") == "HEAD"
    await send({"type": f"{kind}.body", "body": b"" if head else body})
