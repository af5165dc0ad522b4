"""Every published attack on JWT libraries that we know of, run against the public interface.

One row an attack: what it is called, where it was published, what the attacker makes, whom it is
given to, and the code of the refusal. Where no CVE fits, the section that warns of it is named.
"""

import hmac
import json
import re
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from carnet import InvalidToken, Key, KeySet, Signer, Verifier, inspect
from carnet.errors import CarnetError
from carnet.jose import jwe, jws
from carnet.jose.encoding import b64url_decode
from carnet.jose.encoding import b64url_encode as b64

NOW = 1_700_000_000
ISSUER, AUDIENCE = "https://auth.example.com", "orders"
GOOD = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": NOW, "exp": NOW + 300}
EVIL = {**GOOD, "sub": "root-9f31c2"}

RSA = Key.generate("RS256", size=2048, kid="rsa")
EC = Key.generate("ES256", kid="ec")
ED = Key.generate("Ed25519", kid="ed")
SECRET = Key.generate("HS256", kid="secret")
SIGNERS = {"RSA": RSA, "EC": EC, "ED": ED, "SECRET": SECRET}
ATTACKER = Key.generate("ES256", kid="ec")
ATTACKER_RSA = Key.generate("RS256", size=2048, kid="rsa")
OAEP = Key.from_jwk({**RSA.to_jwk(private=True), "alg": "RSA-OAEP-256", "use": "enc"})
AGREED = Key.generate("ECDH-ES", crv="P-256", kid="agreed")
AGREED_X = Key.generate("ECDH-ES", crv="X25519", kid="agreed-x")
WRAPPED = Key.generate("A256KW", kid="wrapped")
CBC = Key.generate("A128CBC-HS256", kid="cbc")
RSA15 = Key.from_jwk({**RSA.to_jwk(private=True), "alg": "RSA1_5", "use": "enc", "kid": "r15"})
PASSWORD = Key.from_secret(b"correct horse battery staple", "PBES2-HS256+A128KW", kid="password")
DECRYPTION = KeySet([OAEP, AGREED, AGREED_X, WRAPPED, CBC, RSA15, PASSWORD])


def public(key: Key) -> Key:
    return key if key.kty == "oct" else key.public


def verifier(keys: Key | KeySet, **options: Any) -> Verifier[Any]:
    settings = {"issuer": ISSUER, "audience": AUDIENCE, "clock": lambda: NOW, **options}
    return Verifier(keys, **settings)


VERIFIERS = {name: verifier(public(key)) for name, key in SIGNERS.items()}
ALL = KeySet([public(key) for key in SIGNERS.values()])
MIXED = verifier(ALL)
NESTED = verifier(ALL, decryption=DECRYPTION)


# What an attacker does


def header_text(header: Any) -> str:
    return b64(header if isinstance(header, bytes) else json.dumps(header).encode())


def unsigned(header: Any, claims: Any = EVIL, signature: bytes = b"") -> str:
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return f"{header_text(header)}.{b64(payload)}.{b64(signature)}"


def signed(header: Any, key: Key, claims: Any = EVIL) -> str:
    data = unsigned(header, claims)[:-1]
    return f"{data}.{b64(key.signing()(data.encode()))}"


def mac(header: Any, secret: bytes, hash_name: str = "sha256") -> str:
    data = unsigned(header)[:-1]
    return f"{data}.{b64(hmac.digest(secret, data.encode(), hash_name))}"


def by_issuer(claims: Any, header: Any = ()) -> str:
    """A token that the issuer itself signed, with claims that somebody got into it."""
    return signed({"alg": "HS256", "kid": "secret", **dict(header)}, SECRET, claims)


def claim(**changes: Any) -> Callable[[], str]:
    return lambda: by_issuer({**EVIL, **changes})


def without(name: str) -> Callable[[], str]:
    return lambda: by_issuer({key: value for key, value in EVIL.items() if key != name})


def payload(text: str) -> Callable[[], str]:
    rest = json.dumps(EVIL)[1:]
    return lambda: by_issuer(f"{{{text},{rest}".encode())


def genuine(key: Key) -> str:
    maker = Signer(key, issuer=ISSUER, audience=AUDIENCE, clock=lambda: NOW)
    return maker.sign({"sub": "ada-5c02e7"})


def der(key: Key, form: Any = serialization.PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return key.public._material.public_bytes(serialization.Encoding.DER, form)


def ssh(key: Key) -> bytes:
    form = serialization.PublicFormat.OpenSSH
    return key.public._material.public_bytes(serialization.Encoding.OpenSSH, form)


def pkcs1(encoding: Any) -> bytes:
    return RSA.public._material.public_bytes(encoding, serialization.PublicFormat.PKCS1)


def certificate(encoding: Any = serialization.Encoding.PEM) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "auth")])
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(
        name, name, RSA._material.public_key(), 7, moment, moment + timedelta(days=9000)
    ).sign(RSA._material, hashes.SHA256())
    return made.public_bytes(encoding)


def ssh2(key: Key) -> bytes:
    body = ssh(key).split()[1].decode()
    lines = [body[at : at + 70] for at in range(0, len(body), 70)]
    text = ["---- BEGIN SSH2 PUBLIC KEY ----", *lines, "---- END SSH2 PUBLIC KEY ----"]
    return "\n".join(text).encode()


def pem_body(key: Key) -> bytes:
    return b"\n".join(key.to_pem().splitlines()[1:-1])


