"""Plain WSGI: a middleware that requires a valid access token.

app = BearerMiddleware(app, issuer="https://auth.example.com", audience="orders")
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Unpack
from wsgiref.util import request_uri

from carnet.jwt.key_source import Health
from carnet.jwt.policy import Names
from carnet.verifier import preflight
from carnet.verifier.access_token import AccessTokenVerifier, Options
from carnet.verifier.bearer import Refusal, authenticate, typed, with_advice
from carnet.verifier.dpop import Presented
from carnet.verifier.exempt import Exempt
from carnet.verifier.issuer import Trusted
from carnet.verifier.options import check_options

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

__all__ = ["BearerMiddleware", "authorization", "is_preflight", "presented"]


class BearerMiddleware:
    """Refuses requests without a good token; gives its claims as ``environ["carnet.claims"]``.

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
        app: WSGIApplication,
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
        self._verifier = AccessTokenVerifier(issuer, audience, claims_type=claims_type, **options)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or let it through to the app."""
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        resource = self._verifier.resource
        if resource is not None and resource.path in (path, environ.get("PATH_INFO")):
            return _answer(start_response, *resource.answer(environ["REQUEST_METHOD"]))
        try:
            if path not in self._exempt:
                if is_preflight(environ):
                    return _head_only(self._app, environ, start_response)
                claims = authenticate(self._verifier, authorization(environ), presented(environ))
                environ["carnet.typed_claims"] = typed(self._verifier, claims)
                environ["carnet.claims"] = claims
            return self._app(environ, start_response)
        except Refusal as refusal:
            refusal = with_advice(refusal, resource)
            refusal.log(path)
            body = refusal.body
            headers = {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                **refusal.headers,
            }
            return _answer(start_response, refusal.status, headers, body)

    def health(self) -> list[Health]:
        """Say how well each issuer's keys are known."""
        return self._verifier.health()

    def close(self) -> None:
        """Stop following the revocations, when the app ends."""
        self._verifier.close()


def _answer(
    start_response: StartResponse, status: int, headers: dict[str, str], body: bytes
) -> list[bytes]:
    start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
    return [body]


def is_preflight(environ: dict[str, Any]) -> bool:
    """Tell whether a browser asks if a page may send a request (CORS).

    Args:
        environ: the request, as WSGI has it.
    """
    names = [
        name[5:].replace("_", "-").lower()
        for name, value in environ.items()
        if name.startswith("HTTP_") and value
    ]
    return preflight.is_preflight(environ["REQUEST_METHOD"], names)


def _head_only(
    app: WSGIApplication, environ: dict[str, Any], start_response: StartResponse
) -> list[bytes]:
    """Give of an app's answer what CORS is about: one that looks at no method would tell more."""

    def begin(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], None]:
        kept = [(name, value) for name, value in headers if preflight.may_be_told(name.lower())]
        if not status.startswith("204"):
            kept.append(("Content-Length", "0"))
        start_response(status, kept, *error)
        return lambda _: None

    answer = app(environ, begin)
    try:
        # Some apps begin their answer with its first part.
        next(iter(answer), None)
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()
    return []


def authorization(environ: dict[str, Any]) -> list[str]:
    """Give the value of a request's Authorization header: servers have joined several with commas.

    Args:
        environ: the request, as WSGI, or Django's ``META``, has it.
    """
    value = environ.get("HTTP_AUTHORIZATION")
    return [] if value is None else [value]


def presented(environ: dict[str, Any], url: Callable[[], str] | None = None) -> Presented | None:
    """Give the proof of a token that was sent as ``DPoP`` (RFC 9449 section 7.1), or None.

    Args:
        environ: the request, as WSGI, or Django's ``META``, has it.
        url: gives its address, where the framework knows better.
    """
    if environ.get("HTTP_AUTHORIZATION", "")[:5].lower() != "dpop ":
        return None
    proofs = [environ["HTTP_DPOP"]] if "HTTP_DPOP" in environ else []
    address = request_uri(environ, include_query=False) if url is None else url()
    return Presented(proofs, environ["REQUEST_METHOD"], address)
