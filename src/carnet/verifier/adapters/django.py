"""Django: a middleware that checks a request's access token, and decorators for views.

CARNET = {"issuer": "https://auth.example.com", "audience": "orders"}
MIDDLEWARE = [..., "carnet.verifier.django.BearerMiddleware"]

@require_scope("orders:read")
def list_orders(request): ...request.claims...

Views may be sync or async; so may the server.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

from carnet.jwt.claims import Claims
from carnet.verifier.access_token import AccessTokenVerifier, AsyncAccessTokenVerifier, Issuers
from carnet.verifier.adapters.wsgi import authorization, presented
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
    options_of,
    present,
    typed,
)
from carnet.verifier.dpop import Presented
from carnet.verifier.key_source import Health
from carnet.verifier.user import BearerUser

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.http import HttpRequest, HttpResponse
except ModuleNotFoundError:
    raise not_installed("django") from None

__all__ = [
    "BearerMiddleware",
    "async_verifier",
    "close",
    "health",
    "require_acr",
    "require_age",
    "require_role",
    "require_scope",
    "require_token",
    "verifier",
]

View = TypeVar("View", bound=Callable[..., Any])


@cache
def verifier() -> AccessTokenVerifier[Any]:
    """Give the verifier of the settings ``CARNET``, for views that block.

    Raises:
        ConfigurationError: if the settings are not there, or not of their kind.
    """
    return AccessTokenVerifier(**_options())


@cache
def async_verifier() -> AsyncAccessTokenVerifier[Any]:
    """Give the verifier of the settings ``CARNET``, for views that don't block.

    Raises:
        ConfigurationError: if the settings are not there, or not of their kind.
    """
    return AsyncAccessTokenVerifier(**_options())


def health() -> list[Health]:
    """Say how well each issuer's keys are known to each verifier that this process has.

    Raises:
        ConfigurationError: if the settings are not there, or not of their kind.
    """
    return [health for one in _made() or [verifier()] for health in one.health()]


def close() -> None:
    """Stop following the revocations, when the process ends; Django has no hook for that."""
    for one in _made():
        one.close()


def _made() -> list[Issuers[Any]]:
    both: tuple[Any, ...] = (verifier, async_verifier)
    return [make() for make in both if make.cache_info().currsize]


def _options() -> dict[str, Any]:
    return options_of(getattr(settings, "CARNET", None), "the setting CARNET")


class BearerMiddleware:
    """Sets ``request.claims``, and ``request.user`` where there is a good token.

    ``request.claims`` is Claims, or of the setting's ``claims_type``; ``request.user.claims`` is
    always Claims. Without an Authorization header, or with one of another scheme,
    ``request.claims`` is None: it is the view's decorator that asks for a token. A bad token is
    refused everywhere. It stands after Django's AuthenticationMiddleware, where that is used.

    Args:
        get_response: the next handler.

    Raises:
        ConfigurationError: if the settings are not there, or not of their kind.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
            async_verifier()
        else:
            verifier()

    def __call__(self, request: HttpRequest) -> Any:
        """Check the request's token and go on."""
        if self._is_async:
            return self._call_async(request)
        try:
            claims = authenticate(verifier(), authorization(request.META), _proof(request))
            _admit(request, claims, typed(verifier(), claims))
        except Refusal as refusal:
            if refusal.code != "token_missing":
                return _answer(request, refusal)
            request.claims = request.carnet_claims = None
        return self._get_response(request)

    async def _call_async(self, request: HttpRequest) -> Any:
        try:
            values = authorization(request.META)
            claims = await authenticate_async(async_verifier(), values, _proof(request))
            _admit(request, claims, typed(async_verifier(), claims))
        except Refusal as refusal:
            if refusal.code != "token_missing":
                return _answer(request, refusal)
            request.claims = request.carnet_claims = None
        return await self._get_response(request)


def _proof(request: HttpRequest) -> Presented | None:
    return presented(request.META, lambda: str(request.build_absolute_uri(request.path)))


def require_token(view: View) -> View:
    """Let in who brings a good token."""
    return _requiring(None)(view)


def require_role(role: str) -> Callable[[View], View]:
    """Let in who brings a good token with a role among ``roles``."""
    return _requiring(needs_role(role))


def require_scope(scope: str) -> Callable[[View], View]:
    """Let in who brings a good token with a scope, or several with spaces between them."""
    return _requiring(needs_scope(scope))


def require_acr(*acr_values: str, max_age: int | None = None) -> Callable[[View], View]:
    """Let in who has signed in in one of these ways (``acr``, RFC 9470).

    Args:
        acr_values: the ways, the preferred one first.
        max_age: seconds that may have passed since, where that counts too.
    """
    return _requiring(needs_acr(*acr_values, max_age=max_age))


def require_age(max_age: int) -> Callable[[View], View]:
    """Let in who has signed in at most so many seconds ago (``auth_time``, RFC 9470)."""
    return _requiring(needs_age(max_age))


def _requiring(need: Need | None) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        if iscoroutinefunction(view):

            @wraps(view)
            async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                return _refusal(request, need) or await view(request, *args, **kwargs)

            return guarded_async  # type: ignore[return-value]

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return _refusal(request, need) or view(request, *args, **kwargs)

        return guarded  # type: ignore[return-value]

    return decorate


def _refusal(request: HttpRequest, need: Need | None) -> HttpResponse | None:
    if not hasattr(request, "carnet_claims"):
        raise ImproperlyConfigured(
            "MIDDLEWARE does not name 'carnet.verifier.django.BearerMiddleware'"
        )
    try:
        claims = present(request.carnet_claims)
        if need is not None:
            need(claims)
    except Refusal as refusal:
        return _answer(request, refusal)
    return None


def _admit(request: HttpRequest, claims: Claims, fitting: Any) -> None:
    request.claims, request.carnet_claims = fitting, claims
    request.user = BearerUser(claims, fitting)


def _answer(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    refusal.log(request.path)
    return HttpResponse(
        refusal.body,
        status=refusal.status,
        headers=refusal.headers,
        content_type="application/json",
    )
