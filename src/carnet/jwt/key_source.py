"""An issuer's key set over time: a state machine without I/O.

The source never fetches. ``refresh`` is a generator that yields the addresses to get and is sent
what came back; a verifier's ``fetch`` and the service's ``fetched_keys`` run it over HTTP, a test
runs it by hand. Time is passed in.

    state     keys   what happens at ``now``
    ────────  ─────  ───────────────────────────────────────────────────────────────────────────
    empty     none   every token waits for a fetch; after a failure only each RETRY seconds
    fresh     held   nothing, until four fifths of the set's lifetime have passed
    ageing    held   a fetch is due in the background; tokens are checked with what is held
    failing   held   the same, tried again each RETRY seconds: an issuer that is down harms nobody
    stale     none   only with ``max_stale``: keys that could not be confirmed for so long are
                     dropped, and the state is empty
    static    held   keys that were given count for ever, and nothing is fetched

A set that says the same as the one held is not taken in: the Verifier made of it, and all the
tokens that this one remembers, stay. After a failure the metadata is read anew, since the key set
may have moved; a clock that was set back makes a fetch due.

A token with an unknown ``kid`` may mean that the issuer has a new key: it makes a fetch due, at
most one each COOLDOWN seconds, whatever became of the last one, so that tokens with random ``kid``
values can't be used to flood the issuer. So does a bad signature: a provider may have put a new key
under an old ``kid``, or name none.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from carnet.errors import ConfigurationError, InvalidKey, InvalidToken, IssuerUnavailable
from carnet.jose.algorithms import ALGORITHMS, AlgorithmName
from carnet.jose.encoding import json_decode
from carnet.jose.key_set import KeySet
from carnet.jwt.published_keys import read_published

__all__ = [
    "Answer",
    "Call",
    "Health",
    "KeySource",
    "carry_out",
    "discover",
    "document_of",
    "metadata_addresses",
]

T = TypeVar("T")

LIFETIME: Final = 300
SHORTEST: Final = 60
LONGEST: Final = 86_400
RETRY: Final = 5
COOLDOWN: Final = 30
FALLBACK_SECONDS: Final = 2.0
"""What an address may take while there is another one to ask."""

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """A request to an issuer that is more than a GET of an address.

    Attributes:
        address: where it goes.
        method: the HTTP method.
        headers: more headers; they may hold secrets.
        content: the body; it may hold secrets.
        seconds: what it may take, where it is less than usual.
    """

    address: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request brought.

    Attributes:
        status: the HTTP status.
        cache_control: the header, or "".
        body: the content; it may hold secrets.
        retry_after: the header, or "".
        date: the header, or "".
        dpop_nonce: the header, or "".
    """

    status: int
    cache_control: str
    body: bytes = field(repr=False)
    retry_after: str = ""
    date: str = ""
    dpop_nonce: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """How well an issuer's keys are known.

    Attributes:
        issuer: the issuer.
        ready: whether tokens can be accepted: there are keys to check them with, and where the
            revocations are required, what is known of them is recent enough.
        keys: how many.
        age: seconds since they were fetched, or None.
        last_error: why the last fetch failed, or None where it did not.
        fetches: how many fetches there have been.
        revocations_age: seconds since the moment for which the issuer has proved what is known to
            be revoked, or None.
        revocations: how many entries are known.
        revocations_error: why the stream broke, or None while it is followed.
    """

    issuer: str
    ready: bool
    keys: int
    age: float | None
    last_error: str | None
    fetches: int
    revocations_age: float | None = None
    revocations: int = 0
    revocations_error: str | None = None


