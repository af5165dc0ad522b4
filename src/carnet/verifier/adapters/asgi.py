"""Plain ASGI: a middleware that requires a valid access token.

app = BearerMiddleware(app, issuer="https://auth.example.com", audience="orders")
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from contextvars import ContextVar
from typing import Any, Final, Unpack
from urllib.parse import quote

from carnet.errors import ConfigurationError
from carnet.jwt.claims import Claims
from carnet.jwt.key_source import Health
from carnet.jwt.policy import Names
from carnet.verifier import preflight
from carnet.verifier.access_token import AsyncAccessTokenVerifier, Issuers, Options
from carnet.verifier.bearer import (
    Refusal,
    authenticate_async,
    missing,
    present,
    remembered,
    typed,
    with_advice,
)
from carnet.verifier.dpop import Presented
from carnet.verifier.exempt import Exempt
from carnet.verifier.issuer import Trusted
from carnet.verifier.options import check_options
from carnet.verifier.protected_resource import PublishedResource

__all__ = [
    "CLOSED",
    "BearerMiddleware",
    "MetadataEndpoint",
    "answer",
    "can_be_denied",
    "credentials",
    "current_claims",
    "current_typed_claims",
    "given",
    "is_preflight",
    "pass_preflight",
]

CLOSED: Final = 3000
"""The code with which a WebSocket is refused: "Unauthorized" of IANA's registry."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_checked: ContextVar[tuple[Claims, Any] | None] = ContextVar("carnet_claims", default=None)


def current_claims() -> Claims:
    """Give the claims of the token that ``BearerMiddleware`` has accepted for the request.

    FastAPI pays for every parameter of a route that it has to provide; this needs none
    (benchmarks/services.py).

    Added in version 0.1.0.

    Raises:
        Refusal: 401, where no token was checked, as on an exempt path.
    """
    return present(_checked.get())[0]


def current_typed_claims() -> Any:
    """Give the same in the form of the middleware's ``claims_type``.

    Added in version 0.1.0.

    Raises:
        Refusal: 401, where no token was checked, as on an exempt path.
    """
    return present(_checked.get())[1]


