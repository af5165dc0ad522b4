"""Checking access tokens of issuers, with keys that are fetched and kept fresh (RFC 9068).

A token whose key is held costs no call, no lock and no wait. Only a first token, or one with an
unknown key, waits for a fetch, and all who wait share one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import replace
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Self, TypedDict, Unpack, cast

import msgspec

from carnet.errors import ConfigurationError, InvalidToken, IssuerUnavailable
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet
from carnet.jwt.claims import Claims
from carnet.jwt.inspection import inspect
from carnet.jwt.policy import Names, names, seconds
from carnet.jwt.verifier import Verifier
from carnet.verifier.dpop import Presented, Proofs
from carnet.verifier.fetch import check_address, refresh, refresh_async
from carnet.verifier.follower import Follower
from carnet.verifier.key_source import Health, KeySource
from carnet.verifier.revocations import LEEWAY

__all__ = ["AccessTokenVerifier", "AsyncAccessTokenVerifier"]

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", default=Claims)
else:
    from typing import TypeVar

    T = TypeVar("T")

CACHE = 4 * 1024 * 1024
MAX_AGE = 15


class _Issuer:
    """One issuer: its keys, the Verifier made of the newest of them, and what it has revoked."""

    def __init__(
        self,
        source: KeySource,
        options: dict[str, Any],
        revocations: _Revocations,
    ) -> None:
        self.source = source
        self.proofs = Proofs()
        self.fetching = threading.Lock()
        self.beginning = threading.Lock()
        self.task: asyncio.Task[None] | None = None
        self.fetch: Future[None] | None = None
        self._clock: Callable[[], float] = options.get("clock", time.time)
        self.follower = (
            None
            if revocations.mode == "off"
            else Follower(
                source,
                self.refresh_for_unknown_key,
                self._clock,
                max(LEEWAY, seconds(options.get("leeway", 0), "leeway")),
            )
        )
        self._options = options
        self._revocations = revocations
        self._verifier: tuple[KeySet, Verifier[Claims]] | None = None

    def awaits_revocations(self) -> Follower | None:
        """Begin to follow the revocations; give whom a first token has to wait for, if anyone."""
        follower = self.follower
        if follower is None:
            return None
        follower.ensure()
        must_wait = self._revocations.mode == "required" and follower.list.heard_at is None
        return follower if must_wait and follower.patience() else None

    def admit(self, claims: Claims, token: str | bytes, presented: Presented | None) -> Claims:
        """Refuse what is revoked, or not proved."""
        self.proofs.check(claims, token, presented, self._clock())
        said, follower = claims._claims, self.follower
        if follower is not None:
            if self._revocations.mode == "required":
                self._require_news(follower)
            follower.list.check(said)
        return claims

    def health(self, now: float) -> Health:
        """Say how well the keys and the revocations are known."""
        health = self.source.health(now)
        follower = self.follower
        if follower is None:
            return health
        age = follower.age()
        return replace(
            health,
            ready=health.ready and self._is_recent(age),
            revocations_age=age,
            revocations=len(follower.list),
            revocations_error=follower.last_error,
        )

    def _is_recent(self, age: float | None) -> bool:
        """Tell whether an age of what is known lets tokens in."""
        mode, max_age = self._revocations
        return mode != "required" or (age is not None and age <= max_age)

    def _require_news(self, follower: Follower) -> None:
        age = follower.age()
        if not self._is_recent(age):
            told = "never" if age is None else f"{age:.0f} seconds ago"
            raise IssuerUnavailable(
                f"what {self.source.issuer} has revoked was confirmed {told}, which is too long: "
                f"{follower.last_error or 'the stream is silent, or what it says is old'}"
            )

    def refresh_for_unknown_key(self) -> bool:
        """Fetch the keys, unless that was done just before, and tell whether it was done."""
        with self.fetching:
            # Whoever waited here for another thread's fetch has what that one brought.
            due = self.source.due_for_unknown_key(self._clock())
            if due:
                refresh(self.source, self._clock())
            return due

    def verifier(self) -> Verifier[Any] | None:
        """Give the Verifier of the keys that are held; new keys begin with an empty cache."""
        keys, current = self.source.keys, self._verifier
        if keys is None:
            return None
        if current is None or current[0] is not keys:
            current = (keys, Verifier(keys, issuer=self.source.issuer, **self._options))
            self._verifier = current
        return current[1]


class _Revocations(NamedTuple):
    mode: str
    max_age: float


class Options(TypedDict, total=False):
    """The options of both verifiers."""

    jwks_uri: str | None
    algorithms: Collection[str] | None
    leeway: float
    required: Collection[str]
    type: str
    cache: int
    clock: Callable[[], float]
    decryption: Key | KeySet | None
    revocations: Literal["off", "best_effort", "required"]
    revocations_max_age: float


class Issuers(Generic[T]):
    """What the blocking and the asynchronous verifier share: everything but waiting."""

    def __init__(
        self,
        issuer: str | Collection[str],
        audience: Names,
        *,
        claims_type: type[T] | None = None,
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
        revocations = _Revocations(
            options.pop("revocations", "best_effort"),
            seconds(options.pop("revocations_max_age", MAX_AGE), "revocations_max_age"),
        )
        if revocations.mode not in ("off", "best_effort", "required"):
            raise ConfigurationError("revocations is 'off', 'best_effort' or 'required'")
        if revocations.mode == "required" and jwks_uri is not None:
            raise ConfigurationError(
                "the revocations are found through the issuer's metadata: leave jwks_uri away"
            )
        policy: dict[str, Any] = {"type": "at+jwt", "cache": CACHE, **options, "audience": audience}
        # What the options get wrong is told now, not with the first token.
        Verifier(KeySet(), issuer=issuers, claims_type=claims_type, **policy)
        self._clock = options.get("clock", time.time)
        self._claims_type = claims_type
        self._issuers = {
            name: _Issuer(KeySource(name, jwks_uri, algorithms), policy, revocations)
            for name in issuers
        }
        self._only = next(iter(self._issuers.values())) if len(issuers) == 1 else None

    def health(self) -> list[Health]:
        """Say how well each issuer's keys are known."""
        now = self._clock()
        return [issuer.health(now) for issuer in self._issuers.values()]

    def typed(self, claims: Claims) -> T:
        """Give verified claims in the form that was asked for with ``claims_type``.

        Raises:
            InvalidToken: ``claim_invalid``, if they don't fit.
        """
        if self._claims_type is None:
            return cast("T", claims)
        try:
            return msgspec.convert(claims._claims, self._claims_type)
        except msgspec.ValidationError:
            raise InvalidToken(
                "the claims don't fit the type that this service expects",
                code="claim_invalid",
                expected="claims of the verifier's claims_type",
            ) from None

    def close(self) -> None:
        """Stop following the revocations."""
        for issuer in self._issuers.values():
            if issuer.follower is not None:
                issuer.follower.close()

    def _choose(self, token: str | bytes) -> _Issuer:
        """Choose the issuer by the token's own, unverified word; its Verifier checks that word."""
        if self._only is not None:
            return self._only
        claims = inspect(token).claims
        if claims is None:
            raise InvalidToken(
                "the token can't be read", code="malformed", expected="a signed access token"
            )
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


