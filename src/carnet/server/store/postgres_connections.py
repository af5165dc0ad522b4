"""Connections to PostgreSQL: made from a URL, and kept at hand.

The URL may name several hosts: connections are made to the one that takes writes. Those that are
away, hang, or lag behind are passed over. One that stops taking writes, because another was
promoted, is left with every connection to it.

Behind a pooler that gives a server connection for a transaction (PgBouncer), statements can't be
prepared once and used again: their names may meet another server. Such a pooler is told by the
process that it names, which is not the one that answers.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types

from carnet.errors import ServerError
from carnet.server.store.base import PoolUse
from carnet.server.store.postgres_failures import FAILURES, is_closed, reason_of

__all__ = ["Connections", "connect", "place_of", "unreachable"]

MIN_CONNECTIONS = 1
MAX_CONNECTIONS = 16
CONNECT_SECONDS = 10
COMMAND_SECONDS = 10
IDLE_SECONDS = 60
CACHED_STATEMENTS: Final = 100
CACHE_OPTION: Final = "statement_cache_size"


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection that is given back without a round trip: nothing here changes its state."""

    def get_reset_query(self) -> str:
        return ""


class _Idle(NamedTuple):
    """A connection that nobody uses, and since when, by the monotonic clock."""

    connection: Any
    since: float


class Connections:
    """A pool's connections, kept at hand: to lend one takes the pool longer than a query does.

    Args:
        pool: makes the connections, and sees to those whose use did not end well.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._free: list[_Idle] = []
        self._lent = asyncio.Semaphore(MAX_CONNECTIONS)
        self._waiting = 0

    async def take(self) -> Any:
        """Lend a connection."""
        if self._lent.locked():
            self._waiting += 1
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._lent.acquire()
            finally:
                self._waiting -= 1
        else:
            await self._lent.acquire()
        try:
            while self._free:
                connection = self._free.pop().connection
                if not is_closed(connection):
                    return connection
                await self._release(connection)
            return await self._pool.acquire(timeout=CONNECT_SECONDS)
        except BaseException:
            self._lent.release()
            raise

    def pool_use(self) -> PoolUse:
        """Say how many connections there are, are lent, and are waited for."""
        size = self._pool.get_size()
        return PoolUse(size, size - self._pool.get_idle_size() - len(self._free), self._waiting)

    async def give_back(self, connection: Any) -> None:
        """Take a connection back whose use has ended well."""
        now = time.monotonic()
        self._free.append(_Idle(connection, now))
        self._lent.release()
        # Those used last are lent first, so the first has been idle for longest.
        if self._free[0].since < now - IDLE_SECONDS:
            await self._release(self._free.pop(0).connection)

    async def give_up(self, connection: Any) -> None:
        """Take a connection back whose use has failed."""
        try:
            await self._release(connection)
        finally:
            self._lent.release()

    def leave(self, connection: Any) -> None:
        """Close a connection to a server that takes no writes, and the idle ones beside it."""
        _terminate(connection)
        self.leave_idle()

    def leave_idle(self) -> None:
        """Close the connections that nobody uses; where more are needed, they are made anew."""
        for idle in self._free:
            _terminate(idle.connection)

    async def close(self) -> None:
        """Close every connection, once it is given back."""
        while self._free:
            await self._release(self._free.pop().connection)
        await self._pool.close()

    def terminate(self) -> None:
        """Close every connection now."""
        self._pool.terminate()

    async def _release(self, connection: Any) -> None:
        with suppress(*FAILURES):
            await self._pool.release(connection)


def _terminate(connection: Any) -> None:
    # One that is lost already has gone back to the pool, which asyncpg takes for a fault.
    with suppress(*FAILURES):
        connection.terminate()


class _Hosts:
    """Connects to the host of a URL that takes writes.

    asyncpg, told of several, gives the whole time to one that hangs, and gives up at one that
    refuses, as a standby does that has not heard of a new database or password yet.

    Args:
        url: with commas between the hosts, where there are several.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        account, at, hosts = parts.netloc.rpartition("@")
        self._urls = [
            parts._replace(netloc=f"{account}{at}{host}").geturl() for host in hosts.split(",")
        ]
        self._seconds = CONNECT_SECONDS / len(self._urls)

    async def connect(self, *_: Any, **options: Any) -> Any:
        """Connect to the first host that takes writes, the last one that did before all others."""
        options["timeout"] = self._seconds
        # A standby may lag behind, and what it says is no proof of anything.
        options["target_session_attrs"] = "read-write"
        failures = []
        for url in list(self._urls):
            try:
                connection = await asyncpg.connect(url, **options)
            except FAILURES as error:
                failures.append(error)
            else:
                self._urls.remove(url)
                self._urls.insert(0, url)
                return connection
        # What a server says tells more than that another one is away.
        raise max(failures, key=lambda error: isinstance(error, asyncpg.PostgresError))


async def connect(url: str) -> Connections:
    """Connect to a database.

    Args:
        url: as for ``PostgresStore.open``.

    Raises:
        ServerError: ``database_unreachable``.
    """
    place = place_of(url)
    url, cached = _split_cache_option(url)
    hosts = _Hosts(url)
    try:
        if cached is None:
            cached = 0 if await _is_pooled(hosts) else CACHED_STATEMENTS
        pool = await asyncpg.create_pool(
            connect=hosts.connect,
            min_size=MIN_CONNECTIONS,
            max_size=MAX_CONNECTIONS,
            connection_class=_Connection,
            statement_cache_size=cached,
            max_cached_statement_lifetime=0,
            command_timeout=COMMAND_SECONDS,
        )
    except FAILURES as error:
        raise unreachable(place, reason_of(error)) from None
    except ValueError:
        # Its message may hold a part of the URL.
        raise _malformed() from None
    return Connections(pool)


async def _is_pooled(hosts: _Hosts) -> bool:
    """Tell whether a pooler answers, which gives each transaction another server process."""
    connection = await hosts.connect(statement_cache_size=0, command_timeout=COMMAND_SECONDS)
    try:
        return bool(
            await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid()
        )
    finally:
        await connection.close()


def _split_cache_option(url: str) -> tuple[str, int | None]:
    """Take the option that is ours, not the server's, out of a URL."""
    parts = urlsplit(url)
    options = parse_qsl(parts.query, keep_blank_values=True)
    given = dict(options).get(CACHE_OPTION)
    if given is None:
        return url, None
    if not given.isascii() or not given.isdigit() or len(given) > 6:
        raise ServerError(
            f"{CACHE_OPTION} in the setting database is a whole number, 0 for none",
            code="database_unreachable",
        )
    rest = urlencode([(name, value) for name, value in options if name != CACHE_OPTION])
    return parts._replace(query=rest).geturl(), int(given)


def place_of(url: str) -> str:
    """Name the database of a URL without its password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _malformed() from None
    if "@" in parts.path + parts.query + parts.fragment:
        # A character of the password has ended the part of the URL that it belongs to.
        raise _malformed()
    return f"{parts.netloc.rpartition('@')[2] or 'on the local socket'}{parts.path}"


def _malformed() -> ServerError:
    return ServerError(
        "the setting database is not a URL such as postgresql://user:password@host:5432/carnet; "
        "in the password, characters such as / ? # @ : % are written as %2F %3F %23 %40 %3A %25",
        code="database_unreachable",
    )


def unreachable(place: str, reason: str) -> ServerError:
    """Make the error of a database that can't be used."""
    return ServerError(
        f"can't use the PostgreSQL database {place}: {reason}; check that it runs, its address, "
        "the user, the password, and that the user may create tables",
        code="database_unreachable",
    )
