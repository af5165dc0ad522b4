"""Tokens that are bound to a key: who sends one has to prove that he holds the key (RFC 9449).

A bound token without a proof is refused wherever it is verified: stolen, it is worth nothing. A
proof is taken once by each process; it is good for a minute, for one method and address, and for
one token.
"""

from __future__ import annotations

import hmac
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

from carnet.errors import InvalidToken
from carnet.jwt.claims import Claims
from carnet.jwt.dpop import WINDOW, bound_key, read_proof
from carnet.jwt.forks import renew_in_forks

__all__ = ["Presented", "Proofs"]

MAX_REMEMBERED: Final = 100_000


class Presented(NamedTuple):
    """How a token came: what its proof has to be for.

    Attributes:
        proofs: the values of the request's DPoP headers.
        method: the request's method.
        url: the address that it was sent to, as the client knows it.
        bound: whether it was sent as ``Authorization: DPoP``.
    """

    proofs: Sequence[str]
    method: str
    url: str
    bound: bool = True


class Proofs:
    """Checks that bound tokens come with a proof, and that no proof comes twice.

    May be shared by threads. What it remembers is bounded: where more proofs come within their
    minute than it can hold, the oldest is forgotten.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()
        renew_in_forks(self)

    def begin_anew(self) -> None:
        """Make a lock of its own in a fork; what was used before stays used."""
        self._lock = threading.Lock()

    def check(
        self, claims: Claims, token: str | bytes, presented: Presented | None, now: float
    ) -> None:
        """Refuse a bound token without its proof, and a proof with a token that is not bound.

        Args:
            claims: of the token, verified.
            token: its text.
            presented: how it came; None is without a proof.
            now: seconds since 1970.

        Raises:
            InvalidToken: ``proof_missing``, ``proof_invalid``, or ``claim_invalid`` for ``cnf``.
        """
        thumbprint = bound_key(claims)
        sent_bound = presented is not None and presented.bound
        if thumbprint is None:
            if sent_bound:
                raise InvalidToken(
                    "the token is not bound to a key",
                    code="proof_invalid",
                    claim="cnf",
                    expected="a token with cnf, or the scheme Bearer",
                )
            return
        if presented is None or not sent_bound:
            raise InvalidToken(
                "the token is bound to a key, and was sent without a proof of that key",
                code="proof_missing",
                claim="cnf",
                expected="Authorization: DPoP, and a DPoP header (RFC 9449)",
            )
        text = token if isinstance(token, str) else token.decode("ascii")
        proof = read_proof(presented.proofs, presented.method, presented.url, now, text)
        if not hmac.compare_digest(proof.thumbprint.encode(), thumbprint.encode()):
            raise InvalidToken(
                "the proof was signed with another key than the token's",
                code="proof_invalid",
                claim="cnf",
                expected="a proof by the key that the token is bound to",
            )
        self._take((proof.thumbprint, proof.token_id), now)

    def _take(self, name: tuple[str, str], now: float) -> None:
        with self._lock:
            while self._seen:
                oldest, until = next(iter(self._seen.items()))
                if until >= now and len(self._seen) < MAX_REMEMBERED:
                    break
                del self._seen[oldest]
            if name in self._seen:
                raise InvalidToken(
                    "the proof was used before",
                    code="proof_invalid",
                    claim="jti",
                    expected="a new proof for each request",
                )
            self._seen[name] = now + 2 * WINDOW
