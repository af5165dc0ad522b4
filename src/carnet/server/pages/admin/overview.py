"""For administrators: what happens now, ``/admin``."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.clock import SECOND
from carnet.server.languages import gettext, marked, written_moment
from carnet.server.pages.admin.charts import HEIGHT, RANGES, STEP, charts, first_moment
from carnet.server.pages.admin.checklist import checklist
from carnet.server.pages.rendering import render
from carnet.server.pages.signed_in import require_administrator
from carnet.server.service import Service
from carnet.server.web.requests import answer

__all__ = ["follow_revocations", "show_overview"]

SHOWN: Final = 20
MEANINGS: Final = {
    "sid": marked("A session has ended"),
    "sub": marked("Older tokens of an account are stale"),
    "jti": marked("One token is revoked"),
}

SERIES: Final = {
    "sign-ins": marked("Sign-ins"),
    "refreshes": marked("Refreshes"),
    "refusals": marked("Refusals"),
}
"""The rows of the chart, in the order of a minute's counts."""


async def show_overview(request: Request) -> Response:
    """Show what is to do, what was done lately, and the revocations as they go out."""
    service: Service = request.app.state.service
    session = await require_administrator(request)
    newest = await service.revocations.newest(SHOWN)
    name = request.query_params.get("range", "")
    covered = RANGES.get(name, RANGES["hours"])
    now = service.clock()
    hours = await service.background.activity.hours(first_moment(covered, now))
    items = await checklist(service)
    return render(
        request,
        "admin.html",
        session=session,
        items=[] if all(item.done for item in items) else items,
        ranges=RANGES,
        covered=covered,
        charts=charts(covered, hours, now),
        height=HEIGHT,
        step=STEP,
        seq=newest.seq,
        entries=reversed(newest.entries),
        meanings=MEANINGS,
        queue=await service.delivery.queue() if service.outbox.is_open else None,
    )


async def follow_revocations(request: Request) -> Response:
    """Give the revocations after a number, for the overview's script."""
    service: Service = request.app.state.service
    await require_administrator(request)
    text = request.query_params.get("after", "")
    after = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
    newest = await service.revocations.newest(SHOWN, after)
    entries = [
        {
            "seq": entry.seq,
            "meaning": gettext(MEANINGS[entry.kind]),
            "value": entry.value,
            "until": entry.expires_at // SECOND,
            "written": written_moment(entry.expires_at),
        }
        for entry in newest.entries
    ]
    return answer({"seq": newest.seq, "entries": entries})
