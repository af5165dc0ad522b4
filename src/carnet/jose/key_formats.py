"""The forms of a key besides JWK: PEM, DER, OpenSSH, cryptography's own objects, certificates."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from carnet.errors import InvalidKey
from carnet.jose import pem
from carnet.jose.algorithms import Algorithm, AlgorithmName
from carnet.jose.arguments import BytesLike, check_flag
from carnet.jose.certificates import (
    Chain,
    certificate_members,
    chain_of,
    check_chain,
    leaf_key,
    validate,
)
from carnet.jose.key_types import KeyType

__all__ = ["KeyFormats"]


class KeyFormats:
    """What ``Key`` has to read and write these forms."""

    __slots__ = ()

    _algorithm: Algorithm
    _material: Any
    _type: type[KeyType]
    _usage: dict[str, Any]

    @classmethod
    def _from_material(cls, material: Any, alg: str | None, kid: str | None) -> Self:
        raise NotImplementedError

    def _copy(self, usage: dict[str, Any]) -> Self:
        raise NotImplementedError

    @classmethod
    def from_pem(
        cls,
        data: str | BytesLike,
        alg: AlgorithmName | None = None,
        password: str | BytesLike | None = None,
        kid: str | None = None,
    ) -> Self:
        """Make a key from PEM: PKCS#8, PKCS#1, SEC1, SubjectPublicKeyInfo or an X.509 certificate.

        A certificate gives its public key only: neither its chain nor its dates are looked at;
        ``from_certificates`` does that.

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
        data: BytesLike,
        alg: AlgorithmName | None = None,
        password: str | BytesLike | None = None,
        kid: str | None = None,
    ) -> Self:
        """Make a key from DER, of the same kinds and with the same arguments as ``from_pem``."""
        return cls._from_material(pem.load_der(data, password), alg, kid)

    @classmethod
    def from_openssh(
        cls,
        data: str | BytesLike,
        alg: AlgorithmName | None = None,
        kid: str | None = None,
    ) -> Self:
        """Make a key from OpenSSH's own form: a private key's file, or a line such as ``id.pub``.

        Args:
            data: the text. A private key is not encrypted: ``ssh-keygen -p -m PKCS8`` writes an
                encrypted one in a form that ``from_pem`` reads with its password.
            alg: the algorithm, needed for RSA keys.
            kid: the key's identifier.

        Raises:
            InvalidKey: if the text holds no key that can be used.
        """
        return cls._from_material(pem.load_openssh(data), alg, kid)

    @classmethod
    def from_cryptography(
        cls, key: Any, alg: AlgorithmName | None = None, kid: str | None = None
    ) -> Self:
        """Make a key from a private or public key object of the package ``cryptography``.

        Args:
            key: the object, such as an ``Ed25519PrivateKey``.
            alg: the algorithm, needed for RSA, X25519 and X448 keys.
            kid: the key's identifier.

        Raises:
            InvalidKey: if it is no key that can be used.
        """
        if isinstance(key, bytes):
            raise InvalidKey("this is a shared secret: use Key.from_secret")
        return cls._from_material(key, alg, kid)

    @classmethod
    def from_certificates(
        cls,
        chain: Chain,
        alg: AlgorithmName | None = None,
        *,
        roots: Chain,
        at: datetime,
        kid: str | None = None,
    ) -> Self:
        """Make the public key of a certificate whose chain leads to a root that you trust.

        The chain is checked by RFC 5280 section 6: signatures, dates, authorities, path lengths
        and name constraints; a ``keyUsage`` must let the key sign, or encrypt. What only you can
        know is for you: whose name the certificate has, what its extended key usage says, and
        whether it was revoked.

        Args:
            chain: the key's own certificate first, as PEM text, or as a list of DER or of the
                base64 texts of ``x5c`` (RFC 7515 section 4.1.6).
            alg: the algorithm, needed for RSA keys.
            roots: the certificates that you trust, likewise; never any that came with the token.
            at: the moment at which all must be valid, a datetime with a time zone.
            kid: the key's identifier.

        Raises:
            InvalidKey: if the chain does not lead there, or its key can't be used.
            ConfigurationError: if ``at`` has no time zone.
        """
        certificates = chain_of(chain)
        key = cls._from_material(leaf_key(certificates), alg, kid)
        validate(certificates, chain_of(roots, "the roots"), at, key._algorithm.use)
        return key.with_certificates(certificates)

    def with_certificates(self, chain: Chain) -> Self:
        """Give the same key with certificates, which its JWK then has as ``x5c`` and ``x5t#S256``.

        Args:
            chain: the key's own certificate first, as PEM text, or as a list of DER or base64.

        Raises:
            InvalidKey: if the first certificate is not this key's (RFC 7517 section 4.7).
        """
        certificates = chain_of(chain)
        check_chain(certificates, self._material)
        return self._copy({**self._usage, **certificate_members(certificates)})

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The certificates that came with the key, as DER, its own first.

        Nobody has validated them, unless the key was made by ``from_certificates``.
        """
        return chain_of(self._usage["x5c"]) if "x5c" in self._usage else ()

    def to_pem(self, private: bool = False, password: str | BytesLike | None = None) -> bytes:
        """Give the key as PEM: PKCS#8 (encrypted if there is a password) or SubjectPublicKeyInfo.

        Raises:
            InvalidKey: if it has no such form.
        """
        return pem.dump(self.to_cryptography(private), "PEM", private, password)

    def to_der(self, private: bool = False, password: str | BytesLike | None = None) -> bytes:
        """Give the key as DER, in the same forms as ``to_pem``.

        Raises:
            InvalidKey: if it has no such form.
        """
        return pem.dump(self.to_cryptography(private), "DER", private, password)

    def to_openssh(self, private: bool = False) -> bytes:
        """Give the key as OpenSSH writes it; a private one is not encrypted.

        Raises:
            InvalidKey: if it has no such form: Ed25519, RSA and the NIST curves have one.
        """
        return pem.dump(self.to_cryptography(private), "OpenSSH", private, None)

    def to_cryptography(self, private: bool = False) -> Any:
        """Give the key as an object of the package ``cryptography``, the public half by default.

        Raises:
            InvalidKey: if it has no such form.
        """
        check_flag(private, "private")
        if self._type.kty == "oct":
            raise InvalidKey("a shared secret has this form only: to_jwk(private=True)")
        if not private:
            return self._type.public(self._material)
        if not self._type.is_private(self._material):
            raise InvalidKey("this key has no private half to export")
        return self._material
