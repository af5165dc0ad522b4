"""Flask: an extension whose decorators let in who brings a good access token.

app.config["CARNET"] = {"issuer": "https://auth.example.com", "audience": "orders"}
Bearer(app)

@app.get("/orders")
@require_scope("orders:read")
def list_orders(): return {"for": current_claims.subject}
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from carnet.errors import ConfigurationError
from carnet.jwt.claims import Claims
from carnet.verifier.access_token import AccessTokenVerifier
from carnet.verifier.adapters.wsgi import authorization, presented
from carnet.verifier.bearer import (
    Need,
    Refusal,
    authenticate,
    needs_acr,
    needs_age,
    needs_role,
    needs_scope,
    not_installed,
    options_of,
    typed,
)
from carnet.verifier.key_source import Health

try:
    from flask import Flask, Response, abort, current_app, g, request
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

NAME = "carnet"


class Bearer:
    """The extension; it reads ``app.config["CARNET"]``.

    That is a mapping with ``issuer``, ``audience`` and, where wanted, the options of
    ``carnet.verifier.AccessTokenVerifier``. The claims of a request are ``current_claims``, or
    ``g.claims``.

    Args:
        app: the app; without one, ``init_app`` is called later.

    Raises:
        ConfigurationError: if the settings are not there, or not of their kind.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self._verifiers: list[AccessTokenVerifier[Any]] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Prepare an app; it needs its settings by now.

        Raises:
            ConfigurationError: if the settings are not there, or not of their kind.
        """
        options = options_of(app.config.get("CARNET"), "app.config['CARNET']")
        verifier: AccessTokenVerifier[Any] = AccessTokenVerifier(**options)
        self._verifiers.append(verifier)
        app.extensions[NAME] = verifier

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
    """Let in who brings a good token."""
    return _requiring(None)(view)


def require_role(role: str) -> Callable[[View[P]], View[P]]:
    """Let in who brings a good token with a role among ``roles``."""
    return _requiring(needs_role(role))


def require_scope(scope: str) -> Callable[[View[P]], View[P]]:
    """Let in who brings a good token with a scope, or several with spaces between them."""
    return _requiring(needs_scope(scope))


def require_acr(*acr_values: str, max_age: int | None = None) -> Callable[[View[P]], View[P]]:
    """Let in who has signed in in one of these ways (``acr``, RFC 9470).

    Args:
        acr_values: the ways, the preferred one first.
        max_age: seconds that may have passed since, where that counts too.
    """
    return _requiring(needs_acr(*acr_values, max_age=max_age))


def require_age(max_age: int) -> Callable[[View[P]], View[P]]:
    """Let in who has signed in at most so many seconds ago (``auth_time``, RFC 9470)."""
    return _requiring(needs_age(max_age))


def _requiring(need: Need | None) -> Callable[[View[P]], View[P]]:
    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
            _check(need)
            return current_app.ensure_sync(view)(*args, **kwargs)

        return guarded

    return decorate


def _check(need: Need | None) -> None:
    verifier = _verifier()
    try:
        claims: Claims = authenticate(
            verifier, authorization(request.environ), presented(request.environ)
        )
        fitting = typed(verifier, claims)
        if need is not None:
            need(claims)
        g.claims = fitting
    except Refusal as refusal:
        refusal.log(request.path)
        abort(Response(refusal.body, refusal.status, refusal.headers, mimetype="application/json"))


def _verifier() -> AccessTokenVerifier[Any]:
    verifier = current_app.extensions.get(NAME)
    if not isinstance(verifier, AccessTokenVerifier):
        raise ConfigurationError("the app has no Bearer: call Bearer(app), or init_app(app)")
    return verifier
