"""For administrators: the signing keys, their stages on a time line: ``/admin/keys``."""

from __future__ import annotations

from typing import Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.clock import SECOND
from carnet.server.keys.stages import KeyDates, Stage
from carnet.server.languages import gettext, marked
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.signed_in import require_administrator
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of

__all__ = ["ask_about_key", "retire_key", "rotate_keys", "show_keys"]

DAY: Final = 86_400 * SECOND
WIDTH: Final = 1000
DONE: Final = {
    "rotated": marked(
        "The next key is made; it signs as soon as verifiers have had time to learn it."
    ),
    "waiting": marked("The next key is made already; it will sign when its time comes."),
    "retired": marked("The key is no longer in use, and every token that it signed is refused."),
}

STAGES: Final = {
    Stage.PUBLISHED: marked("Published"),
    Stage.SIGNING: marked("Signing"),
    Stage.RETIRED: marked("Retired"),
    Stage.REMOVED: marked("Removed"),
    Stage.UNREADABLE: marked("Can't be read"),
}


class Span(NamedTuple):
    """A stretch of the time line, in units of which the whole has 1000."""

    kind: str
    start: int
    width: int


class Line(NamedTuple):
    """A key on the time line."""

    key: KeyDates
    stage: Stage
    ends_at: int
    spans: list[Span]


async def show_keys(request: Request) -> Response:
    """Show the keys, each on its line: published, signing, retired."""
    service: Service = request.app.state.service
    session = await require_administrator(request)
    now = service.clock()
    overview = service.keys.overview()
    begin = min([key.created_at for key, _ in overview], default=now)
    lines = [_line(service, key, stage) for key, stage in overview]
    end = max([line.ends_at for line in lines], default=now) + DAY
    begin = min(begin, now) - (end - begin) // 50
    return render(
        request,
        "admin_keys.html",
        session=session,
        stages=STAGES,
        lines=[_placed(line, begin, end) for line in lines],
        now_at=_position(now, begin, end),
        begin=begin,
        end=end,
        now=now,
        algorithms=service.keys.algorithms,
        waiting={key.alg for key, stage in overview if stage is Stage.PUBLISHED},
        done=gettext(DONE.get(request.query_params.get("done", ""), "")),
    )


async def rotate_keys(request: Request) -> Response:
    """Make the next key of an algorithm, where none is waiting already."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_administrator(request)
    alg = form["alg"]
    if alg not in service.keys.algorithms:
        raise HTTPException(404)
    made = await service.keys.prepare_next(alg, origin_of(request, session.account.id))
    return redirect(request, f"/admin/keys?done={'rotated' if made else 'waiting'}")


async def ask_about_key(request: Request) -> Response:
    """Ask once more before a key is retired."""
    service: Service = request.app.state.service
    session = await require_administrator(request)
    kid = request.query_params.get("id", "")
    if kid not in {key.kid for key, _ in service.keys.overview()}:
        raise HTTPException(404)
    return render(
        request,
        "confirm.html",
        session=session,
        title=gettext("Retire this key?"),
        text=gettext(
            "The key {kid} leaves the key set at once, and every token that it signed is refused "
            "as soon as verifiers notice. Do this only if the key can no longer be trusted; this "
            "can't be undone."
        ).format(kid=kid),
        button=gettext("Retire the key"),
        values={"id": kid},
        back="/admin/keys",
        action="/admin/keys/retire",
    )


async def retire_key(request: Request) -> Response:
    """Take a key out of use; done already, it is answered alike."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_administrator(request)
    await service.keys.retire(form["id"], origin_of(request, session.account.id))
    return redirect(request, "/admin/keys?done=retired")


def _line(service: Service, key: KeyDates, stage: Stage) -> Line:
    """Tell until when a key signs: until its successor does, or for its whole life."""
    following = [
        other.signs_from
        for other, _ in service.keys.overview()
        if other.alg == key.alg and other.signs_from > key.signs_from
    ]
    ends_at = min(following, default=key.signs_from + service.settings.key_lifetime * SECOND)
    return Line(key, stage, ends_at, [])


def _placed(line: Line, begin: int, end: int) -> Line:
    moments = (line.key.created_at, line.key.signs_from, line.ends_at)
    published, signs, over = (_position(moment, begin, end) for moment in moments)
    spans = [
        Span("published", published, signs - published),
        Span("signing", signs, max(over - signs, 3)),
    ]
    return line._replace(spans=[span for span in spans if span.width > 0])


def _position(moment: int, begin: int, end: int) -> int:
    return (moment - begin) * WIDTH // (end - begin)
