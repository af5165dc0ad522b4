"""The languages of the pages and the mails: which one is spoken, and what is said in it.

English stands in the sources: in templates in ``trans`` blocks and ``_()``, in modules in
``gettext()``, or in ``marked()`` where a table is made before anybody has asked for it. A catalog
in ``catalogs/`` holds the same in another language, and a language is offered as soon as it has
one. Which language is spoken is known to the task that answers a request; whoever does not set it,
such as everything that answers programs, speaks English.
"""

from __future__ import annotations

import gettext as catalogs
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

from jinja2 import Environment

from carnet.server.clock import SECOND

__all__ = [
    "ENGLISH",
    "Language",
    "chosen",
    "gettext",
    "language",
    "marked",
    "ngettext",
    "offered",
    "read_accept_language",
    "read_ui_locales",
    "speak",
    "speaking",
    "translate_templates",
    "written_moment",
    "written_number",
]

ENGLISH: Final = "en"
MAX_TEXT: Final = 512
MAX_TAGS: Final = 16
"""What a browser or a client says of its languages is read so far; the rest does not count."""


class Language(NamedTuple):
    """A language.

    Attributes:
        tag: of RFC 5646, which is the code of ISO 639-1.
        name: as its speakers call it.
        locale: whose dates and numbers it has, as CLDR names it.
        direction: in which it is written, ``ltr`` or ``rtl``.
    """

    tag: str
    name: str
    locale: str
    direction: str = "ltr"


_KNOWN: Final = (
    Language(ENGLISH, "English", "en_GB"),
    Language("de", "Deutsch", "de"),
    Language("fr", "Français", "fr"),
    Language("es", "Español", "es"),
    Language("pt", "Português", "pt"),
    Language("ja", "日本語", "ja"),
    Language("ar", "العربية", "ar", "rtl"),
)

_spoken: ContextVar[str] = ContextVar("language", default=ENGLISH)


@cache
def offered() -> dict[str, Language]:
    """Give the languages that have a catalog, by their codes, and English."""
    folder = resources.files("carnet.server").joinpath("catalogs")
    return {
        one.tag: one
        for one in _KNOWN
        if one.tag == ENGLISH or folder.joinpath(f"{one.tag}.po").is_file()
    }


def language() -> Language:
    """Give the language that is spoken."""
    return offered()[_spoken.get()]


def speak(code: str) -> None:
    """Speak a language, one of those that are offered, in this task from now on."""
    _spoken.set(code)


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak a language for a while; one that is not offered is English."""
    token = _spoken.set(code if code in offered() else ENGLISH)
    try:
        yield
    finally:
        _spoken.reset(token)


def chosen(tags: Iterable[str]) -> str:
    """Give the code of the first language that is offered, or "".

    Args:
        tags: language tags (RFC 5646), the best first; of each, the language alone counts.
    """
    codes = (tag.partition("-")[0].lower() for tag in tags)
    return next((code for code in codes if code in offered()), "")


def read_ui_locales(text: str) -> list[str]:
    """Read the parameter ``ui_locales`` (OpenID Connect Core section 3.1.2.1)."""
    return text[:MAX_TEXT].split()[:MAX_TAGS]


def read_accept_language(text: str) -> list[str]:
    """Read the header ``Accept-Language`` (RFC 9110 section 12.5.4), the best first."""
    found: list[tuple[float, str]] = []
    for part in text[:MAX_TEXT].split(",")[:MAX_TAGS]:
        tag, _, weight = part.partition(";")
        try:
            value = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if 0 < value <= 1:
            found.append((value, tag.strip()))
    return [tag for _, tag in sorted(found, key=lambda one: -one[0])]


def gettext(message: str) -> str:
    """Say a message in the language that is spoken."""
    code = _spoken.get()
    if code == ENGLISH or not message:  # A catalog's own header stands under "".
        return message
    return _catalog(code).gettext(message)


def ngettext(one: str, many: str, number: int) -> str:
    """Say a message about a number of things, in the form that the language has for that number."""
    return _catalog(_spoken.get()).ngettext(one, many, number)


def marked(message: str) -> str:
    """Mark a message for the catalogs that is said later."""
    return message


def written_moment(moment: int) -> str:
    """Write a moment, in microseconds since 1970, as the language writes one, in UTC."""
    # It takes as long to import as all the rest of the pages, and many processes never need it.
    from babel.dates import format_skeleton, get_datetime_format

    try:
        time = datetime.fromtimestamp(moment // SECOND, UTC)
    except (ValueError, OverflowError, OSError):
        # No clock has ever said so; the rest of what is said is good.
        return gettext("an unknown time")
    locale = language().locale
    parts = (format_skeleton(skeleton, time, locale=locale) for skeleton in ("Hm", "yMMMd"))
    joined = str(get_datetime_format("medium", locale=locale)).replace("'", "")
    return f"{joined.format(*parts)} UTC"


def written_number(number: int) -> str:
    """Write a number as the language groups its digits."""
    from babel.numbers import format_decimal

    return format_decimal(number, locale=language().locale)


def translate_templates(environment: Environment) -> None:
    """Let templates say what they say in the language that is spoken."""
    environment.add_extension("jinja2.ext.i18n")
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        gettext, ngettext, newstyle=True, pgettext=_pgettext
    )
    environment.globals["language"] = language
    environment.filters["number"] = written_number


def _pgettext(context: str, message: str) -> str:
    code = _spoken.get()
    return message if code == ENGLISH else _catalog(code).pgettext(context, message)


@cache
def _catalog(code: str) -> catalogs.NullTranslations:
    """Read the catalog of a language, once it is spoken for the first time."""
    if code == ENGLISH:
        return catalogs.NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    file = resources.files("carnet.server").joinpath("catalogs", f"{code}.po")
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(file.read_bytes()), locale=code))
    compiled.seek(0)
    return catalogs.GNUTranslations(compiled)
