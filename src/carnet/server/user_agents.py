"""A name for a device that its owner recognises, out of what a browser says it is."""

from __future__ import annotations

import re

from carnet.server.languages import gettext, marked

__all__ = ["device_kind", "device_name"]

# The first that matches counts: most browsers also call themselves by the names below them.
PROGRAMS = (
    (r"Edg(e|A|iOS)?/", "Edge"),
    (r"OPR/|Opera", "Opera"),
    (r"SamsungBrowser/", "Samsung Internet"),
    (r"Vivaldi/", "Vivaldi"),
    (r"Firefox/|FxiOS/", "Firefox"),
    (r"Chrome/|CriOS/|Chromium/", "Chrome"),
    (r"Version/.*Safari/", "Safari"),
    (r"^curl/", "curl"),
    (r"^(python-)?httpx/|^python-requests/|^Python", marked("A Python program")),
)
SYSTEMS = (
    (r"iPhone", "iPhone"),
    (r"iPad", "iPad"),
    (r"Android", "Android"),
    (r"CrOS", "ChromeOS"),
    (r"Windows", "Windows"),
    (r"Macintosh|Mac OS X", "macOS"),
    (r"Linux", "Linux"),
)

# An Android that is no phone does not say "Mobile".
KINDS = (
    (r"iPhone|Android.*Mobile", "phone"),
    (r"iPad|Android", "tablet"),
    (r"^curl/|^(python-)?httpx/|^python-requests/|^Python", "program"),
    (r"CrOS|Windows|Macintosh|Mac OS X|Linux", "computer"),
)


def device_name(user_agent: str) -> str:
    """Name a device, such as "Firefox on Linux", in the language that is spoken."""
    program, system = _first(PROGRAMS, user_agent), _first(SYSTEMS, user_agent)
    if program and system:
        return gettext("{program} on {system}").format(program=gettext(program), system=system)
    return gettext(program) or system or gettext("An unknown device")


def device_kind(user_agent: str) -> str:
    """Tell what a device is: ``phone``, ``tablet``, ``computer``, ``program`` or ``unknown``."""
    return _first(KINDS, user_agent) or "unknown"


def _first(table: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for pattern, name in table if re.search(pattern, text)), "")
