"""Asking an issuer over HTTP, within limits.

Only https, except on loopback and where ``Access`` allows more; no redirect is followed; an answer
has a size and a time limit. The time is that of the whole answer: httpx bounds each read, and an
answer that trickles in would never end by that. A fetch of keys has one limit for all its requests,
so that a fallback adds none. Compression is not asked for; a server that compresses all the same is
understood (gzip), and the size limit is one of the content.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from carnet.errors import ConfigurationError, IssuerUnavailable
from carnet.jwt.key_source import Answer, Call, KeySource, carry_out
from carnet.verifier.access import DIRECT, Access, check_address, on_loopback
from carnet.verifier.connections import Connections

if TYPE_CHECKING:
    import httpx

__all__ = [
    "REFRESH_SECONDS",
    "check_address",
    "content_of",
    "load",
    "on_loopback",
    "refresh",
    "refresh_async",
    "run",
    "run_async",
    "tls_context",
    "unreachable",
]

T = TypeVar("T")

MAX_ANSWER: Final = 512 * 1024
SECONDS: Final = 5.0
"""What one request may take."""

REFRESH_SECONDS: Final = 8.0
"""What a fetch of keys may take, whatever it asks for."""


def refresh(source: KeySource, now: float, access: Access = DIRECT) -> None:
    """Run a source's fetch; what went wrong is in its ``health``."""
    run(source.refresh(now), access, REFRESH_SECONDS)


async def refresh_async(source: KeySource, now: float, access: Access = DIRECT) -> None:
    """Run a source's fetch without blocking; what went wrong is in its ``health``."""
    await run_async(source.refresh(now), access, REFRESH_SECONDS)


def run(
    steps: Generator[str | Call, Answer, T], access: Access = DIRECT, limit: float | None = None
) -> T:
    """Send what the steps yield, give them what came back, and give what they return.

    Args:
        steps: yield what to send.
        access: how the issuer is reached.
        limit: seconds that all of it may take; without one, each request has its own limit only.
    """
    until = None if limit is None else time.monotonic() + limit
    try:
        call = next(steps)
        while True:
            try:
                answer = _send(_call(call), access, until)
            except IssuerUnavailable as error:
                call = steps.throw(error)
            else:
                call = steps.send(answer)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        steps.close()


async def run_async(
    steps: Generator[str | Call, Answer, T], access: Access = DIRECT, limit: float | None = None
) -> T:
    """Do as ``run`` does, without blocking."""
    until = None if limit is None else time.monotonic() + limit
    return await carry_out(steps, lambda call: _send_async(call, access, until))


def _send(call: Call, access: Access, until: float | None) -> Answer:
    import httpx

    address = call.address
    if address == access.file:
        return _read(address)
    headers, seconds = _headers(call, access), _seconds(call, until)
    connections = Connections()
    try:
        with (
            _within(seconds, connections),
            httpx.Client(
                timeout=seconds,
                trust_env=not on_loopback(address),
                verify=access.context or tls_context(),
            ) as client,
            client.stream(
                call.method,
                address,
                headers=headers,
                content=call.content,
                extensions={"trace": connections.trace},
            ) as response,
        ):
            body = bytearray()
            for chunk in response.iter_raw():
                body += chunk
                _check_size(body, address)
            return _answer(response, body, address)
    except IssuerUnavailable:
        raise
    # The address may be the issuer's: httpx, idna, ssl and the rest raise what they like for it.
    except Exception as error:
        if connections.ended:
            raise _too_slow(address, seconds) from None
        raise unreachable(address, error) from None


async def _send_async(call: Call, access: Access, until: float | None) -> Answer:
    import httpx

    address = call.address
    if address == access.file:
        return _read(address)
    headers, seconds = _headers(call, access), _seconds(call, until)
    try:
        async with (
            asyncio.timeout(seconds),
            httpx.AsyncClient(
                timeout=seconds,
                trust_env=not on_loopback(address),
                verify=access.context or tls_context(),
            ) as client,
            client.stream(call.method, address, headers=headers, content=call.content) as response,
        ):
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                _check_size(body, address)
            return _answer(response, body, address)
    except IssuerUnavailable:
        raise
    except TimeoutError:
        raise _too_slow(address, seconds) from None
    except Exception as error:
        raise unreachable(address, error) from None


