"""gRPC: server interceptors that require a valid access token as metadata.

interceptor = BearerInterceptor(
    issuer="https://auth.example.com",
    audience="orders",
    exempt=["/grpc.health.v1.Health/*"],
    scopes={"/orders.Orders/List": "orders:read"},
)
server = grpc.server(ThreadPoolExecutor(), interceptors=[interceptor])

A method finds the claims by ``current_claims()``. A refusal is UNAUTHENTICATED, PERMISSION_DENIED
or, where the issuer can't be asked, UNAVAILABLE; ``carnet-code`` in its trailing metadata says why,
and ``www-authenticate`` what is needed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, Unpack

from carnet.errors import ConfigurationError
from carnet.jwt.claims import Claims
from carnet.jwt.key_source import Health
from carnet.jwt.policy import Names
from carnet.verifier.access_token import AccessTokenVerifier, AsyncAccessTokenVerifier, Options
from carnet.verifier.adapters.asgi import MetadataEndpoint, given
from carnet.verifier.bearer import (
    Need,
    Refusal,
    authenticate,
    authenticate_async,
    needs_acr,
    needs_age,
    needs_role,
    needs_scope,
    not_installed,
    scope_of,
    typed,
    with_advice,
)
from carnet.verifier.exempt import Exempt
from carnet.verifier.issuer import Trusted
from carnet.verifier.options import check_options

try:
    import grpc
    import grpc.aio
except ModuleNotFoundError:
    raise not_installed("grpc") from None

__all__ = ["AsyncBearerInterceptor", "BearerInterceptor", "current_claims", "current_typed_claims"]

NEEDS: Final[Mapping[str, Callable[[Any], Need]]] = {
    "scopes": needs_scope,
    "roles": needs_role,
    "acr_values": lambda given: needs_acr(*(given.split() if isinstance(given, str) else [given])),
    "max_ages": needs_age,
}
"""What a method may need, by the argument that names it."""

_claims: ContextVar[tuple[Claims, Any]] = ContextVar("carnet_claims")


def current_claims() -> Claims:
    """Give what the token of the call says that is being answered.

    Raises:
        LookupError: outside of a call that was checked.
    """
    return _claims.get()[0]


def current_typed_claims() -> Any:
    """Give the same in the form of the interceptor's ``claims_type``.

    Raises:
        LookupError: outside of a call that was checked.
    """
    return _claims.get()[1]


class _Rules:
    """What the methods need."""

    def __init__(self, exempt: Collection[str], given: Mapping[str, Mapping[str, Any]]) -> None:
        self.exempt = Exempt(exempt)
        self._needs: dict[str, list[Need]] = {}
        for name, make in NEEDS.items():
            for method, wanted in given[name].items():
                if method.count("/") != 2 or not method.startswith("/"):
                    raise ConfigurationError(
                        f"{name} must name methods in full, such as '/orders.Orders/List'"
                    )
                self._needs.setdefault(method, []).append(make(wanted))

    def check(self, method: str, claims: Claims) -> None:
        for need in self._needs.get(method, ()):
            need(claims)

    def scope_of(self, method: str) -> str:
        return scope_of(*self._needs.get(method, ()))


class BearerInterceptor(grpc.ServerInterceptor):
    """The interceptor for ``grpc.server``.

    Args:
        issuer: the issuer's address, exactly as in its tokens, an ``Issuer``, or several.
        audience: this service's name, or names, in ``aud``.
        exempt: methods that need no token, in full, or ``/package.Service/*``.
        scopes: the scope that a method needs, by the method's full name.
        roles: the role that a method needs, by the method's full name.
        acr_values: the way of signing in that a method needs (RFC 9470), likewise; or several, with
            spaces between them, of which one is needed.
        max_ages: the seconds that may have passed since the sign-in, likewise.
        claims_type: a msgspec Struct, dataclass or TypedDict that the claims must fit; they are
            given in its form as ``current_typed_claims()``.
        options: as for ``carnet.verifier.AccessTokenVerifier``.

    Raises:
        ConfigurationError: if an argument is not of its kind.
    """

    def __init__(
        self,
        issuer: Trusted,
        audience: Names | None = None,
        *,
        claims_type: type[Any] | None = None,
        exempt: Collection[str] = (),
        scopes: Mapping[str, str] | None = None,
        roles: Mapping[str, str] | None = None,
        acr_values: Mapping[str, str] | None = None,
        max_ages: Mapping[str, int] | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_options(BearerInterceptor, options)
        self._rules = _Rules(
            exempt,
            {
                "scopes": scopes or {},
                "roles": roles or {},
                "acr_values": acr_values or {},
                "max_ages": max_ages or {},
            },
        )
        self._verifier = AccessTokenVerifier(issuer, audience, claims_type=claims_type, **options)

    def intercept_service(
        self, continuation: Callable[[Any], Any], handler_call_details: Any
    ) -> Any:
        """Check a call's token."""
        method = handler_call_details.method
        if method in self._rules.exempt:
            return continuation(handler_call_details)
        try:
            claims = authenticate(self._verifier, _authorization(handler_call_details))
            fitting = typed(self._verifier, claims)
            self._rules.check(method, claims)
        except Refusal as refusal:
            refusal = with_advice(refusal, self._verifier.resource, self._rules.scope_of(method))
            refusal.log(method)
            return _aborting(refusal, continuation(handler_call_details))
        return _with_claims((claims, fitting), continuation(handler_call_details))

    @property
    def metadata(self) -> MetadataEndpoint:
        """An ASGI app that answers for the metadata of the ``resource``, which gRPC can't.

        Raises:
            ConfigurationError: if there is no ``resource``.
        """
        return given(MetadataEndpoint.of(self._verifier))

    def health(self) -> list[Health]:
        """Say how well each issuer's keys are known."""
        return self._verifier.health()

    def close(self) -> None:
        """Stop following the revocations, when the server has stopped."""
        self._verifier.close()


class AsyncBearerInterceptor(grpc.aio.ServerInterceptor):
    """The interceptor for ``grpc.aio.server``; arguments as for BearerInterceptor.

    The methods are coroutines or asynchronous generators: one that is neither, which grpcio runs in
    a thread, finds no ``current_claims``.
    """

    def __init__(
        self,
        issuer: Trusted,
        audience: Names | None = None,
        *,
        claims_type: type[Any] | None = None,
        exempt: Collection[str] = (),
        scopes: Mapping[str, str] | None = None,
        roles: Mapping[str, str] | None = None,
        acr_values: Mapping[str, str] | None = None,
        max_ages: Mapping[str, int] | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_options(AsyncBearerInterceptor, options)
        self._rules = _Rules(
            exempt,
            {
                "scopes": scopes or {},
                "roles": roles or {},
                "acr_values": acr_values or {},
                "max_ages": max_ages or {},
            },
        )
        self._verifier = AsyncAccessTokenVerifier(
            issuer, audience, claims_type=claims_type, **options
        )

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Check a call's token."""
        method = handler_call_details.method
        if method in self._rules.exempt:
            return await continuation(handler_call_details)
        try:
            values = _authorization(handler_call_details)
            claims = await authenticate_async(self._verifier, values)
            fitting = typed(self._verifier, claims)
            self._rules.check(method, claims)
        except Refusal as refusal:
            refusal = with_advice(refusal, self._verifier.resource, self._rules.scope_of(method))
            refusal.log(method)
            return _aborting_async(refusal, await continuation(handler_call_details))
        # Each call is a task of its own, and so has a context of its own.
        _claims.set((claims, fitting))
        return await continuation(handler_call_details)

    @property
    def metadata(self) -> MetadataEndpoint:
        """An ASGI app that answers for the metadata of the ``resource``, which gRPC can't.

        Raises:
            ConfigurationError: if there is no ``resource``.
        """
        return given(MetadataEndpoint.of(self._verifier))

    def health(self) -> list[Health]:
        """Say how well each issuer's keys are known."""
        return self._verifier.health()

    async def aclose(self) -> None:
        """Stop following the revocations, when the server has stopped."""
        await self._verifier.aclose()


def _authorization(details: Any) -> list[str]:
    return [value for key, value in details.invocation_metadata if key == "authorization"]


def _status(refusal: Refusal) -> tuple[Any, str, tuple[tuple[str, str], ...]]:
    statuses = {403: grpc.StatusCode.PERMISSION_DENIED, 503: grpc.StatusCode.UNAVAILABLE}
    status = statuses.get(refusal.status, grpc.StatusCode.UNAUTHENTICATED)
    # A challenge says what a client has to do, as for a stronger sign-in; names are in lower case.
    challenge = refusal.headers.get("WWW-Authenticate")
    trailing = [("carnet-code", refusal.code), ("www-authenticate", challenge)]
    told = tuple((name, value) for name, value in trailing if value is not None)
    return status, refusal.content["error_description"], told


def _aborting(refusal: Refusal, handler: Any) -> Any:
    status, text, trailing = _status(refusal)

    def abort(_request: Any, context: Any) -> None:
        context.set_trailing_metadata(trailing)
        context.abort(status, text)

    return _replace(handler, lambda _behavior, _streams: abort)


def _aborting_async(refusal: Refusal, handler: Any) -> Any:
    status, text, trailing = _status(refusal)

    async def abort(_request: Any, context: Any) -> None:
        await context.abort(status, text, trailing)

    async def abort_stream(_request: Any, context: Any) -> Any:
        await context.abort(status, text, trailing)
        yield None  # it is the yield that makes it a generator

    return _replace(handler, lambda _behavior, streams: abort_stream if streams else abort)


def _with_claims(claims: tuple[Claims, Any], handler: Any) -> Any:
    def wrap(behavior: Callable[..., Any], streams: bool) -> Callable[..., Any]:
        def behave(request: Any, context: Any) -> Any:
            held = copy_context()
            held.run(_claims.set, claims)
            answer = held.run(behavior, request, context)
            return _within(held, answer) if streams else answer

        return behave

    return _replace(handler, wrap)


def _within(held: Context, answers: Any) -> Iterator[Any]:
    """Run a stream's steps in one context, whichever thread takes them."""
    answers, end = iter(answers), object()
    while (answer := held.run(next, answers, end)) is not end:
        yield answer


def _replace(handler: Any, wrap: Callable[[Callable[..., Any], bool], Callable[..., Any]]) -> Any:
    """Make a method's handler with another behaviour; an unknown method has none."""
    if handler is None:
        return None
    kind = (
        f"{'stream' if handler.request_streaming else 'unary'}_"
        f"{'stream' if handler.response_streaming else 'unary'}"
    )
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    return make(
        wrap(getattr(handler, kind), handler.response_streaming),
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
