"""The shortest way through the library, for every signature algorithm."""

import pytest

from carnet import InvalidToken, Key, Signer, Verifier
from carnet.jose.algorithms import ALGORITHMS

SIGNATURES = [row.name for row in ALGORITHMS.values() if row.use == "sig"]


@pytest.mark.parametrize("alg", SIGNATURES)
def test_what_a_signer_makes_its_verifier_accepts(alg: str) -> None:
    key = Key.generate(alg, size=2048 if alg[:2] in ("RS", "PS") else None)
    token = Signer(key, issuer="https://auth.example.com", audience="orders").sign({"sub": "ada"})
    public = key if key.kty == "oct" else key.public
    verifier = Verifier(public, issuer="https://auth.example.com", audience="orders")
    assert verifier.verify(token).subject == "ada"
    head, body, signature = token.split(".")
    with pytest.raises(InvalidToken, match="signature"):
        verifier.verify(f"{head}.{body}.{'A' * len(signature)}")
