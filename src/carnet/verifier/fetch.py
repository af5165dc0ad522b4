"""Getting an issuer's documents over HTTP, within limits.

Only https, except on loopback; no redirect is followed; an answer has a size and a time limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from carnet.errors import ConfigurationError, IssuerUnavailable
from carnet.verifier.key_source import Answer, KeySource

if TYPE_CHECKING:
    import httpx

__all__ = ["check_address", "on_loopback", "refresh", "refresh_async"]

MAX_ANSWER: Final = 512 * 1024
SECONDS: Final = 5.0
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def check_address(address: str) -> None:
    """Check that an address is https, or on this machine.

    Raises:
        ConfigurationError: saying what was expected.
    """
    try:
        parts = urlsplit(address)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        if secure and parts.hostname and not parts.username:
            return
    except ValueError:
        pass
    raise ConfigurationError(
        "an issuer's address begins with https://, or with http:// and a loopback address"
    )


def refresh(source: KeySource, now: float) -> None:
    """Run a source's fetch; what went wrong is in its ``health``."""
    steps = source.refresh(now)
    try:
        address = next(steps)
        while True:
            try:
                answer = _get(address)
            except IssuerUnavailable as error:
                address = steps.throw(error)
            else:
                address = steps.send(answer)
    except StopIteration:
        return


async def refresh_async(source: KeySource, now: float) -> None:
    """Run a source's fetch without blocking; what went wrong is in its ``health``."""
    steps = source.refresh(now)
    try:
        address = next(steps)
        while True:
            try:
                answer = await _get_async(address)
            except IssuerUnavailable as error:
                address = steps.throw(error)
            else:
                address = steps.send(answer)
    except StopIteration:
        return


def _get(address: str) -> Answer:
    import httpx

    _check(address)
    try:
        with (
            httpx.Client(timeout=SECONDS, trust_env=not on_loopback(address)) as client,
            client.stream("GET", address, headers=_HEADERS) as response,
        ):
            body = bytearray()
            for chunk in response.iter_bytes(16 * 1024):
                body += chunk
                _check_size(body, address)
            return _answer(response, body)
    except httpx.HTTPError as error:
        raise _unreachable(address, error) from None


async def _get_async(address: str) -> Answer:
    import httpx

    _check(address)
    try:
        async with (
            httpx.AsyncClient(timeout=SECONDS, trust_env=not on_loopback(address)) as client,
            client.stream("GET", address, headers=_HEADERS) as response,
        ):
            body = bytearray()
            async for chunk in response.aiter_bytes(16 * 1024):
                body += chunk
                _check_size(body, address)
            return _answer(response, body)
    except httpx.HTTPError as error:
        raise _unreachable(address, error) from None


# Without compression, the size limit is one of work too.
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}


def _check(address: str) -> None:
    try:
        check_address(address)
    except ConfigurationError as error:
        raise IssuerUnavailable(str(error)) from None


def _check_size(body: bytearray, address: str) -> None:
    if len(body) > MAX_ANSWER:
        raise IssuerUnavailable(f"{address} answered more than {MAX_ANSWER} bytes")


def _answer(response: httpx.Response, body: bytearray) -> Answer:
    return Answer(response.status_code, response.headers.get("cache-control", ""), bytes(body))


def _unreachable(address: str, error: httpx.HTTPError) -> IssuerUnavailable:
    return IssuerUnavailable(f"{address} can't be reached ({type(error).__name__})")


def on_loopback(address: str) -> bool:
    """Tell whether an address is on this machine."""
    return urlsplit(address).hostname in LOOPBACK
