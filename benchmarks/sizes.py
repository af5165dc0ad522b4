"""What size costs: ``python -m benchmarks.sizes``.

The processor's microseconds to verify a token of 5 to 500 claims, by HS256 and ES256, beside the
bare operation over as many bytes; and to verify one with key sets of 1 to 10,000 keys, the first
time that a key is met and afterwards, beside the milliseconds to put the set together. One that is
read from a JWKS has 512 keys at most.
"""

from __future__ import annotations

import argparse
from time import process_time, time

from benchmarks import record
from benchmarks.signature_peers import AUDIENCE, ISSUER, Subject, bare
from benchmarks.timing import calls, calls_with_new_text, time_rounds
from carnet import Key, KeySet, Verifier
from carnet.jose import jws
from carnet.jose.encoding import json_encode

CLAIMS = (5, 20, 50, 100, 200, 500)
KEYS = (1, 10, 100, 1_000, 10_000)


def verifier(keys) -> Verifier:
    return Verifier(keys, issuer=ISSUER, audience=AUDIENCE)


def by_claims(alg: str, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Give the microseconds for tokens with more and more claims."""
    subject, batches = Subject.make(alg), {}
    key = subject.key if subject.secret else subject.key.public
    for count in CLAIMS:
        more = {f"claim_{number}": f"value {number}" for number in range(count - 3)}
        token = subject.token(leave_out=("sub", "role", "name", "iat"), **more)
        batches[count, "carnet"] = calls_with_new_text(verifier(key).verify, token)
        batches[count, "bare"] = calls(bare(subject, token).verify)
    found = time_rounds(batches, rounds)
    return {str(count): {who: found[count, who] for who in ("carnet", "bare")} for count in CLAIMS}


def by_keys(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Give, for larger and larger sets, what it takes to make one, and to use it."""
    found: dict[str, dict[str, list[float]]] = {}
    made = [Key.generate("Ed25519", kid=f"key-{number}") for number in range(max(KEYS))]
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": int(time()) + 3600}
    for count in KEYS:
        some = [key.public for key in made[:count]]
        signed = made[count // 2]
        token = jws.sign(json_encode(claims), signed, {"typ": "JWT"})
        one: dict[str, list[float]] = {"make ms": [], "first µs": [], "µs": []}
        for _ in range(max(3, rounds // 5)):
            start = process_time()
            keys = KeySet(some)
            one["make ms"].append((process_time() - start) * 1000)
            fresh = verifier(keys)
            start = process_time()
            fresh.verify(token)
            one["first µs"].append((process_time() - start) * 1e6)
        again = time_rounds({"µs": calls_with_new_text(fresh.verify, token)}, rounds)
        found[str(count)] = {**one, **again}
    return found


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", metavar="FILE", help="also write the figures here")
    given = parser.parse_args()
    series, figures, tables = {}, {}, {}
    for name, found in (
        ("HS256, claims", by_claims("HS256", given.rounds)),
        ("ES256, claims", by_claims("ES256", given.rounds)),
        ("Ed25519, keys", by_keys(given.rounds)),
    ):
        columns = list(next(iter(found.values())))
        lines = [[name, *columns]]
        for size, one in found.items():
            lines.append([f"{int(size):,}", *(f"{min(values):.2f}" for values in one.values())])
            for what, values in one.items():
                unit = "ms" if "ms" in what else "µs"
                series[f"{name} {size}: {what}"] = record.less_is_better(unit, values)
        tables[name] = record.markdown(lines)
        print(tables[name], end="\n\n")
        figures[name] = {
            size: {what: min(values) for what, values in one.items()} for size, one in found.items()
        }
    record.write(given.json, "sizes", figures, series, tables)


if __name__ == "__main__":
    main()
