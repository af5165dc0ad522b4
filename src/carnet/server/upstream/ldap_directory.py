"""Signing people in with a directory, by search and bind (RFC 4511, RFC 4513).

    1. as this service: find the one entry that the typed name leads to, and its groups
    2. as that entry, on a connection of its own: bind with the typed password

Where no entry is found, or where the password is none of the directory's business, a bind is made
all the same, with a name and a password that nobody has: how long it takes tells nothing. A bind
without a password would succeed for anybody (RFC 4513 section 5.1.2), so there is none.

Connections are encrypted by ``directory_sockets``. python-ldap blocks: each question runs in a
thread, of as many as there may be connections. A connection that was used to look for people is
kept for the next one; one on which somebody has signed in never is. After a failure the directory
is left alone for a few seconds, so that nobody waits in a queue for what is down.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, TypeVar

import ldap
import structlog

from carnet.errors import ConfigurationError
from carnet.server.accounts.passwords import TooBusy
from carnet.server.clock import SECOND, Clock
from carnet.server.directory_settings import DirectorySettings
from carnet.server.upstream.directory_entries import (
    Entry,
    claims_of,
    filled_in,
    is_disabled,
    subject_of,
    wanted_of,
)
from carnet.server.upstream.directory_sockets import connected
from carnet.server.upstream.provider import Asserted, UpstreamRefused

__all__ = ["LdapDirectory"]

T = TypeVar("T")

WAITING_PER_CONNECTION: Final = 8
LONGEST_IDLE: Final = 60 * SECOND
LEFT_ALONE: Final = 5 * SECOND
MOST_TYPED: Final = 256

# What a server says to a bind that lets nobody in: a wrong password, none at all, one that has
# expired, an account that is locked.
REFUSED: Final = (
    ldap.INVALID_CREDENTIALS,
    ldap.INAPPROPRIATE_AUTH,
    ldap.UNWILLING_TO_PERFORM,
    ldap.INSUFFICIENT_ACCESS,
    ldap.CONSTRAINT_VIOLATION,
    ldap.NO_SUCH_OBJECT,
    ldap.INVALID_DN_SYNTAX,
)

_log = structlog.get_logger()


class _Open(NamedTuple):
    """A connection on which this service has signed in as itself.

    Attributes:
        url: of the server.
        connection: python-ldap's.
        since: when it was used last, in microseconds since 1970.
    """

    url: str
    connection: Any
    since: int


class LdapDirectory:
    """A directory.

    Args:
        name: what the settings call it.
        settings: what they say of it.
        password: gives what this service signs in with.
        clock: gives the microseconds since 1970.

    Attributes:
        issuer: stands with the identities of its people.
    """

    def __init__(
        self, name: str, settings: DirectorySettings, password: Callable[[], str], clock: Clock
    ) -> None:
        self.issuer = f"ldap:{name}"
        self._name = name
        self._settings = settings
        self._password = password
        self._clock = clock
        self._pool = ThreadPoolExecutor(settings.connections, thread_name_prefix="carnet-ldap")
        self._pending = 0
        self._idle: deque[_Open] = deque()
        self._first = 0
        self._down_until = 0

    async def check(self, username: str, password: str, *, decoy: bool = False) -> Asserted | None:
        """Give who a name and a password belong to, or None.

        Args:
            username: as it was typed.
            password: as it was typed.
            decoy: whether only as much work is to be done, and nobody to be found: the directory
                is not told the password.

        Raises:
            TooBusy: if too many wait already.
            UpstreamRefused: ``unavailable``.
        """
        if self._pending >= self._settings.connections * (1 + WAITING_PER_CONNECTION):
            raise TooBusy("too many people are signing in at this moment; try again shortly")
        self._pending += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._pool, lambda: self._ask(username, password, decoy)
            )
        except (ldap.LDAPError, OSError, ConfigurationError) as error:
            self._down_until = self._clock() + LEFT_ALONE
            cause = _cause(error)
            _log.warning("directory_unavailable", directory=self._name, cause=cause)
            raise UpstreamRefused(f"{self._name}: {cause}", code="unavailable") from None
        finally:
            self._pending -= 1

    def close(self) -> None:
        """Let what is under way finish, and end the connections."""
        self._pool.shutdown()
        while self._idle:
            _end(self._idle.pop().connection)

    # In a thread.

    def _ask(self, username: str, password: str, decoy: bool) -> Asserted | None:
        now = self._clock()
        if now < self._down_until <= now + LEFT_ALONE:
            raise UpstreamRefused(f"{self._name} did not answer just now", code="unavailable")
        is_usable = bool(password) and "\0" not in password and 0 < len(username) <= MOST_TYPED
        url, entry, groups = self._with_connection(
            lambda one: self._find(one, username[:MOST_TYPED])
        )
        if entry is None or decoy or not is_usable:
            self._bind(
                url, f"cn={secrets.token_hex(8)},{self._settings.base}", secrets.token_hex(8)
            )
            return None
        if not self._bind(url, entry.dn, password):
            return None
        subject = subject_of(entry)
        if subject is None:
            _log.error("directory_entry_without_uuid", directory=self._name)
            return None
        if is_disabled(entry):
            raise UpstreamRefused("the directory has disabled it", code="account_disabled")
        return Asserted(self.issuer, subject, claims_of(entry, groups, self._settings, username))

    def _with_connection(self, work: Callable[[_Open], T]) -> T:
        """Do something on a connection of this service's own, one from before if there is one."""
        while True:
            try:
                held = self._idle.popleft()
            except IndexError:
                return self._using(self._connect(), work)
            if not 0 <= self._clock() - held.since < LONGEST_IDLE:
                _end(held.connection)
                continue
            try:
                return self._using(held, work)
            except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.UNAVAILABLE):
                # The server has closed it meanwhile.
                continue

    def _using(self, held: _Open, work: Callable[[_Open], T]) -> T:
        try:
            done = work(held)
        except BaseException:
            _end(held.connection)
            raise
        if len(self._idle) < self._settings.connections:
            self._idle.append(held._replace(since=self._clock()))
        else:
            _end(held.connection)
        return done

    def _find(self, held: _Open, username: str) -> tuple[str, Entry | None, list[str]]:
        """Find the one entry that a name leads to; of two, nobody knows which is meant."""
        wanted = filled_in(self._settings.user_filter, username=username)
        found = self._search(held, wanted, wanted_of(self._settings), 2)
        if len(found) > 1:
            _log.warning("directory_name_ambiguous", directory=self._name)
        if len(found) != 1:
            return held.url, None, []
        (entry,) = found
        if not self._settings.group_filter:
            return held.url, entry, entry.texts("memberOf")
        wanted = filled_in(self._settings.group_filter, dn=entry.dn, username=username)
        return held.url, entry, [one.dn for one in self._search(held, wanted, ["1.1"], 0)]

    def _search(self, held: _Open, wanted: str, attributes: list[str], most: int) -> list[Entry]:
        place = self._settings.base, ldap.SCOPE_SUBTREE, wanted, attributes
        try:
            number = held.connection.search_ext(
                *place, timeout=self._settings.timeout, sizelimit=most
            )
            _, rows = held.connection.result(number, timeout=self._settings.timeout)
        except ldap.SIZELIMIT_EXCEEDED:
            return [Entry("", {})] * (most + 1)
        # What is no entry is a reference to another server, which is not followed.
        return [
            Entry(dn, {name.lower(): values for name, values in found.items()})
            for dn, found in rows
            if dn is not None
        ]

    def _bind(self, url: str, dn: str, password: str) -> bool:
        """Tell whether a password is right, on a connection that is used for nothing else."""
        connection = self._open(url)
        try:
            connection.simple_bind_s(dn, password)
        except REFUSED as error:
            _log.debug("directory_bind_refused", directory=self._name, cause=_cause(error))
            return False
        finally:
            _end(connection)
        return True

    def _connect(self) -> _Open:
        """Sign in as this service, to the first server that answers."""
        urls = self._settings.urls
        failure: Exception = ldap.SERVER_DOWN()
        for number in range(len(urls)):
            at = (self._first + number) % len(urls)
            try:
                connection = self._open(urls[at])
                try:
                    if self._settings.bind_dn:
                        connection.simple_bind_s(self._settings.bind_dn, self._password())
                except BaseException:
                    _end(connection)
                    raise
            except (ldap.LDAPError, OSError) as error:
                failure = error
                continue
            self._first = at
            return _Open(urls[at], connection, self._clock())
        raise failure

    def _open(self, url: str) -> Any:
        given = self._settings
        # libldap itself encrypts nothing: what it is handed is encrypted already.
        plain = url.replace("ldaps://", "ldap://")
        connection = ldap.initialize(plain, fileno=connected(url, given))
        for option, value in (
            (ldap.OPT_PROTOCOL_VERSION, ldap.VERSION3),
            (ldap.OPT_REFERRALS, 0),
            (ldap.OPT_NETWORK_TIMEOUT, given.timeout),
            (ldap.OPT_TIMEOUT, given.timeout),
        ):
            connection.set_option(option, value)
        return connection


def _end(connection: Any) -> None:
    try:
        connection.unbind_s()
    except ldap.LDAPError:
        return


def _cause(error: Exception) -> str:
    """Write what went wrong, for operators."""
    said = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    parts = [str(said[name]) for name in ("desc", "info") if said.get(name)]
    text = ": ".join(parts) or str(error) or type(error).__name__
    return "".join(one if one.isprintable() else " " for one in text)[:300]
