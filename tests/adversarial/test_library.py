"""Whatever a stranger sends, the library's work grows no faster than what was sent.

Each entry point reads each family at one size and at four times that size. Work that grows with the
square of the size is sixteen times as much; what is linear is four times as much.
"""

import hashlib
import zlib
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from tests.adversarial.counting import instructions, processor_time
from tests.adversarial.families import DOCUMENTS, FAMILIES

from carnet import CarnetError, Claims, Key, KeySet, Verifier, inspect
from carnet.jose import jwe, jws
from carnet.jose.encoding import b64url_encode, b64url_encode_bytes, json_decode
from carnet.jwt.dpop import read_proof

NOW = 1_800_000_000

MAC = Key.from_secret(hashlib.sha256(b"mac").digest(), "HS256")
DIRECT = Key.from_secret(hashlib.sha256(b"direct").digest(), "A256GCM")
HOLDER = Key.generate("Ed25519")
KEYS = KeySet([MAC, HOLDER.public])
VERIFIER = Verifier(MAC, issuer="a", audience="b", clock=lambda: NOW, max_size=2**20)
OWN = {f"n{10_000_000 + number}": lambda _: True for number in range(8)}
RULED = Verifier(
    lambda _: KEYS,
    issuer="a",
    audience="b",
    clock=lambda: NOW,
    max_size=2**20,
    claims={"a.a.a": 0, "n": [1, 2]},
    validators=[lambda claims: "n" in claims],
    accept_no_expiry=True,
    accept_expired=True,
    extensions=OWN,
)
OPENING = Verifier(
    MAC, issuer="a", audience="b", clock=lambda: NOW, max_size=2**20, decryption=DIRECT
)


def signed(head, payload):
    """A token with a right signature over whatever it is given."""
    data = b64url_encode_bytes(head) + b"." + b64url_encode_bytes(payload)
    return data + b"." + b64url_encode_bytes(MAC.signing()(data))


def read_claims(payload):
    claims = VERIFIER.verify(signed(b'{"alg":"HS256"}', payload))
    dict(claims)
    _ = claims.scopes, claims.audience, claims.roles, claims.subject


def look_at_claims(text):
    claims = Claims(json_decode(text))
    repr(claims)
    dict(claims)
    for name in ("scopes", "audience", "roles", "expires_at"):
        getattr(claims, name)


def proof(head, payload):
    head = head.replace(b'"alg":"HS256"', b'"alg":"Ed25519"')
    data = b64url_encode_bytes(head) + b"." + b64url_encode_bytes(payload)
    return (data + b"." + b64url_encode_bytes(HOLDER.signing()(data))).decode()


SHOWN = HOLDER.public.to_jwk()
PROOF_HEAD = (
    b'{"typ":"dpop+jwt","alg":"Ed25519","jwk":{"kty":"OKP","crv":"Ed25519","x":"%b"}}'
    % SHOWN["x"].encode()
)


OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----%b-----END OPENSSH PRIVATE KEY-----"
PEM = b"-----BEGIN CERTIFICATE-----%b-----END CERTIFICATE-----"


def trust(chain):
    Key.from_certificates(chain, roots=chain, at=datetime.fromtimestamp(NOW, UTC))


def check_proof(text):
    read_proof([text], "POST", "https://auth.example.com/token", NOW)


def packed(text):
    squeeze = zlib.compressobj(9, wbits=-15)
    deflated = squeeze.compress(text) + squeeze.flush()
    head = b64url_encode_bytes(b'{"alg":"dir","enc":"A256GCM","zip":"DEF"}')
    iv, ciphertext, tag = sealed(deflated, head)
    return b".".join((head, b"", iv, ciphertext, tag))


def sealed(plaintext, head):
    from carnet.jose.algorithms import ENCRYPTIONS
    from carnet.jose.content_encryption import encrypt
    from carnet.jose.key import material_of

    parts = encrypt(ENCRYPTIONS["A256GCM"], material_of(DIRECT), plaintext, head)
    return map(b64url_encode_bytes, parts)


def text_of(data):
    return data.decode("utf-8", "surrogateescape")


HEAD = b64url_encode(b'{"alg":"HS256"}')

