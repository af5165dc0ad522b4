"""For administrators: what happens now, ``/admin``."""

from __future__ import annotations

from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.activity import MINUTES, Minute
from carnet.server.clock import SECOND
from carnet.server.languages import gettext, marked, written_moment
from carnet.server.pages.rendering import render
from carnet.server.pages.signed_in import require_administrator
from carnet.server.service import Service
from carnet.server.web.requests import answer

__all__ = ["follow_revocations", "show_overview"]

SHOWN: Final = 20
HEIGHT: Final = 60
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


class Series(NamedTuple):
    """A row of the chart: its bars by minute, the oldest first, as (place, height)."""

    name: str
    kind: str
    total: int
    highest: int
    bars: list[tuple[int, int]]


async def show_overview(request: Request) -> Response:
    """Show the last hour, and the revocations as they go out."""
    service: Service = request.app.state.service
    session = await require_administrator(request)
    newest = await service.revocations.newest(SHOWN)
    activity = service.background.activity
    return render(
        request,
        "admin.html",
        session=session,
        series=_chart(activity.minutes()),
        since=activity.since,
        workers=service.settings.workers,
        minutes=MINUTES,
        height=HEIGHT,
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


def _chart(minutes: list[Minute]) -> list[Series]:
    rows = zip(*minutes, strict=True)
    return [
        _series(name, kind, list(row), MINUTES - len(minutes))
        for (kind, name), row in zip(SERIES.items(), rows, strict=True)
    ]


def _series(name: str, kind: str, counts: list[int], start: int) -> Series:
    highest = max(counts)
    bars = [
        (start + at, max(1, count * HEIGHT // highest)) for at, count in enumerate(counts) if count
    ]
    return Series(name, kind, sum(counts), highest, bars)
