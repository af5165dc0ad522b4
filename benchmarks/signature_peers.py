"""Packages that sign and verify tokens, each brought to the same two calls.

``sign()`` makes a token with a fresh ``iat`` and ``exp``; ``verify(token)`` gives its claims after
checking the signature, ``iss``, ``aud`` and ``exp``. Keys are prepared beforehand wherever a
package can keep them prepared.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from secrets import token_hex
from time import time
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from carnet import Key, Signer, Verifier
from carnet.jose import jws
from carnet.jose.encoding import json_encode

__all__ = ["PEERS", "Bare", "Pair", "Peer", "Subject", "bare"]

ISSUER = "https://auth.example.com"
AUDIENCE = "orders"
LIFETIME = 300
OWN_CLAIMS = {"sub": "1dfee8d8-98a5-4314-b4ae-fb55c4b18845", "role": "ADMIN", "name": "Ada"}


def claims_now() -> dict[str, Any]:
    """Give the claims that each package signs."""
    now = int(time())
    return {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + LIFETIME, **OWN_CLAIMS}


@dataclass(frozen=True)
class Subject:
    """The key that all packages use for one algorithm, and the tokens that they verify."""

    alg: str
    key: Key
    secret: bytes = b""
    """The shared secret, printable, where the algorithm has one."""

    @classmethod
    def make(cls, alg: str) -> Subject:
        """Make a key for an algorithm: RSA keys have 2048 bits, secrets 64 bytes of text."""
        if alg.startswith("HS"):
            secret = token_hex(32).encode()
            return cls(alg, Key.from_secret(secret, alg, kid="bench"), secret)
        size = 2048 if alg.startswith(("RS", "PS")) else None
        return cls(alg, Key.generate(alg, size=size))

    def token(self, leave_out: Collection[str] = (), **changes: Any) -> str:
        """Make a token that lives for an hour, with some claims changed or one left out."""
        claims = claims_now() | {"exp": int(time()) + 3600} | changes
        claims = {name: value for name, value in claims.items() if name not in leave_out}
        return jws.sign(json_encode(claims), self.key, {"typ": "JWT"})

    @property
    def header(self) -> dict[str, Any]:
        return {"alg": self.alg, "typ": "JWT", "kid": self.key.kid}

    @property
    def private_pem(self) -> bytes:
        return self.key.to_pem(private=True) if not self.secret else b""

    @property
    def public_pem(self) -> bytes:
        return self.key.public.to_pem() if not self.secret else b""

    @property
    def private(self) -> Any:
        """The private key as an object of ``cryptography``."""
        return serialization.load_pem_private_key(self.private_pem, None)

    def named(self, alg: str) -> Subject:
        """Give the same key under another name of its algorithm."""
        if alg == self.alg:
            return self
        jwk = self.key.to_jwk(private=True)
        del jwk["alg"]
        return Subject(alg, Key.from_jwk(jwk, alg))


@dataclass(frozen=True)
class Pair:
    """A package's two calls."""

    sign: Callable[[], Any]
    verify: Callable[[str], Any]


@dataclass(frozen=True)
class Bare:
    """The two operations alone, over bytes and objects that are ready."""

    sign: Callable[[], Any]
    verify: Callable[[], Any]


@dataclass(frozen=True)
class Peer:
    """A package: the module to import, how to prepare it, and what it calls the algorithms."""

    name: str
    module: str
    prepare: Callable[[Subject], Pair]
    algorithms: Mapping[str, str] = field(default_factory=dict)
    leaves_out: tuple[str, ...] = ()
    """Claims that the package's tokens must not carry for it to take them."""

    @property
    def installed(self) -> bool:
        try:
            import_module(self.module)
        except ImportError:
            return False
        return True


def _carnet(subject: Subject, cache: int = 0) -> Pair:
    signer = Signer(subject.key, issuer=ISSUER, audience=AUDIENCE, lifetime=LIFETIME)
    key = subject.key if subject.secret else subject.key.public
    verifier = Verifier(key, issuer=ISSUER, audience=AUDIENCE, cache=cache)
    return Pair(partial(signer.sign, OWN_CLAIMS), verifier.verify)


def _pyjwt(subject: Subject) -> Pair:
    import jwt

    private: Any = subject.secret or subject.private
    public: Any = subject.secret or private.public_key()
    headers = {"kid": subject.key.kid}
    options = {"require": ["exp", "iss", "aud"]}
    return Pair(
        lambda: jwt.encode(claims_now(), private, subject.alg, headers),
        lambda token: jwt.decode(
            token,
            public,
            algorithms=[subject.alg],
            issuer=ISSUER,
            audience=AUDIENCE,
            options=options,
        ),
    )


def _joserfc(subject: Subject) -> Pair:
    from joserfc import jwk, jwt

    key = jwk.import_key(subject.key.to_jwk(private=True))
    algorithms, header = [subject.alg], subject.header
    policy = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
    )

    def verify(token: str) -> Any:
        found = jwt.decode(token, key, algorithms)
        policy.validate(found.claims)
        return found.claims

    return Pair(lambda: jwt.encode(header, claims_now(), key, algorithms), verify)


