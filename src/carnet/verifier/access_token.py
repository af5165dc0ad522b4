"""Checking access tokens of issuers, with keys that are fetched and kept fresh (RFC 9068).

A token whose key is held costs no call, no lock and no wait. Only a first token, or one with an
unknown key, waits for a fetch, and all who wait share one.
"""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from concurrent.futures import Future
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, Unpack, cast

import msgspec

from carnet.errors import ConfigurationError, InvalidToken
from carnet.jose.key_set import KeySet
from carnet.jwt.claims import Claims, members_of
from carnet.jwt.inspection import inspect
from carnet.jwt.key_source import Health
from carnet.jwt.policy import UNCHECKED, Names, seconds
from carnet.jwt.verifier import Verifier
from carnet.verifier.dpop import Presented
from carnet.verifier.fetch import REFRESH_SECONDS, load
from carnet.verifier.issuer import Trusted
from carnet.verifier.options import Options, check_options, issuers_of, settle
from carnet.verifier.protected_resource import ProtectedResource, PublishedResource
from carnet.verifier.trusted_issuer import NEWER_KEYS, TrustedIssuer

__all__ = ["AccessTokenVerifier", "AsyncAccessTokenVerifier", "Issuers", "Options"]

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", default=Claims)
else:
    from typing import TypeVar

    T = TypeVar("T")

MAX_AGE = 15


class Issuers(Generic[T]):
    """What the blocking and the asynchronous verifier share: everything but waiting."""

    def __init__(
        self,
        issuer: Trusted,
        audience: Names | None = None,
        *,
        claims_type: type[T] | None = None,
        **options: Unpack[Options],
    ) -> None:
        if find_spec("httpx") is None:
            raise ConfigurationError(
                "fetching keys needs a part that is not installed: pip install 'carnet[verifier]'"
            )
        check_options(type(self), options)
        issuers = issuers_of(issuer)
        max_age = seconds(options.get("revocations_max_age", MAX_AGE), "revocations_max_age")
        if claims_type is not None:
            Verifier(KeySet(), issuer=UNCHECKED, audience=UNCHECKED, claims_type=claims_type)
        self._clock = options.get("clock", time.time)
        self._claims_type = claims_type
        resource = ProtectedResource.of(options.get("resource"))
        alone = len(issuers) == 1
        settings = [settle(one, audience, options, alone, resource) for one in issuers]
        trusted = [
            TrustedIssuer(one, settled, max_age)
            for one, settled in zip(issuers, settings, strict=True)
        ]
        self._resource = None
        if resource is not None:
            needs_proof = all("cnf" in settled.required for settled in settings)
            self._resource = PublishedResource(
                resource, [one.address for one in trusted], needs_proof
            )
        self._issuers = {one.source.issuer: one for one in trusted}
        self._by_name = {name: one for one in trusted for name in one.names.exact}
        self._by_claims = [one for one in trusted if one.names.accepts is not None]
        named = sum(len(one.names.exact) for one in trusted)
        if named > len(self._by_name) or len(trusted) > len(self._issuers):
            raise ConfigurationError("two issuers have the same name: which keys are its own?")
        self._only = trusted[0] if len(trusted) == 1 else None
        if any(one.source.due(self._clock()) for one in trusted):
            load()
        for one in trusted:
            if one.follower is not None:
                # A verifier that nobody holds any more, as after a reload, leaves no thread.
                weakref.finalize(self, one.follower.abandon).atexit = False

    @property
    def issuers(self) -> tuple[TrustedIssuer, ...]:
        """The issuers at work."""
        return tuple(self._issuers.values())

    @property
    def resource(self) -> PublishedResource | None:
        """What clients are told of this service, where the option ``resource`` is given."""
        return self._resource

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
            return msgspec.convert(members_of(claims), self._claims_type)
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

    def exchange(self, issuer: TrustedIssuer, other: TrustedIssuer) -> None:
        """Put another in an issuer's place, as ``carnet.testing`` does for the time of a test."""
        for named in (self._issuers, self._by_name):
            for name, one in named.items():
                if one is issuer:
                    named[name] = other
        self._by_claims = [other if one is issuer else one for one in self._by_claims]
        self._only = other if self._only is issuer else self._only

    def remembered(self, token: str) -> Claims | None:
        """Give the claims of a token that was accepted before and still is; None: ask ``claims``.

        Args:
            token: the token, which came without a proof.

        Raises:
            InvalidToken: if it has been revoked since, for example.
            IssuerUnavailable: if that can't be known.
        """
        return None if self._only is None else self._only.remembered(token)

    def _choose(self, token: str | bytes) -> TrustedIssuer:
        """Choose the issuer by the token's own, unverified word; its Verifier checks that word."""
        if self._only is not None:
            return self._only
        claims = inspect(token).claims
        if claims is None:
            raise InvalidToken(
                "the token can't be read", code="malformed", expected="a signed access token"
            )
        name = claims.get("iss")
        issuer = self._by_name.get(name) if isinstance(name, str) else None
        if issuer is not None:
            return issuer
        for issuer in self._by_claims:
            if issuer.names.accepts is not None and issuer.names.accepts(claims):
                return issuer
        raise InvalidToken(
            "the token is from an issuer that is not trusted here",
            code="issuer_mismatch",
            claim="iss",
            expected=", ".join(sorted(self._issuers)),
        )


