"""For administrators: what has happened, ``/admin/audit``."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime, time
from typing import Final, NamedTuple
from urllib.parse import urlencode

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from carnet.server import audit
from carnet.server.accounts.accounts import Account, AccountRefused
from carnet.server.clock import SECOND
from carnet.server.languages import gettext, marked
from carnet.server.pages.rendering import PAGE_HEADERS, redirect, render
from carnet.server.pages.signed_in import require_administrator
from carnet.server.service import Service

__all__ = ["export_audit", "show_audit"]

PAGE: Final = 50
DAY: Final = 86_400 * SECOND
YEAR_9999: Final = 253_402_300_800 * SECOND
EXPORTED_AT_ONCE: Final = 500
MOST_EXPORTED: Final = 100_000
CALCULATED: Final = ("=", "+", "-", "@", "\t", "\r")
COLUMNS: Final = (
    *("time", "event", "account", "account_id", "session_id", "by", "address", "reason"),
)
Writer = Callable[[AsyncIterator[dict[str, str]]], AsyncIterator[str]]
NOTHING: Final = audit.Page([], None, {})
FIELDS: Final = {
    "event": marked("Event"),
    "account": marked("Account"),
    "since": marked("From this day"),
    "until": marked("Until this day"),
}
"""The filters, by what they are called."""


class Asked(NamedTuple):
    """What the filters of a request say.

    Attributes:
        filter: which entries are wanted.
        given: what was typed.
        errors: what of it can't be read, by the field.
    """

    filter: audit.Filter
    given: dict[str, str]
    errors: dict[str, str]


async def show_audit(request: Request) -> Response:
    """Show the audit log, as far as the filters select it."""
    service: Service = request.app.state.service
    session = await require_administrator(request)
    filter, given, errors = await _asked(request)
    page = NOTHING if errors else await audit.page(service.store, filter, PAGE)
    return render(
        request,
        "admin_audit.html",
        session=session,
        given=given,
        errors=errors,
        events=sorted(audit.Event),
        entries=page.entries,
        names=page.names,
        chosen={name: text for name, text in given.items() if text and name in FIELDS},
        labels=FIELDS,
        formats=FORMATS,
        most=MOST_EXPORTED,
        following=page.following
        and {**given, "before": page.following.before, "after_id": page.following.after_id},
    )


async def export_audit(request: Request) -> Response:
    """Give the entries that the filters select as a file, at most ``MOST_EXPORTED``."""
    service: Service = request.app.state.service
    await require_administrator(request)
    name = request.path_params["format"]
    if name not in FORMATS:
        raise HTTPException(404)
    filter, given, errors = await _asked(request)
    if errors:
        return redirect(request, f"/admin/audit?{urlencode(given)}")
    kind, write = FORMATS[name]
    headers = {**PAGE_HEADERS, "Content-Disposition": f'attachment; filename="audit.{name}"'}
    return StreamingResponse(write(_all(service, filter)), 200, headers, media_type=kind)


async def _all(service: Service, filter: audit.Filter) -> AsyncIterator[dict[str, str]]:
    """Give the entries as the files hold them, the newest first, a page at a time."""
    following: audit.Filter | None = filter
    left = MOST_EXPORTED
    while following is not None and left > 0:
        page = await audit.page(service.store, following, min(EXPORTED_AT_ONCE, left))
        for entry in page.entries:
            yield {
                "time": _written(entry.at),
                "event": entry.event,
                "account": page.names.get(entry.account_id or "", ""),
                "account_id": entry.account_id or "",
                "session_id": entry.session_id or "",
                "by": page.names.get(entry.actor or "", entry.actor or ""),
                "address": entry.address or "",
                "reason": entry.reason or "",
            }
        left -= len(page.entries)
        following = page.following


def _written(moment: int) -> str:
    if not 0 <= moment < YEAR_9999:
        return ""
    return datetime.fromtimestamp(moment // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _as_csv(entries: AsyncIterator[dict[str, str]]) -> AsyncIterator[str]:
    yield _line(COLUMNS)
    async for entry in entries:
        yield _line([entry[name] for name in COLUMNS])


async def _as_json(entries: AsyncIterator[dict[str, str]]) -> AsyncIterator[str]:
    before = "["
    async for entry in entries:
        yield before + msgspec.json.encode(entry).decode()
        before = ",\n"
    yield "[]\n" if before == "[" else "]\n"


def _line(cells: Sequence[str]) -> str:
    """Write a line of a CSV file (RFC 4180); what a spreadsheet would calculate is made text."""
    written = io.StringIO()
    safe = [f"'{cell}" if cell.startswith(CALCULATED) else cell for cell in cells]
    csv.writer(written).writerow(safe)
    return written.getvalue()


async def _asked(request: Request) -> Asked:
    """Read the filters."""
    service: Service = request.app.state.service
    given = {name: request.query_params.get(name, "") for name in (*FIELDS, "before", "after_id")}
    errors: dict[str, str] = {}
    filter = audit.Filter(
        event=given["event"] if given["event"] in set(audit.Event) else "",
        since=_day(given["since"], 0, "since", errors),
        before=_day(given["until"], audit.LATEST - DAY, "until", errors) + DAY,
    )
    if given["account"]:
        found = await _find(service, given["account"])
        if found is None:
            errors["account"] = gettext("There is no account of this name or id.")
        else:
            filter = filter._replace(account_id=found.id)
    if given["before"].isascii() and given["before"].isdigit() and len(given["before"]) < 19:
        filter = filter._replace(before=int(given["before"]), after_id=_plain(given["after_id"]))
    return Asked(filter, given, errors)


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
        errors[name] = gettext("A day is written as {example}.").format(example="2026-12-31")
        return otherwise
    return int(datetime.combine(day, time(), UTC).timestamp()) * SECOND


FORMATS: Final[dict[str, tuple[str, Writer]]] = {
    "csv": ("text/csv; charset=utf-8", _as_csv),
    "json": ("application/json", _as_json),
}
"""The files that there are: their media type, and what writes them."""
