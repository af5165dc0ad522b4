"""For administrators: what happens now, and what has happened: ``/admin`` and its audit log."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from carnet.server import audit
from carnet.server.accounts.accounts import Account, AccountRefused
from carnet.server.activity import MINUTES, Minute
from carnet.server.audit import LATEST, Event, Filter
from carnet.server.clock import SECOND
from carnet.server.pages.rendering import render
from carnet.server.pages.signed_in import require_administrator
from carnet.server.revocations.revocations import Revocation
from carnet.server.service import Service
from carnet.server.store import statements as sql
from carnet.server.web.requests import answer

__all__ = ["follow_revocations", "show_audit", "show_overview"]

PAGE: Final = 50
SHOWN: Final = 20
DAY: Final = 86_400 * SECOND
HEIGHT: Final = 60
MEANINGS: Final = {
    "sid": "A session has ended",
    "sub": "Older tokens of an account are stale",
    "jti": "One token is revoked",
}


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
    seq, entries = await _revocations(service, service.revocation_stream.seq - SHOWN)
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
        seq=seq,
        entries=reversed(entries),
        meanings=MEANINGS,
    )


async def follow_revocations(request: Request) -> Response:
    """Give the revocations after a number, for the overview's script."""
    service: Service = request.app.state.service
    await require_administrator(request)
    text = request.query_params.get("after", "")
    after = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
    seq, entries = await _revocations(service, after)
    told = [
        {
            "seq": entry.seq,
            "meaning": MEANINGS[entry.kind],
            "value": entry.value,
            "until": entry.expires_at // SECOND,
        }
        for entry in entries
    ]
    return answer({"seq": seq, "entries": told})


async def show_audit(request: Request) -> Response:
    """Show the audit log, as far as the filters let it through."""
    service: Service = request.app.state.service
    session = await require_administrator(request)
    given = {
        name: request.query_params.get(name, "")
        for name in ("event", "account", "since", "until", "before", "after_id")
    }
    errors: dict[str, str] = {}
    wanted = Filter(
        event=given["event"] if given["event"] in set(Event) else "",
        since=_day(given["since"], 0, "since", errors),
        before=_day(given["until"], LATEST - DAY, "until", errors) + DAY,
    )
    if given["account"]:
        found = await _find(service, given["account"])
        if found is None:
            errors["account"] = "There is no account of this name or id."
        else:
            wanted = wanted._replace(account_id=found.id)
    if given["before"].isascii() and given["before"].isdigit() and len(given["before"]) < 19:
        wanted = wanted._replace(before=int(given["before"]), after_id=_plain(given["after_id"]))
    entries, following = ([], None) if errors else await audit.page(service.store, wanted, PAGE)
    names = {entry.account_id for entry in entries} | {entry.actor for entry in entries}
    accounts = {name: await service.accounts.by_id(name) for name in names if name}
    return render(
        request,
        "admin_audit.html",
        session=session,
        given=given,
        errors=errors,
        events=sorted(Event),
        entries=entries,
        names={key: found.username for key, found in accounts.items() if found},
        following=following
        and {**given, "before": following.before, "after_id": following.after_id},
    )


async def _revocations(service: Service, after: int) -> tuple[int, list[Revocation]]:
    """Give the newest revocations after a number, and the number to go on from."""
    counters: dict[str, int] = dict(await service.store.read(sql.COUNTERS))
    after = max(after, counters["revocation"] - SHOWN, 0)
    rows = await service.store.read(sql.REVOCATIONS_AFTER, after, service.clock(), SHOWN)
    return max([counters["revocation"], *(row[0] for row in rows)]), [Revocation(*r) for r in rows]


async def _find(service: Service, name: str) -> Account | None:
    try:
        return await service.accounts.find(name)
    except AccountRefused:
        return await service.accounts.by_id(_plain(name))


def _plain(text: str) -> str:
    return text if text.isprintable() else ""


def _day(text: str, otherwise: int, name: str, errors: dict[str, str]) -> int:
    """Read a day into the moment when it begins."""
    if not text:
        return otherwise
    try:
        day = date.fromisoformat(text)
    except ValueError:
        errors[name] = "A day is written as 2026-12-31."
        return otherwise
    return int(datetime.combine(day, time(), UTC).timestamp()) * SECOND


def _chart(minutes: list[Minute]) -> list[Series]:
    rows = zip(*minutes, strict=True)
    names = ("Sign-ins", "Refreshes", "Refusals")
    return [
        _series(name, list(row), MINUTES - len(minutes))
        for name, row in zip(names, rows, strict=True)
    ]


def _series(name: str, counts: list[int], start: int) -> Series:
    highest = max(counts)
    bars = [
        (start + at, max(1, count * HEIGHT // highest)) for at, count in enumerate(counts) if count
    ]
    return Series(name, name.lower(), sum(counts), highest, bars)
