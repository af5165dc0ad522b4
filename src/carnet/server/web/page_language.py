"""In which language a page speaks to whoever has asked for it.

The first that is offered counts, of: what the client wants that somebody is on the way to
(``ui_locales``), what the person has chosen, and what the browser wants. What a person has chosen
is kept with the browser, and with the account, from where it comes to the next browser and into
mails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from carnet.server.languages import (
    ENGLISH,
    chosen,
    language,
    offered,
    read_accept_language,
    read_ui_locales,
    speak,
)
from carnet.server.service import Service
from carnet.server.web.own_cookies import held_cookie, set_own_cookie

__all__ = ["choose_language", "keep_chosen_language", "keep_language", "speak_as_asked"]

COOKIE: Final = "carnet-language"
LIFETIME_SECONDS: Final = 365 * 86_400
MAX_FIELDS: Final = 64
PARAMETER: Final = "ui_locales"
ON_THE_WAY: Final = ("continue", "request")
"""The fields that hold the address or the query of a client's request that is still to come."""


def speak_as_asked(request: Request, form: Mapping[str, str] | None = None) -> None:
    """Speak the language that a request wants, in this task from now on.

    Args:
        request: the request.
        form: what came with it; without it, only the address is looked at.
    """
    asked = _asked(request.query_params if form is None else {**request.query_params, **form})
    own, _, instead = held_cookie(request, COOKIE).partition(".")
    if own not in offered():
        own = ""
    if own and asked == instead:
        asked = ""
    wanted = asked or own
    speak(wanted or chosen(_wanted_by_browser(request)) or ENGLISH)


def choose_language(request: Request, response: Response, code: str, address: str) -> None:
    """Keep with the browser what somebody has chosen, on a page with this address.

    Where the client wanted another language, the choice counts instead of that one.
    """
    set_own_cookie(request, response, COOKIE, f"{code}.{_asked_in(address)}", LIFETIME_SECONDS)


async def keep_language(request: Request, account_id: str, code: str) -> None:
    """Keep with an account what its owner has chosen."""
    service: Service = request.app.state.service
    await service.accounts.set_language(account_id, code)


async def keep_chosen_language(request: Request, response: Response, account_id: str) -> None:
    """Let the browser of somebody who signs in know the account's language, or the other way.

    What the account has counts; an account that has none gets what was chosen in this browser.
    Mails to one for which nobody has chosen speak as the pages did at its last sign-in.
    """
    if len(offered()) == 1:
        return
    service: Service = request.app.state.service
    own = held_cookie(request, COOKIE).partition(".")[0]
    known, seen = await service.accounts.languages_of(account_id)
    if language().tag != (seen or ENGLISH):
        await service.accounts.see_language(account_id, language().tag)
    if known in offered() and known != own:
        set_own_cookie(request, response, COOKIE, f"{known}.", LIFETIME_SECONDS)
    elif not known and own in offered():
        await service.accounts.set_language(account_id, own)


def _asked(given: Mapping[str, str]) -> str:
    texts = (given.get(PARAMETER, ""), *(_inner(given.get(name, "")) for name in ON_THE_WAY))
    return chosen(read_ui_locales(next(filter(None, texts), "")))


def _asked_in(address: str) -> str:
    return _asked(_fields(address.partition("?")[2]))


def _inner(address: str) -> str:
    """Give the parameter of the request that an address or its query holds."""
    if PARAMETER not in address:
        return ""
    return _fields(address.partition("?")[2] or address).get(PARAMETER, "")


def _fields(query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, max_num_fields=MAX_FIELDS))
    except ValueError:
        return {}


def _wanted_by_browser(request: Request) -> list[str]:
    return read_accept_language(request.headers.get("accept-language", ""))
