"""The gate: answers a reverse proxy whether a request may pass, for services in any language.

nginx asks with ``auth_request``, Traefik with ``forwardAuth``, Caddy with ``forward_auth``, Envoy
with its HTTP ``ext_authz``. All send the request's headers, and let it pass where the answer is
2xx; they hand the answer's ``X-Auth-…`` headers to the service. The gate always answers with all of
them, empty where the token says nothing, so that a header that came from outside never stays. What
came under another spelling of such a name, as ``X_Auth_Subject``, no proxy replaces, and servers of
CGI and WSGI take it for the same: a request with one does not pass.

    GET /verify?role=ADMIN&scope=orders:read&acr_values=urn:example:mfa&max_age=300

    200   a good token with these roles and scopes; who it is stands in the headers
    401   no good token, or not the sign-in that is needed (RFC 9470); WWW-Authenticate and the body
          say why
    403   a good token without the role or the scope; or a cookie that another site's page sent;
          or a header that a service could take for one of the gate's
    503   the issuer can't be reached, and there is nothing to check the token with

With the option ``resource`` the gate also answers ``/.well-known/oauth-protected-resource/…``, to
which the proxy leads such requests (RFC 9728).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple, Unpack

from carnet.browser.cookies import read_cookie
from carnet.browser.headers import joined
from carnet.browser.origin import comes_from_own_pages
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
    check_role,
    check_scope,
    needs_acr,
    needs_age,
    not_installed,
    remembered,
    typed,
    with_advice,
)
from carnet.verifier.identity_headers import PREFIX, IdentityHeaders
from carnet.verifier.issuer import Trusted
from carnet.verifier.options import check_options
from carnet.verifier.preflight import is_preflight

try:
    from starlette.applications import Starlette
    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route
    from starlette.types import ASGIApp, Receive, Scope, Send
except ModuleNotFoundError:
    raise not_installed("gate") from None

__all__ = ["Gate"]

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# What each proxy calls the method and the address of the request that it asks about.
METHOD_HEADERS: Final = ("x-original-method", "x-forwarded-method")
ADDRESS_HEADERS: Final = ("x-original-uri", "x-forwarded-uri")
NOTHING_MORE: Final = (b"content-length", b"0")
# Addresses that proxies ask at: how many are remembered, and how many bytes their queries have.
MOST_REMEMBERED: Final = 256
LONGEST_REMEMBERED: Final = 256


class Gate:
    """The gate's ASGI app, as ``app``.

    Args:
        issuer: the issuer's address, exactly as in its tokens, an ``Issuer``, or several.
        audience: the name, or names, in ``aud`` of the services behind the gate.
        cookie: a cookie that holds the access token where there is no Authorization header.
        origin: the origin whose pages may send that cookie with more than a GET.
        passed_claims: names of further claims to hand over.
        prefix: what the names of the headers begin with.
        preflight: whether a browser may ask without a token if a page may send a request (CORS).
            The proxy must say the request's method, and let nobody else say it.
        claims_type: a msgspec Struct, dataclass or TypedDict that the claims must fit.
        options: as for ``carnet.verifier.AsyncAccessTokenVerifier``.

    Raises:
        ConfigurationError: if an argument is not of its kind.
    """

    def __init__(
        self,
        issuer: Trusted,
        audience: Names | None = None,
        *,
        claims_type: type[Any] | None = None,
        cookie: str | None = None,
        origin: str | None = None,
        passed_claims: Collection[str] = (),
        prefix: str = PREFIX,
        preflight: bool = False,
        **options: Unpack[Options],
    ) -> None:
        check_options(Gate, options)
        if cookie is not None and origin is None:
            raise ConfigurationError(
                "a gate that reads a cookie needs the origin of the pages that may send it, such "
                "as https://app.example.com"
            )
        self._identity = IdentityHeaders(passed_claims, prefix)
        self._verifier = AsyncAccessTokenVerifier(
            issuer, audience, claims_type=claims_type, **options
        )
        self._cookie = cookie
        self._origin = origin or ""
        self._preflight = preflight
        metadata = MetadataEndpoint.of(self._verifier)
        others = Starlette(
            routes=[
                Route("/healthz", self._health),
                Route("/readyz", self._readiness),
                *([] if metadata is None else [Route(metadata.path, metadata)]),
            ],
            lifespan=self._live,
        )

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            # The one path that every request to a service behind the gate takes: going by
            # Starlette's layers, routes and objects takes longer than to check the token
            # (benchmarks/gate.py).
            if scope["type"] == "http" and _is_question(scope):
                await self._verify(scope, receive, send)
            else:
                await others(scope, receive, send)

        self.app: ASGIApp = app

    async def prepare(self) -> list[str]:
        """Fetch the keys, and give what is wrong with them; the gate refuses until they are there.

        It goes on trying with each request.
        """
        await self._verifier.prepare()
        return [
            health.last_error or f"no keys of {health.issuer}"
            for health in self.health()
            if not health.ready
        ]

    def health(self) -> list[Health]:
        """Say how well each issuer's keys are known."""
        return self._verifier.health()

    async def aclose(self) -> None:
        """Stop following the revocations; the end of the app's lifespan does it too."""
        await self._verifier.aclose()

    @asynccontextmanager
    async def _live(self, _app: Starlette) -> AsyncIterator[None]:
        yield
        await self.aclose()

    async def _verify(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in METHODS:
            allowed = Response(status_code=405, headers={"Allow": ", ".join(METHODS)})
            await allowed(scope, receive, send)
            return
        asked = _asked(scope["query_string"])
        try:
            if ours := self._identity.mistaken(scope["headers"]):
                raise _ambiguous(ours)
            if self._preflight and _is_preflight(scope):
                told = self._identity.raw_of_nobody()
            else:
                values = self._presented(scope)
                # What needs no waiting is no coroutine (benchmarks/gate.py).
                claims = remembered(self._verifier, values)
                if claims is None:
                    claims = await authenticate_async(self._verifier, values)
                typed(self._verifier, claims)
                for need in asked.needs:
                    need(claims)
                told = self._identity.raw_of(claims)
        except Refusal as refusal:
            refusal = with_advice(refusal, self._verifier.resource, asked.scope)
            await _refused(scope, refusal)(scope, receive, send)
            return
        told.append(NOTHING_MORE)
        await send({"type": "http.response.start", "status": 200, "headers": told})
        await send({"type": "http.response.body", "body": b""})

    def _presented(self, scope: Scope) -> list[str]:
        """Give the request's Authorization headers, or what its cookie amounts to.

        Raises:
            Refusal: 403, where another site's page sent the cookie.
        """
        # nginx sends an empty header for one that was not there.
        values = [
            value.decode("latin-1")
            for name, value in scope["headers"]
            if name == b"authorization" and value
        ]
        if values or self._cookie is None:
            return values
        texts = _texts(scope)
        token = read_cookie([value for name, value in texts if name == "cookie"], self._cookie)
        if token is None:
            return values
        headers = joined(texts)
        method: str = scope["method"]
        given = {headers.get(name, method) for name in METHOD_HEADERS}
        if not all(comes_from_own_pages(method.upper(), headers, self._origin) for method in given):
            content = {
                "error": "cross_site",
                "error_description": "this can only be sent from a page of the app itself",
                "code": "cross_site",
            }
            raise Refusal(403, {}, content)
        return [f"Bearer {token}"]

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _readiness(self, _request: Request) -> Response:
        problems = await self.prepare()
        if problems:
            return JSONResponse({"status": "unavailable", "reason": "; ".join(problems)}, 503)
        return JSONResponse({"status": "ready"})


class _Asked(NamedTuple):
    """What an address asks of a token.

    Attributes:
        needs: the roles, the scopes, and the sign-in, in this order.
        scope: all the scopes, which a challenge names.
    """

    needs: tuple[Need, ...]
    scope: str


def _asked(query: bytes) -> _Asked:
    """Read what an address asks for; a proxy has a few that it sends again and again."""
    return _asked_before(query) if len(query) <= LONGEST_REMEMBERED else _read(query)


def _read(query: bytes) -> _Asked:
    given = QueryParams(query)
    needs: list[Need] = [partial(check_role, role=role) for role in given.getlist("role")]
    # All at once, so that a challenge names all of them.
    scope = " ".join(dict.fromkeys(" ".join(given.getlist("scope")).split()))
    if scope:
        needs.append(partial(check_scope, scope=scope))
    needs += _step_up(given.getlist("acr_values"), given.getlist("max_age"))
    return _Asked(tuple(needs), scope)


_asked_before = lru_cache(MOST_REMEMBERED)(_read)


def _ambiguous(ours: str) -> Refusal:
    """Make the answer for a header that is spelled otherwise and could be taken for ours."""
    content = {
        "error": "invalid_request",
        "error_description": f"a header could be mistaken for {ours}, which the gate sets",
        "code": "header_ambiguous",
    }
    return Refusal(403, {}, content)


def _refused(scope: Scope, refusal: Refusal) -> Response:
    """Make the answer where a request may not pass, and tell the log."""
    # Of several headers of one name the first.
    headers = dict(reversed(_texts(scope)))
    named = (headers[name] for name in ADDRESS_HEADERS if name in headers)
    refusal.log(next(named, scope["path"]).partition("?")[0])
    # nginx takes any status but 401 and 403 for a failure of the gate itself.
    status = 401 if refusal.status == 400 else refusal.status
    return Response(refusal.body, status, refusal.headers, media_type="application/json")


def _is_question(scope: Scope) -> bool:
    """Tell whether a proxy asks; Envoy puts the request's own path behind the prefix."""
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path == "/verify" or path.startswith("/verify/")


def _texts(scope: Scope) -> list[tuple[str, str]]:
    """Give a request's headers as texts."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]


def _is_preflight(scope: Scope) -> bool:
    """Tell whether the proxy asks about a browser's own question, which never has a token (CORS).

    Of the names that the request has of its method all must say so.
    """
    headers = _texts(scope)
    named = {value for name, value in headers if name in METHOD_HEADERS} or {scope["method"]}
    names = [name for name, value in headers if value and name not in METHOD_HEADERS]
    return len(named) == 1 and is_preflight(named.pop(), names)


def _step_up(ways: list[str], ages: list[str]) -> list[Need]:
    """Give what an address asks of the sign-in (RFC 9470); each that stands there has to hold.

    Args:
        ways: the values of ``acr_values``.
        ages: those of ``max_age``. What can't be right, the proxy's own mistake or the client's,
            no token fulfils: 403.
    """
    try:
        limits = [int(age) if age.isascii() and age.isdecimal() else 0 for age in ages]
        if len(ways) == len(limits) == 1:
            # One challenge for both.
            return [needs_acr(*ways[0].split(), max_age=limits[0])]
        return [*(needs_acr(*way.split()) for way in ways), *map(needs_age, limits)]
    except (ConfigurationError, ValueError) as error:
        content = {"error": "invalid_request", "error_description": str(error)}
        return [partial(_refuse, {**content, "code": "invalid_request"})]


def _refuse(content: dict[str, Any], _claims: Claims) -> None:
    raise Refusal(403, {}, content)
