"""How a request that fails is answered: as JSON to a program, on a page to a person."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.log import log_failure
from carnet.server.pages.error_page import page_of_refusal
from carnet.server.pages.forms import typed
from carnet.server.pages.routes import wants_page
from carnet.server.store import StoreUnavailable
from carnet.server.web.page_language import speak_as_asked
from carnet.server.web.requests import RequestRefused, refusal

__all__ = ["EXPECTED", "answer_failure"]

EXPECTED: Final = (RequestRefused, HTTPException, StoreUnavailable)
"""The errors that are no fault of this program's."""

FAILED: Final = 500

NOT_SERVED: Final = {
    404: "there is nothing at this address",
    405: "this method is not allowed here",
}


async def answer_failure(request: Request, error: Exception) -> Response:
    """Answer a request with what is told of an error; nothing of one that is not expected."""
    refused = _refused(error)
    if refused.status >= FAILED:
        log_failure(request.scope, refused.status, error)
    if not wants_page(request):
        return refusal(refused)
    speak_as_asked(request, typed(request))
    return page_of_refusal(request, refused)


def _refused(error: Exception) -> RequestRefused:
    if isinstance(error, RequestRefused):
        return error
    if isinstance(error, HTTPException):
        text = NOT_SERVED.get(error.status_code, error.detail)
        return RequestRefused("invalid_request", text, error.status_code, error.headers)
    if isinstance(error, StoreUnavailable):
        return RequestRefused(
            "temporarily_unavailable",
            "the service can't reach its database; try again shortly",
            503,
            {"Retry-After": "2"},
        )
    return RequestRefused("server_error", "the service failed to answer", 500)
