"""For administrators: what has happened, ``/admin/audit``."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from carnet.server import audit
from carnet.server.accounts.accounts import Account, AccountRefused
from carnet.server.clock import SECOND
from carnet.server.languages import gettext
from carnet.server.pages.rendering import render
from carnet.server.pages.signed_in import require_administrator
from carnet.server.service import Service

__all__ = ["show_audit"]

PAGE: Final = 50
DAY: Final = 86_400 * SECOND


async def show_audit(request: Request) -> Response:
    """Show the audit log, as far as the filters let it through."""
    service: Service = request.app.state.service
    session = await require_administrator(request)
    given = {
        name: request.query_params.get(name, "")
        for name in ("event", "account", "since", "until", "before", "after_id")
    }
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
    page = audit.Page([], None) if errors else await audit.page(service.store, filter, PAGE)
    names = {entry.account_id for entry in page.entries} | {entry.actor for entry in page.entries}
    accounts = {name: await service.accounts.by_id(name) for name in names if name}
    return render(
        request,
        "admin_audit.html",
        session=session,
        given=given,
        errors=errors,
        events=sorted(audit.Event),
        entries=page.entries,
        names={key: found.username for key, found in accounts.items() if found},
        following=page.following
        and {**given, "before": page.following.before, "after_id": page.following.after_id},
    )


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
