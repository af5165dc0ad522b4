"""JSON Web Encryption: compact and JSON serializations (RFC 7516).

Decryption proves nothing about who wrote a message: anybody can encrypt to a public key. For
tokens, use ``Verifier``, which accepts an encrypted token only with its inner signature.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from carnet.errors import ConfigurationError, InvalidKey, InvalidToken
from carnet.jose import content_encryption
from carnet.jose.algorithms import ENCRYPTIONS, AlgorithmName, Encryption, EncryptionName
from carnet.jose.arguments import (
    BytesLike,
    as_bytes,
    check_count,
    check_flag,
    check_header_argument,
    check_names,
)
from carnet.jose.compression import deflate, failed, inflate
from carnet.jose.content_encryption import DecryptionFailed
from carnet.jose.encoding import b64url_decode, b64url_encode, b64url_encode_bytes, json_encode
from carnet.jose.header import (
    Extensions,
    check_crit,
    check_extensions,
    check_header,
    handle_extensions,
    invalid,
)
from carnet.jose.key import Key
from carnet.jose.key_arguments import require_key, require_parties
from carnet.jose.key_management import FAMILIES, MAX_ITERATIONS
from carnet.jose.key_set import KeySet
from carnet.jose.serialization import (
    MAX_ENTRIES,
    MAX_TOKEN,
    Budget,
    encode_header,
    entries_of,
    join_headers,
    plain_header,
    read_document,
    read_header,
    read_protected,
    text_member,
    token_bytes,
)

__all__ = ["Decrypted", "Recipient", "decrypt", "decrypt_json", "encrypt", "encrypt_json"]

MAX_CANDIDATES = 4
MAX_TRIES = 16
"""How often a key may be tried on the recipients of one token."""


class Decrypted(NamedTuple):
    """A plaintext and what it came with; who wrote it is not proved.

    Attributes:
        plaintext: the decrypted bytes.
        header: the header.
        key: the key that decrypted it.
    """

    plaintext: bytes
    header: dict[str, Any]
    key: Key


def encrypt(
    plaintext: BytesLike,
    key: Key,
    enc: EncryptionName = "A256GCM",
    header: Mapping[str, Any] | None = None,
    zip: Literal["DEF"] | None = None,
    *,
    extensions: Collection[str] = (),
) -> str:
    """Encrypt bytes into a compact JWE (RFC 7516 section 5.1).

    Args:
        plaintext: the bytes to encrypt.
        key: the recipient's public key, or a shared secret.
        enc: the content encryption; a key bound to one decides itself.
        header: more header parameters; ``alg``, ``enc`` and ``kid`` come from key and ``enc``.
        zip: ``DEF`` compresses first, which tells an attacker who can choose part of the plaintext
            something about the rest (RFC 8725 section 3.6).
        extensions: names of your own that ``crit`` may hold, since whoever decrypts handles them
            (RFC 7516 section 4.1.13).

    Raises:
        InvalidKey: if the key can't encrypt.
        InvalidToken: if the header can't stand in a token that ``decrypt`` accepts.
    """
    plaintext = as_bytes(plaintext, "plaintext")
    check_names(extensions, "extensions")
    encryption = _encryption(require_key(key), enc)
    protected: dict[str, Any] = {"alg": key.algorithm.name, "enc": encryption.name}
    if key.kid is not None:
        protected["kid"] = key.kid
    if zip is not None:
        protected["zip"] = zip
    for name, value in check_header_argument(header, "header").items():
        if name in ("alg", "enc") and value != protected[name]:
            raise invalid(name, "what the key and enc= say")
        protected[name] = value
    packed = deflate(plaintext, protected.get("zip"))
    check_header(protected)
    cek, wrapped, more = wrap(key, encryption, protected, None)
    protected.update(more)
    if header is None:
        head = b64url_encode_bytes(json_encode(protected))
    else:
        _, head = encode_header(protected, extensions)
    iv, ciphertext, tag = content_encryption.encrypt(encryption, cek, packed, head)
    parts = (wrapped, iv, ciphertext, tag)
    return b".".join((head, *(b64url_encode_bytes(part) for part in parts))).decode("ascii")


def decrypt(
    token: str | BytesLike,
    keys: Key | KeySet,
    *,
    allow_weak: Collection[AlgorithmName] = (),
    max_inflated: int = 0,
    max_size: int = MAX_TOKEN,
    extensions: Extensions | None = None,
) -> Decrypted:
    """Decrypt a compact JWE (RFC 7516 section 5.2).

    Args:
        token: the compact serialization.
        keys: a private key or secret, or a set in which ``kid`` and ``alg`` choose.
        allow_weak: of RSA1_5 and the PBES2 algorithms, those to read all the same.
        max_inflated: bytes that a compressed plaintext may have; 0 refuses compression.
        max_size: characters that the token may have.
        extensions: for each name of your own that ``crit`` may hold, a function that is called with
            the parameter's value once the token is decrypted, and gives True where it has handled
            it; anything else is refused, as are other names (RFC 7516 section 4.1.13).

    Raises:
        InvalidToken: ``decryption_failed`` for every failure that depends on a key.
    """
    reading = _Reading(keys, allow_weak, max_inflated)
    own = check_extensions(extensions)
    raw = token_bytes(token, max_size)
    parts = raw.split(b".", 5)
    if len(parts) != 5 or not parts[0]:
        raise InvalidToken(
            "the token is not a compact JWE",
            code="malformed",
            expected="five parts, header.key.iv.ciphertext.tag",
        )
    header = read_header(parts[0])
    check_crit(header, own)
    wrapped = b64url_decode(parts[1], "the key")
    iv = b64url_decode(parts[2], "the iv")
    ciphertext = b64url_decode(parts[3], "the ciphertext")
    tag = b64url_decode(parts[4], "the tag")
    opened = reading.open(header, wrapped, (iv, ciphertext, tag, parts[0]))
    handle_extensions(header, own)
    return reading.unpack(opened)


class Recipient(NamedTuple):
    """One of those that a document is encrypted to, with header parameters of its own.

    Attributes:
        key: the recipient's public key, or a shared secret.
        header: parameters of this recipient alone, which the encryption doesn't cover.
    """

    key: Key
    header: Mapping[str, Any] | None = None


def encrypt_json(
    plaintext: BytesLike,
    keys: Key | Recipient | Sequence[Key | Recipient],
    enc: EncryptionName = "A256GCM",
    header: Mapping[str, Any] | None = None,
    *,
    unprotected: Mapping[str, Any] | None = None,
    aad: BytesLike | None = None,
    zip: Literal["DEF"] | None = None,
    flattened: bool | None = None,
    extensions: Collection[str] = (),
) -> dict[str, Any]:
    """Encrypt bytes into a JWE in JSON form, for one recipient or several (RFC 7516 section 7.2).

    Args:
        plaintext: the bytes to encrypt.
        keys: the recipients' public keys, or shared secrets; a ``Recipient`` where one has header
            parameters of its own.
        enc: the content encryption.
        header: more protected header parameters, shared by all recipients.
        unprotected: shared header parameters that the encryption doesn't cover.
        aad: bytes that travel in the clear and are authenticated.
        zip: ``DEF`` compresses first; see ``encrypt``.
        flattened: the flattened form, for one recipient only; by default where there is one.
        extensions: names of your own that ``crit`` may hold; see ``encrypt``.

    Raises:
        InvalidKey: if a key can't encrypt, or not beside others.
        InvalidToken: if a header can't stand in a token that ``decrypt_json`` accepts.
    """
    recipients = require_parties(keys, Recipient)
    plaintext = as_bytes(plaintext, "plaintext")
    check_names(extensions, "extensions")
    if aad is not None:
        aad = as_bytes(aad, "aad")
    if flattened is not None:
        check_flag(flattened, "flattened")
    if not 0 < len(recipients) <= MAX_ENTRIES:
        raise InvalidKey(f"a JWE must have from 1 to {MAX_ENTRIES} recipients")
    if flattened and len(recipients) > 1:
        raise InvalidKey("the flattened form takes one recipient (RFC 7516 section 7.2.2)")
    encryption = _encryption(recipients[0].key, enc)
    given = join_headers({"enc": encryption.name}, check_header_argument(header, "header"))
    if zip is not None:
        given["zip"] = zip
    packed = deflate(plaintext, given.get("zip"))
    protected, head = encode_header(given, extensions)
    shared = plain_header(check_header_argument(unprotected, "unprotected"))
    cek = os.urandom(encryption.size) if len(recipients) > 1 else None
    entries: list[dict[str, Any]] = []
    for key, more_own in recipients:
        own: dict[str, Any] = {"alg": key.algorithm.name}
        if key.kid is not None:
            own["kid"] = key.kid
        own = join_headers(own, plain_header(check_header_argument(more_own, "header")))
        cek, wrapped, more = wrap(key, encryption, _joint_header(protected, shared, own), cek)
        own = join_headers(own, more)
        _joint_header(protected, shared, own)
        entry: dict[str, Any] = {"header": own}
        if wrapped:
            entry["encrypted_key"] = b64url_encode(wrapped)
        entries.append(entry)
    iv, ciphertext, tag = content_encryption.encrypt(
        encryption, cek or b"", packed, _associated(head, aad)
    )
    document: dict[str, Any] = {"protected": head.decode()}
    if shared:
        document["unprotected"] = shared
    if len(entries) == 1 and flattened is not False:
        document.update(entries[0])
    else:
        document["recipients"] = entries
    if aad is not None:
        document["aad"] = b64url_encode(aad)
    sealed = {"iv": iv, "ciphertext": ciphertext, "tag": tag}
    return document | {name: b64url_encode(part) for name, part in sealed.items()}


def decrypt_json(
    document: Mapping[str, Any] | str | BytesLike,
    keys: Key | KeySet,
    *,
    allow_weak: Collection[AlgorithmName] = (),
    max_inflated: int = 0,
    max_size: int = MAX_TOKEN,
    extensions: Extensions | None = None,
) -> Decrypted:
    """Decrypt a JWE in flattened or general JSON form, as its first recipient that has a key here.

    Args:
        document: the JWE, decoded or as JSON text.
        keys: a private key or secret, or a set in which ``kid`` and ``alg`` choose.
        allow_weak: of RSA1_5 and the PBES2 algorithms, those to read all the same.
        max_inflated: bytes that a compressed plaintext may have; 0 refuses compression.
        max_size: bytes that a document given as text may have.
        extensions: names of your own that ``crit`` may hold; see ``decrypt``.

    Raises:
        InvalidToken: ``decryption_failed`` for every failure that depends on a key.
    """
    reading = _Reading(keys, allow_weak, max_inflated)
    own = check_extensions(extensions)
    document = read_document(document, max_size)
    entries = entries_of(document, "recipients", "encrypted_key", ("header",))
    head = text_member(document, "protected") if "protected" in document else b""
    protected = read_protected(head, document)
    check_crit(protected, own)
    aad = _member(document, "aad") if "aad" in document else None
    sealed = (
        _member(document, "iv"),
        _member(document, "ciphertext"),
        _member(document, "tag"),
        _associated(head, aad),
    )
    error = failed()
    for entry in entries:
        header = _joint_header(protected, document.get("unprotected"), entry.get("header"))
        wrapped = _member(entry, "encrypted_key") if "encrypted_key" in entry else b""
        try:
            opened = reading.open(header, wrapped, sealed)
        except InvalidToken as refusal:
            if refusal.code not in ("key_not_found", "decryption_failed"):
                raise
            error = refusal if refusal.code == "decryption_failed" else error
        else:
            handle_extensions(protected, own)
            return reading.unpack(opened)
    raise error


def _joint_header(protected: Mapping[str, Any], shared: object, own: object) -> dict[str, Any]:
    """Join the three parts of a recipient's header and check it (RFC 7516 section 7.2.1)."""
    header = join_headers(protected, shared, own)
    for name in ("crit", "zip"):
        if name in header and name not in protected:
            raise invalid(name, "to be protected by the encryption")
    check_header(header)
    return header


