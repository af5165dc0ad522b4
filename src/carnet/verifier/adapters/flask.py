"""Flask: an extension whose decorators require a valid access token.

app.config["CARNET"] = {"issuer": "https://auth.example.com", "audience": "orders"}
Bearer(app)

@app.get("/orders")
@require_scope("orders:read")
def list_orders(): return {"for": current_claims.subject}

``Bearer(app, exempt=["health", "static"])`` protects all views but those.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container
from contextlib import suppress
from functools import wraps
from typing import Any, Final, ParamSpec
from weakref import WeakSet

from carnet.errors import ConfigurationError
from carnet.jwt.claims import Claims
from carnet.jwt.key_source import Health
from carnet.verifier.access_token import AccessTokenVerifier
from carnet.verifier.adapters.wsgi import authorization, is_preflight, presented
from carnet.verifier.bearer import (
    Need,
    Refusal,
    authenticate,
    joined,
    needs_acr,
    needs_age,
    needs_role,
    needs_scope,
    not_installed,
    options_of,
    scope_of,
    typed,
    with_advice,
)
from carnet.verifier.preflight import may_be_told

try:
    from flask import Flask, Response, abort, after_this_request, current_app, g, request
    from werkzeug.local import LocalProxy
except ModuleNotFoundError:
    raise not_installed("flask") from None

__all__ = [
    "Bearer",
    "current_claims",
    "require_acr",
    "require_age",
    "require_role",
    "require_scope",
    "require_token",
]

P = ParamSpec("P")
View = Callable[P, Any]

NAME: Final = "carnet"
CHECKED: Final = "carnet.flask"
"""Where a request's environment holds its token's claims: a proof is taken once."""

_apps: WeakSet[Flask] = WeakSet()
_bare: WeakSet[Any] = WeakSet()
"""What stands below a decorator: registered as a view, it is open."""


class Bearer:
    """The extension; it reads ``app.config["CARNET"]``.

    That is a mapping with ``issuer``, ``audience`` and, where wanted, the options of
    ``carnet.verifier.AccessTokenVerifier``. The claims of a request are ``current_claims``, or
    ``g.claims``.

    Where the option ``resource`` is given, its metadata (RFC 9728) are answered here, to everybody.

    Args:
        app: the app; without one, ``init_app`` is called later.
        exempt: names of the views (Flask's endpoints) that need no token, such as ``health`` or
            ``static``: all others need one. Without it, the views' decorators ask for a token.

    Raises:
        ConfigurationError: if the settings are not there, or not of their kind; or, with the first
            request at the latest, if a view is open since its decorator stands above its route.
    """

    def __init__(self, app: Flask | None = None, *, exempt: Collection[str] | None = None) -> None:
        if isinstance(exempt, str) or not all(isinstance(name, str) for name in exempt or ()):
            raise ConfigurationError("exempt must be a list of views, such as ['health', 'static']")
        self._exempt = None if exempt is None else frozenset(exempt)
        self._verifiers: list[AccessTokenVerifier[Any]] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Prepare an app; it needs its settings by now.

        Raises:
            ConfigurationError: as for the class.
        """
        options = options_of(app.config.get("CARNET"), "app.config['CARNET']")
        verifier: AccessTokenVerifier[Any] = AccessTokenVerifier(**options)
        self._verifiers.append(verifier)
        app.extensions[NAME] = verifier
        _apps.add(app)
        _check_order(app)
        # Blueprints bring their views later, until the first request.
        is_checked = False

        def protect() -> Response | None:
            nonlocal is_checked
            if not is_checked:
                _check_order(app)
                self._check_exempt(app)
                is_checked = True
            resource = verifier.resource
            if resource is not None and resource.path in (
                request.path,
                request.script_root + request.path,
            ):
                status, headers, body = resource.answer(request.method)
                # A list: of bytes werkzeug would make a length of its own, wrong for HEAD.
                return Response([body], status, headers)
            if self._exempt is None or request.endpoint in self._exempt:
                return None
            if is_preflight(request.environ):
                # Whatever the app adds to each of its answers, such as CORS, comes after this.
                after_this_request(_head_only)
            else:
                _check(None, scope_of(app.view_functions.get(request.endpoint or "")))
            return None

        app.before_request(protect)

    def _check_exempt(self, app: Flask) -> None:
        for name in self._exempt or ():
            if name not in app.view_functions:
                raise ConfigurationError(
                    f"exempt names '{name}', which is none of the app's views: "
                    f"{', '.join(sorted(app.view_functions))}"
                )

    def health(self) -> list[Health]:
        """Say how well each issuer's keys are known to the current app."""
        return _verifier().health()

    def close(self) -> None:
        """Stop following the revocations, when the apps end that it was given."""
        for verifier in self._verifiers:
            verifier.close()


def _claims() -> Any:
    if "claims" not in g:
        raise RuntimeError("there are no claims: the view has no require_token, _role or _scope")
    return g.claims


current_claims: Any = LocalProxy(_claims)
"""What the request's token says: Claims, or the ``claims_type`` of the settings."""


def require_token(view: View[P]) -> View[P]:
    """Require a good access token."""
    return _requiring(None)(view)


def require_role(role: str) -> Callable[[View[P]], View[P]]:
    """Require a good access token with one of ``roles``."""
    return _requiring(needs_role(role))


def require_scope(scope: str) -> Callable[[View[P]], View[P]]:
    """Require a good access token with a scope, or with several, separated by spaces."""
    return _requiring(needs_scope(scope))


def require_acr(*acr_values: str, max_age: int | None = None) -> Callable[[View[P]], View[P]]:
    """Require a sign-in of one of these levels (``acr``, RFC 9470).

    Args:
        acr_values: the ways, the preferred one first.
        max_age: seconds that may have passed since, where that counts too.
    """
    return _requiring(needs_acr(*acr_values, max_age=max_age))


def require_age(max_age: int) -> Callable[[View[P]], View[P]]:
    """Require a sign-in at most so many seconds ago (``auth_time``, RFC 9470)."""
    return _requiring(needs_age(max_age))


def _requiring(need: Need | None) -> Callable[[View[P]], View[P]]:
    def decorate(view: View[P]) -> View[P]:
        bare: list[Any] = [view]
        while hasattr(bare[-1], "__wrapped__"):
            bare.append(bare[-1].__wrapped__)
        for one in bare:
            with suppress(TypeError):  # what can't be referred to weakly is no function
                _bare.add(one)
        for app in list(_apps):
            _check_order(app, bare)

        wanted, scope = joined(need, view)

        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
            _check(wanted, scope)
            return current_app.ensure_sync(view)(*args, **kwargs)

        guarded.carnet_scope = scope  # type: ignore[attr-defined]  # for the decorators above
        return guarded

    return decorate


def _check(need: Need | None, scope: str) -> None:
    verifier = _verifier()
    try:
        claims, fitting = _checked(verifier)
        if need is not None:
            need(claims)
        g.claims = fitting
    except Refusal as refusal:
        refusal = with_advice(refusal, verifier.resource, scope)
        refusal.log(request.path)
        abort(Response(refusal.body, refusal.status, refusal.headers, mimetype="application/json"))


def _checked(verifier: AccessTokenVerifier[Any]) -> tuple[Claims, Any]:
    """Give the claims of the request's token, checked once however many decorators ask."""
    values = authorization(request.environ)
    # Not g: that of a test may last for several requests.
    checked = request.environ.get(CHECKED)
    if checked is None or checked[:2] != (verifier, values):
        claims = authenticate(verifier, values, presented(request.environ))
        checked = request.environ[CHECKED] = (verifier, values, claims, typed(verifier, claims))
    return checked[2], checked[3]


def _head_only(answer: Response) -> Response:
    """Give of a view's answer to a preflight what CORS is about."""
    for name in {name for name, _ in answer.headers if not may_be_told(name.lower())}:
        del answer.headers[name]
    answer.set_data(b"")
    return answer


def _check_order(app: Flask, bare: Container[Any] = _bare) -> None:
    """Refuse an app that has registered what stands below a decorator instead of what it made."""
    for name, view in app.view_functions.items():
        if view in bare:
            raise ConfigurationError(
                f"the view '{name}' is open: its decorator, such as require_token, stands above "
                "its route, which has taken the view without it; put it below the route, next to "
                "the function"
            )


def _verifier() -> AccessTokenVerifier[Any]:
    verifier = current_app.extensions.get(NAME)
    if not isinstance(verifier, AccessTokenVerifier):
        raise ConfigurationError("the app has no Bearer: call Bearer(app), or init_app(app)")
    return verifier
