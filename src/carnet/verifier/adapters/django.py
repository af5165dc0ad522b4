"""Django: a middleware that checks a request's access token, and decorators for views.

CARNET = {"issuer": "https://auth.example.com", "audience": "orders"}
MIDDLEWARE = [..., "carnet.verifier.django.BearerMiddleware"]

@require_scope("orders:read")
def list_orders(request): ...request.claims...

Views may be sync or async; so may the server. What a role or a scope gives in Django's own terms,
such as ``has_perm``, says the setting ``CARNET_PERMISSIONS``:

CARNET_PERMISSIONS = {"role:ADMIN": ["is_staff", "shop.change_order"],
                      "scope:orders:read": ["shop.view_order"]}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache, cached_property, wraps
from typing import Any, Final, TypeVar

from carnet.errors import ConfigurationError
from carnet.jwt.claims import Claims
from carnet.jwt.key_source import Health
from carnet.verifier.access_token import AccessTokenVerifier, AsyncAccessTokenVerifier, Issuers
from carnet.verifier.adapters.wsgi import authorization, presented
from carnet.verifier.bearer import (
    Need,
    Refusal,
    authenticate,
    authenticate_async,
    joined,
    needs_acr,
    needs_age,
    needs_role,
    needs_scope,
    not_installed,
    options_of,
    present,
    scope_of,
    typed,
    with_advice,
)
from carnet.verifier.dpop import Presented
from carnet.verifier.protected_resource import PublishedResource
from carnet.verifier.user import BearerUser

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.http import HttpRequest, HttpResponse
    from django.urls import Resolver404, URLPattern, path, resolve
except ModuleNotFoundError:
    raise not_installed("django") from None

__all__ = [
    "BearerMiddleware",
    "DjangoUser",
    "async_verifier",
    "close",
    "health",
    "metadata_path",
    "require_acr",
    "require_age",
    "require_role",
    "require_scope",
    "require_token",
    "resource",
    "verifier",
]

View = TypeVar("View", bound=Callable[..., Any])

_HOLDER: Final = re.compile(r"(role|scope):.+")
_GIVEN: Final = re.compile(r"is_staff|is_superuser|\w+\.\w+")


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


def resource() -> PublishedResource | None:
    """Give what clients are told of this service, where the settings have a ``resource``."""
    return (_made() or [verifier()])[0].resource


def metadata_path() -> URLPattern:
    """Make the entry of ``urlpatterns`` that answers for the metadata of the ``resource``.

    It is for projects without BearerMiddleware, which answers for them itself.

    Raises:
        ConfigurationError: if the settings have no ``resource``.
    """
    published = resource()
    if published is None:
        raise ConfigurationError(
            "there are no metadata without 'resource' in the setting CARNET, such as "
            "{'resource': 'https://mcp.example.com/mcp'}"
        )

    def metadata(request: HttpRequest) -> HttpResponse:
        return _published(published, request)

    return path(published.path[1:], metadata)


def close() -> None:
    """Stop following the revocations, when the process ends; Django has no hook for that."""
    for one in _made():
        one.close()


def _made() -> list[Issuers[Any]]:
    both: tuple[Any, ...] = (verifier, async_verifier)
    return [make() for make in both if make.cache_info().currsize]


def _options() -> dict[str, Any]:
    _permissions()  # a wrong one is told at the start
    return options_of(getattr(settings, "CARNET", None), "the setting CARNET")


def _permissions() -> Mapping[str, Collection[str]]:
    """Give what each role and scope gives.

    Raises:
        ConfigurationError: if the setting is not of its kind.
    """
    given = getattr(settings, "CARNET_PERMISSIONS", {})
    if not isinstance(given, Mapping) or not all(
        _matches(_HOLDER, holder)
        and isinstance(names, Collection)
        and not isinstance(names, str)
        and all(_matches(_GIVEN, name) for name in names)
        for holder, names in given.items()
    ):
        raise ConfigurationError(
            "the setting CARNET_PERMISSIONS says what roles and scopes give: is_staff, "
            "is_superuser, or permissions of Django's, such as "
            "{'role:ADMIN': ['is_staff'], 'scope:orders:read': ['shop.view_order']}"
        )
    return given


def _matches(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None


class DjangoUser(BearerUser):
    """``request.user``: the subject of a good access token, with what ``CARNET_PERMISSIONS`` gives.

    Without that setting nobody is staff or has a permission. Nothing is read from the database.
    """

    @cached_property
    def _given(self) -> frozenset[str]:
        held = [f"role:{role}" for role in self.roles] + [f"scope:{one}" for one in self.scopes]
        permissions = _permissions()
        return frozenset(name for holder in held for name in permissions.get(holder, ()))

    @property
    def is_staff(self) -> bool:
        """Whether a role or scope of the token gives that."""
        return "is_staff" in self._given

    @property
    def is_superuser(self) -> bool:
        """Whether a role or scope of the token gives that: then each permission is there."""
        return "is_superuser" in self._given

    def get_all_permissions(self, obj: object = None) -> set[str]:
        """Give the permissions that were given by name; none of them is for one object."""
        return set() if obj is not None else {name for name in self._given if "." in name}

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Tell whether a permission is there, such as ``shop.view_order``."""
        return self.is_superuser or perm in self.get_all_permissions(obj)

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """Tell whether all of these are there.

        Raises:
            ValueError: if it is one name, as in Django.
        """
        if isinstance(perm_list, str):
            raise ValueError("perm_list must be an iterable of permissions.")
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        """Tell whether any permission of an app is there."""
        return self.is_superuser or any(name.startswith(f"{app_label}.") for name in self._given)

    async def ahas_perm(self, perm: str, obj: object = None) -> bool:
        """Do as ``has_perm`` does."""
        return self.has_perm(perm, obj)

    async def ahas_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """Do as ``has_perms`` does."""
        return self.has_perms(perm_list, obj)

    async def ahas_module_perms(self, app_label: str) -> bool:
        """Do as ``has_module_perms`` does."""
        return self.has_module_perms(app_label)


