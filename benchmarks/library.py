"""Carnet beside other packages and the bare operations: ``python -m benchmarks.library``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from time import time
from typing import Any

from benchmarks import encryption_peers, record, signature_peers
from benchmarks.encryption_peers import Recipient
from benchmarks.signature_peers import Subject
from benchmarks.timing import Batch, calls, calls_with_new_text, time_rounds

SIGNATURES = ("HS256", "HS512", "RS256", "PS256", "ES256", "ES384", "Ed25519", "ML-DSA-65")
IMPORTS = {
    "carnet": "import carnet",
    "carnet, used": "from carnet import Key, Signer, Verifier",
    "PyJWT": "import jwt",
    "joserfc": "from joserfc import jwt",
    "jwcrypto": "from jwcrypto import jwt",
    "python-jose": "from jose import jwt",
}
NOT_INSTALLED = "not installed"
UNSUPPORTED = "-"

Row = dict[str, Any]


def compare_signatures(alg: str, rounds: int, alone: bool = False) -> list[Row]:
    """Time signing and verifying of one algorithm."""
    subject = Subject.make(alg)
    batches: dict[tuple[str, str], Batch] = {}
    rows: list[Row] = []
    token = subject.token()
    bare = signature_peers.bare(subject, token)
    batches["bare operation", "sign"] = calls(bare.sign)
    batches["bare operation", "verify"] = calls(bare.verify)
    for peer in signature_peers.PEERS:
        if alone and not peer.name.startswith("carnet"):
            continue
        row: Row = {"alg": alg, "peer": peer.name, "state": _state(peer, alg)}
        rows.append(row)
        if row["state"]:
            continue
        named = subject.named(peer.algorithms[alg])
        pair = peer.prepare(named)
        accepted = named.token(peer.leaves_out)
        row["unchecked"] = _unchecked(pair.verify, named, peer.leaves_out)
        pair.sign()
        batches[peer.name, "sign"] = calls(pair.sign)
        batches[peer.name, "verify"] = calls_with_new_text(pair.verify, accepted)
    found = time_rounds(batches, rounds)
    rows.append({"alg": alg, "peer": "bare operation", "state": ""})
    return _with_figures(rows, found)


def compare_encryption(alg: str, enc: str, rounds: int) -> list[Row]:
    """Time encrypting and decrypting of one pair of algorithms."""
    recipient = Recipient.make(alg, enc)
    batches: dict[tuple[str, str], Batch] = {}
    rows: list[Row] = []
    for peer in encryption_peers.PEERS:
        row: Row = {"alg": alg, "enc": enc, "peer": peer.name, "state": _state(peer, alg)}
        rows.append(row)
        if row["state"]:
            continue
        pair = peer.prepare(recipient)
        token = pair.encrypt()
        if pair.decrypt(token) != encryption_peers.PLAINTEXT:
            raise SystemExit(f"{peer.name} does not decrypt its own {alg} with {enc}")
        batches[peer.name, "encrypt"] = calls(pair.encrypt)
        batches[peer.name, "decrypt"] = calls_with_new_text(pair.decrypt, token)
    least = encryption_peers.bare(recipient)
    batches["bare operation", "encrypt"] = calls(least.encrypt)
    batches["bare operation", "decrypt"] = calls(least.decrypt)
    rows.append({"alg": alg, "enc": enc, "peer": "bare operation", "state": ""})
    found = time_rounds(batches, rounds)
    return _with_figures(rows, found)


def _with_figures(rows: list[Row], found: dict[tuple[str, str], list[float]]) -> list[Row]:
    """Put the best round's microseconds into the rows, and all rounds beside them."""
    by_peer = {row["peer"]: row for row in rows}
    for (peer, what), microseconds in found.items():
        by_peer[peer][what] = min(microseconds)
        by_peer[peer].setdefault("rounds", {})[what] = microseconds
    return rows


def series_of(rows: Iterable[Row]) -> dict[str, record.Series]:
    """Give the rounds of rows for the record, and take them out of the rows."""
    return {
        f"{_name(row)} {what}, {row['peer']}": record.less_is_better("µs", values)
        for row in rows
        for what, values in row.pop("rounds", {}).items()
    }


def compare_imports(rounds: int) -> list[Row]:
    """Time importing each package, compiled beforehand, in a fresh interpreter."""
    found: dict[str, list[float]] = {name: [] for name in IMPORTS}
    states = dict.fromkeys(IMPORTS, "")
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(rounds + 1):
            for name, statement in IMPORTS.items():
                seconds = _import_seconds(statement, environment)
                if seconds is None:
                    states[name] = NOT_INSTALLED
                elif number > 0:  # the first round compiles
                    found[name].append(seconds * 1000)
    return [
        {
            "peer": name,
            "state": states[name],
            "import_ms": min(found[name], default=None),
            "rounds": found[name],
        }
        for name in IMPORTS
    ]


def _import_seconds(statement: str, environment: dict[str, str]) -> float | None:
    code = f"from time import process_time as t; s = t(); {statement}; print(t() - s)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else None