class BearerMiddleware:
    """Refuses requests and WebSockets without a good token; gives its claims to the app.

    The claims are what ``current_claims()`` gives, and ``scope["carnet.claims"]``; in the form of
    ``claims_type``, where that is given, what ``current_typed_claims()`` gives, and
    ``scope["carnet.typed_claims"]``, and for frameworks ``scope["state"]["claims"]``.
    The app may call ``check_role`` and ``check_scope`` of ``carnet.verifier.bearer``: what they
    raise before the app has begun its answer is answered here.

    A browser's CORS preflight, which never has a token, goes on to the app's own CORS layer; of the
    answer only the status and the headers of CORS come back.

    Where the option ``resource`` is given, its metadata (RFC 9728) are answered here, to everybody.

    Args:
        app: what is protected.
        issuer: the issuer's address, exactly as in its tokens, an ``Issuer``, or several.
        audience: this service's name, or names, in ``aud``.
        exempt: paths that need no token, such as ``/health`` or ``/static/*``.
        claims_type: a msgspec Struct, dataclass or TypedDict that the claims must fit; they are
            given in its form as ``carnet.typed_claims``.
        options: as for ``carnet.verifier.AccessTokenVerifier``.

    Raises:
        ConfigurationError: if an argument is not of its kind.
    """

    def __init__(
        self,
        app: App,
        issuer: Trusted,
        audience: Names | None = None,
        *,
        claims_type: type[Any] | None = None,
        exempt: Collection[str] = (),
        **options: Unpack[Options],
    ) -> None:
        check_options(BearerMiddleware, options)
        self._app = app
        self._exempt = Exempt(exempt)
        self._verifier = AsyncAccessTokenVerifier(
            issuer, audience, claims_type=claims_type, **options
        )
        self._metadata = MetadataEndpoint.of(self._verifier)
        self._prepare(app)

    @property
    def metadata(self) -> MetadataEndpoint:
        """Answers for the metadata, for a route outside of what this app is mounted at.

        Raises:
            ConfigurationError: if there is no ``resource``.
        """
        return given(self._metadata)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through to the app."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        if self._metadata is not None and self._metadata.is_meant(scope):
            await self._metadata(scope, receive, send)
            return
        checked = _checked.get()
        if scope["path"] not in self._exempt:
            if is_preflight(scope):
                await self._let_preflight_through(scope, receive, send)
                return
            try:
                values, presented = credentials(scope)
                # What needs no waiting is no coroutine: benchmarks/services.py.
                claims = remembered(self._verifier, values, presented)
                if claims is None:
                    claims = await authenticate_async(self._verifier, values, presented)
                fitting = typed(self._verifier, claims)
            except Refusal as refusal:
                await self._refuse(refusal, scope, send)
                return
            state = {**scope.get("state", {}), "claims": fitting}
            scope = {
                **scope,
                "carnet.claims": claims,
                "carnet.typed_claims": fitting,
                "state": state,
            }
            checked = claims, fitting
        before = _checked.set(checked)
        try:
            await self._app(scope, receive, send)
        except Refusal as refusal:
            await self._refuse(refusal, scope, send)
        finally:
            _checked.reset(before)

    def health(self) -> list[Health]:
        """Say how well each issuer's keys are known."""
        return self._verifier.health()

    async def aclose(self) -> None:
        """Stop following the revocations; the end of the app's lifespan does it too."""
        await self._verifier.aclose()

    def _prepare(self, app: Any) -> None:
        """Have a Starlette app below, as FastAPI's are, answer a refusal as one.

        It would answer 500 before it lets out an exception that it has no handler for.
        """
        while app is not None and not hasattr(app, "build_middleware_stack"):
            app = getattr(app, "app", None)
        if app is not None:

            async def handle(_: Any, refusal: Refusal) -> App:
                def respond(scope: Scope, _: Receive, send: Send) -> Awaitable[None]:
                    return self._refuse(refusal, scope, send)

                return respond

            app.exception_handlers.setdefault(Refusal, handle)

    async def _refuse(self, refusal: Refusal, scope: Scope, send: Send) -> None:
        await answer(with_advice(refusal, self._verifier.resource), scope, send)

    async def _let_preflight_through(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await pass_preflight(self._app, scope, receive, send)
        except Refusal as refusal:
            await self._refuse(refusal, scope, send)
        except KeyError as error:
            # The app has no CORS layer, and asks for the claims that this request has not.
            if error.args[:1] not in (("carnet.claims",), ("carnet.typed_claims",)):
                raise
            await self._refuse(missing(), scope, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        ends = False

        async def receive_and_note() -> Message:
            nonlocal ends
            message = await receive()
            ends = message["type"] == "lifespan.shutdown"
            return message

        try:
            await self._app(scope, receive_and_note, send)
        finally:
            # An app that knows no lifespan gives up at the start, and then serves.
            if ends:
                await self.aclose()


class MetadataEndpoint:
    """An ASGI app that answers for the metadata of a protected resource (RFC 9728).

    Args:
        resource: what is told.

    Attributes:
        path: where clients look for them.
    """

    def __init__(self, resource: PublishedResource) -> None:
        self._resource = resource
        self.path = resource.path

    @classmethod
    def of(cls, verifier: Issuers[Any]) -> MetadataEndpoint | None:
        """Make the endpoint of a verifier, where it has a resource."""
        return None if verifier.resource is None else cls(verifier.resource)

    def is_meant(self, scope: Scope) -> bool:
        """Tell whether a request is for them, in an app that is mounted anywhere."""
        path = scope["path"]
        return scope["type"] == "http" and self.path in (
            path,
            path.removeprefix(scope.get("root_path", "")),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever its path is."""
        if scope["type"] == "websocket":
            # Where a framework has one route for both.
            await send({"type": "websocket.close", "code": CLOSED})
            return
        status, headers, body = self._resource.answer(scope["method"])
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})


def given(metadata: MetadataEndpoint | None) -> MetadataEndpoint:
    """Give an endpoint that is there.

    Raises:
        ConfigurationError: if it is not.
    """
    if metadata is None:
        raise ConfigurationError(
            "there are no metadata without the option resource, such as "
            "resource='https://mcp.example.com/mcp'"
        )
    return metadata


def credentials(scope: Scope) -> tuple[list[str], Presented | None]:
    """Give a request's Authorization headers, and what proves that a token is its sender's.

    There is a proof where a token is sent as ``DPoP`` (RFC 9449 section 7.1).
    """
    values = [
        value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"
    ]
    for value in values:
        if value[:5].lower() == "dpop ":
            return values, _presented(scope)
    return values, None


def _presented(scope: Scope) -> Presented:
    proofs = [value.decode("latin-1") for name, value in scope["headers"] if name == b"dpop"]
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    # A proof is for one address, and with two hosts nobody can tell which (RFC 9112 section 3.2).
    host = hosts[0] if len(hosts) == 1 else b""
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    url = f"{scheme}://{host.decode('latin-1')}{path.decode('latin-1')}"
    return Presented(proofs, scope.get("method", "GET"), url)


def is_preflight(scope: Scope) -> bool:
    """Tell whether a request is a browser's question before a cross-origin one (CORS)."""
    if scope.get("method") != "OPTIONS":
        return False
    names = [name.decode("latin-1") for name, value in scope["headers"] if value]
    return preflight.is_preflight("OPTIONS", names)


async def pass_preflight(app: Any, scope: Any, receive: Any, send: Any) -> None:
    """Let the app's own CORS layer answer a preflight, and nothing else of the app.

    Args:
        app: what comes next, as a framework types it.
        scope: the request.
        receive: as in ASGI.
        send: as in ASGI.
    """

    async def send_head(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [
                (name, value)
                for name, value in message.get("headers", ())
                if preflight.may_be_told(name.decode("latin-1").lower())
            ]
            await send({**message, "headers": [*headers, (b"content-length", b"0")]})
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            await send({"type": "http.response.body", "body": b""})

    # Without extensions there is no other way to send a body.
    await app({**scope, "extensions": {}}, receive, send_head)


def can_be_denied(scope: Scope) -> bool:
    """Tell whether the server can answer a WebSocket's handshake with a status and a body."""
    return "websocket.http.response" in (scope.get("extensions") or {})


async def answer(refusal: Refusal, scope: Scope, send: Send) -> None:
    """Answer a request, or a WebSocket that is not accepted yet."""
    refusal.log(scope["path"])
    body = refusal.body
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **refusal.headers,
    }
    prefix = "http"
    if scope["type"] == "websocket":
        if not can_be_denied(scope):
            # The server answers 403.
            await send({"type": "websocket.close", "code": CLOSED, "reason": refusal.code})
            return
        prefix = "websocket.http"
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    start = {"type": f"{prefix}.response.start", "status": refusal.status, "headers": raw}
    await send(start)
    await send({"type": f"{prefix}.response.body", "body": body})
