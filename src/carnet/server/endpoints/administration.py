"""The administration over HTTP: what is asked, and how it is answered.

What can be asked stands by its subject in files of their own, and together in ``operations``. All
of it is for first-party tokens of accounts with the administrator's role, and for those of clients
that were granted the scope ``carnet:admin`` by such an account.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.accounts import AccountRefused
from carnet.server.accounts.passwords import TooBusy
from carnet.server.audit import Origin
from carnet.server.clients.clients import ClientRefused
from carnet.server.service import Service
from carnet.server.web.bearer import administrator_claims, origin_of
from carnet.server.web.requests import NO_STORE, RequestRefused, answer, read_json

__all__ = ["Asked", "Operation", "Text", "administer", "parameter"]

STATUS: Final = {
    **dict.fromkeys(("unknown_client", "unknown_resource", "account_unknown"), 404),
    **dict.fromkeys(("registry_changed", "account_changed"), 409),
}
"""Of what is refused, by its code; of everything else 400."""
REGISTRATION_ERRORS: Final = frozenset(("invalid_redirect_uri", "invalid_client_metadata"))
"""Those of RFC 7591 section 3.2.2."""

Text = Annotated[str, Meta(max_length=1024)]


class Asked(NamedTuple):
    """A request of an administrator's.

    Attributes:
        service: the service.
        request: the request.
        origin: who asks, and from where.
        body: what was sent, of the operation's type.
    """

    service: Service
    request: Request
    origin: Origin
    body: Any

    @property
    def name(self) -> str:
        """What the last part of the address names."""
        return str(self.request.path_params["name"])


class Operation(NamedTuple):
    """One thing that can be done, as the routes and the OpenAPI description tell of it.

    Attributes:
        method: the HTTP method.
        path: the address; ``{name}`` stands for what is named.
        work: does it, and gives what is answered.
        summary: what it does, in a sentence.
        body: the type of the request's JSON, or None.
        result: the type of the answer's JSON, or None for an empty one.
        status: of the answer.
        query: names of parameters in the query.
    """

    method: str
    path: str
    work: Callable[[Asked], Awaitable[Any]]
    summary: str
    body: type[Any] | None
    result: type[Any] | None
    status: int
    query: tuple[str, ...] = ()


def administer(operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    """Make the endpoint of an operation."""

    async def endpoint(request: Request) -> Response:
        service: Service = request.app.state.service
        claims = await administrator_claims(request)
        body = None if operation.body is None else await read_json(request, operation.body)
        asked = Asked(service, request, origin_of(request, claims["sub"]), body)
        try:
            content = await operation.work(asked)
        except (ClientRefused, AccountRefused) as error:
            status = STATUS.get(error.code, 400)
            text = str(error).replace('"', "'")
            code = error.code if error.code in REGISTRATION_ERRORS else "invalid_request"
            raise RequestRefused(code, text, status) from None
        except TooBusy as error:
            raise RequestRefused(
                "temporarily_unavailable", str(error), 429, {"Retry-After": "2"}
            ) from None
        if operation.result is None:
            return Response(status_code=operation.status, headers=NO_STORE)
        return answer(msgspec.to_builtins(content), operation.status)

    # The figures of Prometheus name endpoints by this.
    endpoint.__name__ = operation.work.__name__.removeprefix("_")
    return endpoint


def parameter(asked: Asked, name: str) -> str:
    """Give the one parameter that the query may have, or "".

    Raises:
        RequestRefused: if there is another one, or the same twice.
    """
    given = asked.request.query_params
    if set(given) - {name} or len(given) != len(given.multi_items()):
        raise RequestRefused("invalid_request", f"the only parameter is {name}, once")
    return given.get(name, "")
