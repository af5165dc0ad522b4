"""A person's visit to an authorization server: their browser goes there and comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import parse_qs, urlsplit

from carnet.verifier.bearer import not_installed
from carnet.verifier.redirect_listener import RedirectListener

try:
    import anyio
    from mcp.client.auth import OAuthFlowError
except ModuleNotFoundError:
    raise not_installed("mcp") from None

__all__ = ["BrowserVisit"]


class BrowserVisit:
    """Shows a person an address, and waits for their browser at one of this machine.

    Args:
        open_browser: shows the address; False says that it can't.
        port: the port at which the browser comes back; 0 lets the system choose.
        timeout: seconds that the person may take.

    Attributes:
        redirect_uri: the address at which the browser comes back.

    Raises:
        ServerError: if the port is taken.
    """

    def __init__(self, open_browser: Callable[[str], object], port: int, timeout: float) -> None:
        self._open = open_browser
        self._timeout = timeout
        self._listener = RedirectListener(port)
        self.redirect_uri = self._listener.url

    async def show(self, address: str) -> None:
        """Show the person an address; what comes back has its ``state``.

        Raises:
            OAuthFlowError: if there is no browser.
        """
        self._listener.expect(parse_qs(urlsplit(address).query)["state"][-1])
        shown = await anyio.to_thread.run_sync(self._open, address)
        if isinstance(shown, Awaitable):
            shown = await shown
        if shown is False:
            raise OAuthFlowError(
                "no browser can be opened here: give open_browser, which shows the person the "
                "address in some other way"
            )

    async def come_back(self) -> dict[str, str]:
        """Wait for the browser, and give what it brings.

        Raises:
            OAuthFlowError: if it does not come in time.
        """
        wait = partial(self._listener.wait, self._timeout)
        answer = await anyio.to_thread.run_sync(wait, abandon_on_cancel=True)
        if answer is None:
            raise OAuthFlowError(f"nobody has answered in the browser in {self._timeout:g} seconds")
        return answer

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()
