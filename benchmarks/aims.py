"""What the benchmarks are to reach: a table, from which docs/speed.md says what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, Final, Literal, NamedTuple

__all__ = ["AIMS", "Aim"]

Figures = Mapping[str, Any]
PEER: Final = "oidc-provider, PostgreSQL"
# How many times as fast as the best peer JWE should be.
AHEAD: Final = 1.5


class Aim(NamedTuple):
    """An aim.

    Attributes:
        what: what is measured.
        side: on which side of the bound the figure should be.
        bound: how much.
        unit: what stands behind a figure, such as " ×".
        file: the benchmark that measures it.
        measure: takes the figure out of those of the benchmark.
    """

    what: str
    side: Literal["at most", "at least"]
    bound: float
    unit: str
    file: str
    measure: Callable[[Figures], float]

    @property
    def words(self) -> str:
        """The aim in words."""
        return f"{self.side} {self.bound:,g}{self.unit}"

    def form(self, value: float) -> str:
        """Write a figure, about as exactly as the aim is."""
        digits = 0 if self.bound >= 100 else 1 if self.bound >= 3 else 2
        return f"{value:,.{digits}f}{self.unit}"

    def is_met(self, value: float) -> bool:
        """Tell whether a figure is as it should be."""
        return value <= self.bound if self.side == "at most" else value >= self.bound


def _packages(figures: Figures, kind: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(row["alg"], row["peer"]): row for row in figures[kind] if not row["state"]}


def _of_bare(alg: str, what: str) -> Callable[[Figures], float]:
    """Give the multiple of the bare operation."""

    def measure(figures: Figures) -> float:
        found = _packages(figures, "signatures")
        return float(found[alg, "carnet"][what] / found[alg, "bare operation"][what])

    return measure


def _of_jwtoxide(figures: Figures) -> float:
    found = _packages(figures, "signatures")
    return float(found["HS256", "carnet"]["verify"] / found["HS256", "jwtoxide (Rust)"]["verify"])


def _cached(figures: Figures) -> float:
    """Give the slowest of all algorithms."""
    found = _packages(figures, "signatures")
    return max(row["verify"] for (_, peer), row in found.items() if peer == "carnet, cached")


def _import(figures: Figures) -> float:
    return next(float(row["import_ms"]) for row in figures["imports"] if row["peer"] == "carnet")


def _encryption(figures: Figures) -> float:
    """Give how far ahead of the best peer Carnet is where it is least so.

    Where the bare operations alone would not be as far ahead as the aim, nobody can be.
    """
    rows: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in figures["encryption"]:
        for what in ("encrypt", "decrypt"):
            if not row["state"]:
                rows.setdefault((row["alg"], row["enc"], what), {})[row["peer"]] = row[what]
    ahead = []
    for of in rows.values():
        bare, own = of.pop("bare operation"), of.pop("carnet")
        if min(of.values()) / bare >= AHEAD:
            ahead.append(min(of.values()) / own)
    return min(ahead)


def _of_floor(load: str, database: str) -> Callable[[Figures], float]:
    """Give the multiple of the floor's processor time: the median of the rounds."""

    def measure(figures: Figures) -> float:
        ours, floors = (figures[f"{who}, {database}"][load] for who in ("Carnet", "floor"))
        pairs = zip(ours, floors, strict=True)
        return median(one["processor"] / least["processor"] for one, least in pairs)

    return measure


def _of_peer(load: str, database: str) -> Callable[[Figures], float]:
    """Give the multiple of oidc-provider's requests a second, the best round of each."""

    def measure(figures: Figures) -> float:
        ours, theirs = (
            max(one["rate"] for one in figures[who][load]) for who in (f"Carnet, {database}", PEER)
        )
        return float(ours / theirs)

    return measure


def _sign_in(figures: Figures) -> float:
    rounds = figures["Carnet, SQLite"]["sign-in"]
    return max(one["rate"] / one["bare_rate"] for one in rounds)