# Each is a published key in a disguise in which it has been taken for an HMAC secret.
DISGUISES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "PEM": ("CVE-2016-5431", RSA.to_pem),
    "PEM without its last line break": ("CVE-2015-9235", lambda: RSA.to_pem().strip()),
    "PEM after a line break": ("CVE-2016-10555", lambda: b"\n" + RSA.to_pem()),
    "PEM with CRLF": ("RFC 8725 section 3.1", lambda: RSA.to_pem().replace(b"\n", b"\r\n")),
    "PEM after a BOM": ("RFC 8725 section 3.1", lambda: b"\xef\xbb\xbf" + RSA.to_pem()),
    "PKCS #1 PEM": ("CVE-2017-11424", lambda: pkcs1(serialization.Encoding.PEM)),
    "PEM of an EC key": ("CVE-2015-9235", EC.to_pem),
    "PEM of an Ed25519 key": ("RFC 8725 section 3.1", ED.to_pem),
    "certificate": ("RFC 8725 section 3.1", certificate),
    "DER": ("RFC 8725 section 3.1", lambda: der(RSA)),
    "DER of an EC key": ("RFC 8725 section 3.1", lambda: der(EC)),
    "DER of an Ed25519 key": ("RFC 8725 section 3.1", lambda: der(ED)),
    "DER of a certificate": (
        "RFC 8725 section 3.1",
        lambda: certificate(serialization.Encoding.DER),
    ),
    "base64 of DER": ("RFC 8725 section 3.1", lambda: b64encode(der(RSA))),
    "base64url of DER": ("RFC 8725 section 3.1", lambda: urlsafe_b64encode(der(EC)).rstrip(b"=")),
    "PEM without its frame": ("RFC 8725 section 3.1", lambda: pem_body(RSA)),
    "base64 of PEM": ("RFC 8725 section 3.1", lambda: b64encode(RSA.to_pem())),
    "JWK text": ("CVE-2026-48526", lambda: json.dumps(RSA.public.to_jwk()).encode()),
    "JWK text, indented": (
        "CVE-2026-48526",
        lambda: json.dumps(EC.public.to_jwk(), indent=2).encode(),
    ),
    "base64 of JWK text": (
        "CVE-2026-48526",
        lambda: b64encode(json.dumps(EC.public.to_jwk()).encode()),
    ),
    "OpenSSH RSA key": ("RFC 8725 section 3.1", lambda: ssh(RSA)),
    "OpenSSH ECDSA key": ("CVE-2024-33663", lambda: ssh(EC)),
    "OpenSSH Ed25519 key": ("CVE-2022-29217", lambda: ssh(ED)),
    "SSH2 key": ("RFC 8725 section 3.1", lambda: ssh2(RSA)),
}


def ecdsa(r: int, s: int, size: int = 32) -> bytes:
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def ec_header(**more: Any) -> dict[str, Any]:
    return {"alg": "ES256", "kid": "ec", **more}


P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

EXPONENT_3 = Key._from_material(rsa.generate_private_key(3, 2048), "RS256", "e3")


def cube_root_forgery() -> str:
    """A block whose hash is not at its end: its cube root is a signature without a key."""
    data = unsigned({"alg": "RS256", "kid": "e3"})[:-1]
    info = bytes.fromhex("3031300d060960864801650304020105000420")
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data.encode())
    front = b"\x00\x01" + b"\xff" * 8 + b"\x00" + info + digest.finalize()
    block = int.from_bytes(front + b"\xff" * (256 - len(front)), "big")
    low, high = 0, 1 << 700
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= block else (low, middle - 1)
    assert (low**3).to_bytes(256, "big").startswith(front)
    return f"{data}.{b64(low.to_bytes(256, 'big'))}"


def to_recipient(
    plaintext: bytes, key: Key, header: Any = (), *, enc: str = "A256GCM", deflate: bool = False
) -> str:
    return jwe.encrypt(plaintext, public(key), enc, dict(header), "DEF" if deflate else None)


def parts(token: str, **changes: str) -> str:
    """Change parts of an encrypted token."""
    names = ("head", "key", "iv", "ciphertext", "tag")
    old = dict(zip(names, token.split("."), strict=True))
    return ".".join({**old, **changes}.values())


def epk(**changes: Any) -> str:
    token = to_recipient(b"x", AGREED)
    header = json.loads(b64url_decode(token.split(".")[0]))
    header["epk"].update(changes)
    return parts(token, head=header_text(header))


def pbes2(count: Any) -> str:
    header = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "kid": "password"}
    head = header_text({**header, "p2s": b64(bytes(16)), "p2c": count})
    return ".".join([head, b64(bytes(24)), b64(bytes(12)), b64(b"x"), b64(bytes(16))])


def bomb() -> str:
    return to_recipient(b"0" * 40_000_000, WRAPPED, deflate=True)


def flip(text: str, place: int) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place %= len(text)
    other = alphabet[alphabet.index(text[place]) ^ 1]
    return text[:place] + other + text[place + 1 :]


def polyglot() -> str:
    """Genuine in its JSON members, evil for whoever splits the same text at dots."""
    head, body, signature = genuine(SECRET).split(".")
    evil = unsigned({"alg": "HS256", "kid": "secret"}).split(".")[1]
    members = f'"protected":"{head}","payload":"{body}","signature":"{signature}"'
    return f'{{"{head}.{evil}.":"",{members}}}'


def general_json(signatures: list[Any]) -> str:
    return json.dumps({"payload": b64(json.dumps(EVIL).encode()), "signatures": signatures})


# Whom it is given to


def as_secret(secret: bytes) -> Key:
    return Key.from_secret(secret, "HS256")


def as_oct_jwk(secret: bytes) -> Key:
    return Key.from_jwk({"kty": "oct", "alg": "HS256", "k": b64(secret)})


def json_signature(token: str) -> Any:
    return jws.verify_json(token, MIXED.keys)