# What reads, and the most that it takes: the rest is refused for its size.
ENTRIES = {
    "Verifier.verify": (VERIFIER.verify, 64_000),
    "Verifier.verify, text": (lambda data: VERIFIER.verify(text_of(data)), 64_000),
    "Verifier.verify, the header": (lambda data: VERIFIER.verify(signed(data, b"{}")), 6_000),
    "Verifier.verify, the claims": (read_claims, 48_000),
    "Verifier.verify, what is encrypted": (
        lambda data: OPENING.verify(jwe.encrypt(data, DIRECT, header={"cty": "JWT"})),
        32_000,
    ),
    "Claims": (look_at_claims, 48_000),
    "Verifier.verify, with rules": (
        lambda data: RULED.verify(signed(b'{"alg":"HS256"}', data)),
        48_000,
    ),
    "Verifier.verify_complete": (VERIFIER.verify_complete, 64_000),
    "Verifier.verify_complete, the header": (
        lambda data: RULED.verify_complete(signed(data, b"{}")),
        6_000,
    ),
    "jws.verify": (lambda data: jws.verify(data, KEYS), 64_000),
    "jws.verify, a function and extensions": (
        lambda data: jws.verify(signed(data, b""), lambda _: KEYS, extensions=OWN),
        6_000,
    ),
    "jws.verify, the header": (lambda data: jws.verify(signed(data, b""), KEYS), 6_000),
    "jws.verify_json": (lambda data: jws.verify_json(data, KEYS, require="any"), 64_000),
    "jws.verify_json, the header": (
        lambda data: jws.verify_json(
            {"payload": "", "protected": b64url_encode(data), "signature": ""}, KEYS
        ),
        6_000,
    ),
    "jws.verify_json, the open header": (
        lambda data: jws.verify_json(
            b'{"payload":"","signature":"","protected":"%b","header":%b}' % (HEAD.encode(), data),
            KEYS,
        ),
        64_000,
    ),
    "jwe.decrypt": (lambda data: jwe.decrypt(data, DIRECT), 64_000),
    "jwe.decrypt, the header": (
        lambda data: jwe.decrypt(b64url_encode_bytes(data) + b".AA.AAAA.AA.AA", DIRECT),
        6_000,
    ),
    "jwe.decrypt, compressed": (
        lambda data: jwe.decrypt(packed(data), DIRECT, max_inflated=len(data)),
        64_000,
    ),
    "jwe.decrypt_json": (lambda data: jwe.decrypt_json(data, DIRECT), 64_000),
    "jwe.decrypt_json, the open header": (
        lambda data: jwe.decrypt_json(
            b'{"iv":"","ciphertext":"","tag":"","header":{"alg":"dir"},"unprotected":%b}' % data,
            DIRECT,
        ),
        64_000,
    ),
    "KeySet.from_jwks": (KeySet.from_jwks, 64_000),
    "KeySet.from_jwks, for algorithms": (
        lambda data: KeySet.from_jwks(data, ["RS256", "ES256", "Ed25519"], public=True),
        64_000,
    ),
    "Key.from_jwk": (Key.from_jwk, 64_000),
    "Key.from_jwk, its members": (
        lambda data: [
            Key.from_jwk({**SHOWN, name: text_of(data)}) for name in ("x", "kid", "alg", "crv")
        ],
        64_000,
    ),
    "Key.from_pem": (Key.from_pem, 64_000),
    "Key.from_der": (Key.from_der, 64_000),
    "Key.from_openssh": (Key.from_openssh, 64_000),
    "Key.from_openssh, private": (
        lambda data: Key.from_openssh(OPENSSH % data),
        64_000,
    ),
    "Key.from_certificates": (trust, 64_000),
    "Key.from_certificates, PEM": (lambda data: trust(PEM % data), 64_000),
    "Key.from_certificates, DER": (lambda data: trust([data]), 16_000),
    "Key.from_jwk, its certificates": (
        lambda data: Key.from_jwk({**SHOWN, "x5c": [text_of(data)] * 4}),
        16_000,
    ),
    "Key.from_secret": (lambda data: Key.from_secret(data, "HS256"), 64_000),
    "inspect": (inspect, 64_000),
    "inspect, the header": (lambda data: inspect(signed(data, b"{}")), 64_000),
    "inspect, the claims": (lambda data: inspect(signed(b'{"alg":"HS256"}', data)), 64_000),
    "a DPoP proof": (lambda data: check_proof(text_of(data)), 16_000),
    "a DPoP proof's header": (lambda data: check_proof(proof(data, b"{}")), 6_000),
    "a DPoP proof's claims": (lambda data: check_proof(proof(PROOF_HEAD, data)), 9_000),
    "a DPoP proof's key": (
        lambda data: check_proof(
            proof(b'{"typ":"dpop+jwt","alg":"Ed25519","jwk":%b}' % data, b"{}")
        ),
        6_000,
    ),
}

COUNTED = 8_000
FEW = 8
"""Instructions for a byte that are few, where a closer look begins at some size only."""

QUICK = 0.005
"""Seconds of processor time for the larger input that are few whatever the smaller one took."""


def reading(read, data):
    def work():
        with suppress(CarnetError):
            read(data)

    return work


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("family", [*FAMILIES, *DOCUMENTS])
def test_work_grows_no_faster_than_what_is_read(name, family):
    read, most = ENTRIES[name]
    make = {**FAMILIES, **DOCUMENTS}[family]
    small, large = (reading(read, make(size)) for size in (most // 4, most))
    small()  # what is imported or remembered at the first sight is not counted
    spent = processor_time(large)
    assert spent < QUICK or spent < 9 * processor_time(small)
    most = min(most, COUNTED)
    small, large = (instructions(reading(read, make(size))) for size in (most // 4, most))
    assert large < 6 * small or large < FEW * most