class KeySource:
    """The keys of one issuer.

    Args:
        issuer: as it stands in its tokens.
        jwks_uri: where the key set is; None finds it by the issuer's metadata.
        algorithms: binds keys that name no algorithm (RFC 8725 section 3.1).
        says: tells whether a name, of metadata or of a key, is the issuer's; by default it is
            ``issuer``.
        metadata: where the metadata is; None is where the standards put it.
        keys: the keys themselves, where nothing is to be fetched.
        max_stale: seconds for which keys count that could not be fetched again; None is for ever.
        longest: seconds for which a key set is taken for current at most, whatever its server says.

    Raises:
        ConfigurationError: if ``algorithms`` holds anything but names of public-key signatures.
    """

    def __init__(
        self,
        issuer: str,
        jwks_uri: str | None = None,
        algorithms: Collection[AlgorithmName] | None = None,
        *,
        says: Callable[[object], bool] | None = None,
        metadata: str | None = None,
        keys: KeySet | None = None,
        max_stale: float | None = None,
        longest: int = LONGEST,
    ) -> None:
        if algorithms is not None:
            _check_algorithms(algorithms)
        self.issuer = issuer
        self.keys = keys
        self.fetches = 0
        self.cut_short = False
        self.revocations_uri: str | None = None
        self._static = keys is not None
        self._says = says or (lambda name: name == issuer)
        self._metadata = metadata
        self._max_stale = max_stale
        self._longest = longest
        self._configured = jwks_uri
        self._jwks_uri = jwks_uri
        self._algorithms = algorithms
        self._published: Any = None
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._due_at = float("inf" if self._static else "-inf")
        self._last_error: str | None = None
        self._is_fetched = False

    def begin_anew(self) -> None:
        """Forget a fetch that is under way: another process sees to that one."""
        if self._is_fetched:
            self._is_fetched = False
            self._tried_at = None
            self._due_at = float("-inf")

    def due(self, now: float) -> bool:
        """Tell whether a fetch should begin now."""
        set_back = self._tried_at is not None and now < self._tried_at - RETRY
        return set_back or now >= self._due_at

    def drop_stale(self, now: float) -> bool:
        """Drop keys that are too old, where a fetch is due; tell whether that was done."""
        if self._max_stale is None or self.keys is None or self._fetched_at is None:
            return False
        # A clock that was set back says nothing about how old they are.
        if self._fetched_at <= now < self._fetched_at + self._max_stale:
            return False
        self.keys = self._published = None
        return True

    def due_for_unknown_key(self, now: float) -> bool:
        """Tell whether a token with an unknown key may cause a fetch now."""
        if self._static:
            return False
        return self._tried_at is None or abs(now - self._tried_at) >= COOLDOWN

    def unavailable(self) -> IssuerUnavailable:
        """Make the error for a token that can't be checked, since there are no keys."""
        reason = self._last_error or "its keys have not been fetched yet"
        return IssuerUnavailable(f"no keys of {self.issuer}: {reason}")

    def health(self, now: float) -> Health:
        """Say how well the keys are known."""
        return Health(
            issuer=self.issuer,
            ready=bool(self.keys),
            keys=len(self.keys or ()),
            age=None if self._fetched_at is None else max(0.0, now - self._fetched_at),
            last_error=self._last_error,
            fetches=self.fetches,
        )

    def refresh(self, now: float) -> Generator[str | Call, Answer, None]:
        """Fetch the keys: yields the addresses to GET, and is sent the answers.

        A failure to get one is thrown in as IssuerUnavailable. It raises nothing: what went wrong
        is in ``health``, and the keys held before stay. ``cut_short`` tells whether it was closed
        before its end.
        """
        self.fetches += 1
        self.cut_short = False
        self._is_fetched = True
        self._tried_at = now
        self._due_at = self._no_later(now + RETRY, now)
        try:
            if self._jwks_uri is None:
                self._jwks_uri = yield from self._discover()
            answer = yield self._jwks_uri
            document = document_of(answer, self._jwks_uri)
            self._accept(document, answer.cache_control, now)
        except IssuerUnavailable as error:
            self._last_error = str(error)
            self._jwks_uri = self._configured
        except GeneratorExit:
            self.cut_short = True
            if self.keys is None:
                self._due_at = now
            raise
        except (KeyboardInterrupt, SystemExit):
            raise
        # What an issuer publishes may make a library fail as nobody foresaw, and cryptography's
        # panics are no Exception: it is told, the keys held before stay, and it is tried again.
        except BaseException as error:
            self._last_error = f"reading what it publishes failed ({type(error).__name__})"
            self._jwks_uri = self._configured
        finally:
            self._is_fetched = False

    def _accept(self, document: Mapping[str, Any], cache_control: str, now: float) -> None:
        if self.keys is None or document.get("keys") != self._published:
            self.keys = self._read(document)
            self._published = document.get("keys")
        found = _MAX_AGE.search(cache_control)
        lifetime = min(max(int(found[1]), SHORTEST), self._longest) if found else LIFETIME
        self._fetched_at = now
        self._due_at = self._no_later(now + 0.8 * lifetime, now)
        self._last_error = None

    def _no_later(self, due_at: float, now: float) -> float:
        """Make a fetch due no later than the moment when the keys are too old."""
        if self._max_stale is None or self.keys is None or self._fetched_at is None:
            return due_at
        stale_at = self._fetched_at + self._max_stale
        return min(due_at, stale_at) if stale_at > now else due_at

    def _read(self, document: Mapping[str, Any]) -> KeySet:
        try:
            # Whoever reads a secret or a private key here could sign with it: they don't count.
            keys = read_published(document, self._algorithms, self._says)
        except InvalidKey as error:
            raise IssuerUnavailable(f"{self._jwks_uri} is not a key set: {error}") from None
        if not keys:
            reasons = {skipped.reason for skipped in keys.skipped}
            raise IssuerUnavailable(
                f"{self._jwks_uri} holds no usable key{': ' if reasons else ''}"
                f"{'; '.join(sorted(reasons))}"
            )
        return keys

    def _discover(self) -> Generator[str | Call, Answer, str]:
        """Find the key set's address in the issuer's metadata."""
        _, document = yield from discover(self.issuer, "jwks_uri", self._says, self._metadata)
        jwks_uri: str = document["jwks_uri"]
        revocations_uri = document.get("revocations_uri")
        if isinstance(revocations_uri, str):
            # One that is missing does not end what is followed: that could only let more in.
            self.revocations_uri = revocations_uri
        return jwks_uri


