"""Checking access tokens of issuers, with keys that are fetched and kept fresh (RFC 9068).

A token whose key is held costs no call, no lock and no wait. Only a first token, or one with an
unknown key, waits for a fetch, and all who wait share one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Sequence
from importlib.util import find_spec
from typing import Any, Generic, TypedDict, TypeVar, Unpack, overload

from carnet.errors import ConfigurationError, InvalidToken
from carnet.jose.key_set import KeySet
from carnet.jwt.claims import Claims
from carnet.jwt.inspection import inspect
from carnet.jwt.policy import Names, names
from carnet.jwt.verifier import Verifier
from carnet.verifier.fetch import check_address, refresh, refresh_async
from carnet.verifier.key_source import Health, KeySource

__all__ = ["AccessTokenVerifier", "AsyncAccessTokenVerifier"]

T = TypeVar("T")

CACHE = 4 * 1024 * 1024


class _Issuer:
    """One issuer: its keys, and the Verifier made of the newest of them."""

    def __init__(self, source: KeySource, options: dict[str, Any]) -> None:
        self.source = source
        self.fetching = threading.Lock()
        self.task: asyncio.Task[None] | None = None
        self._options = options
        self._verifier: tuple[KeySet, Verifier[Any]] | None = None

    def verifier(self) -> Verifier[Any] | None:
        """Give the Verifier of the keys that are held; new keys begin with an empty cache."""
        keys, current = self.source.keys, self._verifier
        if keys is None:
            return None
        if current is None or current[0] is not keys:
            current = (keys, Verifier(keys, issuer=self.source.issuer, **self._options))
            self._verifier = current
        return current[1]


class Options(TypedDict, total=False):
    """The options of both verifiers."""

    jwks_uri: str | None
    algorithms: Sequence[str] | None
    leeway: float
    required: Collection[str]
    type: str
    cache: int
    clock: Callable[[], float]


class _Issuers(Generic[T]):
    """What the blocking and the asynchronous verifier share: everything but waiting."""

    @overload
    def __init__(
        self: _Issuers[Claims],
        issuer: str | Collection[str],
        audience: Names,
        *,
        claims_type: None = ...,
        **options: Unpack[Options],
    ) -> None: ...

    @overload
    def __init__(
        self: _Issuers[T],
        issuer: str | Collection[str],
        audience: Names,
        *,
        claims_type: type[T],
        **options: Unpack[Options],
    ) -> None: ...

    def __init__(
        self,
        issuer: str | Collection[str],
        audience: Names,
        *,
        claims_type: Any = None,
        **options: Unpack[Options],
    ) -> None:
        if find_spec("httpx") is None:
            raise ConfigurationError(
                "fetching keys needs a part that is not installed: pip install 'carnet[verifier]'"
            )
        issuers = names(issuer, "issuer")
        if issuers is None:
            raise ConfigurationError("name the issuers that this service trusts")
        jwks_uri, algorithms = options.pop("jwks_uri", None), options.pop("algorithms", None)
        if jwks_uri is not None and len(issuers) > 1:
            raise ConfigurationError("a jwks_uri goes with one issuer only")
        for address in issuers if jwks_uri is None else (jwks_uri,):
            check_address(address)
        policy: dict[str, Any] = {"type": "at+jwt", "cache": CACHE, **options}
        policy.update(audience=audience, claims_type=claims_type)
        # What the options get wrong is told now, not with the first token.
        Verifier(KeySet(), issuer=issuers, **policy)
        self._clock = options.get("clock", time.time)
        self._issuers = {
            name: _Issuer(KeySource(name, jwks_uri, algorithms), policy) for name in issuers
        }
        self._only = next(iter(self._issuers.values())) if len(issuers) == 1 else None

    def health(self) -> list[Health]:
        """Say how well each issuer's keys are known."""
        now = self._clock()
        return [issuer.source.health(now) for issuer in self._issuers.values()]

    def _choose(self, token: str | bytes) -> _Issuer:
        """Choose the issuer by the token's own, unverified word; its Verifier checks that word."""
        if self._only is not None:
            return self._only
        claims = inspect(token).claims or {}
        name = claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise InvalidToken(
                "the token is from an issuer that is not trusted here",
                code="issuer_mismatch",
                claim="iss",
                expected=", ".join(sorted(self._issuers)),
            )
        return issuer