class BearerMiddleware:
    """Sets ``request.claims``, and ``request.user`` where there is a good token.

    ``await request.auser()`` gives the same user. A request with a good token needs no CSRF token:
    no browser sends an Authorization header by itself. All others need one as before.

    ``request.claims`` is Claims, or of the setting's ``claims_type``; ``request.user.claims`` is
    always Claims. Without an Authorization header, or with one of another scheme,
    ``request.claims`` is None: it is the view's decorator that asks for a token. A bad token is
    refused everywhere. It stands after Django's AuthenticationMiddleware, where that is used.

    Where the setting has a ``resource``, its metadata (RFC 9728) are answered here, to everybody.

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
            self._resource = async_verifier().resource
        else:
            self._resource = verifier().resource

    def __call__(self, request: HttpRequest) -> Any:
        """Check the request's token and go on."""
        if self._is_async:
            return self._call_async(request)
        if self._is_for_metadata(request):
            return _published(self._resource, request)
        try:
            claims = authenticate(verifier(), authorization(request.META), _proof(request))
            _admit(request, claims, typed(verifier(), claims))
        except Refusal as refusal:
            if refusal.code != "token_missing":
                return _answer(request, refusal, _scope_at(request))
            request.claims = request.carnet_claims = None
        return self._get_response(request)

    async def _call_async(self, request: HttpRequest) -> Any:
        if self._is_for_metadata(request):
            return _published(self._resource, request)
        try:
            values = authorization(request.META)
            claims = await authenticate_async(async_verifier(), values, _proof(request))
            _admit(request, claims, typed(async_verifier(), claims))
        except Refusal as refusal:
            if refusal.code != "token_missing":
                return _answer(request, refusal, _scope_at(request))
            request.claims = request.carnet_claims = None
        return await self._get_response(request)

    def _is_for_metadata(self, request: HttpRequest) -> bool:
        return self._resource is not None and self._resource.path in (
            request.path,
            request.path_info,
        )


def _published(published: Any, request: HttpRequest) -> HttpResponse:
    status, headers, body = published.answer(request.method)
    return HttpResponse(body, status=status, headers=headers)


def _scope_at(request: HttpRequest) -> str:
    """Give the scopes that a view needs which is not chosen yet."""
    try:
        return scope_of(resolve(request.path_info, getattr(request, "urlconf", None)).func)
    except Resolver404:
        return ""


def _proof(request: HttpRequest) -> Presented | None:
    return presented(request.META, lambda: str(request.build_absolute_uri(request.path)))


def require_token(view: View) -> View:
    """Require a good access token."""
    return _requiring(None)(view)


def require_role(role: str) -> Callable[[View], View]:
    """Require a good access token with one of ``roles``."""
    return _requiring(needs_role(role))


def require_scope(scope: str) -> Callable[[View], View]:
    """Require a good access token with a scope, or with several, separated by spaces."""
    return _requiring(needs_scope(scope))


def require_acr(*acr_values: str, max_age: int | None = None) -> Callable[[View], View]:
    """Require a sign-in of one of these levels (``acr``, RFC 9470).

    Args:
        acr_values: the ways, the preferred one first.
        max_age: seconds that may have passed since, where that counts too.
    """
    return _requiring(needs_acr(*acr_values, max_age=max_age))


def require_age(max_age: int) -> Callable[[View], View]:
    """Require a sign-in at most so many seconds ago (``auth_time``, RFC 9470)."""
    return _requiring(needs_age(max_age))


def _requiring(need: Need | None) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        wanted, scope = joined(need, view)
        if iscoroutinefunction(view):

            @wraps(view)
            async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                return _refusal(request, wanted, scope) or await view(request, *args, **kwargs)

            guarded_async.carnet_scope = scope  # type: ignore[attr-defined]  # for those above
            return guarded_async  # type: ignore[return-value]

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return _refusal(request, wanted, scope) or view(request, *args, **kwargs)

        guarded.carnet_scope = scope  # type: ignore[attr-defined]  # for the decorators above
        return guarded  # type: ignore[return-value]

    return decorate


def _refusal(request: HttpRequest, need: Need | None, scope: str) -> HttpResponse | None:
    if not hasattr(request, "carnet_claims"):
        raise ImproperlyConfigured(
            "MIDDLEWARE does not name 'carnet.verifier.django.BearerMiddleware'"
        )
    try:
        claims = present(request.carnet_claims)
        if need is not None:
            need(claims)
    except Refusal as refusal:
        return _answer(request, refusal, scope)
    return None


def _admit(request: HttpRequest, claims: Claims, fitting: Any) -> None:
    user = DjangoUser(claims, fitting)

    async def auser() -> DjangoUser:
        return user

    request.claims, request.carnet_claims = fitting, claims
    request.user, request.auser = user, auser
    request.csrf_processing_done = True


def _answer(request: HttpRequest, refusal: Refusal, scope: str) -> HttpResponse:
    refusal = with_advice(refusal, resource(), scope)
    refusal.log(request.path)
    return HttpResponse(
        refusal.body,
        status=refusal.status,
        headers=refusal.headers,
        content_type="application/json",
    )