def _state(peer: signature_peers.Peer | encryption_peers.Peer, alg: str) -> str:
    if not peer.installed:
        return NOT_INSTALLED
    return "" if alg in peer.algorithms else UNSUPPORTED


def _unchecked(
    verify: Callable[[str], Any], subject: Subject, leaves_out: Sequence[str]
) -> list[str]:
    """Name the tokens that a package takes although it was told, or asked, to refuse them."""
    verify(subject.token(leaves_out))
    other = Subject.make(subject.alg)
    good = subject.token(leaves_out)
    wrong: dict[str, str] = {
        "a foreign signature": good.rpartition(".")[0] + "." + other.token().rpartition(".")[2],
        "another iss": subject.token(leaves_out, iss="https://elsewhere.example.com"),
        "no iss": subject.token((*leaves_out, "iss")),
        "another aud": subject.token(leaves_out, aud="billing"),
        "no aud": subject.token((*leaves_out, "aud")),
        "a past exp": subject.token(leaves_out, exp=int(time()) - 120),
        "no exp": subject.token((*leaves_out, "exp")),
    }
    if "aud" in leaves_out:
        del wrong["another aud"]
    return [name for name, token in wrong.items() if _accepts(verify, token)]


def _accepts(verify: Callable[[str], Any], token: str) -> bool:
    try:
        verify(token)
    except Exception:
        return False
    return True


def comparison_table(rows: Sequence[Row], what: str, first: str) -> str:
    """Lay out one operation: a line for each algorithm, a column for each package.

    A cell holds microseconds, and behind them the multiple of what the column ``first`` takes.
    """
    names = list(dict.fromkeys(row["peer"] for row in rows))
    names.remove(first)
    if what == "sign":
        names.remove("carnet, cached")
    found = {(_name(row), row["peer"]): row for row in rows}
    lines = [[what, first, *names]]
    for alg in dict.fromkeys(map(_name, rows)):
        base = found[alg, first][what]
        cells = [_cell(found[alg, name], what, base) for name in names]
        lines.append([alg, f"{base:.2f}", *cells])
    return record.markdown(lines)


def import_table(rows: Sequence[Row]) -> str:
    """Lay out the rows of ``compare_imports``."""
    cells = [[row["peer"], row["state"] or f"{row['import_ms']:.0f}"] for row in rows]
    return record.markdown([["import", "ms"], *cells])


def unchecked(rows: Iterable[Row]) -> str:
    """Say which packages took a token that they should refuse."""
    taken = {row["peer"]: ", ".join(row["unchecked"]) for row in rows if row.get("unchecked")}
    return "".join(f"{peer} took tokens with: {what}.\n" for peer, what in taken.items())


def _name(row: Row) -> str:
    return f"{row['alg']}, {row['enc']}" if "enc" in row else row["alg"]


def _cell(row: Row, what: str, base: float) -> str:
    if row["state"]:
        return row["state"]  # type: ignore[no-any-return]
    ratio = row[what] / base
    digits = 0 if ratio >= 10 else 2 if ratio >= 0.1 else 4
    return f"{row[what]:.2f} ({ratio:.{digits}f}×)"


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.library", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="rounds of each comparison")
    parser.add_argument("--only", metavar="ALG", help="one algorithm, such as HS256 or A256KW")
    parser.add_argument("--alone", action="store_true", help="signatures without the peers")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures here")
    found = parser.parse_args(given)
    known = (*SIGNATURES, *encryption_peers.ALGORITHMS)
    if found.only is not None and found.only not in known:
        parser.error(f"--only is one of {', '.join(known)}")
    if found.rounds < 1:
        parser.error("--rounds is at least 1")
    return found


def _told(what: str, compare: Callable[[], list[Row]]) -> list[Row]:
    print(f"measuring {what}", file=sys.stderr, flush=True)
    return compare()


def main(given: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    arguments = _arguments(given)
    only, rounds = arguments.only, arguments.rounds
    signatures = [
        row
        for alg in SIGNATURES
        if only in (None, alg)
        for row in _told(alg, partial(compare_signatures, alg, rounds, arguments.alone))
    ]
    encryption = [
        row
        for alg in encryption_peers.ALGORITHMS
        for enc in encryption_peers.ENCRYPTIONS
        if only in (None, alg)
        for row in _told(f"{alg} {enc}", partial(compare_encryption, alg, enc, rounds))
    ]
    imports = [] if only else _told("imports", partial(compare_imports, rounds))
    tables: dict[str, str] = {}
    for what in ("verify", "sign") if signatures else ():
        tables[what] = comparison_table(signatures, what, "bare operation")
    for what in ("encrypt", "decrypt") if encryption else ():
        tables[what] = comparison_table(encryption, what, "carnet")
    if imports:
        tables["import"] = import_table(imports)
    print("\n\n".join(tables.values()), unchecked(signatures), sep="\n\n")
    series = series_of([*signatures, *encryption])
    series |= {
        f"import {row['peer']}": record.less_is_better("ms", row.pop("rounds")) for row in imports
    }
    figures = {"signatures": signatures, "encryption": encryption, "imports": imports}
    record.write(arguments.json, "library", figures, series, tables)


if __name__ == "__main__":
    main()
