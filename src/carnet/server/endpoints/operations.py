"""For those who run the service: is it up, is it ready, how is it doing."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.http import answer
from carnet.server.metrics import CONTENT_TYPE_LATEST, exposition
from carnet.server.service import Service
from carnet.server.store import StoreUnavailable
from carnet.server.store import statements as sql

__all__ = ["health", "metrics", "readiness"]


async def health(_request: Request) -> Response:
    """Say that the process answers."""
    return answer({"status": "ok"})


async def readiness(request: Request) -> Response:
    """Say whether the service can do its work: the database answers, and there is a key."""
    service: Service = request.app.state.service
    try:
        await service.store.read(sql.COUNTERS)
    except StoreUnavailable:
        return answer({"status": "unavailable", "reason": "the database does not answer"}, 503)
    return answer({"status": "ready"})


async def metrics(_request: Request) -> Response:
    """Give the figures for Prometheus."""
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST)
