"""Reading a page's form: from our own pages only, and kept in case it can't be taken now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request

from carnet.server.web.browser_session import check_same_origin
from carnet.server.web.page_language import speak_as_asked
from carnet.server.web.requests import read_form

__all__ = ["HOME", "Form", "local_path", "typed"]

HOME: Final = "/me"
"""Where somebody is led who was on the way to nowhere."""


class Form:
    """What somebody has typed."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values

    def __getitem__(self, name: str) -> str:
        """Give a field's text, "" where it was left empty or is not there."""
        return self.values.get(name, "")

    @classmethod
    async def read(cls, request: Request) -> Form:
        """Read the form of a request that one of our own pages has sent.

        Raises:
            RequestRefused: ``cross_site`` or ``invalid_request``.
        """
        check_same_origin(request)
        form = cls(await read_form(request))
        request.state.typed = form.values
        speak_as_asked(request, form.values)
        return form


def typed(request: Request) -> Mapping[str, str]:
    """Give what was typed in a request whose form has been read, as far as it may be shown."""
    values: Mapping[str, str] = getattr(request.state, "typed", {})
    return {name: text for name, text in values.items() if "password" not in name}


def local_path(text: str, otherwise: str) -> str:
    """Give a path of this service to go on to, or another one where the text is no such path.

    Browsers read a backslash as a slash and leave out tabs and line ends, so that what looks like a
    path may name another host; such texts are not taken.
    """
    plain = text.isascii() and text.isprintable() and not set(text) & set("\\ ")
    if not plain or not text.startswith("/") or text.startswith("//"):
        return otherwise
    return text