def weak_decryption(token: str) -> Any:
    return jwe.decrypt(token, PASSWORD, allow_weak=["PBES2-HS256+A128KW"])


def inflating(token: str) -> Any:
    return jwe.decrypt(token, WRAPPED, max_inflated=100_000, max_size=2**24)


RS, ES, EDDSA, HS = (VERIFIERS[name].verify for name in SIGNERS)
ACCESS = verifier(SECRET, type="at+jwt").verify
SEVERAL = verifier(SECRET, audience=["orders", "billing"], issuer=[ISSUER, "other"]).verify
LONG = verifier(ALL, max_size=2**25, decryption=DECRYPTION).verify
SET_OF_E3 = verifier(EXPONENT_3.public).verify


class Attack(NamedTuple):
    name: str
    reference: str
    hostile: Callable[[], Any]
    against: Callable[[Any], Any]
    code: str


ATTACKS = [
    # alg none (RFC 8725 section 2.1)
    *(
        Attack(f"alg {alg!r}", reference, lambda alg=alg: unsigned({"alg": alg}), target, code)
        for target in (HS, RS, NESTED.verify)
        for alg, reference, code in [
            ("none", "CVE-2018-1000531", "malformed"),
            ("None", "RFC 8725 section 3.1", "malformed"),
            ("NONE", "RFC 8725 section 3.1", "malformed"),
            ("nOnE", "RFC 8725 section 3.1", "malformed"),
        ]
    ),
    *(
        Attack(
            f"alg {alg!r} beside a signature",
            reference,
            lambda alg=alg: unsigned({"alg": alg}, signature=b"any"),
            target,
            "header_invalid" if not isinstance(alg, str) else "algorithm_mismatch",
        )
        for target in (HS, RS, NESTED.verify)
        for alg, reference in [
            ("none", "CVE-2015-2951"),
            ("None", "RFC 8725 section 3.1"),
            ("NONE", "RFC 8725 section 3.1"),
            ("nOnE", "RFC 8725 section 3.1"),
            ("none ", "RFC 8725 section 3.1"),
            ("none\0", "RFC 8725 section 3.1"),
            ("", "RFC 8725 section 3.1"),
            (["none"], "RFC 7515 section 4.1.1"),
            (None, "RFC 7515 section 4.1.1"),
            (False, "RFC 7515 section 4.1.1"),
        ]
    ),
    Attack(
        "no alg at all",
        "RFC 7515 section 4.1.1",
        lambda: unsigned({}, signature=b"x"),
        HS,
        "header_invalid",
    ),
    Attack(
        "alg none in place of an expected signature of an access token",
        "CVE-2020-15957",
        lambda: unsigned({"alg": "none", "typ": "at+jwt"}, signature=b"x"),
        ACCESS,
        "algorithm_mismatch",
    ),
    Attack(
        "alg none in an unprotected header",
        "RFC 7515 section 7.2.1",
        lambda: general_json([{"header": {"alg": "none"}, "signature": ""}]),
        json_signature,
        "algorithm_mismatch",
    ),
    # The algorithm is substituted
    *(
        Attack(
            f"MAC with the published key as {name}",
            reference,
            lambda make=make, kid=kid: mac({"alg": "HS256", "kid": kid}, make()),
            target,
            "algorithm_mismatch",
        )
        for name, (reference, make) in DISGUISES.items()
        for target, kid in ((RS, "rsa"), (ES, "ec"), (EDDSA, "ed"), (MIXED.verify, "rsa"))
    ),
    *(
        Attack(f"{name} as {how}", reference, make, target, "key_invalid")
        for name, (reference, make) in DISGUISES.items()
        for how, target in (("a secret", as_secret), ("the k of a JWK", as_oct_jwk))
    ),
    Attack(
        "MAC with the published key in a set that holds a secret too",
        "CVE-2026-48526",
        lambda: mac({"alg": "HS256"}, json.dumps(RSA.public.to_jwk()).encode()),
        MIXED.verify,
        "signature_invalid",
    ),
    Attack(
        "RSA JWK bound to HS256",
        "CVE-2026-48526",
        lambda: {**RSA.public.to_jwk(), "alg": "HS256"},
        Key.from_jwk,
        "key_invalid",
    ),
    Attack(
        "PEM bound to HS256",
        "CVE-2021-46743",
        RSA.to_pem,
        lambda data: Key.from_pem(data, "HS256"),
        "key_invalid",
    ),
    *(
        Attack(
            f"{alg} in place of {key.alg}",
            "RFC 8725 section 3.1",
            lambda alg=alg, key=key: signed({"alg": alg, "kid": key.kid}, key),
            target,
            "algorithm_mismatch",
        )
        for key, target, others in (
            (RSA, RS, ("RS384", "RS512", "PS256", "PS512", "RSA-OAEP", "RSA1_5")),
            (EC, ES, ("ES384", "ES256K", "ES512", "EdDSA", "ECDH-ES")),
            (SECRET, HS, ("HS384", "HS512", "hs256", "HS256 ", "dir", "A256KW")),
        )
        for alg in others
    ),
    # Signatures that hold for any text
    *(
        Attack(
            f"ECDSA signature with {name}",
            reference,
            lambda r=r, s=s: unsigned(ec_header(), signature=ecdsa(r, s)),
            ES,
            "signature_invalid",
        )
        for name, reference, r, s in [
            ("r = s = 0", "CVE-2022-21449", 0, 0),
            ("r = 0", "CVE-2022-21449", 0, 1),
            ("s = 0", "CVE-2022-21449", 1, 0),
            ("r = s = n", "CVE-2022-21449", P256_ORDER, P256_ORDER),
            ("r = n, s = 1", "RFC 8725 section 3.4", P256_ORDER, 1),
            ("r = s = 1", "RFC 8725 section 3.4", 1, 1),
            ("r = s = 2^256 - 1", "RFC 8725 section 3.4", 2**256 - 1, 2**256 - 1),
        ]
    ),
    *(
        Attack(
            f"signature of {size} zero bytes for {key.alg}",
            "CVE-2022-21449",
            lambda size=size, key=key: unsigned(
                {"alg": key.alg, "kid": key.kid}, signature=bytes(size)
            ),
            target,
            "signature_invalid",
        )
        for key, target in zip(SIGNERS.values(), (RS, ES, EDDSA, HS), strict=True)
        for size in (1, 32, 64, 96, 132, 256)
    ),
    Attack(
        "ECDSA signature in DER",
        "RFC 7518 section 3.4",
        lambda: unsigned(
            ec_header(),
            signature=EC._material.sign(
                unsigned(ec_header())[:-1].encode(), ec.ECDSA(hashes.SHA256())
            ),
        ),
        ES,
        "signature_invalid",
    ),
    Attack(
        "cube root for an RSA key with exponent 3",
        "CVE-2006-4339",
        cube_root_forgery,
        SET_OF_E3,
        "signature_invalid",
    ),
    # No signature
    *(
        Attack(
            f"empty signature for {key.alg}",
            "CVE-2020-28042",
            lambda key=key: unsigned({"alg": key.alg, "kid": key.kid}),
            target,
            "malformed",
        )
        for key, target in zip(SIGNERS.values(), (RS, ES, EDDSA, HS), strict=True)
    ),
    Attack(
        "signature left out with its dot",
        "RFC 7515 section 7.1",
        lambda: genuine(SECRET).rpartition(".")[0],
        HS,
        "malformed",
    ),
    Attack(
        "signature cut short",
        "RFC 7518 section 3.2",
        lambda: genuine(SECRET)[:-22],
        HS,
        "signature_invalid",
    ),
    Attack(
        "signature of another token",
        "RFC 8725 section 3.3",
        lambda: unsigned({"alg": "RS256", "kid": "rsa"})[:-1] + "." + genuine(RSA).split(".")[2],
        RS,
        "signature_invalid",
    ),
    Attack(
        "no signatures in the general JSON form",
        "RFC 7515 section 7.2.1",
        lambda: general_json([]),
        json_signature,
        "malformed",
    ),
    Attack(
        "no signatures in the general JSON form, as a token",
        "RFC 7519 section 1",
        lambda: general_json([]),
        MIXED.verify,
        "malformed",
    ),
    # Keys and places of keys that the token brings along
    *(
        Attack(
            f"own key in the header as {name}",
            reference,
            lambda name=name, value=value: signed(ec_header(**{name: value()}), ATTACKER),
            target,
            "signature_invalid",
        )
        for target in (ES, MIXED.verify)
        for name, reference, value in [
            ("jwk", "CVE-2018-0114", ATTACKER.public.to_jwk),
            ("jwk", "CVE-2026-27962", lambda: {**ATTACKER.public.to_jwk(), "kid": "ec"}),
            ("jku", "RFC 8725 section 3.10", lambda: "http://127.0.0.1:9/keys.json"),
            ("x5u", "RFC 8725 section 3.10", lambda: "http://127.0.0.1:9/chain.pem"),
            ("x5c", "RFC 7515 section 4.1.6", lambda: [b64encode(der(ATTACKER)).decode()]),
            ("x5t", "RFC 7515 section 4.1.7", lambda: b64(bytes(20))),
        ]
    ),
    Attack(
        "own secret in the header as jwk",
        "CVE-2018-0114",
        lambda: mac(
            {"alg": "HS256", "kid": "secret", "jwk": {"kty": "oct", "k": b64(bytes(32))}}, bytes(32)
        ),
        HS,
        "signature_invalid",
    ),
    Attack(
        "own key under the issuer's kid",
        "RFC 8725 section 3.3",
        lambda: signed({"alg": "RS256", "kid": "rsa"}, ATTACKER_RSA),
        RS,
        "signature_invalid",
    ),
    # kid
    *(
        Attack(
            f"kid {name}",
            "RFC 8725 section 3.10",
            lambda kid=kid: mac({"alg": "HS256", "kid": kid}, b""),
            target,
            code,
        )
        for target in (HS, MIXED.verify)
        for name, kid, code in [
            ("that is a path", "../../../../dev/null", "key_not_found"),
            ("that is a path after NUL", "secret\0../../dev/null", "key_not_found"),
            ("that is SQL", "x' UNION SELECT 'AA'; --", "key_not_found"),
            ("that is a command", "key | /usr/bin/id", "key_not_found"),
            ("that is an address", "http://127.0.0.1:9/key", "key_not_found"),
            ("that is an LDAP filter", "*)(uid=*))(|(uid=*", "key_not_found"),
            ("in capitals", "SECRET", "key_not_found"),
            ("with white space", "secret ", "key_not_found"),
            ("that is empty", "", "key_not_found"),
            ("that names a property", "__proto__", "key_not_found"),
            ("that is a list", ["secret"], "header_invalid"),
            ("that is null", None, "header_invalid"),
            ("that is a number", 0, "header_invalid"),
            ("that is endless", "k" * 257, "header_invalid"),
        ]
    ),
    # Secrets that can be guessed
    *(
        Attack(
            f"MAC with {name}",
            reference,
            lambda secret=secret: mac({"alg": "HS256", "kid": "secret"}, secret),
            HS,
            "signature_invalid",
        )
        for name, reference, secret in [
            ("an empty secret", "CVE-2019-20933", b""),
            ("a zero byte", "RFC 8725 section 3.5", b"\0"),
            ("the word secret", "RFC 8725 section 3.5", b"secret"),
        ]
    ),
    *(
        Attack(
            f"secret of {len(secret)} bytes",
            reference,
            lambda s=secret: s,
            as_secret,
            "key_invalid",
        )
        for reference, secret in [
            ("CVE-2019-20933", b""),
            ("RFC 8725 section 3.5", b"changeme-5d11"),
            ("RFC 7518 section 3.2", b"q" * 31),
        ]
    ),
    # Keys that are weak or no keys
    Attack(
        "RSA key of 1024 bits",
        "RFC 7518 section 3.3",
        lambda: (
            rsa.generate_private_key(65537, 1024)
            .public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        ),
        lambda data: Key.from_pem(data, "RS256"),
        "key_invalid",
    ),
    Attack(
        "RSA key with exponent 1",
        "RFC 8725 section 3.4",
        lambda: {**RSA.public.to_jwk(), "e": "AQ"},
        Key.from_jwk,
        "key_invalid",
    ),
    Attack(
        "EC key off its curve",
        "RFC 8725 section 3.4",
        lambda: {**EC.public.to_jwk(), "y": b64(bytes(31) + b"\x05")},
        Key.from_jwk,
        "key_invalid",
    ),
    Attack(
        "EC key at infinity",
        "RFC 8725 section 3.4",
        lambda: {**EC.public.to_jwk(), "x": b64(bytes(32)), "y": b64(bytes(32))},
        Key.from_jwk,
        "key_invalid",
    ),
    Attack(
        "key for encryption as a key for signatures",
        "RFC 8725 section 3.2",
        lambda: OAEP.public,
        verifier,
        "key_invalid",
    ),
    # crit
    *(
        Attack(
            f"crit {name}",
            reference,
            lambda header=header: by_issuer(EVIL, header),
            HS,
            code,
        )
        for name, reference, header, code in [
            ("unknown", "CVE-2025-59420", {"crit": ["bork"], "bork": True}, "crit_unsupported"),
            ("of a policy", "CVE-2026-32597", {"crit": ["exp"], "exp": 1}, "crit_unsupported"),
            ("empty", "RFC 7515 section 4.1.11", {"crit": []}, "header_invalid"),
            ("null", "RFC 7515 section 4.1.11", {"crit": None}, "header_invalid"),
            ("text", "RFC 7515 section 4.1.11", {"crit": "bork", "bork": 1}, "header_invalid"),
            ("of numbers", "RFC 7515 section 4.1.11", {"crit": [1], "1": 1}, "header_invalid"),
            ("absent", "RFC 7515 section 4.1.11", {"crit": ["bork"]}, "header_invalid"),
            ("registered", "RFC 7515 section 4.1.11", {"crit": ["alg"]}, "header_invalid"),
            (
                "twice",
                "RFC 7515 section 4.1.11",
                {"crit": ["bork", "bork"], "bork": 1},
                "header_invalid",
            ),
            (
                "for an unencoded payload",
                "RFC 7797 section 7",
                {"crit": ["b64"], "b64": False},
                "crit_unsupported",
            ),
            ("not said for b64", "RFC 7797 section 6", {"b64": False}, "header_invalid"),
        ]
    ),
    # Signed and encrypted taken for each other
    Attack(
        "encrypted to the published signature key",
        "CVE-2023-51774",
        lambda: to_recipient(json.dumps(EVIL).encode(), OAEP, {"kid": "rsa"}),
        RS,
        "malformed",
    ),
    *(
        Attack(
            f"encrypted to {key.kid} and not signed, {name}",
            "CVE-2023-51774",
            lambda key=key, make=make, header=header: to_recipient(make(), key, header),
            NESTED.verify,
            code,
        )
        for key in (OAEP, AGREED, WRAPPED)
        for name, make, header, code in [
            ("claims", lambda: json.dumps(EVIL).encode(), (), "type_mismatch"),
            ("claims that say JSON", lambda: b"{}", {"cty": "json"}, "type_mismatch"),
            (
                "claims that say JWT",
                lambda: json.dumps(EVIL).encode(),
                {"cty": "JWT"},
                "malformed",
            ),
            (
                "alg none within",
                lambda: unsigned({"alg": "none"}, signature=b"x").encode(),
                {"cty": "JWT"},
                "algorithm_mismatch",
            ),
            (
                "empty signature within",
                lambda: unsigned({"alg": "RS256", "kid": "rsa"}).encode(),
                {"cty": "JWT"},
                "malformed",
            ),
            (
                "own key within",
                lambda: signed(ec_header(jwk=ATTACKER.public.to_jwk()), ATTACKER).encode(),
                {"cty": "JWT"},
                "signature_invalid",
            ),
            (
                "encrypted once more",
                lambda: to_recipient(genuine(EC).encode(), WRAPPED, {"cty": "JWT"}).encode(),
                {"cty": "JWT"},
                "malformed",
            ),
        ]
    ),
    Attack(
        "genuine claims encrypted with the MAC secret",
        "CVE-2023-51774",
        lambda: to_recipient(json.dumps(EVIL).encode(), Key.from_secret(SECRET._material, "dir")),
        HS,
        "malformed",
    ),
    # Encryption
    Attack(
        "ephemeral key off its curve",
        "CVE-2017-16007",
        lambda: epk(y=b64(bytes(31) + b"\x05")),
        NESTED.verify,
        "header_invalid",
    ),
    Attack(
        "ephemeral key on another curve",
        "CVE-2017-16007",
        lambda: epk(**Key.generate("ES384").public.to_jwk()),
        NESTED.verify,
        "header_invalid",
    ),
    Attack(
        "ephemeral X25519 key of small order",
        "RFC 7748 section 6.1",
        lambda: parts(
            to_recipient(b"x", AGREED_X),
            head=header_text(
                {
                    "alg": "ECDH-ES",
                    "enc": "A256GCM",
                    "kid": "agreed-x",
                    "epk": {"kty": "OKP", "crv": "X25519", "x": b64(bytes(32))},
                }
            ),
        ),
        NESTED.verify,
        "header_invalid",
    ),
    *(
        Attack(
            f"empty encrypted key for {key.kid}",
            "RFC 7516 section 5.2",
            lambda key=key: parts(to_recipient(b"x", key), key=""),
            NESTED.verify,
            "decryption_failed",
        )
        for key in (OAEP, WRAPPED)
    ),
    *(
        Attack(
            f"{name} for {key.kid}",
            reference,
            lambda key=key, changes=changes: parts(
                to_recipient(b"x" * 40, key, enc="A128CBC-HS256"), **changes
            ),
            NESTED.verify,
            "decryption_failed",
        )
        for key in (CBC, WRAPPED)
        for name, reference, changes in [
            ("empty tag", "RFC 7518 section 5.2", {"tag": ""}),
            ("short tag", "RFC 7518 section 5.2", {"tag": b64(b"\0")}),
            ("zero tag", "CVE-2021-29443", {"tag": b64(bytes(16))}),
            ("wrong padding", "CVE-2021-29443", {"ciphertext": b64(bytes(48))}),
            ("empty ciphertext", "CVE-2021-29443", {"ciphertext": ""}),
            ("empty iv", "RFC 7518 section 5.2", {"iv": ""}),
        ]
    ),
    Attack(
        "RSA1_5, which tells about its padding",
        "RFC 8725 section 3.2",
        lambda: parts(
            to_recipient(b"x", OAEP),
            head=header_text({"alg": "RSA1_5", "enc": "A256GCM", "kid": "r15"}),
        ),
        NESTED.verify,
        "algorithm_mismatch",
    ),
    Attack(
        "PBES2 unasked for",
        "CVE-2022-36083",
        lambda: pbes2(1000),
        NESTED.verify,
        "algorithm_mismatch",
    ),
    *(
        Attack(
            f"PBES2 with count {count}",
            reference,
            lambda c=count: pbes2(c),
            weak_decryption,
            "header_invalid",
        )
        for reference, count in [
            ("CVE-2022-36083", 2**31 - 1),
            ("CVE-2023-50967", 600_001),
            ("CVE-2023-50966", 10**30),
            ("RFC 7518 section 4.8.1.2", 1),
            ("RFC 7518 section 4.8.1.2", -1),
            ("RFC 7518 section 4.8.1.2", True),
            ("RFC 7518 section 4.8.1.2", "1000"),
        ]
    ),
    Attack("compressed plaintext", "CVE-2024-33664", bomb, NESTED.verify, "header_invalid"),
    Attack("compressed plaintext that is wanted", "CVE-2024-28176", bomb, inflating, "too_large"),
    # One text read in two ways
    Attack("compact and JSON at once", "CVE-2022-39227", polyglot, HS, "malformed"),
    Attack(
        "flattened JSON as a token",
        "CVE-2022-39227",
        lambda: json.dumps(jws.sign_json(json.dumps(GOOD).encode(), SECRET)),
        HS,
        "malformed",
    ),
    *(
        Attack(
            f"name twice in the claims, {name}",
            "RFC 8725 section 2.4",
            payload(text),
            HS,
            "malformed",
        )
        for name, text in [
            ("first", '"sub":"ada"'),
            ("escaped", '"s\\u0075b":"ada"'),
            ("deep", '"x":[{"y":{"z":1,"z":2}}]'),
        ]
    ),
    Attack(
        "name twice in the header",
        "RFC 7515 section 4",
        lambda: unsigned(b'{"alg":"none","alg":"HS256","kid":"secret"}', signature=b"x"),
        HS,
        "malformed",
    ),
    *(
        Attack(f"{name} in the {where}", "RFC 8725 section 3.7", make, HS, "malformed")
        for name, codec in [("BOM", "utf-8-sig"), ("UTF-16", "utf-16"), ("UTF-32", "utf-32-be")]
        for where, make in [
            ("claims", lambda codec=codec: by_issuer(json.dumps(EVIL).encode(codec))),
            (
                "header",
                lambda codec=codec: signed(
                    json.dumps({"alg": "HS256", "kid": "secret"}).encode(codec), SECRET
                ),
            ),
        ]
    ),
    Attack(
        "broken UTF-8 in the claims",
        "RFC 8725 section 3.7",
        lambda: by_issuer(json.dumps(EVIL).encode().replace(b"root", b"\xc0\x80\xed\xa0\x80")),
        HS,
        "malformed",
    ),
    *(
        Attack(
            f"claims that are {value!r}",
            "RFC 7519 section 7.2",
            lambda v=value: by_issuer(v),
            HS,
            "malformed",
        )
        for value in (b"", b"null", b"[]", b'"root"', b"0", b"{}{}")
    ),
    *(
        Attack(f"token {name}", "RFC 4648 section 3.5", make, target, code)
        for name, make, target, code in [
            (
                "with unused bits in its RSA signature",
                lambda: flip(genuine(RSA), -1),
                RS,
                "malformed",
            ),
            (
                "with unused bits in its ECDSA signature",
                lambda: flip(genuine(EC), -1),
                ES,
                "malformed",
            ),
            (
                "with unused bits in its MAC",
                lambda: flip(genuine(SECRET), -1),
                HS,
                "signature_invalid",
            ),
            ("with padding", lambda: genuine(EC) + "==", ES, "malformed"),
            ("with a line break", lambda: genuine(EC) + "\n", ES, "malformed"),
            ("with a space before", lambda: " " + genuine(EC), ES, "malformed"),
            ("with NUL", lambda: genuine(EC) + "\0", ES, "malformed"),
            ("with a further part", lambda: genuine(EC) + ".e30", ES, "malformed"),
            (
                "in the other alphabet",
                lambda: (
                    signed(ec_header(x="\u00fb\u00ff\u00be"), EC).translate({45: 43, 95: 47}) + "+/"
                ),
                ES,
                "malformed",
            ),
            ("in other digits", lambda: genuine(EC).replace("e", "\uff45"), ES, "malformed"),
        ]
    ),
    # Claims of another type or value
    *(
        Attack(f"exp {name}", reference, claim(exp=value), HS, code)
        for name, reference, value, code in [
            ("text", "RFC 7519 section 4.1.4", "9999999999", "claim_invalid"),
            ("text with letters", "RFC 7519 section 4.1.4", "never", "claim_invalid"),
            ("true", "RFC 7519 section 4.1.4", True, "claim_invalid"),
            ("null", "RFC 7519 section 4.1.4", None, "claim_invalid"),
            ("a list", "RFC 7519 section 4.1.4", [9999999999], "claim_invalid"),
            ("an object", "RFC 7519 section 4.1.4", {"$gt": 0}, "claim_invalid"),
            ("negative", "RFC 7519 section 2", -1, "claim_invalid"),
            ("beyond the year 9999", "RFC 7519 section 2", 253402300800, "claim_invalid"),
            ("beyond 64 bits", "RFC 7519 section 2", 2**64 + NOW, "claim_invalid"),
            ("beyond all bounds", "RFC 7519 section 2", 10**400, "claim_invalid"),
            ("past", "RFC 7519 section 4.1.4", NOW - 1, "expired"),
            ("now", "RFC 7519 section 4.1.4", NOW, "expired"),
        ]
    ),
    *(
        Attack(
            f"number {number[:12]}",
            "RFC 8259 section 6",
            lambda number=number: by_issuer(
                json.dumps(EVIL).replace(str(NOW + 300), number).encode()
            ),
            HS,
            code,
        )
        for number, code in [
            ("1e400", "malformed"),
            ("-1e400", "malformed"),
            ("NaN", "malformed"),
            ("Infinity", "malformed"),
            ("-Infinity", "malformed"),
            ("9" * 5000, "malformed"),
            ("0x7fffffff", "malformed"),
            ("1e300", "claim_invalid"),
            ("0", "expired"),
            ("-0", "expired"),
        ]
    ),
    *(
        Attack(f"{name} {value!r}", "RFC 7519 section 4.1", claim(**{name: value}), HS, code)
        for name, value, code in [
            ("nbf", "0", "claim_invalid"),
            ("nbf", True, "claim_invalid"),
            ("nbf", None, "claim_invalid"),
            ("nbf", NOW + 61, "not_yet_valid"),
            ("iat", "0", "claim_invalid"),
            ("iat", False, "claim_invalid"),
            ("iat", NOW + 61, "not_yet_valid"),
            ("sub", 1, "claim_invalid"),
            ("sub", None, "claim_invalid"),
            ("jti", ["a"], "claim_invalid"),
        ]
    ),
    *(
        Attack(f"iss {value!r}", reference, claim(iss=value), target, code)
        for target in (HS, SEVERAL)
        for value, reference, code in [
            ("https://auth", "CVE-2024-53861", "issuer_mismatch"),
            ("auth.example.com", "CVE-2024-53861", "issuer_mismatch"),
            ("", "CVE-2024-53861", "issuer_mismatch"),
            (ISSUER + "/", "RFC 8725 section 3.8", "issuer_mismatch"),
            (ISSUER + ".evil.example", "RFC 8725 section 3.8", "issuer_mismatch"),
            (ISSUER.upper(), "RFC 8725 section 3.8", "issuer_mismatch"),
            ([ISSUER], "RFC 8725 section 3.8", "claim_invalid"),
            ([ISSUER, "evil"], "RFC 8725 section 3.8", "claim_invalid"),
            (None, "RFC 8725 section 3.8", "claim_invalid"),
        ]
    ),
    *(
        Attack(f"aud {value!r}", "RFC 8725 section 3.9", claim(aud=value), target, code)
        for target in (HS, SEVERAL)
        for value, code in [
            ("order", "audience_mismatch"),
            ("orders2", "audience_mismatch"),
            ("my orders", "audience_mismatch"),
            ("", "audience_mismatch"),
            (["o", "r", "d", "e", "r", "s"], "audience_mismatch"),
            ([], "claim_invalid"),
            ({"orders": True}, "claim_invalid"),
            (["orders", True], "claim_invalid"),
            ([["orders"]], "claim_invalid"),
            (None, "claim_invalid"),
            (True, "claim_invalid"),
        ]
    ),
    *(
        Attack(f"no {name}", reference, without(name), HS, "claim_missing")
        for name, reference in [
            ("exp", "RFC 7519 section 4.1.4"),
            ("iss", "RFC 8725 section 3.8"),
            ("aud", "RFC 8725 section 3.9"),
        ]
    ),
    # Tokens made for something else
    Attack(
        "identity token as access token",
        "RFC 8725 section 3.11",
        lambda: by_issuer(EVIL),
        ACCESS,
        "type_mismatch",
    ),
    *(
        Attack(
            f"{typ} as a plain token",
            "RFC 8725 section 3.11",
            lambda typ=typ: by_issuer(EVIL, {"typ": typ}),
            HS,
            "type_mismatch",
        )
        for typ in ("at+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "JOSE", "")
    ),
    # Texts that cost memory or time
    *(
        Attack(f"16 MB of {name}", reference, make, target, code)
        for name, reference, make in [
            ("dots", "CVE-2025-30204", lambda: "." * 2**24),
            ("dots as bytes", "CVE-2025-27144", lambda: b"." * 2**24),
            ("header", "CVE-2025-61920", lambda: "A" * 2**24 + ".e30.AA"),
            (
                "claims",
                "CVE-2025-61920",
                lambda: header_text(ec_header()) + "." + "A" * 2**24 + ".AA",
            ),
            (
                "signature",
                "CVE-2025-61920",
                lambda: header_text(ec_header()) + ".e30." + "A" * 2**24,
            ),
            ("other characters", "CVE-2025-61920", lambda: "\U0001f600" * 2**24),
        ]
        for target, code in ((HS, "too_large"),)
    ),
    *(
        Attack(f"16 MB of {name} where that is allowed", reference, make, LONG, code)
        for name, reference, make, code in [
            ("dots", "CVE-2025-30204", lambda: "." * 2**24, "malformed"),
            (
                "dots after a header",
                "CVE-2025-27144",
                lambda: header_text(ec_header()) + "." * 2**24,
                "malformed",
            ),
            ("header", "CVE-2025-61920", lambda: "A" * 2**24 + ".e30.AA", "too_large"),
            (
                "signature",
                "CVE-2025-61920",
                lambda: header_text(ec_header()) + ".e30." + "A" * 2**24,
                "signature_invalid",
            ),
        ]
    ),
    *(
        Attack(f"{name} nested beyond measure", "RFC 8259 section 9", make, HS, "malformed")
        for name, make in [
            ("header", lambda: unsigned(b"[" * 6000, signature=b"x")),
            ("header objects", lambda: unsigned(b'{"a":' * 1000, signature=b"x")),
            ("claims", lambda: by_issuer(b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}")),
            ("claims 33 deep", lambda: by_issuer(b'{"a":' * 33 + b"1" + b"}" * 33)),
        ]
    ),
]


def texts_of(hostile: Any) -> list[str]:
    """The pieces of what the attacker made that no message may hold."""
    if isinstance(hostile, Key):
        return []
    if isinstance(hostile, dict):
        return [hostile[name] for name in ("n", "x", "y") if len(hostile.get(name, "")) > 8]
    text = hostile.decode("latin-1") if isinstance(hostile, bytes) else hostile
    pieces = [text, *text[:100_000].split(".")] if len(text) < 2**20 else [text[:64]]
    return [piece for piece in [*pieces, EVIL["sub"], "ada-5c02e7"] if len(piece) > 7]


@pytest.mark.parametrize(
    "attack", ATTACKS, ids=[f"{row.name} ({row.reference})" for row in ATTACKS]
)
def test_a_published_attack_is_refused(attack):
    hostile = attack.hostile()
    with pytest.raises(CarnetError) as refusal:
        attack.against(hostile)
    error = refusal.value
    assert error.code == attack.code
    told = [str(error), repr(error), *traceback.format_exception_only(error)]
    if isinstance(error, InvalidToken):
        told += [str(error.claim), str(error.expected)]
    assert "\n" not in str(error)
    context = error.__context__
    while context is not None and not error.__suppress_context__:
        told.append(repr(context))
        context = context.__context__
    for piece in texts_of(hostile):
        assert not any(piece in text for text in told)
    if isinstance(hostile, str | bytes):
        inspect(hostile)


@pytest.mark.parametrize("name", SIGNERS)
def test_those_who_refuse_the_attacks_accept_genuine_tokens(name):
    token = genuine(SIGNERS[name])
    for accepts in (VERIFIERS[name].verify, MIXED.verify, NESTED.verify, LONG):
        assert accepts(token).subject == "ada-5c02e7"


def test_those_who_refuse_the_attacks_accept_genuine_encrypted_tokens():
    for key in (OAEP, AGREED, AGREED_X, WRAPPED, CBC):
        token = to_recipient(genuine(EC).encode(), key, {"cty": "JWT"})
        assert NESTED.verify(token).subject == "ada-5c02e7"
    assert SET_OF_E3(genuine(EXPONENT_3)).subject == "ada-5c02e7"
    assert HS(by_issuer(GOOD)).subject == "ada"
    assert SEVERAL(by_issuer({**GOOD, "aud": ["billing", "x"]})).subject == "ada"
    assert ACCESS(by_issuer(GOOD, {"typ": "at+jwt"})).subject == "ada"
    assert inflating(to_recipient(b"0" * 90_000, WRAPPED, deflate=True)).plaintext[:1] == b"0"


def test_a_key_set_leaves_out_a_published_key_that_is_passed_off_as_a_secret():
    for _, make in DISGUISES.values():
        member = {"kty": "oct", "alg": "HS256", "kid": "x", "k": b64(make())}
        keys = KeySet.from_jwks({"keys": [member, EC.public.to_jwk()]})
        assert [key.kid for key in keys] == ["ec"]
        assert [skipped.kid for skipped in keys.skipped] == ["x"]


def test_of_a_text_that_is_compact_and_json_at_once_only_what_was_signed_is_given():
    assert json.loads(json_signature(polyglot()).payload)["sub"] == "ada-5c02e7"


def test_every_attack_names_its_source():
    source = re.compile(r"CVE-\d{4}-\d{4,}|RFC \d{4} section \d+(\.\d+)*")
    assert [row.name for row in ATTACKS if not source.fullmatch(row.reference)] == []