def _associated(head: bytes, aad: bytes | None) -> bytes:
    return head if aad is None else head + b"." + b64url_encode_bytes(aad)


def _member(document: Mapping[str, Any], name: str) -> bytes:
    return b64url_decode(text_member(document, name), f"the member '{name}'")


def wrap(
    key: Key, encryption: Encryption, header: Mapping[str, Any], cek: bytes | None
) -> tuple[bytes, bytes, Mapping[str, Any]]:
    """Give content key, encrypted key and header parameters for one recipient.

    Raises:
        InvalidKey: if the key can't encrypt, or would have to agree on a key already chosen.
    """
    algorithm = key.algorithm
    if algorithm.use != "enc":
        raise InvalidKey(f"a key of {key.alg} is for signatures, not for encryption")
    if algorithm.decrypt_only:
        raise InvalidKey(f"{key.alg} is too weak to encrypt with; Carnet only decrypts it")
    if not key.can_encrypt:
        raise InvalidKey("the key's 'key_ops' do not let it encrypt (RFC 7517 section 4.3)")
    family = FAMILIES[algorithm.family]
    if family.agrees(algorithm):
        if cek is not None:
            raise InvalidKey(f"{key.alg} can't be one of several recipients (RFC 7516 section 5.1)")
        cek, more = family.agree(key, encryption, header)
        return cek, b"", more
    cek = cek or os.urandom(encryption.size)
    wrapped, more = family.wrap(key, cek, header)
    return cek, wrapped, more


