"""Keys: each bound to one algorithm for life (RFC 7517, RFC 8725 section 3.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any, Self

from carnet.errors import ConfigurationError, InvalidKey
from carnet.jose.algorithms import ALGORITHM_OF_CURVE, Algorithm, AlgorithmName
from carnet.jose.arguments import BytesLike, bytes_of, check_flag
from carnet.jose.encoding import b64url_encode, json_encode
from carnet.jose.key_binding import (
    algorithm_of_jwk,
    allowed_actions,
    check_fit,
    check_kid,
    find_algorithm,
    jwk_members,
    load_material,
    usage_of_jwk,
)
from carnet.jose.key_formats import KeyFormats
from carnet.jose.key_generation import generated
from carnet.jose.key_types import KeyType, key_type_of
from carnet.jose.signatures import (
    Operations,
    prepare_public,
    prepare_secret,
    prepare_signing,
    proven,
)

__all__ = ["Key", "keys_of_jwk", "material_of"]


class Key(KeyFormats):
    """A key and the one algorithm that it is for.

    Made by ``Key.generate`` or one of the methods that begin with ``from_``; never by calling
    ``Key``. Nothing of it can be changed.
    """

    __slots__ = (
        "_accepts",
        "_algorithm",
        "_allowed",
        "_encryption",
        "_is_private",
        "_kid",
        "_material",
        "_operations",
        "_public",
        "_sign",
        "_type",
        "_usage",
    )

    _accepts: frozenset[str]
    _algorithm: Algorithm
    _allowed: frozenset[str]
    _encryption: str | None
    _is_private: bool
    _kid: str | None
    _material: Any
    _operations: Operations | None
    _public: Key | None
    _sign: Callable[[bytes], bytes] | None
    _type: type[KeyType]
    _usage: dict[str, Any]

    def __init__(self) -> None:
        raise InvalidKey(
            "make a Key with Key.generate, Key.from_jwk, Key.from_pem or Key.from_secret"
        )

    @classmethod
    def generate(
        cls,
        alg: AlgorithmName,
        *,
        kid: str | None = None,
        size: int | None = None,
        crv: str | None = None,
    ) -> Key:
        """Make a new private key or secret.

        Args:
            alg: a JOSE algorithm, such as ``ES256``.
            kid: the key's identifier; by default its RFC 7638 thumbprint, or for a secret a random
                name, since a secret's thumbprint is not for publishing (RFC 7638 section 7).
            size: bits, for RSA (2048 to 8192, 3072 by default) and for secrets whose algorithm
                leaves it open (256 by default).
            crv: the curve, where the algorithm leaves it open (``X25519`` by default).

        Raises:
            InvalidKey: if the algorithm or a parameter is unknown.
        """
        check_kid(kid)
        row, encryption, material = generated(alg, size, crv)
        if kid is None and isinstance(material, bytes):
            import secrets

            kid = secrets.token_urlsafe(12)
        key = cls._make(row, material, kid, encryption=encryption)
        if kid is None:
            key._kid = key.thumbprint()
        return key

    @classmethod
    def from_jwk(
        cls,
        jwk: Mapping[str, Any] | str | BytesLike,
        alg: AlgorithmName | None = None,
        *,
        public: bool = False,
    ) -> Key:
        """Make a key from a JWK (RFC 7517).

        Args:
            jwk: the JWK, decoded or as JSON text.
            alg: the algorithm, needed where the JWK leaves it open; it must agree with what the
                JWK says.
            public: refuse a JWK with private members before anything of it is loaded. For a key
                that others have sent: loading a private one takes long.

        Raises:
            InvalidKey: if the JWK is not consistent, too weak, or leaves the algorithm open.
        """
        check_flag(public, "public")
        members = jwk_members(jwk, public)
        row, encryption = algorithm_of_jwk(members, alg)
        return cls._of_jwk(row, encryption, load_material(members), members)

    @classmethod
    def _of_jwk(
        cls, row: Algorithm, encryption: str | None, material: Any, members: Mapping[str, Any]
    ) -> Key:
        usage = usage_of_jwk(members, row)
        key = cls._make(row, material, members.get("kid"), encryption=encryption)
        key._usage = usage
        key._allowed = allowed_actions(row, key.is_private, usage.get("key_ops"))
        return key

    @classmethod
    def from_secret(cls, secret: BytesLike, alg: AlgorithmName, kid: str | None = None) -> Key:
        """Make a shared-secret key for HMAC or AES.

        Args:
            secret: random bytes, at least as long as the hash for HMAC (RFC 7518 section 3.2),
                exactly the algorithm's size for AES.
            alg: the algorithm, such as ``HS256`` or ``A256KW``.
            kid: the key's identifier.

        Raises:
            InvalidKey: if the secret is too short, of the wrong length, or the text of another key.
        """
        raw = bytes_of(secret)
        if raw is None:
            raise InvalidKey("a secret must be bytes; encode a secret that is text first")
        row, encryption = find_algorithm(alg)
        if row.kty != "oct":
            raise InvalidKey(f"{alg} needs a {row.kty} key, not a shared secret")
        return cls._make(row, raw, kid, encryption=encryption)

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
        if not isinstance(public, Key):
            raise InvalidKey("from_signer needs a Key: the public half of a signature key")
        if public.is_private or public._algorithm.use != "sig":
            raise InvalidKey("from_signer needs the public half of a signature key")
        if not callable(sign):
            raise ConfigurationError(
                "sign must be a function that takes bytes and returns a signature"
            )
        key = cls._make(public._algorithm, public._material, public.kid)
        key._is_private = True
        key._public = public
        key._usage = _of_both_halves(public._usage)
        key._sign = proven(sign, public.verifying().verify, public.alg)
        key._allowed = allowed_actions(public._algorithm, True, None)
        return key

    @classmethod
    def _from_material(cls, material: Any, alg: str | None, kid: str | None) -> Self:
        kind = key_type_of(material)
        kind.check(material)
        curve = kind.curve(material) or ""
        meant: str | None = curve if kind.kty == "AKP" else ALGORITHM_OF_CURVE.get(curve)
        name = meant if alg is None else alg
        if name is None:
            raise InvalidKey(
                f"this {kind.kty} key leaves its algorithm open: pass alg=, such as "
                + ("'RS256'" if kind.kty == "RSA" else "'ECDH-ES'")
            )
        row, _ = find_algorithm(name)
        return cls._make(row, material, kid)

    @classmethod
    def _make(
        cls, row: Algorithm, material: Any, kid: str | None, *, encryption: str | None = None
    ) -> Self:
        kind = key_type_of(material)
        kind.check(material)
        check_fit(row, kind.kty, material, encryption)
        check_kid(kid)
        key = object.__new__(cls)
        key._kid = kid
        key._is_private = kind.is_private(material)
        key._algorithm = row
        key._encryption = encryption
        key._material = material
        key._type = kind
        key._usage = {}
        key._public = None
        key._accepts = frozenset((row.name, *row.also_verifies))
        if row.name == "EdDSA":
            key._accepts = frozenset(("EdDSA", str(kind.curve(material))))
        key._allowed = allowed_actions(row, key._is_private, None)
        key._sign = None
        key._operations = None
        if row.family == "HMAC":
            key._sign, key._operations = prepare_secret(row, material)
        elif row.use == "sig":
            key._operations = prepare_public(row, kind.public(material))
            if key._is_private:
                key._sign = prepare_signing(row, material)
        return key

    def _copy(self, usage: dict[str, Any]) -> Self:
        copy = object.__new__(type(self))
        for name in Key.__slots__:
            setattr(copy, name, getattr(self, name))
        copy._usage, copy._public = usage, None
        return copy

    @property
    def alg(self) -> str:
        """The algorithm, as JOSE names it; the content encryption of a key bound to one."""
        return self._encryption or self._algorithm.name

    @property
    def kid(self) -> str | None:
        """The key's identifier, or None."""
        return self._kid

    @property
    def kty(self) -> str:
        """The JWK key type: ``EC``, ``RSA``, ``OKP``, ``AKP`` or ``oct``."""
        return self._type.kty

    @property
    def is_private(self) -> bool:
        """Whether it can sign or decrypt, if its ``key_ops`` let it."""
        return self._is_private

    @property
    def algorithm(self) -> Algorithm:
        """All that is known of the algorithm; ``dir`` for a key bound to a content encryption."""
        return self._algorithm

    @property
    def encryption(self) -> str | None:
        """The content encryption that a ``dir`` key is bound to, or None."""
        return self._encryption

    @property
    def can_sign(self) -> bool:
        """Whether it may sign (RFC 7517 section 4.3)."""
        return "sign" in self._allowed

    @property
    def can_verify(self) -> bool:
        """Whether it may verify signatures (RFC 7517 section 4.3)."""
        return "verify" in self._allowed

    @property
    def can_encrypt(self) -> bool:
        """Whether it may encrypt (RFC 7517 section 4.3)."""
        return "encrypt" in self._allowed

    @property
    def can_decrypt(self) -> bool:
        """Whether it may decrypt (RFC 7517 section 4.3)."""
        return "decrypt" in self._allowed

    def accepts(self, alg: str) -> bool:
        """Tell whether a header's ``alg`` means this key's algorithm: its name, or an older one."""
        return isinstance(alg, str) and alg in self._accepts

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
            self._public._usage = _of_both_halves(self._usage)
        return self._public

    def to_jwk(self, private: bool = False) -> dict[str, Any]:
        """Give the key as a JWK.

        Args:
            private: include the private members or the secret.

        Raises:
            InvalidKey: if the private half is asked for and isn't here, or if a shared secret is
                to be given without ``private=True``.
        """
        check_flag(private, "private")
        if private and not self.is_private:
            raise InvalidKey("this is a public key: it has no private members to export")
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
        jwk.update({name: deepcopy(value) for name, value in self._usage.items()})
        jwk.update(self._type.dump(self._material, private))
        return jwk

    def thumbprint(self, algorithm: str = "sha256") -> str:
        """Give the JWK thumbprint, base64url (RFC 7638); ``algorithm`` is a hash's name.

        Raises:
            InvalidKey: if the hash is not one of sha256, sha384, sha512.
        """
        if algorithm not in ("sha256", "sha384", "sha512"):
            raise InvalidKey("a thumbprint's hash must be sha256, sha384 or sha512")
        members = {"kty": self.kty, "alg": self.alg, **self._type.dump(self._material, False)}
        required = {name: members[name] for name in self._type.thumbprint_members}
        return b64url_encode(hashlib.new(algorithm, json_encode(required)).digest())

    def thumbprint_uri(self, algorithm: str = "sha256") -> str:
        """Give the thumbprint as a URI (RFC 9278)."""
        thumbprint = self.thumbprint(algorithm)
        name = algorithm.replace("sha", "sha-")
        return f"urn:ietf:params:oauth:jwk-thumbprint:{name}:{thumbprint}"

    def signing(self) -> Callable[[bytes], bytes]:
        """Give the prepared operation that signs bytes.

        Raises:
            InvalidKey: if this key can't sign.
        """
        if not self.can_sign or self._sign is None:
            raise InvalidKey(f"this {self.alg} key can't sign: a private signature key is needed")
        return self._sign

    def verifying(self) -> Operations:
        """Give the prepared operations that verify.

        Raises:
            InvalidKey: if this key can't verify.
        """
        if not self.can_verify or self._operations is None:
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
        raise InvalidKey("keys can't be pickled: pass them on with to_jwk or to_pem")


