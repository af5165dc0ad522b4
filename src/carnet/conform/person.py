"""Somebody who signs in: opens the addresses that they are shown, and brings the answers."""

from __future__ import annotations

import asyncio
import webbrowser
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode, urlsplit

from carnet.conform.authorization import parameters_of
from carnet.verifier.redirect_listener import RedirectListener

__all__ = ["ByListener", "ByPaste"]

SECONDS: Final = 300
HOST: Final = "127.0.0.1"
PATH: Final = "/callback"


class ByListener:
    """The browser comes back to this machine.

    Args:
        redirect_uri: ``http://127.0.0.1/callback``, with a port or without one.
        tell: shows the person a line.

    Attributes:
        redirect_uri: the same with the port on which the answers are waited for.
    """

    def __init__(self, redirect_uri: str, tell: Callable[[str], object]) -> None:
        listener = RedirectListener(urlsplit(redirect_uri).port or 0)
        listener.close()
        self.redirect_uri = listener.url
        self._tell = tell

    @staticmethod
    def suits(redirect_uri: str) -> bool:
        """Tell whether answers to an address can be waited for here."""
        parts = urlsplit(redirect_uri)
        return (parts.scheme, parts.hostname, parts.path) == ("http", HOST, PATH)

    async def __call__(self, address: str) -> str | None:
        """Have the person open an address; give the one that the browser is sent to."""
        listener = RedirectListener(urlsplit(self.redirect_uri).port or 0)
        try:
            listener.expect(parameters_of(address).get("state", ""))
            opened = webbrowser.open(address)
            self._tell("Go on in your browser:" if opened else "Open this address in a browser:")
            self._tell(f"  {address}")
            answer = await asyncio.to_thread(listener.wait, SECONDS)
        finally:
            listener.close()
        return None if answer is None else f"{self.redirect_uri}?{urlencode(answer)}"


class ByPaste:
    """The browser ends elsewhere, and the person pastes that address.

    Args:
        redirect_uri: where the answers go.
        tell: shows the person a line.
        ask: reads what the person has pasted.
    """

    def __init__(
        self, redirect_uri: str, tell: Callable[[str], object], ask: Callable[[str], str]
    ) -> None:
        self._redirect_uri = redirect_uri
        self._tell = tell
        self._ask = ask

    async def __call__(self, address: str) -> str | None:
        """Have the person open an address; give the one that they paste."""
        self._tell("Open this address in a browser:")
        self._tell(f"  {address}")
        pasted = self._ask(f"Paste the address that begins with {self._redirect_uri}").strip()
        return pasted if pasted.startswith(self._redirect_uri) else None