def _jwcrypto(subject: Subject) -> Pair:
    from jwcrypto import jwk, jwt

    key = jwk.JWK(**subject.key.to_jwk(private=True))
    algorithms, header = [subject.alg], subject.header

    def sign() -> Any:
        token = jwt.JWT(header=header, claims=claims_now(), algs=algorithms)
        token.make_signed_token(key)
        return token.serialize()

    def verify(token: str) -> Any:
        checks = {"iss": ISSUER, "aud": AUDIENCE, "exp": None}
        found = jwt.JWT(check_claims=checks, algs=algorithms)
        found.leeway = 0
        found.deserialize(token, key)
        return json.loads(found.claims)

    return Pair(sign, verify)


def _python_jose(subject: Subject) -> Pair:
    from jose import jwk, jwt

    secret = subject.secret.decode()
    private = jwk.construct(secret or subject.private_pem.decode(), subject.alg)
    public = jwk.construct(secret or subject.public_pem.decode(), subject.alg)
    headers = {"kid": subject.key.kid}
    options = {"require_exp": True, "require_iss": True, "require_aud": True}
    return Pair(
        lambda: jwt.encode(claims_now(), private, subject.alg, headers),
        lambda token: jwt.decode(
            token,
            public,
            algorithms=[subject.alg],
            issuer=ISSUER,
            audience=AUDIENCE,
            options=options,
        ),
    )


def _jwtoxide(subject: Subject) -> Pair:
    import jwtoxide

    loaders = {"oct": "from_secret", "RSA": "from_rsa_pem", "EC": "from_ec_pem"}
    loader = loaders.get(subject.key.kty, "from_ed_pem")
    load_private = getattr(jwtoxide.EncodingKey, loader)
    load_public = getattr(jwtoxide.DecodingKey, loader)
    encoding = load_private(subject.secret or subject.private_pem.decode())
    decoding = load_public(subject.secret or subject.public_pem.decode())
    options = jwtoxide.ValidationOptions(
        aud={AUDIENCE},
        iss={ISSUER},
        required_spec_claims={"exp", "iss", "aud"},
        leeway_seconds=0,
        algorithms=[subject.alg],
    )
    return Pair(
        lambda: jwtoxide.encode(claims_now(), encoding, subject.alg),
        lambda token: jwtoxide.decode(token, decoding, options),
    )


def _rsjwt(subject: Subject) -> Pair:
    import rsjwt

    tool = rsjwt.JWT(subject.secret.decode(), algorithm=subject.alg)

    def verify(token: str) -> Any:
        claims = tool.decode(token)
        if claims["iss"] != ISSUER:
            raise ValueError("another issuer")
        return claims

    return Pair(lambda: tool.encode(claims_now()), verify)


def _same(*names: str, **others: str) -> dict[str, str]:
    return {name: name for name in names} | others


_HMAC = ("HS256", "HS512")
_COMMON = (*_HMAC, "RS256", "PS256", "ES256", "ES384")

PEERS: tuple[Peer, ...] = (
    Peer("carnet", "carnet", _carnet, _same(*_COMMON, "Ed25519", "ML-DSA-65")),
    Peer(
        "carnet, cached",
        "carnet",
        partial(_carnet, cache=1_000_000),
        _same(*_COMMON, "Ed25519", "ML-DSA-65"),
    ),
    Peer("PyJWT", "jwt", _pyjwt, _same(*_COMMON, Ed25519="EdDSA")),
    Peer("joserfc", "joserfc", _joserfc, _same(*_COMMON, "Ed25519")),
    Peer("jwcrypto", "jwcrypto", _jwcrypto, _same(*_COMMON, "Ed25519", "ML-DSA-65")),
    Peer("python-jose", "jose", _python_jose, _same(*_HMAC, "RS256", "ES256", "ES384")),
    Peer("jwtoxide (Rust)", "jwtoxide", _jwtoxide, _same(*_COMMON, Ed25519="EdDSA")),
    Peer("rsjwt (Rust)", "rsjwt", _rsjwt, _same(*_HMAC), leaves_out=("aud",)),
)


def bare(subject: Subject, token: str) -> Bare:
    """Give the bare operations over the token's own bytes, with prepared objects."""
    message = token.rpartition(".")[0].encode()
    return _BARE[subject.alg](subject, message)


def _bare_hmac(name: str, subject: Subject, message: bytes) -> Bare:
    operation = partial(hmac.digest, subject.secret, message, name)
    return Bare(operation, operation)


def _bare_public(parameters: tuple[Any, ...], subject: Subject, message: bytes) -> Bare:
    private = subject.private
    signature = private.sign(message, *parameters)
    verify = partial(private.public_key().verify, signature, message, *parameters)
    return Bare(partial(private.sign, message, *parameters), verify)


_SHA256, _SHA384 = hashes.SHA256(), hashes.SHA384()

_BARE: dict[str, Callable[[Subject, bytes], Bare]] = {
    "HS256": partial(_bare_hmac, "sha256"),
    "HS512": partial(_bare_hmac, "sha512"),
    "RS256": partial(_bare_public, (padding.PKCS1v15(), _SHA256)),
    "PS256": partial(_bare_public, (padding.PSS(padding.MGF1(_SHA256), 32), _SHA256)),
    "ES256": partial(_bare_public, (ec.ECDSA(_SHA256),)),
    "ES384": partial(_bare_public, (ec.ECDSA(_SHA384),)),
    "Ed25519": partial(_bare_public, ()),
    "ML-DSA-65": partial(_bare_public, ()),
}