def _crowded(database: str) -> Callable[[Figures], float]:
    """Give by how many per cent of its rate a million sessions slow down refresh."""
    few = f"Carnet, {database}"

    def measure(figures: Figures) -> float:
        names = (few, f"{few}, 1,000,000 sessions more")
        pairs = zip(*(figures[name]["refresh"] for name in names), strict=True)
        return 100 * (1 - median(more["rate"] / less["rate"] for less, more in pairs))

    return measure


def _half_load(load: str, database: str) -> Callable[[Figures], float]:
    """Give the p99 of the requests at half of a worker's rate: the median of the rounds."""

    def measure(figures: Figures) -> float:
        [found] = (
            rounds
            for name, rounds in figures["half load"].items()
            if name.startswith(f"{load}, {database}")
        )
        return median(one["p99"] for one in found)

    return measure


def _lost(framework: str) -> Callable[[Figures], float]:
    """Give how many per cent of a bare app's requests a check of the token takes."""

    def measure(figures: Figures) -> float:
        found = figures[framework]
        return 100 * (1 - float(found["Carnet"]) / float(found["bare"]))

    return measure


def _gate(figures: Figures) -> float:
    """Give how many subrequests a core does: by the median of the rounds' processor time."""
    return 1e6 / median(one["gate"] for one in figures["carnet gate, behind nginx"])


def _start(figures: Figures) -> float:
    return float(figures["start to first acceptance: p50 ms"])


AIMS: Final = (
    Aim("HS256 verify", "at most", 1.7, " × bare", "library", _of_bare("HS256", "verify")),
    Aim("HS256 verify", "at most", 1.0, " × jwtoxide", "library", _of_jwtoxide),
    Aim("RS256 verify", "at most", 1.15, " × bare", "library", _of_bare("RS256", "verify")),
    Aim("ES256 verify", "at most", 1.05, " × bare", "library", _of_bare("ES256", "verify")),
    Aim("Ed25519 verify", "at most", 1.04, " × bare", "library", _of_bare("Ed25519", "verify")),
    Aim("HS256 sign", "at most", 2.0, " × bare", "library", _of_bare("HS256", "sign")),
    Aim("ES256 sign", "at most", 1.15, " × bare", "library", _of_bare("ES256", "sign")),
    Aim("ML-DSA-65 sign", "at most", 1.05, " × bare", "library", _of_bare("ML-DSA-65", "sign")),
    Aim("a cached token, slowest algorithm", "at most", 0.25, " µs", "library", _cached),
    Aim(
        "JWE beside the best peer, where it can be", "at least", AHEAD, " ×", "library", _encryption
    ),
    Aim("`import carnet`", "at most", 35, " ms", "library", _import),
    *(
        Aim(f"{load}, {database}", "at most", bound, " × floor", "sessions", measure)
        for load, bound in (("client credentials", 1.3), ("refresh", 1.4), ("introspection", 1.4))
        for database in ("SQLite", "PostgreSQL")
        for measure in [_of_floor(load, database)]
    ),
    *(
        Aim(f"{load}, {database}", "at least", bound, " × oidc-provider", "sessions", measure)
        for load, database, bound in (
            ("client credentials", "SQLite", 4.0),
            ("refresh", "SQLite", 5.0),
            ("refresh", "PostgreSQL", 4.0),
            ("introspection", "SQLite", 4.0),
        )
        for measure in [_of_peer(load, database)]
    ),
    Aim("sign-in", "at least", 0.97, " × bare Argon2id", "sessions", _sign_in),
    *(
        Aim(f"a million sessions more, {database}", "at most", 5, " % slower refresh", *rest)
        for database in ("SQLite", "PostgreSQL")
        for rest in [("sessions", _crowded(database))]
    ),
    *(
        Aim(f"{load}, {database}, half load", "at most", 5, " ms p99", "workers", measure)
        for load in ("refresh", "client credentials")
        for database in ("SQLite", "PostgreSQL")
        for measure in [_half_load(load, database)]
    ),
    *(
        Aim(f"a route of {name}", "at most", 5, " % lost", "services", _lost(name))
        for name in ("FastAPI", "Flask")
    ),
    Aim("the gate behind nginx", "at least", 15_000, " a core", "gate", _gate),
    Aim("a verifier's start to first acceptance", "at most", 50, " ms", "verifier_start", _start),
)
