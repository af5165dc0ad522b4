"""Fetching what a stranger has named, within bounds: https, a public address, a short answer.

The name is looked up once. Unless every address that it leads to is public, nothing is connected
to; and what is connected to is an address that was checked, so that a name which leads elsewhere a
moment later (DNS rebinding) gains nothing. TLS checks the name all the same. No redirect is
followed, no proxy of the environment is used, a compressed answer is refused, and the bytes are
counted as they come.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from carnet.errors import CarnetError
from carnet.server.deadline import within
from carnet.server.networks import is_public

if TYPE_CHECKING:
    import ssl

    import httpx

__all__ = ["Fetched", "NotFetched", "PublicFetch", "Resolve"]

AT_ONCE: Final = 8
PORT: Final = 443

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Gives the IP addresses that a name leads to."""


class NotFetched(CarnetError):
    """What was named was not fetched; the code says why.

    Codes: ``host_unknown``, ``address_not_public``, ``unreachable``, ``too_slow``, ``too_long``,
    ``compressed``.
    """

    code = "unreachable"


class Fetched(NamedTuple):
    """An answer.

    Attributes:
        status: its HTTP status.
        headers: its headers, with names in lower case.
        body: as it came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class PublicFetch:
    """Fetches from strangers, a few at once.

    Args:
        private_hosts: names that may lead to addresses which are not public.
        most_bytes: how long an answer may be.
        seconds: how long one may take, all in all.
        resolve: gives the addresses of a name; by default as the system does.
    """

    def __init__(
        self,
        private_hosts: Collection[str],
        most_bytes: int,
        seconds: float,
        resolve: Resolve | None = None,
    ) -> None:
        self._private_hosts = frozenset(private_hosts)
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._resolve = resolve or self._look_up
        self._places = asyncio.Semaphore(AT_ONCE)
        self._threads: ThreadPoolExecutor | None = None
        self._tls: ssl.SSLContext | None = None

    async def fetch(
        self,
        url: str,
        headers: Mapping[str, str],
        seconds: float | None = None,
        content: bytes | None = None,
    ) -> Fetched:
        """Fetch what stands at an https URL.

        Args:
            url: the URL.
            headers: of the request, besides those that it needs.
            seconds: how long it may take, where that is less than usual.
            content: what is posted there, or None to get what is there.

        Raises:
            NotFetched: if that is not possible, or not allowed.
        """
        try:
            return await within(seconds or self._seconds, self._fetch(url, headers, content))
        except TimeoutError:
            raise NotFetched("it did not answer in time", code="too_slow") from None

    def close(self) -> None:
        """End the threads that look names up."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _fetch(self, url: str, headers: Mapping[str, str], content: bytes | None) -> Fetched:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or PORT
        async with self._places:
            addresses = await self._addresses(host, port)
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            wanted = {"Host": parts.netloc, "Accept-Encoding": "identity", **headers}
            for address in addresses[:-1]:
                try:
                    return await self._ask(address, port, host, target, wanted, content)
                except NotFetched as error:
                    if error.code != NotFetched.code:
                        raise
            return await self._ask(addresses[-1], port, host, target, wanted, content)

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError):
            addresses = []
        if not addresses:
            raise NotFetched("its host has no address", code="host_unknown")
        if host not in self._private_hosts and not all(map(is_public, addresses)):
            raise NotFetched("its host has no public address", code="address_not_public")
        return addresses

    async def _ask(
        self,
        address: str,
        port: int,
        host: str,
        target: str,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> Fetched:
        """Ask at an address that was checked; the certificate is to be the host's."""
        import httpx

        if self._tls is None:
            # The authorities are those of the system's administrator, the proxies nobody's.
            self._tls = httpx.create_ssl_context()
        url = f"https://[{address}]:{port}" if ":" in address else f"https://{address}:{port}"
        try:
            async with (
                httpx.AsyncClient(
                    verify=self._tls, trust_env=False, follow_redirects=False, timeout=self._seconds
                ) as client,
                client.stream(
                    "GET" if content is None else "POST",
                    url + target,
                    headers=headers,
                    content=content,
                    extensions={"sni_hostname": host},
                ) as answer,
            ):
                return Fetched(answer.status_code, answer.headers, await self._read(answer))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            # Their words may hold what the address holds.
            raise NotFetched(f"it can't be reached ({type(error).__name__})") from None

    async def _read(self, answer: httpx.Response) -> bytes:
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            raise NotFetched("it answers with compressed data", code="compressed")
        body = b""
        async for part in answer.aiter_raw():
            body += part
            if len(body) > self._most_bytes:
                raise NotFetched(f"it is longer than {self._most_bytes} bytes", code="too_long")
        return body

    async def _look_up(self, host: str, port: int) -> list[str]:
        """Look a name up in threads of its own: one that hangs holds up nobody else's work."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(AT_ONCE, "look-up")
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(one[4][0]) for one in found))