async def carry_out(
    steps: Generator[str | Call, Answer, T], send: Callable[[Call], Awaitable[Answer]]
) -> T:
    """Send what the steps yield, give them what came back, and give what they return.

    Args:
        steps: yield what to send.
        send: does it, or raises IssuerUnavailable.
    """
    try:
        call = next(steps)
        while True:
            try:
                answer = await send(Call(call) if isinstance(call, str) else call)
            except IssuerUnavailable as error:
                call = steps.throw(error)
            else:
                call = steps.send(answer)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        steps.close()


def discover(
    issuer: str,
    member: str | None = None,
    says: Callable[[object], bool] | None = None,
    metadata: str | None = None,
) -> Generator[str | Call, Answer, tuple[str, dict[str, Any]]]:
    """Get an issuer's metadata, and where it was found (RFC 8414 section 3, OpenID).

    A document that can't be used, or does not come, leads on to the next address.

    Args:
        issuer: as it stands in its tokens.
        member: what the document has to name, or None.
        says: tells whether the name in the document is the issuer's; by default it is ``issuer``.
        metadata: the document's address, where it is not one of the standards'.

    Raises:
        IssuerUnavailable: if there is none, or another issuer's.
    """
    addresses = metadata_addresses(issuer) if metadata is None else [metadata]
    last = addresses[-1]
    failure: IssuerUnavailable | None = None
    for address in addresses:
        try:
            answer = yield Call(address, seconds=None if address == last else FALLBACK_SECONDS)
            document = document_of(answer, address)
        except IssuerUnavailable as error:
            # A document that is there says more about what is wrong than one that is not.
            failure = failure or (error if address == last else None)
            continue
        named = document.get("issuer")
        if not (says(named) if says else named == issuer):
            failure = IssuerUnavailable(
                f"the metadata at {address} is of another issuer"
                f"{f', {named}' if _is_telling(named) else ''}; the issuer must be given exactly "
                "as it stands there"
            )
        elif member is not None and not isinstance(document.get(member), str):
            failure = IssuerUnavailable(f"the metadata at {address} names no {member}")
        else:
            return address, document
    raise failure or IssuerUnavailable(f"{issuer} publishes no metadata")


def metadata_addresses(issuer: str) -> list[str]:
    """Give the addresses where an issuer's metadata may be, the likeliest first."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    oauth = parts._replace(path=f"/.well-known/oauth-authorization-server{path}").geturl()
    return [oauth, f"{issuer.rstrip('/')}/.well-known/openid-configuration"]


def _check_algorithms(names: object) -> None:
    if (
        not isinstance(names, Collection)
        or isinstance(names, str | bytes | Mapping)
        or not names
        or not all(isinstance(name, str) and _is_public(name) for name in names)
    ):
        raise ConfigurationError(
            "algorithms must be a list of public-key signature algorithms, such as ['RS256']"
        )


def _is_public(name: str) -> bool:
    algorithm = ALGORITHMS.get(name)
    return algorithm is not None and algorithm.use == "sig" and algorithm.kty != "oct"


def document_of(answer: Answer, address: str) -> dict[str, Any]:
    """Read an answer that is a JSON object.

    Raises:
        IssuerUnavailable: if it is none.
    """
    if answer.status != 200:
        redirect = "; a redirect is not followed" if 300 <= answer.status < 400 else ""
        raise IssuerUnavailable(f"{address} answered {answer.status} instead of 200{redirect}")
    try:
        return json_decode(answer.body, "the answer")
    except InvalidToken:
        raise IssuerUnavailable(f"{address} answered something that is not a JSON object") from None


def _is_telling(name: object) -> bool:
    return isinstance(name, str) and name.isprintable() and 0 < len(name) <= 200