def _of_both_halves(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a JWK says that holds for either half: its operations are those of one."""
    return {name: value for name, value in usage.items() if name != "key_ops"}


def keys_of_jwk(
    jwk: Mapping[str, Any], algorithms: Iterable[str] | None, public: bool
) -> list[Key]:
    """Make the keys of one member of a key set: one, or where it names no ``alg`` one for each.

    It is loaded once, however many algorithms there are.

    Args:
        jwk: the JWK.
        algorithms: what a key may be for; None takes what the JWK says.
        public: refuse private members before anything is loaded.

    Raises:
        InvalidKey: if it is no key for any of them.
    """
    if algorithms is None:
        return [Key.from_jwk(jwk, public=public)]
    members = jwk_members(jwk, public)
    if "alg" in members:
        key = Key.from_jwk(members)
        if not key._accepts.intersection(algorithms):
            raise InvalidKey(
                f"the key is for {key.alg}, which is not among the algorithms asked for"
            )
        return [key]
    material = load_material(members)
    keys: list[Key] = []
    reasons: list[InvalidKey] = []
    for alg in algorithms:
        try:
            keys.append(Key._of_jwk(*algorithm_of_jwk(members, alg), material, members))
        except InvalidKey as error:
            reasons.append(error)
    if not keys:
        raise reasons[0] if reasons else InvalidKey("algorithms names no algorithm")
    return keys


def material_of(key: Key) -> Any:
    """Give what ``cryptography`` works with: bytes for a secret, else its key object."""
    return key._material
