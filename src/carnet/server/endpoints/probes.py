"""For those who run the service: is it up, is it ready, how is it doing."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.deadline import within
from carnet.server.log import log_failure
from carnet.server.metrics import CONTENT_TYPE_LATEST, exposition
from carnet.server.service import Service
from carnet.server.store import StoreUnavailable
from carnet.server.store.counters import read_counters
from carnet.server.web.requests import answer

__all__ = ["health", "metrics", "readiness"]

READ_SECONDS = 2.0


async def health(_request: Request) -> Response:
    """Say that the process answers."""
    return answer({"status": "ok"})


async def readiness(request: Request) -> Response:
    """Say whether the service can do its work: the database answers, and what must run does."""
    service: Service = request.app.state.service
    if service.background.stopping:
        return _unavailable(request, "the service is stopping")
    try:
        await within(READ_SECONDS, read_counters(service.store))
    except (StoreUnavailable, TimeoutError):
        return _unavailable(request, "the database does not answer")
    if late := service.background.late:
        return _unavailable(request, f"has not succeeded for too long: {', '.join(late)}", late)
    # What the service can do without takes no replica out: another one would fare no better.
    failing = {"failing": service.background.failing} if service.background.failing else {}
    return answer({"status": "ready", **failing})


def _unavailable(request: Request, reason: str, tasks: list[str] | None = None) -> Response:
    log_failure(request.scope, 503, reason)
    content: dict[str, object] = {"status": "unavailable", "reason": reason}
    return answer(content if tasks is None else {**content, "tasks": tasks}, 503)


async def metrics(_request: Request) -> Response:
    """Give the figures for Prometheus."""
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST)
