"""The session of a person at a terminal, and how it begins.

session = TerminalSession("https://auth.example.com", "shop-cli", scope="orders:read")
session.sign_in()
httpx.get(address, headers={"Authorization": f"Bearer {session.access_token()}"})

Where a browser can be opened, it comes back to this machine with a code (RFC 8252, RFC 7636);
elsewhere, as over SSH, the person types a short code into a browser anywhere (RFC 8628). What is
given is kept for the next time the program runs, and the next process.
"""

from __future__ import annotations

import os
import sys
import time
import webbrowser
from collections.abc import Callable
from hashlib import sha256
from typing import Final, Literal

import msgspec

from carnet.errors import ConfigurationError, GrantRefused, IssuerBusy, IssuerUnavailable
from carnet.login.stores import locked, store_of
from carnet.verifier.cookie_mode.code_flow import Flow
from carnet.verifier.fetch import run
from carnet.verifier.redirect_listener import RedirectListener
from carnet.verifier.token_endpoint import Client, DeviceAuthorization, TokenEndpoint, Tokens
from carnet.verifier.token_store import TokenStore

__all__ = ["TerminalSession"]

AHEAD: Final = 30
"""Seconds before its end at which a token is replaced, at most a fifth of its life."""

LONGEST_PAUSE: Final = 60
SLOWER: Final = 5


class _Kept(msgspec.Struct, omit_defaults=True):
    """What outlives the program."""

    access: str = ""
    refresh: str = ""
    due_at: float = 0