class AccessTokenVerifier(Issuers[T]):
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
        decryption: private keys, for tokens that the issuer encrypts to this service.
        revocations: ``best_effort`` refuses what the issuer is known to have revoked; ``required``
            also refuses everything while that is not known well enough; ``off`` doesn't ask.
        revocations_max_age: seconds without a word of the issuer after which ``required`` refuses;
            15 unless given.

    Raises:
        ConfigurationError: if an argument is not of its kind, or httpx is not installed.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def verify(self, token: str | bytes, presented: Presented | None = None) -> T:
        """Check an access token and give its claims.

        Args:
            token: the token.
            presented: the proof that came with it; without one, a token that is bound to a key is
                refused.

        Raises:
            InvalidToken: saying which check failed and what was expected.
            IssuerUnavailable: if there is no key to check it with; the token is not accepted.
        """
        return self.typed(self.claims(token, presented))

    def claims(self, token: str | bytes, presented: Presented | None = None) -> Claims:
        """Check an access token and give its claims as they are, whatever ``claims_type`` says.

        Args:
            token: the token.
            presented: the proof that came with it.

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
            claims = verifier.verify(token)
        except InvalidToken as error:
            if error.code != "key_not_found":
                raise
            running = issuer.fetching.locked()
            if not running and not source.due_for_unknown_key(self._clock()):
                raise
            issuer.refresh_for_unknown_key()
            claims = (issuer.verifier() or verifier).verify(token)
        if follower := issuer.awaits_revocations():
            follower.wait()
        return issuer.admit(claims, token, presented)

    def _refresh_behind(self, issuer: _Issuer) -> None:
        if not issuer.fetching.acquire(blocking=False):
            return

        def fetch() -> None:
            try:
                refresh(issuer.source, self._clock())
            finally:
                issuer.fetching.release()

        try:
            threading.Thread(target=fetch, name="carnet-keys", daemon=True).start()
        except RuntimeError:
            # No thread can be started, as when the interpreter ends: the keys held do.
            issuer.fetching.release()


class AsyncAccessTokenVerifier(Issuers[T]):
    """Checks access tokens of issuers in an event loop; arguments as for AccessTokenVerifier.

    It may be shared by the loops of several threads, and by loops that follow each other.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop following the revocations, and end a fetch that is under way in this loop."""
        self.close()
        for issuer in self._issuers.values():
            task = issuer.task
            if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
                continue
            task.cancel()
            await asyncio.wait([task])

    async def prepare(self) -> None:
        """Fetch the keys and begin to follow the revocations, before a token needs them.

        What goes wrong is in ``health``, and the first token tries again.
        """
        for issuer in self._issuers.values():
            if issuer.source.due(self._clock()):
                await asyncio.wrap_future(self._refresh(issuer))
            issuer.awaits_revocations()

    async def verify(self, token: str | bytes, presented: Presented | None = None) -> T:
        """Check an access token and give its claims.

        Args:
            token: the token.
            presented: the proof that came with it; without one, a token that is bound to a key is
                refused.

        Raises:
            InvalidToken: saying which check failed and what was expected.
            IssuerUnavailable: if there is no key to check it with; the token is not accepted.
        """
        return self.typed(await self.claims(token, presented))

    async def claims(self, token: str | bytes, presented: Presented | None = None) -> Claims:
        """Check an access token and give its claims as they are, whatever ``claims_type`` says.

        Args:
            token: the token.
            presented: the proof that came with it.

        Raises:
            InvalidToken: saying which check failed and what was expected.
            IssuerUnavailable: if there is no key to check it with; the token is not accepted.
        """
        issuer = self._choose(token)
        source = issuer.source
        if source.due(self._clock()):
            # Where each request has a loop of its own, what runs behind it ends with it.
            must_wait = source.keys is None or source.cut_short
            fetch = self._refresh(issuer)
            if must_wait:
                await asyncio.wrap_future(fetch)
        elif source.keys is None and issuer.fetch is not None:
            await asyncio.wrap_future(issuer.fetch)
        verifier = issuer.verifier()
        if verifier is None:
            raise source.unavailable()
        try:
            claims = verifier.verify(token)
        except InvalidToken as error:
            if error.code != "key_not_found":
                raise
            running = issuer.fetch is not None and not issuer.fetch.done()
            if not running and not source.due_for_unknown_key(self._clock()):
                raise
            await asyncio.wrap_future(self._refresh(issuer))
            claims = (issuer.verifier() or verifier).verify(token)
        if follower := issuer.awaits_revocations():
            await asyncio.to_thread(follower.wait)
        return issuer.admit(claims, token, presented)

    def _refresh(self, issuer: _Issuer) -> Future[None]:
        """Begin to fetch the keys, or join the fetch that is under way, be it in another loop."""
        with issuer.beginning:
            fetch, task = issuer.fetch, issuer.task
            if fetch is None or task is None or fetch.done() or task.get_loop().is_closed():
                begun: Future[None] = Future()
                # What runs can't be cancelled by one of those who wait.
                begun.set_running_or_notify_cancel()
                task = asyncio.create_task(refresh_async(issuer.source, self._clock()))
                task.add_done_callback(lambda _: begun.set_result(None))
                issuer.fetch, issuer.task = begun, task
                return begun
            return fetch