class _Reading:
    """One token being read: whose keys, what is allowed, and what it has cost so far."""

    def __init__(self, keys: Key | KeySet, allow_weak: Collection[str], max_inflated: int) -> None:
        named = KeySet((keys,)) if isinstance(keys, Key) else keys
        if not isinstance(named, KeySet):
            raise InvalidKey("keys must be a Key or a KeySet")
        check_names(allow_weak, "allow_weak")
        check_count(max_inflated, "max_inflated", "bytes")
        self._keys = named
        self._allow_weak = allow_weak
        self._max_inflated = max_inflated
        self._budget = Budget(MAX_TRIES, MAX_ITERATIONS)

    def open(
        self,
        header: dict[str, Any],
        wrapped: bytes,
        sealed: tuple[bytes, bytes, bytes, bytes],
    ) -> Decrypted:
        """Find the key of a header and decrypt: iv, ciphertext, tag and associated data."""
        enc = header.get("enc")
        if enc not in ENCRYPTIONS:
            raise invalid("enc", "one of " + ", ".join(ENCRYPTIONS))
        encryption = ENCRYPTIONS[enc]
        if "zip" in header and (header["zip"] != "DEF" or not self._max_inflated):
            raise invalid(
                "zip",
                "'DEF', where max_inflated= allows compression"
                if self._max_inflated
                else "no compression",
            )
        for key in self._candidates(header):
            family = FAMILIES[key.algorithm.family]
            self._budget.spend(family.iterations(header))
            try:
                cek = family.unwrap(key, encryption, header, wrapped)
                plaintext = content_encryption.decrypt(encryption, cek, *sealed)
            except (DecryptionFailed, InvalidKey):
                continue
            return Decrypted(plaintext, header, key)
        raise failed()

    def unpack(self, opened: Decrypted) -> Decrypted:
        """Decompress what was decrypted, where its header says that it is compressed.

        What fails here is told at once, whoever else the token is for: the content is the same.
        """
        if "zip" not in opened.header:
            return opened
        return opened._replace(plaintext=inflate(opened.plaintext, self._max_inflated))

    def _candidates(self, header: Mapping[str, Any]) -> tuple[Key, ...]:
        alg = header["alg"]
        found = tuple(
            [key for key in self._keys.candidates(header.get("kid"), alg) if key.can_decrypt]
        )
        if not found:
            raise InvalidToken(
                "no key of this service is for the header's 'alg' and 'kid'",
                code="key_not_found",
                claim="alg",
                expected=", ".join(sorted({key.algorithm.name for key in self._keys})) or "a key",
            )
        if found[0].algorithm.decrypt_only and alg not in self._allow_weak:
            raise InvalidToken(
                "the header's 'alg' is a weak one",
                code="algorithm_mismatch",
                claim="alg",
                expected="a stronger algorithm, or allow_weak=[...] to read it all the same",
            )
        return found[:MAX_CANDIDATES]


def _encryption(key: Key, enc: str) -> Encryption:
    """Give the content encryption: the one that a key is bound to, or the one that is asked for."""
    if not isinstance(enc, str) or enc not in ENCRYPTIONS:
        raise ConfigurationError(f"enc must be one of {', '.join(ENCRYPTIONS)}")
    return ENCRYPTIONS[key.encryption or enc]
