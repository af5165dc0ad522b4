"""Shadow mode: what a verifier would decide, beside the check that goes on deciding.

For the time of a migration. The existing check may be of any package:

shadow = Shadow(AccessTokenVerifier("https://auth.example.com", "orders"))

def check(token):
    with shadow.beside(token):
        return jwt.decode(token, key, algorithms=["RS256"], audience="orders")
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple, Protocol

from carnet.errors import ConfigurationError, InvalidToken
from carnet.jwt.forks import renew_in_forks

__all__ = ["ACCEPTED", "Difference", "Shadow"]

ACCEPTED: Final = "accepted"
"""The code of a difference where the existing check refuses what the verifier accepts."""

_log = logging.getLogger("carnet.verifier.shadow")


class _Verifier(Protocol):
    def verify(self, token: str | bytes, /) -> object: ...


class Difference(NamedTuple):
    """A token about which the two disagree; nothing of the token itself is in it.

    Attributes:
        code: why the verifier refuses it, as ``InvalidToken.code``; or ``accepted``.
        claim: the name of the claim at fault, or None.
    """

    code: str
    claim: str | None = None


class Shadow:
    """Tells where a verifier would decide otherwise than an existing check.

    May be shared by threads. It changes no decision and raises nothing, and no token and no value
    of a claim is told to anyone. A verifier that fetches keys does that here as well: the first
    token waits for them, at most 8 seconds, as it would without the existing check.

    Args:
        verifier: a ``carnet.Verifier`` or an ``AccessTokenVerifier``, as it would be after the
            migration.
        report: is given each difference; without it they are logged by ``carnet.verifier.shadow``
            at WARNING.

    Attributes:
        agreed: how many tokens both accepted, or both refused.
        undecided: how many the verifier could not check, as without keys.
        differences: how many there were of each kind.

    Raises:
        ConfigurationError: if the verifier is asynchronous; ``asyncio.to_thread(shadow.compare,
            token, accepted)`` compares without blocking.
    """

    def __init__(
        self, verifier: _Verifier, report: Callable[[Difference], None] | None = None
    ) -> None:
        verify = getattr(verifier, "verify", None)
        if not callable(verify) or inspect.iscoroutinefunction(verify):
            raise ConfigurationError(
                "a Shadow needs a Verifier or an AccessTokenVerifier, not an asynchronous one"
            )
        self.agreed = 0
        self.undecided = 0
        self.differences: Counter[Difference] = Counter()
        self._verify: Callable[[str | bytes], object] = verify
        self._report = report or _tell
        self._lock = threading.Lock()
        renew_in_forks(self)

    def begin_anew(self) -> None:
        """Make a lock of its own in a fork."""
        self._lock = threading.Lock()

    @contextmanager
    def beside(self, token: str | bytes) -> Iterator[None]:
        """Compare with the check in the block, which refuses a token by raising any Exception.

        Args:
            token: what the block checks.
        """
        try:
            yield
        except Exception:
            self.compare(token, accepted=False)
            raise
        self.compare(token, accepted=True)

    def compare(self, token: str | bytes, accepted: bool) -> None:
        """Compare with what the existing check has decided.

        Args:
            token: what it has checked.
            accepted: whether it has accepted it.
        """
        try:
            self._verify(token)
            refusal = None
        except InvalidToken as error:
            refusal = Difference(error.code, error.claim)
        # Whatever it is, it is no verdict: no keys, or something that is no token at all.
        except Exception as error:
            with self._lock:
                self.undecided += 1
            _log.debug("a token could not be compared (%s)", type(error).__name__)
            return
        if bool(accepted) is (refusal is None):
            with self._lock:
                self.agreed += 1
            return
        difference = refusal or Difference(ACCEPTED)
        with self._lock:
            self.differences[difference] += 1
        try:
            self._report(difference)
        except Exception as error:
            _log.warning("reporting a difference failed (%s)", type(error).__name__)


def _tell(difference: Difference) -> None:
    if difference.code == ACCEPTED:
        _log.warning("the existing check refuses a token that Carnet accepts")
    else:
        _log.warning(
            "the existing check accepts a token that Carnet refuses: %s claim=%.100s",
            difference.code,
            ascii(difference.claim or "-"),
        )