class TerminalSession:
    """Signs a person in at a terminal, and keeps an access token fresh.

    Several processes may use the same session: one of them refreshes at a time.

    Args:
        issuer: the address of the issuer, exactly as it stands in its metadata.
        client_id: the public client that the program is registered as. Its redirect URI is
            ``http://127.0.0.1/callback``, and it may use the grants ``authorization_code``,
            ``refresh_token`` and ``urn:ietf:params:oauth:grant-type:device_code``.
        scope: what to ask for, names with spaces between them; None is what the client may have.
        resource: what the tokens are for; None is the client's first (RFC 8707).
        store: keeps what was given; unless given, the system's keyring where the
            package ``keyring`` finds one, and else a file that only its owner may read.
        tell: shows the person a line; to standard error unless given.
        open_browser: shows the person an address and tells whether that went well; in their browser
            unless given.
        clock: gives the seconds since 1970.
        sleep: waits some seconds.

    Raises:
        ConfigurationError: if the issuer is no address of a secure connection, or ``client_id`` is
            empty.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        *,
        scope: str | None = None,
        resource: str | None = None,
        store: TokenStore | None = None,
        tell: Callable[[str], object] | None = None,
        open_browser: Callable[[str], object] = webbrowser.open,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._endpoint = TokenEndpoint(issuer, Client(client_id))
        self._client_id = client_id
        self._wanted = {"scope": scope, "resource": resource}
        named = "\0".join((issuer, client_id, scope or "", resource or ""))
        self._name = sha256(named.encode()).hexdigest()[:32]
        self._store = store_of(self._name) if store is None else store
        self._tell = _to_standard_error if tell is None else tell
        self._open = open_browser
        self._clock = clock
        self._sleep = sleep

    def sign_in(
        self, how: Literal["auto", "browser", "device"] = "auto", *, timeout: float = 300
    ) -> None:
        """Sign the person in, and keep what is given; a session from before ends.

        Args:
            how: ``browser`` opens one on this machine, ``device`` shows a code to type elsewhere;
                ``auto`` is the first where there is a screen, and the second elsewhere.
            timeout: seconds that the person may take with a browser; a code is good for as long as
                the issuer says.

        Raises:
            ConfigurationError: if ``how`` is none of these.
            GrantRefused: if the person does not allow it, or not in time.
            IssuerBusy: if the issuer asks to wait.
            IssuerUnavailable: if the issuer can't be reached.
        """
        ways = {
            "auto": self._by_browser if _has_screen() else self._by_device,
            "browser": self._by_browser,
            "device": self._by_device,
        }
        if how not in ways:
            raise ConfigurationError(f"how must be one of {', '.join(ways)}")
        tokens = ways[how](timeout)
        with locked(self._name):
            before = self._load()
            self._save(tokens, tokens.refresh)
        self._revoke(before.refresh)

    def access_token(self) -> str:
        """Give an access token that is good for a while, refreshed where needed.

        Raises:
            GrantRefused: ``sign_in_needed`` if nobody is signed in, or the issuer's code if the
                session is over.
            IssuerBusy: if the issuer asks to wait.
            IssuerUnavailable: if the issuer can't be reached.
        """
        if held := self._held(self._load()):
            return held
        with locked(self._name):
            # Another process may have refreshed while this one waited.
            kept = self._load()
            if held := self._held(kept):
                return held
            if not kept.refresh:
                raise GrantRefused("nobody is signed in here: sign in first", code="sign_in_needed")
            try:
                tokens = run(self._endpoint.refresh(kept.refresh))
            except GrantRefused as error:
                if error.code == "invalid_grant":
                    self._store.save(_text(_Kept()))
                raise
            self._save(tokens, tokens.refresh or kept.refresh)
        return tokens.access

    def sign_out(self) -> bool:
        """Forget what was given, and end the session at the issuer (RFC 7009).

        Returns:
            Whether somebody was signed in.

        Raises:
            IssuerUnavailable: if the issuer can't be reached: forgotten it is all the same.
        """
        with locked(self._name):
            kept = self._load()
            if kept != _Kept():
                self._store.save(_text(_Kept()))
        if kept.refresh:
            run(self._endpoint.revoke(kept.refresh))
        return kept != _Kept()

    def _by_browser(self, timeout: float) -> Tokens:
        flow, endpoint = Flow.begin("/"), run(self._endpoint.authorization_endpoint())
        listener = RedirectListener()
        try:
            listener.expect(flow.state)
            asked = {"client_id": self._client_id, "redirect_uri": listener.url, **self._wanted}
            address = flow.request(endpoint, asked)
            opened = self._open(address)
            self._tell("Go on in your browser." if opened else "Open this address in a browser:")
            self._tell(f"  {address}")
            answer = listener.wait(timeout)
        finally:
            listener.close()
        if answer is None:
            text = f"nobody has signed in with the browser in {timeout:g} seconds"
            raise GrantRefused(text, code="expired_token")
        code = flow.code(answer, self._endpoint.issuer)
        more = {"redirect_uri": listener.url, "code_verifier": flow.verifier}
        return run(self._endpoint.code(code, **more))

    def _by_device(self, _timeout: float) -> Tokens:
        device = run(self._endpoint.device_authorization(**self._wanted))
        self._tell(f"Open  {device.page}")
        self._tell(f"Type  {device.user_code}")
        return self._wait_for(device)

    def _wait_for(self, device: DeviceAuthorization) -> Tokens:
        """Ask until the person has decided (RFC 8628 section 3.5)."""
        until, pause = self._clock() + device.lifetime, device.interval
        while self._clock() < until:
            self._sleep(pause)
            try:
                return run(self._endpoint.device_code(device.device_code))
            except GrantRefused as error:
                if error.code == "slow_down":
                    pause += SLOWER
                elif error.code != "authorization_pending":
                    raise
            except (IssuerBusy, IssuerUnavailable):
                pause = max(pause, min(2 * pause, LONGEST_PAUSE))
        raise GrantRefused("nobody has allowed it in time", code="expired_token")

    def _held(self, kept: _Kept) -> str:
        return kept.access if self._clock() < kept.due_at else ""

    def _load(self) -> _Kept:
        try:
            return msgspec.json.decode(self._store.load() or "{}", type=_Kept)
        except (msgspec.MsgspecError, UnicodeError):
            # Whatever it is, it is no session: the person signs in again.
            return _Kept()

    def _save(self, tokens: Tokens, refresh: str | None) -> None:
        due_at = self._clock() + tokens.lifetime - min(AHEAD, tokens.lifetime / 5)
        self._store.save(_text(_Kept(tokens.access, refresh or "", due_at)))

    def _revoke(self, refresh: str) -> None:
        if not refresh:
            return
        try:
            run(self._endpoint.revoke(refresh))
        except IssuerUnavailable as error:
            self._tell(f"The session from before could not be ended: {error}")


def _text(kept: _Kept) -> str:
    return msgspec.json.encode(kept).decode()


def _to_standard_error(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201  # it is what the person is to read


def _has_screen() -> bool:
    """Tell whether a browser that is opened here is seen by the person."""
    if os.environ.get("SSH_CONNECTION"):
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
