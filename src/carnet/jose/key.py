"""Keys: each bound to one algorithm for life (RFC 7517, RFC 8725 section 3.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from carnet.errors import InvalidKey
from carnet.jose import pem
from carnet.jose.algorithms import ALGORITHM_OF_CURVE, ENCRYPTIONS, Algorithm
from carnet.jose.encoding import b64url_encode, json_encode
from carnet.jose.key_binding import algorithm_of_jwk, check_fit, find_algorithm, jwk_members
from carnet.jose.key_types import (
    CRYPTOGRAPHY_ERRORS,
    KEY_TYPES,
    KeyType,
    generate,
    key_type_of,
)
from carnet.jose.rsa_numbers import RSA_MAX_BITS, RSA_MIN_BITS
from carnet.jose.signatures import Operations, prepare_public, prepare_secret, prepare_signing

__all__ = ["Key", "require_key"]

MAX_KID = 256


class Key:
    """A key and the one algorithm that it is for.

    Made by ``Key.generate``, ``from_jwk``, ``from_pem``, ``from_secret`` or ``from_signer``; never
    by calling ``Key``.

    Attributes:
        alg: the algorithm, as JOSE names it.
        kid: the key's identifier, or None.
        kty: the JWK key type.
        is_private: whether it can sign or decrypt.
    """

    __slots__ = (
        "_accepts",
        "_algorithm",
        "_can_sign",
        "_can_verify",
        "_encryption",
        "_material",
        "_operations",
        "_public",
        "_sign",
        "_type",
        "_usage",
        "alg",
        "is_private",
        "kid",
        "kty",
    )

    alg: str
    kid: str | None
    kty: str
    is_private: bool
    _accepts: frozenset[str]
    _algorithm: Algorithm
    _can_sign: bool
    _can_verify: bool
    _encryption: str | None
    _material: Any
    _operations: Operations | None
    _public: Key | None
    _sign: Callable[[bytes], bytes] | None
    _type: type[KeyType]
    _usage: dict[str, Any]

    def __init__(self) -> None:
        raise InvalidKey(
            "a Key is made by Key.generate, Key.from_jwk, Key.from_pem or Key.from_secret"
        )

    @classmethod
    def generate(
        cls, alg: str, *, kid: str | None = None, size: int | None = None, crv: str | None = None
    ) -> Key:
        """Make a new private key or secret.

        Args:
            alg: a JOSE algorithm, such as ``ES256``.
            kid: the key's identifier; by default its RFC 7638 thumbprint, or for a secret a random
                name, since a secret's thumbprint is not for publishing (RFC 7638 section 7).
            size: bits, for RSA (3072 by default) and for ``dir`` secrets.
            crv: the curve, where the algorithm leaves it open (``X25519`` by default).

        Raises:
            InvalidKey: if the algorithm or a parameter is unknown.
        """
        row, encryption = find_algorithm(alg)
        kty, curve = row.kty, crv or (row.curves[0] if len(row.curves) == 1 else None)
        if kty == "AKP":
            curve = alg
        elif kty == "*" or alg == "EdDSA":
            curve = crv or ("X25519" if kty == "*" else "Ed25519")
            kty = "EC" if curve.startswith("P-") else "OKP"
        if row.curves and curve not in row.curves:
            raise InvalidKey(f"{alg} works on the curves {', '.join(row.curves)}")
        if kty == "RSA":
            amount = size or 3072
            if amount.__class__ is not int or not RSA_MIN_BITS <= amount <= RSA_MAX_BITS:
                raise InvalidKey(f"size is from {RSA_MIN_BITS} to {RSA_MAX_BITS} bits for RSA")
        elif encryption is not None:
            amount = ENCRYPTIONS[encryption].size
        else:
            amount = row.size or (size or 256) // 8
        key = cls._make(row, generate(kty, curve, amount), kid, encryption=encryption)
        if kid is None:
            import secrets

            key.kid = key.thumbprint() if kty != "oct" else secrets.token_urlsafe(12)
        return key

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any] | str | bytes, alg: str | None = None) -> Key:
        """Make a key from a JWK (RFC 7517).

        Args:
            jwk: the JWK, decoded or as JSON text.
            alg: the algorithm, needed where the JWK leaves it open; it must agree with what the
                JWK says.

        Raises:
            InvalidKey: if the JWK is not consistent, too weak, or leaves the algorithm open.
        """
        members = jwk_members(jwk)
        kty = members.get("kty")
        if not isinstance(kty, str) or kty not in KEY_TYPES:
            raise InvalidKey(f"the JWK's 'kty' must be one of {', '.join(KEY_TYPES)}")
        row, encryption = algorithm_of_jwk(members, alg)
        try:
            material = KEY_TYPES[kty].load(members, row.name)
        except CRYPTOGRAPHY_ERRORS:
            raise InvalidKey(f"the {kty} JWK is not a consistent key") from None
        key = cls._make(row, material, members.get("kid"), encryption=encryption)
        key._restrict(members)
        return key

    @classmethod
    def from_pem(
        cls,
        data: str | bytes,
        alg: str | None = None,
        password: str | bytes | None = None,
        kid: str | None = None,
    ) -> Key:
        """Make a key from PEM: PKCS#8, PKCS#1, SEC1, SubjectPublicKeyInfo or an X.509 certificate.

        A certificate gives its public key only: neither its chain nor its dates are looked at.

        Args:
            data: PEM text.
            alg: the algorithm, needed for RSA, X25519 and X448 keys.
            password: of an encrypted private key.
            kid: the key's identifier.

        Raises:
            InvalidKey: if the text holds no key that can be used.
        """
        return cls._from_material(pem.load_pem(data, password), alg, kid)

    @classmethod
    def from_der(
        cls,
        data: bytes,
        alg: str | None = None,
        password: str | bytes | None = None,
        kid: str | None = None,
    ) -> Key:
        """Make a key from DER, of the same kinds and with the same arguments as ``from_pem``."""
        return cls._from_material(pem.load_der(data, password), alg, kid)

    @classmethod
    def from_secret(cls, secret: bytes, alg: str, kid: str | None = None) -> Key:
        """Make a shared-secret key for HMAC or AES.

        Args:
            secret: random bytes, at least as long as the hash for HMAC (RFC 7518 section 3.2),
                exactly the algorithm's size for AES.
            alg: the algorithm, such as ``HS256`` or ``A256KW``.
            kid: the key's identifier.

        Raises:
            InvalidKey: if the secret is too short, of the wrong length, or the text of another key.
        """
        if not isinstance(secret, bytes | bytearray | memoryview):
            raise InvalidKey("a secret is bytes; for text that was agreed upon, encode it first")
        row, encryption = find_algorithm(alg)
        if row.kty != "oct":
            raise InvalidKey(f"{alg} needs a {row.kty} key, not a shared secret")
        return cls._make(row, bytes(secret), kid, encryption=encryption)

    @classmethod
    def from_signer(cls, public: Key, sign: Callable[[bytes], bytes]) -> Key:
        """Make a private key whose operation is done elsewhere: a KMS or an HSM.

        Args:
            public: the public half; its algorithm and ``kid`` are taken over.
            sign: takes the signing input, gives the signature in JWS form (for ECDSA ``r ‖ s``,
                RFC 7518 section 3.4). It is called once a signature, in the caller's thread. Its
                first signature is verified.

        Raises:
            InvalidKey: if ``public`` is not a public signature key.
        """
        if require_key(public).is_private or public._algorithm.use != "sig":
            raise InvalidKey("from_signer takes the public half of a signature key")
        key = cls._make(public._algorithm, public._material, public.kid)
        key.is_private = True
        key._public = public
        key._sign = _proven(sign, public)
        key._can_sign = True
        return key

    @classmethod
    def _from_material(cls, material: Any, alg: str | None, kid: str | None) -> Key:
        kind = key_type_of(material)
        kind.check(material)
        name = alg or ALGORITHM_OF_CURVE.get(kind.curve(material) or "")
        if kind.kty == "AKP":
            name = alg or kind.curve(material)
        if name is None:
            raise InvalidKey(
                f"this {kind.kty} key leaves its algorithm open: pass alg=, such as "
                + ("'RS256'" if kind.kty == "RSA" else "'ECDH-ES'")
            )
        row, _ = find_algorithm(name)
        return cls._make(row, material, kid)

    @classmethod
    def _make(
        cls, row: Algorithm, material: Any, kid: object, *, encryption: str | None = None
    ) -> Key:
        kind = key_type_of(material)
        kind.check(material)
        check_fit(row, kind.kty, material, encryption)
        if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID):
            raise InvalidKey(f"a 'kid' is text of 1 to {MAX_KID} characters")
        key = object.__new__(cls)
        key.alg = encryption or row.name
        key.kid = kid
        key.kty = kind.kty
        key.is_private = kind.is_private(material)
        key._algorithm = row
        key._encryption = encryption
        key._material = material
        key._type = kind
        key._usage = {}
        key._public = None
        key._accepts = frozenset((row.name, *row.also_verifies))
        if row.name == "EdDSA":
            key._accepts = frozenset(("EdDSA", str(kind.curve(material))))
        key._can_sign = row.use == "sig" and key.is_private
        key._can_verify = row.use == "sig"
        key._sign = None
        key._operations = None
        if row.family == "HMAC":
            key._sign, key._operations = prepare_secret(row, material)
        elif row.use == "sig":
            key._operations = prepare_public(row, kind.public(material))
            if key.is_private:
                key._sign = prepare_signing(row, material)
        return key

    def _restrict(self, members: Mapping[str, Any]) -> None:
        """Take over what the JWK says of its use (RFC 7517 sections 4.2 and 4.3)."""
        use, operations = members.get("use"), members.get("key_ops")
        row = self._algorithm
        if use is not None:
            if not isinstance(use, str):
                raise InvalidKey("the JWK's 'use' must be text")
            if use != row.use:
                raise InvalidKey(f"the JWK's 'use' must be '{row.use}' for a key of {self.alg}")
            self._usage["use"] = use
        if operations is not None:
            if (
                not isinstance(operations, list)
                or not all(isinstance(name, str) for name in operations)
                or len(set(operations)) != len(operations)
            ):
                raise InvalidKey("the JWK's 'key_ops' must be a list of different names")
            self._usage["key_ops"] = operations
            self._can_sign = self._can_sign and "sign" in operations
            self._can_verify = self._can_verify and "verify" in operations

    @property
    def public(self) -> Key:
        """The public half, or the key itself where it is public already.

        Raises:
            InvalidKey: for a shared secret, which has none.
        """
        if not self.is_private:
            return self
        if self._public is None:
            material = self._type.public(self._material)
            self._public = Key._make(
                self._algorithm, material, self.kid, encryption=self._encryption
            )
            if "use" in self._usage:
                self._public._usage["use"] = self._usage["use"]
        return self._public

    def to_jwk(self, private: bool = False) -> dict[str, Any]:
        """Give the key as a JWK.

        Args:
            private: include the private members or the secret.

        Raises:
            InvalidKey: if the private half is asked for and isn't here, or if a shared secret is
                to be given without ``private=True``.
        """
        if private and not self.is_private:
            raise InvalidKey("this is a public key: it has no private members to give")
        if private and not self._type.is_private(self._material):
            raise InvalidKey("the private half of this key is kept elsewhere")
        if not private and self.is_private and self.kty != "oct":
            return self.public.to_jwk()
        if not private and self.kty == "oct":
            raise InvalidKey("a shared secret has no public form: pass private=True to export it")
        jwk: dict[str, Any] = {"kty": self.kty, "alg": self.alg}
        if self.kid is not None:
            jwk["kid"] = self.kid
        jwk["use"] = self._algorithm.use
        jwk.update(self._usage)
        jwk.update(self._type.dump(self._material, private))
        return jwk

    def to_pem(self, private: bool = False, password: str | bytes | None = None) -> bytes:
        """Give the key as PEM: PKCS#8 (encrypted if there is a password) or SubjectPublicKeyInfo.

        Raises:
            InvalidKey: if it has no such form.
        """
        if self.kty == "oct":
            raise InvalidKey("a shared secret has no PEM form")
        if private and not self._type.is_private(self._material):
            raise InvalidKey("this key has no private half to export")
        return pem.dump(self._material if private else self.public._material, private, password)

    def thumbprint(self, algorithm: str = "sha256") -> str:
        """Give the JWK thumbprint, base64url (RFC 7638); ``algorithm`` is a hash's name.

        Raises:
            InvalidKey: if the hash is not one of sha256, sha384, sha512.
        """
        if algorithm not in ("sha256", "sha384", "sha512"):
            raise InvalidKey("a thumbprint's hash is one of sha256, sha384, sha512")
        members = {"kty": self.kty, "alg": self.alg, **self._type.dump(self._material, False)}
        required = {name: members[name] for name in self._type.thumbprint_members}
        return b64url_encode(hashlib.new(algorithm, json_encode(required)).digest())

    def thumbprint_uri(self, algorithm: str = "sha256") -> str:
        """Give the thumbprint as a URI (RFC 9278)."""
        name = algorithm.replace("sha", "sha-")
        return f"urn:ietf:params:oauth:jwk-thumbprint:{name}:{self.thumbprint(algorithm)}"

    def signing(self) -> Callable[[bytes], bytes]:
        """Give the prepared operation that signs bytes.

        Raises:
            InvalidKey: if this key can't sign.
        """
        if not self._can_sign or self._sign is None:
            raise InvalidKey(f"this {self.alg} key can't sign: a private signature key is needed")
        return self._sign

    def verifying(self) -> Operations:
        """Give the prepared operations that verify.

        Raises:
            InvalidKey: if this key can't verify.
        """
        if not self._can_verify or self._operations is None:
            raise InvalidKey(f"this {self.alg} key can't verify signatures")
        return self._operations

    def __repr__(self) -> str:
        half = "secret" if self.kty == "oct" else "private" if self.is_private else "public"
        return f"<Key {self.alg} {half} kid={self.kid!r}>"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Key)
            and self.alg == other.alg
            and self.kid == other.kid
            and self.is_private == other.is_private
            and self.thumbprint() == other.thumbprint()
        )

    def __hash__(self) -> int:
        return hash((self.alg, self.kid, self.is_private, self.thumbprint()))

    def __reduce__(self) -> str:
        raise InvalidKey("keys are not pickled: hand them over with to_jwk or to_pem")


def require_key(value: object) -> Key:
    """Check that a value is a Key.

    Raises:
        InvalidKey: if it is something else.
    """
    if not isinstance(value, Key):
        raise InvalidKey("a key is a Key, made by Key.generate, from_jwk, from_pem or from_secret")
    return value


def _proven(sign: Callable[[bytes], bytes], public: Key) -> Callable[[bytes], bytes]:
    """Verify the first signature that comes from elsewhere: a wrong key or form is told at once."""
    verify = public.verifying().verify
    proven = False

    def checked(data: bytes) -> bytes:
        nonlocal proven
        signature = sign(data)
        if not proven:
            if not isinstance(signature, bytes) or not verify(data, signature):
                raise InvalidKey(
                    f"the signer's signature does not fit its public key: expected the form of "
                    f"{public.alg} in JWS (RFC 7518 section 3; for ECDSA r and s, not DER)"
                )
            proven = True
        return signature

    return checked
