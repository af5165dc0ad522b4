"""Asking an issuer over HTTP, within limits.

Only https, except on loopback; no redirect is followed; an answer has a size and a time limit. The
time is that of the whole answer: httpx bounds each read, and an answer that trickles in would never
end by that.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from carnet.errors import ConfigurationError, IssuerUnavailable
from carnet.verifier.connections import Connections
from carnet.verifier.key_source import Answer, Call, KeySource

if TYPE_CHECKING:
    import httpx

__all__ = [
    "check_address",
    "on_loopback",
    "refresh",
    "refresh_async",
    "run",
    "run_async",
    "tls_context",
]

T = TypeVar("T")

MAX_ANSWER: Final = 512 * 1024
SECONDS: Final = 5.0


def check_address(address: str) -> None:
    """Check that an address is https, or on this machine, and fit for a line of text.

    Raises:
        ConfigurationError: saying what was expected.
    """
    if isinstance(address, str) and address.isprintable() and " " not in address:
        try:
            parts = urlsplit(address)
            secure = parts.scheme == "https" or (parts.scheme == "http" and on_loopback(address))
            if secure and parts.hostname and parts.port != 0 and "@" not in parts.netloc:
                return
        except ValueError:
            pass
    raise ConfigurationError(
        "an issuer's address begins with https://, or with http:// and a loopback address"
    )


def refresh(source: KeySource, now: float) -> None:
    """Run a source's fetch; what went wrong is in its ``health``."""
    run(source.refresh(now))


async def refresh_async(source: KeySource, now: float) -> None:
    """Run a source's fetch without blocking; what went wrong is in its ``health``."""
    await run_async(source.refresh(now))


def run(steps: Generator[str | Call, Answer, T]) -> T:
    """Send what the steps yield, give them what came back, and give what they return."""
    try:
        call = next(steps)
        while True:
            try:
                answer = _send(call)
            except IssuerUnavailable as error:
                call = steps.throw(error)
            else:
                call = steps.send(answer)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        steps.close()


async def run_async(steps: Generator[str | Call, Answer, T]) -> T:
    """Do as ``run`` does, without blocking."""
    try:
        call = next(steps)
        while True:
            try:
                answer = await _send_async(call)
            except IssuerUnavailable as error:
                call = steps.throw(error)
            else:
                call = steps.send(answer)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        steps.close()


def _send(call: str | Call) -> Answer:
    import httpx

    call = _call(call)
    address = call.address
    _check(address)
    connections = Connections()
    try:
        with (
            _within_seconds(connections),
            httpx.Client(
                timeout=SECONDS, trust_env=not on_loopback(address), verify=tls_context()
            ) as client,
            client.stream(
                call.method,
                address,
                headers={**_HEADERS, **call.headers},
                content=call.content,
                extensions={"trace": connections.trace},
            ) as response,
        ):
            _check_form(response, address)
            body = bytearray()
            for chunk in response.iter_raw():
                body += chunk
                _check_size(body, address)
    except IssuerUnavailable:
        raise
    # The address may be the issuer's: httpx, idna, ssl and the rest raise what they like for it.
    except Exception as error:
        if not connections.ended:
            raise _unreachable(address, error) from None
    if connections.ended:
        raise _too_slow(address)
    return _answer(response, body)


async def _send_async(call: str | Call) -> Answer:
    import httpx

    call = _call(call)
    address = call.address
    _check(address)
    try:
        async with (
            asyncio.timeout(SECONDS),
            httpx.AsyncClient(
                timeout=SECONDS, trust_env=not on_loopback(address), verify=tls_context()
            ) as client,
            client.stream(
                call.method,
                address,
                headers={**_HEADERS, **call.headers},
                content=call.content,
            ) as response,
        ):
            _check_form(response, address)
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                _check_size(body, address)
            return _answer(response, body)
    except IssuerUnavailable:
        raise
    except TimeoutError:
        raise _too_slow(address) from None
    except Exception as error:
        raise _unreachable(address, error) from None


@cache
def tls_context() -> ssl.SSLContext:
    """Give what TLS connections are made with, once a process: making it takes 28 ms."""
    import httpx

    return httpx.create_ssl_context()


def _call(call: str | Call) -> Call:
    return Call(call) if isinstance(call, str) else call


_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}


@contextmanager
def _within_seconds(connections: Connections) -> Iterator[None]:
    """End a blocking request when its time is over, whatever it is waiting for."""
    timer = threading.Timer(SECONDS, connections.end)
    timer.daemon = True
    timer.start()
    try:
        with connections:
            yield
    finally:
        timer.cancel()


def _check(address: str) -> None:
    try:
        check_address(address)
    except ConfigurationError as error:
        raise IssuerUnavailable(str(error)) from None


def _check_form(response: httpx.Response, address: str) -> None:
    # A small compressed answer may be a large one: without compression, the size limit is one of
    # memory and work too.
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise IssuerUnavailable(f"{address} answered in a compressed form, which was not asked for")


def _check_size(body: bytearray, address: str) -> None:
    if len(body) > MAX_ANSWER:
        raise IssuerUnavailable(f"{address} answered more than {MAX_ANSWER} bytes")


def _answer(response: httpx.Response, body: bytearray) -> Answer:
    headers = response.headers
    return Answer(
        response.status_code,
        headers.get("cache-control", ""),
        bytes(body),
        headers.get("retry-after", ""),
    )


def _unreachable(address: str, error: Exception) -> IssuerUnavailable:
    return IssuerUnavailable(
        f"{address} can't be reached ({type(error).__name__}): check the address, and whether the "
        "issuer runs and may be reached from here"
    )


def _too_slow(address: str) -> IssuerUnavailable:
    return IssuerUnavailable(f"{address} did not answer in full within {SECONDS:.0f} seconds")


def on_loopback(address: str) -> bool:
    """Tell whether an address is on this machine: 127.0.0.0/8, ::1 or localhost."""
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
