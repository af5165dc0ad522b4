"""Asking a provider: within bounds, and with its answers read as what they have to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from carnet.errors import InvalidToken
from carnet.jose.encoding import json_decode
from carnet.server.clients.addresses import BadAddress, check_web_address
from carnet.server.public_fetch import Fetched, NotFetched, PublicFetch, Resolve
from carnet.server.settings import Settings
from carnet.server.upstream.dpop import Prover
from carnet.server.upstream.provider import TokenRefused, UpstreamRefused

__all__ = ["Calls", "checked_address", "shown_code"]

MOST_BYTES: Final = 256 * 1024
SECONDS: Final = 5.0
USER_AGENT: Final = "Carnet"
GOOD: Final = 200
FAULTS_OF_ITS_OWN: Final = 500


class Calls:
    """Asks one provider; one that is slow is in no other's way.

    Args:
        settings: which hosts may stand at private addresses.
        resolve: gives the addresses of a name; by default as the system does.
    """

    def __init__(self, settings: Settings, resolve: Resolve | None = None) -> None:
        self._fetch = PublicFetch(settings.private_hosts, MOST_BYTES, SECONDS, resolve)

    async def get(self, url: str, token: str | None = None, prover: Prover | None = None) -> Any:
        """Get a JSON document, with an access token or without.

        Args:
            url: its address.
            token: an access token, or None.
            prover: proves the key that the token is bound to, or None.

        Raises:
            UpstreamRefused: ``unavailable``, or ``answer_wrong``.
        """
        scheme = "Bearer" if prover is None else "DPoP"
        headers = {} if token is None else {"Authorization": f"{scheme} {token}"}
        fetched = await self._send(url, headers, None, prover, token)
        if fetched.status != GOOD:
            raise _wrong_status(url, fetched)
        return _decoded(url, fetched)

    async def post(
        self,
        url: str,
        form: Mapping[str, str],
        headers: Mapping[str, str],
        prover: Prover | None = None,
    ) -> Any:
        """Post a form to a token endpoint, and give its answer.

        Args:
            url: the endpoint's address.
            form: what is sent.
            headers: of the request.
            prover: proves the key that the token is to be bound to, or None.

        Raises:
            UpstreamRefused: ``unavailable``; ``answer_wrong``, where it has refused, too.
        """
        content = urlencode(form).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        fetched = await self._send(url, {**kind, **headers}, content, prover)
        if fetched.status >= FAULTS_OF_ITS_OWN:
            raise _wrong_status(url, fetched)
        answer = _decoded(url, fetched)
        error = answer.get("error") if isinstance(answer, dict) else None
        # GitHub refuses with 200.
        if error is not None or fetched.status != GOOD:
            said = shown_code(error)
            raise TokenRefused(f"{_host(url)} gave no token: {said or fetched.status}", said)
        return answer

    async def tell(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> None:
        """Post a form whose answer says nothing.

        Raises:
            UpstreamRefused: ``unavailable``, or ``answer_wrong``.
        """
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        fetched = await self._send(url, {**kind, **headers}, urlencode(form).encode())
        if fetched.status != GOOD:
            raise _wrong_status(url, fetched)

    def close(self) -> None:
        """End the threads that look names up."""
        self._fetch.close()

    async def _send(
        self,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        prover: Prover | None = None,
        token: str | None = None,
    ) -> Fetched:
        if prover is None:
            return await self._send_once(url, headers, content)
        method = "GET" if content is None else "POST"
        for _ in range(2):
            proof = {"DPoP": prover.prove(method, url, token)}
            fetched = await self._send_once(url, {**headers, **proof}, content)
            if not prover.is_to_repeat(url, fetched.headers, fetched.body):
                break
        return fetched

    async def _send_once(
        self, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> Fetched:
        wanted = {"Accept": "application/json", "User-Agent": USER_AGENT, **headers}
        if content is not None:
            wanted["Content-Length"] = str(len(content))
        try:
            return await self._fetch.fetch(url, wanted, content=content)
        except NotFetched as error:
            raise UpstreamRefused(f"{_host(url)}: {error}", code="unavailable") from None


def checked_address(url: str, what: str) -> str:
    """Check an address that a provider publishes, and give it.

    Raises:
        UpstreamRefused: ``answer_wrong``.
    """
    try:
        check_web_address(url)
        if not url.startswith("https://"):
            raise BadAddress("an https URL")
    except BadAddress as error:
        raise UpstreamRefused(f"its {what} is not {error}", code="answer_wrong") from None
    return url


def _decoded(url: str, fetched: Fetched) -> Any:
    text = fetched.body.strip()
    try:
        # A list of objects is what GitHub gives for addresses.
        if text.startswith(b"["):
            return msgspec.json.decode(text)
        return json_decode(text, "the answer")
    except (InvalidToken, msgspec.MsgspecError):
        raise UpstreamRefused(
            f"{_host(url)} answered {fetched.status} with something that is not JSON",
            code="answer_wrong",
        ) from None


def _wrong_status(url: str, fetched: Fetched) -> UpstreamRefused:
    redirect = "; a redirect is not followed" if 300 <= fetched.status < 400 else ""
    code = "unavailable" if fetched.status >= FAULTS_OF_ITS_OWN else "answer_wrong"
    return UpstreamRefused(f"{_host(url)} answered {fetched.status}{redirect}", code=code)


def shown_code(error: object) -> str:
    """Give an error code as a log may hold it, or "" where it is no such code."""
    text = error if isinstance(error, str) else ""
    return text if len(text) <= 64 and text.isascii() and text.isprintable() else ""


def _host(url: str) -> str:
    return urlsplit(url).netloc