class AccessTokenVerifier(_Issuers[T]):
    """Checks access tokens of issuers; may be shared by threads.

    Args:
        issuer: the issuer, or several, exactly as they stand in their tokens.
        audience: this service's name, or names, in ``aud``.
        claims_type: a msgspec Struct, dataclass or TypedDict for the claims.
        jwks_uri: where the key set is, for a single issuer that publishes no metadata.
        algorithms: binds keys that name no algorithm, for issuers that publish such.
        leeway: seconds by which clocks may differ.
        required: names of further claims that must be there.
        type: the tokens' ``typ``; ``at+jwt`` unless given.
        cache: bytes that remembered tokens may use, for each issuer; 4 MiB unless given.
        clock: gives the seconds since 1970.

    Raises:
        ConfigurationError: if an argument is not of its kind, or httpx is not installed.
    """

    def verify(self, token: str | bytes) -> T:
        """Check an access token and give its claims.

        Raises:
            InvalidToken: saying which check failed and what was expected.
            IssuerUnavailable: if there is no key to check it with; the token is not accepted.
        """
        issuer = self._choose(token)
        source = issuer.source
        if source.keys is None:
            with issuer.fetching:
                if source.keys is None and source.due(self._clock()):
                    refresh(source, self._clock())
        elif source.due(self._clock()):
            self._refresh_behind(issuer)
        verifier = issuer.verifier()
        if verifier is None:
            raise source.unavailable()
        try:
            return verifier.verify(token)  # type: ignore[no-any-return]
        except InvalidToken as error:
            if error.code != "key_not_found":
                raise
            running = issuer.fetching.locked()
            if not running and not source.due_for_unknown_key(self._clock()):
                raise
        with issuer.fetching:
            # Whoever waited here for another thread's fetch has what that one brought.
            if source.due_for_unknown_key(self._clock()):
                refresh(source, self._clock())
        return (issuer.verifier() or verifier).verify(token)  # type: ignore[no-any-return]

    def _refresh_behind(self, issuer: _Issuer) -> None:
        if not issuer.fetching.acquire(blocking=False):
            return

        def fetch() -> None:
            try:
                refresh(issuer.source, self._clock())
            finally:
                issuer.fetching.release()

        threading.Thread(target=fetch, name="carnet-keys", daemon=True).start()


class AsyncAccessTokenVerifier(_Issuers[T]):
    """Checks access tokens of issuers in an event loop; arguments as for AccessTokenVerifier."""

    async def verify(self, token: str | bytes) -> T:
        """Check an access token and give its claims.

        Raises:
            InvalidToken: saying which check failed and what was expected.
            IssuerUnavailable: if there is no key to check it with; the token is not accepted.
        """
        issuer = self._choose(token)
        source = issuer.source
        if source.due(self._clock()):
            task = self._refresh(issuer)
            if source.keys is None:
                await asyncio.shield(task)
        elif source.keys is None and issuer.task is not None:
            await asyncio.shield(issuer.task)
        verifier = issuer.verifier()
        if verifier is None:
            raise source.unavailable()
        try:
            return verifier.verify(token)  # type: ignore[no-any-return]
        except InvalidToken as error:
            if error.code != "key_not_found":
                raise
            running = issuer.task is not None and not issuer.task.done()
            if not running and not source.due_for_unknown_key(self._clock()):
                raise
        await asyncio.shield(self._refresh(issuer))
        return (issuer.verifier() or verifier).verify(token)  # type: ignore[no-any-return]

    def _refresh(self, issuer: _Issuer) -> asyncio.Task[None]:
        """Begin to fetch the keys, or join the fetch that is under way."""
        task = issuer.task
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = asyncio.create_task(refresh_async(issuer.source, self._clock()))
            issuer.task = task
        return task
