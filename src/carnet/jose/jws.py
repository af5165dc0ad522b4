"""JSON Web Signature: compact and JSON serializations, detached and unencoded payloads.

RFC 7515 sections 5 and 7, RFC 7797.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from carnet.errors import ConfigurationError, InvalidKey, InvalidToken
from carnet.jose.arguments import (
    BytesLike,
    as_bytes,
    check_flag,
    check_header_argument,
    check_names,
)
from carnet.jose.encoding import b64url_decode, b64url_encode, b64url_encode_bytes
from carnet.jose.header import (
    Extensions,
    check_crit,
    check_extensions,
    check_header,
    handle_extensions,
    invalid,
)
from carnet.jose.jws_header import (
    MAX_CANDIDATES,
    UNDERSTOOD,
    Keys,
    check_b64,
    signed_header,
    verify_with,
)
from carnet.jose.key import Key
from carnet.jose.key_arguments import require_key, require_parties
from carnet.jose.serialization import (
    MAX_ENTRIES,
    MAX_TOKEN,
    Budget,
    entries_of,
    join_headers,
    plain_header,
    read_document,
    read_header,
    read_protected,
    segments,
    text_member,
    token_bytes,
)

__all__ = [
    "MAX_TOKEN",
    "Signatory",
    "Verified",
    "VerifiedJson",
    "sign",
    "sign_json",
    "verify",
    "verify_json",
]

MAX_TRIES = 32
"""How often a key may be tried on the signatures of one document."""


class Verified(NamedTuple):
    """A payload whose signature holds.

    Attributes:
        payload: the bytes that were signed.
        header: the protected header.
        key: the key that verified it.
    """

    payload: bytes
    header: dict[str, Any]
    key: Key


def sign(
    payload: BytesLike,
    key: Key,
    header: Mapping[str, Any] | None = None,
    *,
    detached: bool = False,
    extensions: Collection[str] = (),
) -> str:
    """Sign bytes into a compact JWS (RFC 7515 section 7.1).

    Args:
        payload: the bytes to sign.
        key: a private signature key or an HMAC secret.
        header: more header parameters; ``alg`` and ``kid`` come from the key.
        detached: leave the payload out of the result (RFC 7515 appendix F).
        extensions: names of your own that ``crit`` may hold, since whoever verifies handles them
            (RFC 7515 section 4.1.11).

    Raises:
        InvalidKey: if the key can't sign.
        InvalidToken: if the header can't stand in a token that ``verify`` accepts.
    """
    operation = require_key(key).signing()
    payload = as_bytes(payload, "payload")
    check_flag(detached, "detached")
    check_names(extensions, "extensions")
    protected, head = signed_header(key, header, extensions)
    body = _body(payload, protected)
    if not detached and body is payload:
        _check_unencoded(payload)
    data = head + b"." + body
    signature = b64url_encode_bytes(operation(data))
    middle = b"" if detached else body
    return (head + b"." + middle + b"." + signature).decode("ascii")


def verify(
    token: str | BytesLike,
    keys: Keys,
    *,
    payload: BytesLike | None = None,
    max_size: int = MAX_TOKEN,
    extensions: Extensions | None = None,
) -> Verified:
    """Verify a compact JWS (RFC 7515 section 5.2).

    The algorithm is the key's; a header that names another is refused.

    Args:
        token: the compact serialization.
        keys: a key, or a set in which ``kid`` and ``alg`` choose; or a function that takes the
            header and gives a key, a set, a list of keys, or None. Nobody has verified that header
            yet: never follow an address or take a key out of it. The algorithm is the key's here
            too, and where the function raises something, no key was found.
        payload: the detached payload, for a token that carries none.
        max_size: characters that the token may have.
        extensions: for each name of your own that ``crit`` may hold, a function that is called with
            the parameter's value once the signature holds, and gives True where it has handled it;
            anything else is refused, as are other names (RFC 7515 section 4.1.11).

    Raises:
        InvalidToken: if it isn't exactly right.
    """
    raw = token_bytes(token, max_size)
    if payload is not None:
        payload = as_bytes(payload, "payload")
    own = check_extensions(extensions)
    head, body, signature = segments(raw)
    header = read_header(head)
    check_crit(header, UNDERSTOOD.union(own))
    content = unencoded_or_decoded(header, body)
    if content is body:
        _check_unencoded(body)
    data = raw[: len(head) + 1 + len(body)]
    if payload is not None:
        if body:
            raise InvalidToken(
                "the token carries its payload, and another one was given", code="malformed"
            )
        content = payload
        data = head + b"." + _body(payload, header)
    key = verify_with(keys, header, data, signature, Budget(MAX_CANDIDATES))
    handle_extensions(header, own)
    return Verified(content, header, key)


class VerifiedJson(NamedTuple):
    """A payload and those of its signatures that hold.

    Attributes:
        payload: the bytes that were signed.
        signatures: for each signature that holds its header, protected and unprotected parameters
            together, and the key that verified it.
    """

    payload: bytes
    signatures: tuple[tuple[dict[str, Any], Key], ...]


class Signatory(NamedTuple):
    """One of the keys that sign a document, with header parameters of its own.

    Attributes:
        key: a private signature key or an HMAC secret.
        header: protected header parameters of this signature alone.
        unprotected: parameters of this signature alone that it doesn't cover.
    """

    key: Key
    header: Mapping[str, Any] | None = None
    unprotected: Mapping[str, Any] | None = None


def sign_json(
    payload: BytesLike,
    keys: Key | Signatory | Sequence[Key | Signatory],
    header: Mapping[str, Any] | None = None,
    *,
    unprotected: Mapping[str, Any] | None = None,
    detached: bool = False,
    flattened: bool | None = None,
    extensions: Collection[str] = (),
) -> dict[str, Any]:
    """Sign bytes into a JWS in JSON form (RFC 7515 section 7.2).

    Args:
        payload: the bytes to sign.
        keys: one key or several, each of which makes a signature; a ``Signatory`` where one has
            header parameters of its own.
        header: more protected header parameters, for every signature.
        unprotected: header parameters that the signatures don't cover, for every signature.
        detached: leave the payload out of the result (RFC 7515 appendix F).
        flattened: the flattened form, for one signature only; by default where there is one.
        extensions: names of your own that ``crit`` may hold; see ``sign``.

    Raises:
        InvalidKey: if a key can't sign, or there is none.
        InvalidToken: if a header can't stand in a token that ``verify_json`` accepts.
    """
    signers = require_parties(keys, Signatory)
    payload = as_bytes(payload, "payload")
    check_names(extensions, "extensions")
    check_flag(detached, "detached")
    if flattened is not None:
        check_flag(flattened, "flattened")
    if not 0 < len(signers) <= MAX_ENTRIES:
        raise InvalidKey(f"a JWS must have from 1 to {MAX_ENTRIES} signatures")
    if flattened and len(signers) > 1:
        raise InvalidKey("the flattened form takes one signature (RFC 7515 section 7.2.2)")
    signatures = []
    encoded = set()
    for key, own, own_unprotected in signers:
        operation = key.signing()
        protected, head = signed_header(key, _joined(header, own, "header"), extensions)
        body = _body(payload, protected)
        encoded.add(check_b64(protected))
        signature: dict[str, Any] = {"protected": head.decode()}
        open_header = plain_header(_joined(unprotected, own_unprotected, "unprotected") or {})
        if open_header:
            signature["header"] = open_header
        signature["signature"] = b64url_encode(operation(head + b"." + body))
        _read_signature(signature, extensions)
        signatures.append(signature)
    if len(encoded) > 1:
        raise invalid("b64", "the same value in every signature (RFC 7797 section 3)")
    document: dict[str, Any] = {}
    if not detached:
        try:
            document["payload"] = body.decode()
        except UnicodeDecodeError:
            raise invalid("b64", "true, or detached=True, for a payload that is not text") from None
    if len(signers) == 1 and flattened is not False:
        return document | signatures[0]
    return document | {"signatures": signatures}


def verify_json(
    document: Mapping[str, Any] | str | BytesLike,
    keys: Keys,
    *,
    require: str | Collection[Key] = "all",
    payload: BytesLike | None = None,
    max_size: int = MAX_TOKEN,
    extensions: Extensions | None = None,
) -> VerifiedJson:
    """Verify a JWS in flattened or general JSON form (RFC 7515 section 5.2).

    Args:
        document: the JWS, decoded or as JSON text.
        keys: a key, or a set in which each signature's ``kid`` and ``alg`` choose; or a function
            of a signature's header; see ``verify``.
        require: which signatures must hold: ``all`` that the document carries, ``any`` one, or a
            collection of keys each of which must have signed.
        payload: the detached payload, for a document that carries none.
        max_size: bytes that a document given as text may have.
        extensions: names of your own that ``crit`` may hold; see ``verify``.

    Raises:
        InvalidToken: if it isn't exactly right.
    """
    wanted = _wanted(require)
    own = check_extensions(extensions)
    if payload is not None:
        payload = as_bytes(payload, "payload")
    document = read_document(document, max_size)
    entries = entries_of(document, "signatures", "signature", ("protected", "header"))
    if ("payload" in document) == (payload is not None):
        raise InvalidToken(
            "the payload must be in the document or given beside it, not both",
            code="malformed",
            claim="payload",
            expected="one payload",
        )
    read = [_read_signature(entry, own) for entry in entries]
    first = read[0][0]
    if any(check_b64(header) is not check_b64(first) for header, _, _ in read):
        raise invalid("b64", "the same value in every signature (RFC 7797 section 3)")
    if payload is None:
        body = text_member(document, "payload")
        content = unencoded_or_decoded(first, body)
    else:
        body, content = _body(payload, first), payload
    held: list[tuple[dict[str, Any], Key]] = []
    budget = Budget(MAX_TRIES)
    for header, head, signature in read:
        try:
            key = verify_with(keys, header, head + b"." + body, signature, budget)
            handle_extensions(header, own)
        except InvalidToken as refusal:
            if require == "all" or refusal.code == "too_costly":
                raise
        else:
            held.append((header, key))
    signed_by = [key for _, key in held]
    if not held or not all(any(_same(key, by) for by in signed_by) for key in wanted):
        raise InvalidToken(
            "not all required signatures are there",
            code="signature_invalid",
            expected="one that holds" if not wanted else f"{len(wanted)} by the keys asked for",
        )
    return VerifiedJson(content, tuple(held))


def _joined(
    shared: Mapping[str, Any] | None, own: Mapping[str, Any] | None, name: str
) -> Mapping[str, Any] | None:
    """Join header parameters for every signature with those of one, which must not share a name."""
    if own is None:
        return check_header_argument(shared, name) if shared is not None else None
    return join_headers(check_header_argument(shared, name), check_header_argument(own, name))


def _read_signature(
    entry: Mapping[str, Any], extensions: Collection[str]
) -> tuple[dict[str, Any], bytes, bytes]:
    head = text_member(entry, "protected") if "protected" in entry else b""
    protected = read_protected(head, entry)
    header = join_headers(protected, entry.get("header"))
    for name in ("crit", "b64"):
        if name in header and name not in protected:
            raise invalid(name, "to be protected by the signature")
    check_header(header)
    check_crit(protected, UNDERSTOOD.union(extensions))
    check_b64(protected)
    return header, head, text_member(entry, "signature")


def _wanted(require: str | Collection[Key]) -> tuple[Key, ...]:
    if isinstance(require, str) and require in ("any", "all"):
        return ()
    given = tuple(require) if isinstance(require, Collection) else ()
    wanted = tuple(key for key in given if isinstance(key, Key))
    if not wanted or len(wanted) < len(given):
        raise ConfigurationError("require must be 'any', 'all' or a collection of keys")
    return wanted


def _same(wanted: Key, key: Key) -> bool:
    return wanted is key or wanted.thumbprint() == key.thumbprint()


def unencoded_or_decoded(header: Mapping[str, Any], body: bytes) -> bytes:
    """Give the payload that the middle part stands for (RFC 7797 section 3)."""
    if check_b64(header):
        return b64url_decode(body, "the payload")
    return body


def _body(payload: bytes, header: Mapping[str, Any]) -> bytes:
    return payload if header.get("b64") is False else b64url_encode_bytes(payload)


def _check_unencoded(payload: bytes) -> None:
    """Check a payload that stands unencoded in a compact token (RFC 7797 section 5.2)."""
    if not payload.isascii() or not payload.decode("ascii").isprintable() or b"." in payload:
        raise invalid("b64", "true, or a detached payload, unless it is printable ASCII without .")