def load() -> None:
    """Load what a request needs, before one is sent.

    A process that is forked in the middle of an import has half of the module for ever.
    """
    import httpcore  # noqa: F401 - httpx loads it with its first request

    "issuer".encode("idna")  # the codec is loaded with the first host that is looked up
    tls_context()


@cache
def tls_context() -> ssl.SSLContext:
    """Give what TLS connections are made with, once a process: making it takes 28 ms."""
    import httpx

    return httpx.create_ssl_context()


def _call(call: str | Call) -> Call:
    return Call(call) if isinstance(call, str) else call


CAUSES: Final[Mapping[type[BaseException], Callable[[Any], str]]] = {
    ssl.SSLCertVerificationError: lambda error: (
        f"its certificate is not accepted ({error.verify_message}); the option ca_file trusts an "
        "authority of your own"
    ),
    ssl.SSLError: lambda error: f"TLS fails there ({error.reason or 'it ends at once'})",
    socket.gaierror: lambda _: "its name can't be resolved here: check the address",
    ConnectionRefusedError: lambda _: "nothing answers there: check the address, and if it runs",
}
"""What is told of why an issuer can't be reached, the nearest first."""

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}


@contextmanager
def _within(seconds: float, connections: Connections) -> Iterator[None]:
    """End a blocking request when its time is over, whatever it is waiting for."""
    timer = threading.Timer(seconds, connections.end)
    timer.daemon = True
    timer.start()
    try:
        with connections:
            yield
    finally:
        timer.cancel()


def _seconds(call: Call, until: float | None) -> float:
    """Give the seconds that a request may take."""
    seconds = SECONDS if call.seconds is None else call.seconds
    if until is not None:
        seconds = min(seconds, until - time.monotonic())
    if seconds <= 0:
        raise IssuerUnavailable(f"there was no time left to ask {call.address}")
    return seconds


def _headers(call: Call, access: Access) -> dict[str, str]:
    try:
        check_address(call.address, access.plain_hosts)
    except ConfigurationError as error:
        raise IssuerUnavailable(str(error)) from None
    return {**_HEADERS, **access.headers_for(call.address), **call.headers}


def _read(address: str) -> Answer:
    """Read a key set's file as if it had been fetched."""
    path = Path(url2pathname(urlsplit(address).path))
    try:
        with path.open("rb") as file:
            body = file.read(MAX_ANSWER + 1)
    except OSError:
        raise IssuerUnavailable(f"the file {path} can't be read") from None
    _check_size(body, address)
    return Answer(200, "", body)


def _check_size(body: bytes | bytearray, address: str) -> None:
    if len(body) > MAX_ANSWER:
        raise IssuerUnavailable(f"{address} answered more than {MAX_ANSWER} bytes")


def _answer(response: httpx.Response, body: bytearray, address: str) -> Answer:
    headers = response.headers
    return Answer(
        response.status_code,
        headers.get("cache-control", ""),
        content_of(bytes(body), headers.get("content-encoding", "identity").lower(), address),
        headers.get("retry-after", ""),
        headers.get("date", ""),
        headers.get("dpop-nonce", ""),
    )


def content_of(body: bytes, encoding: str, address: str) -> bytes:
    """Give what an answer holds, decompressed within the size limit.

    Raises:
        IssuerUnavailable: if it is compressed in another way than gzip, or too large.
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise IssuerUnavailable(f"{address} answered in a compressed form other than gzip")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        # A small compressed answer may be a large one: no more than the limit is ever unpacked.
        content = unpack.decompress(body, MAX_ANSWER + 1)
    except zlib.error:
        content = b""
    _check_size(content, address)
    if not unpack.eof or unpack.unused_data:
        raise IssuerUnavailable(f"{address} answered in a broken compressed form")
    return content


def unreachable(address: str, error: Exception) -> IssuerUnavailable:
    """Say why an address can't be reached, by what a request there has raised."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, explain in CAUSES.items():
            if isinstance(cause, kind):
                return IssuerUnavailable(f"{address} can't be reached: {explain(cause)}")
        cause = cause.__cause__ or cause.__context__
    return IssuerUnavailable(
        f"{address} can't be reached ({type(error).__name__}): check the address, and whether the "
        "issuer runs and may be reached from here"
    )


def _too_slow(address: str, seconds: float) -> IssuerUnavailable:
    return IssuerUnavailable(f"{address} did not answer in full within {seconds:.0f} seconds")
