"""Checked by mypy --strict as a user's code would be; never run."""

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_type

from carnet import UNCHECKED, Claims, Inspection, Key, KeySet, Signer, Verifier, inspect
from carnet.jose import jwe, jws
from carnet.verifier import AccessTokenVerifier, AsyncAccessTokenVerifier


@dataclass
class Ticket:
    sub: str
    exp: int


key = Key.generate("ES256")
signer = Signer(key, issuer="a", audience=["b"], lifetime=timedelta(minutes=5))
token = assert_type(signer.sign({"sub": "x"}), str)

verifier = Verifier(KeySet([key.public]), issuer=["a"], audience=UNCHECKED)
claims = assert_type(verifier.verify(token), Claims)
assert_type(claims.subject, str | None)
assert_type(claims.roles, tuple[str, ...])

typed = Verifier(key.public, issuer="a", audience="b", claims_type=Ticket)
assert_type(typed.verify(token), Ticket)

assert_type(inspect(token), Inspection)
assert_type(jws.verify(jws.sign(b"payload", key), key.public).payload, bytes)
secret = Key.generate("A256KW")
assert_type(jwe.decrypt(jwe.encrypt(b"text", secret), secret).plaintext, bytes)

trusting = AccessTokenVerifier("https://auth.example.com", "orders", revocations="required")
assert_type(trusting.verify(token), Claims)
into = AsyncAccessTokenVerifier("https://auth.example.com", "orders", claims_type=Ticket)


async def check() -> Ticket:
    return assert_type(await into.verify(token), Ticket)