class AccessTokenVerifier(Issuers[T]):
    """Checks access tokens of issuers; may be shared by threads.

    Args:
        issuer: the issuer's address, exactly as it stands in its tokens; or an ``Issuer`` that says
            more; or several of both.
        audience: this service's name, or names, in ``aud``; not needed where each Issuer has one.
        claims_type: a msgspec Struct, dataclass or TypedDict for the claims, as the token has them.
        cache: bytes that remembered tokens may use, for each issuer; 4 MiB unless given.
        clock: gives the seconds since 1970.
        type: the tokens' ``typ``, or several; UNCHECKED for any; ``at+jwt`` unless given.
        roles_claim: where the roles are: ``realm_access.roles``, a list of places of which the
            first that is there counts, or a function of the claims. ``scope_claim`` and
            ``client_id_claim`` likewise.
        claims: claims that must have this value, or one of these values.
        required: names of further claims that must be there.
        resource: this service's address, as clients know it, or a ``ProtectedResource`` that says
            more: clients are told where its tokens come from (RFC 9728). Its tokens are for that
            address, unless there is an audience.
        leeway: seconds by which clocks may differ.
        jwks_uri: where the key set is, for a single issuer that publishes no metadata; ``metadata``
            is where its metadata is, ``keys`` are the keys themselves, or a Path to their file.
        algorithms: binds keys that name no algorithm, for issuers that publish such.
        max_stale: seconds for which keys count that could not be fetched again.
        headers: sent with requests to the issuer; ``bearer_file``, ``ca_file``, ``ssl_context`` and
            ``insecure_http`` as for ``Issuer``.
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
            self._wait_for_keys(issuer)
        elif source.due(self._clock()):
            if source.drop_stale(self._clock()):
                self._wait_for_keys(issuer)
            else:
                self._refresh_behind(issuer)
        verifier = issuer.verifier()
        if verifier is None:
            raise source.unavailable()
        try:
            claims = verifier.verify(token)
        except InvalidToken as error:
            if error.code not in NEWER_KEYS:
                raise
            running = issuer.fetching.locked()
            if not running and not source.due_for_unknown_key(self._clock()):
                raise
            issuer.refresh_for_unknown_key()
            claims = (issuer.verifier() or verifier).verify(token)
        if follower := issuer.awaits_revocations():
            follower.wait()
        return issuer.admit(claims, token, presented)

    def _wait_for_keys(self, issuer: TrustedIssuer) -> None:
        with issuer.fetching:
            if issuer.source.keys is None and issuer.source.due(self._clock()):
                issuer.refresh()

    def _refresh_behind(self, issuer: TrustedIssuer) -> None:
        fetching = issuer.fetching
        if not fetching.acquire(blocking=False):
            return

        def fetch() -> None:
            try:
                issuer.refresh()
            finally:
                fetching.release()

        try:
            threading.Thread(target=fetch, name="carnet-keys", daemon=True).start()
        except RuntimeError:
            # No thread can be started, as when the interpreter ends: the keys held do.
            fetching.release()


class AsyncAccessTokenVerifier(Issuers[T]):
    """Checks access tokens of issuers in an event loop; arguments as for AccessTokenVerifier.

    It may be shared by the loops of several threads, and by loops that follow each other, as each
    ``asyncio.run`` begins one: a fetch is joined across them, and begun anew where the loop that it
    was begun in has stopped.
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
                await _ended(self._refresh(issuer))
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
            source.drop_stale(self._clock())
            # Where each request has a loop of its own, what runs behind it ends with it.
            must_wait = source.keys is None or source.cut_short
            fetch = self._refresh(issuer)
            if must_wait:
                await _ended(fetch)
        elif source.keys is None and issuer.fetch is not None and not issuer.fetch.done():
            await _ended(self._refresh(issuer))
        verifier = issuer.verifier()
        if verifier is None:
            raise source.unavailable()
        try:
            claims = verifier.verify(token)
        except InvalidToken as error:
            if error.code not in NEWER_KEYS:
                raise
            running = issuer.fetch is not None and not issuer.fetch.done()
            if not running and not source.due_for_unknown_key(self._clock()):
                raise
            await _ended(self._refresh(issuer))
            claims = (issuer.verifier() or verifier).verify(token)
        if follower := issuer.awaits_revocations():
            await asyncio.to_thread(follower.wait)
        return issuer.admit(claims, token, presented)

    def _refresh(self, issuer: TrustedIssuer) -> Future[None]:
        """Begin to fetch the keys, or join the fetch that is under way, be it in another loop."""
        with issuer.beginning:
            fetch, task = issuer.fetch, issuer.task
            # What a loop that has stopped was about does not go on.
            if fetch is None or task is None or fetch.done() or not task.get_loop().is_running():
                begun: Future[None] = Future()
                # What runs can't be cancelled by one of those who wait.
                begun.set_running_or_notify_cancel()
                task = asyncio.create_task(issuer.refresh_async())
                task.add_done_callback(lambda _: begun.set_result(None))
                issuer.fetch, issuer.task = begun, task
                return begun
            return fetch


async def _ended(fetch: Future[None]) -> None:
    """Wait for a fetch, no longer than it takes: its loop may stop, or be held up."""
    waiting = asyncio.wrap_future(fetch)
    try:
        await asyncio.wait([waiting], timeout=REFRESH_SECONDS + 1)
    finally:
        waiting.cancel()
