"""JSON Web Signature: compact and JSON serializations, detached and unencoded payloads.

RFC 7515 sections 5 and 7, RFC 7797.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from carnet.errors import ConfigurationError, InvalidKey, InvalidToken
from carnet.jose.encoding import (
    b64url_decode,
    b64url_encode,
    b64url_encode_bytes,
    json_decode,
    json_encode,
)
from carnet.jose.header import MAX_HEADER, check_crit, check_header, invalid, read_header
from carnet.jose.key import Key, require_key
from carnet.jose.key_set import KeySet

__all__ = [
    "MAX_TOKEN",
    "Verified",
    "VerifiedJson",
    "sign",
    "sign_json",
    "verify",
    "verify_json",
]

MAX_TOKEN = 1024 * 1024
"""Characters that a token may have unless the caller says otherwise."""

MAX_CANDIDATES = 16
MAX_SIGNATURES = 16
_UNDERSTOOD = frozenset({"b64"})


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
    payload: bytes,
    key: Key,
    header: Mapping[str, Any] | None = None,
    *,
    detached: bool = False,
) -> str:
    """Sign bytes into a compact JWS (RFC 7515 section 7.1).

    Args:
        payload: the bytes to sign.
        key: a private signature key or an HMAC secret.
        header: more header parameters; ``alg`` and ``kid`` come from the key.
        detached: leave the payload out of the result (RFC 7515 appendix F).

    Raises:
        InvalidKey: if the key can't sign.
        InvalidToken: if the header can't stand in a token that ``verify`` accepts.
    """
    operation = require_key(key).signing()
    protected = protected_header(key, header)
    head = b64url_encode_bytes(json_encode(protected))
    body = _body(payload, protected)
    if not detached and protected.get("b64") is False:
        _check_unencoded(payload)
    data = head + b"." + body
    signature = b64url_encode_bytes(operation(data))
    middle = b"" if detached else body
    return (head + b"." + middle + b"." + signature).decode("ascii")


def verify(
    token: str | bytes,
    keys: Key | KeySet,
    *,
    payload: bytes | None = None,
    max_size: int = MAX_TOKEN,
) -> Verified:
    """Verify a compact JWS (RFC 7515 section 5.2).

    The algorithm is the key's; a header that names another is refused.

    Args:
        token: the compact serialization.
        keys: a key, or a set in which ``kid`` and ``alg`` choose.
        payload: the detached payload, for a token that carries none.
        max_size: characters that the token may have.

    Raises:
        InvalidToken: if it isn't exactly right.
    """
    raw = token_bytes(token, max_size)
    head, body, signature = segments(raw)
    header = read_header(head)
    check_crit(header, _UNDERSTOOD)
    content = unencoded_or_decoded(header, body)
    if content is body:
        _check_unencoded(body)
    data = raw[: len(head) + 1 + len(body)]
    if payload is not None:
        if body:
            raise InvalidToken(
                "the token carries its payload and another was given", code="malformed"
            )
        content = payload
        data = head + b"." + _body(payload, header)
    key = verify_with(keys, header, data, signature)
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


def sign_json(
    payload: bytes,
    keys: Key | Sequence[Key],
    header: Mapping[str, Any] | None = None,
    *,
    unprotected: Mapping[str, Any] | None = None,
    detached: bool = False,
    flattened: bool | None = None,
) -> dict[str, Any]:
    """Sign bytes into a JWS in JSON form (RFC 7515 section 7.2).

    Args:
        payload: the bytes to sign.
        keys: one key or several, each of which makes a signature.
        header: more protected header parameters, for every signature.
        unprotected: header parameters that the signatures don't cover.
        detached: leave the payload out of the result (RFC 7515 appendix F).
        flattened: the flattened form, for one signature only; by default where there is one.

    Raises:
        InvalidKey: if a key can't sign, or there is none.
        InvalidToken: if a header can't stand in a token that ``verify_json`` accepts.
    """
    signers = (keys,) if isinstance(keys, Key) else tuple(map(require_key, keys))
    if not 0 < len(signers) <= MAX_SIGNATURES:
        raise InvalidKey(f"a JWS has from 1 to {MAX_SIGNATURES} signatures")
    if flattened and len(signers) > 1:
        raise InvalidKey("the flattened form has one signature (RFC 7515 section 7.2.2)")
    signatures = []
    for key in signers:
        protected = protected_header(key, header)
        join_headers(protected, unprotected)
        head = b64url_encode_bytes(json_encode(protected))
        body = _body(payload, protected)
        signature: dict[str, Any] = {"protected": head.decode()}
        if unprotected:
            signature["header"] = dict(unprotected)
        signature["signature"] = b64url_encode(key.signing()(head + b"." + body))
        signatures.append(signature)
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
    document: Mapping[str, Any] | str | bytes,
    keys: Key | KeySet,
    *,
    require: str | Collection[Key] = "all",
    payload: bytes | None = None,
    max_size: int = MAX_TOKEN,
) -> VerifiedJson:
    """Verify a JWS in flattened or general JSON form (RFC 7515 section 5.2).

    Args:
        document: the JWS, decoded or as JSON text.
        keys: a key, or a set in which each signature's ``kid`` and ``alg`` choose.
        require: which signatures must hold: ``all`` that the document carries, ``any`` one, or a
            collection of keys each of which must have signed.
        payload: the detached payload, for a document that carries none.
        max_size: bytes that a document given as text may have.

    Raises:
        InvalidToken: if it isn't exactly right.
    """
    wanted = _wanted(require)
    document = read_document(document, max_size)
    entries = entries_of(document, "signatures", "signature", ("protected", "header"))
    if ("payload" in document) == (payload is not None):
        raise InvalidToken(
            "the payload stands in the document, or is given beside it: once",
            code="malformed",
            claim="payload",
            expected="one payload",
        )
    read = [_read_signature(entry) for entry in entries]
    if len({header.get("b64", True) for header, _, _ in read}) > 1:
        raise invalid("b64", "the same value in every signature (RFC 7797 section 3)")
    held: list[tuple[dict[str, Any], Key]] = []
    content = b""
    for header, head, signature in read:
        if payload is None:
            body = text_member(document, "payload")
            content = unencoded_or_decoded(header, body)
        else:
            body, content = _body(payload, header), payload
        try:
            held.append((header, verify_with(keys, header, head + b"." + body, signature)))
        except InvalidToken:
            if require == "all":
                raise
    signed_by = [key for _, key in held]
    if not held or not all(any(_same(key, by) for by in signed_by) for key in wanted):
        raise InvalidToken(
            "the signatures that are needed are not all there",
            code="signature_invalid",
            expected="one that holds" if not wanted else f"{len(wanted)} by the keys asked for",
        )
    return VerifiedJson(content, tuple(held))


def read_document(document: Mapping[str, Any] | str | bytes, max_size: int) -> Mapping[str, Any]:
    """Bound and decode a token in JSON form."""
    if isinstance(document, Mapping):
        return document
    if not isinstance(document, str | bytes):
        raise InvalidToken("the document is neither a mapping nor JSON text", code="malformed")
    if len(document) > max_size:
        raise InvalidToken(
            "the document is too large", code="too_large", expected=f"at most {max_size} bytes"
        )
    try:
        raw = document.encode() if isinstance(document, str) else document
    except UnicodeEncodeError:
        raise InvalidToken("the document is not UTF-8", code="malformed") from None
    return json_decode(raw, "the document")


def entries_of(
    document: Mapping[str, Any], plural: str, mark: str, members: Collection[str]
) -> list[Mapping[str, Any]]:
    """Give the signatures or recipients of a general or flattened document."""
    if plural not in document:
        return [document]
    entries = document[plural]
    if (
        not isinstance(entries, list)
        or not 0 < len(entries) <= MAX_SIGNATURES
        or not all(isinstance(entry, Mapping) for entry in entries)
        or any(name in document for name in (mark, *members))
    ):
        raise InvalidToken(
            f"the '{plural}' are not a list of objects of the general form alone",
            code="malformed",
            claim=plural,
            expected=f"1 to {MAX_SIGNATURES} objects, and nothing of the flattened form",
        )
    return entries


def text_member(document: Mapping[str, Any], name: str) -> bytes:
    """Give a text member of a document as bytes."""
    value = document.get(name)
    try:
        if isinstance(value, str):
            return value.encode()
    except UnicodeEncodeError:
        pass
    raise InvalidToken(
        f"the member '{name}' is not text", code="malformed", claim=name, expected="a text"
    )


def join_headers(*parts: object) -> dict[str, Any]:
    """Join the parts of a header, which must not share a name (RFC 7515 section 4)."""
    joined: dict[str, Any] = {}
    for part in parts:
        if part is None:
            continue
        if not isinstance(part, Mapping) or any(name in joined for name in part):
            raise InvalidToken(
                "the parts of the header are not objects with different names",
                code="header_invalid",
                claim="header",
                expected="each parameter once",
            )
        joined.update(part)
    return joined


def _read_signature(entry: Mapping[str, Any]) -> tuple[dict[str, Any], bytes, bytes]:
    head = text_member(entry, "protected") if "protected" in entry else b""
    protected = read_protected(head, entry)
    header = join_headers(protected, entry.get("header"))
    for name in ("crit", "b64"):
        if name in header and name not in protected:
            raise invalid(name, "to be protected by the signature")
    check_header(header)
    check_crit(protected, _UNDERSTOOD)
    return header, head, text_member(entry, "signature")


def read_protected(head: bytes, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Decode a protected header in JSON form, which is left out where it is empty."""
    if not head:
        if "protected" in entry:
            raise invalid("protected", "to be left out where it is empty")
        return {}
    if len(head) > MAX_HEADER:
        raise InvalidToken("the header is too large", code="too_large")
    return json_decode(b64url_decode(head, "the header"), "the header")


def _wanted(require: str | Collection[Key]) -> tuple[Key, ...]:
    if isinstance(require, str):
        if require not in ("any", "all"):
            raise ConfigurationError("require is 'any', 'all' or a collection of keys")
        return ()
    wanted = tuple(require)
    if not wanted or not all(isinstance(key, Key) for key in wanted):
        raise ConfigurationError("require is 'any', 'all' or a collection of keys")
    return wanted


def _same(wanted: Key, key: Key) -> bool:
    return wanted is key or wanted.thumbprint() == key.thumbprint()


def protected_header(key: Key, header: Mapping[str, Any] | None) -> dict[str, Any]:
    """Join the key's header parameters with more, refusing what contradicts the key."""
    protected: dict[str, Any] = {"alg": key.alg}
    if key.kid is not None:
        protected["kid"] = key.kid
    for name, value in header_items(header):
        if name == "alg" and value != key.alg:
            raise invalid("alg", "the key's own algorithm")
        protected[name] = value
    check_header(protected)
    check_crit(protected, _UNDERSTOOD)
    _check_b64(protected)
    return protected


def header_items(header: Mapping[str, Any] | None) -> Iterable[tuple[str, Any]]:
    """Give the parameters of a header that a caller has passed."""
    given = {} if header is None else header
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ConfigurationError("a header is a mapping of names to values")
    return given.items()


def token_bytes(token: str | bytes, max_size: int) -> bytes:
    """Bound a token's size and give it as ASCII bytes, before anything looks inside."""
    if not isinstance(token, str | bytes):
        raise InvalidToken("a token is text", code="malformed", expected="str or bytes")
    if len(token) > max_size:
        raise InvalidToken(
            "the token is too large",
            code="too_large",
            expected=f"at most {max_size} characters",
        )
    try:
        return token.encode("ascii") if isinstance(token, str) else token
    except UnicodeEncodeError:
        raise InvalidToken("the token is not ASCII", code="malformed") from None


def segments(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Split a compact JWS into header, payload and signature text."""
    head, _, rest = raw.partition(b".")
    body, dot, signature = rest.rpartition(b".")
    if not dot or not head or not signature or b"." in body:
        raise InvalidToken(
            "the token is not a compact JWS",
            code="malformed",
            expected="three parts, header.payload.signature",
        )
    return head, body, signature


def unencoded_or_decoded(header: Mapping[str, Any], body: bytes) -> bytes:
    """Give the payload that the middle part stands for (RFC 7797 section 3)."""
    if _check_b64(header):
        return b64url_decode(body, "the payload")
    return body


def verify_with(
    keys: Key | KeySet, header: Mapping[str, Any], data: bytes, signature: bytes
) -> Key:
    """Find the key of a header and verify with it.

    Raises:
        InvalidToken: ``algorithm_mismatch``, ``key_not_found`` or ``signature_invalid``.
    """
    for key in candidates(keys, header):
        if key.verifying().check(data, signature):
            return key
    raise InvalidToken(
        "the signature does not belong to this header, payload and key",
        code="signature_invalid",
        expected="a signature by a key of the set",
    )


def candidates(keys: Key | KeySet, header: Mapping[str, Any]) -> tuple[Key, ...]:
    """Give the keys that may verify a token with this header, at least one."""
    named = KeySet((keys,)) if isinstance(keys, Key) else keys
    if not isinstance(named, KeySet):
        raise InvalidKey("keys are a Key or a KeySet")
    kid, alg = header.get("kid"), header["alg"]
    found = tuple(key for key in named.candidates(kid, alg) if key._can_verify)
    if found:
        return found[:MAX_CANDIDATES]
    if kid is None or any(key.kid in (kid, None) for key in named):
        raise InvalidToken(
            "the header's 'alg' is not the algorithm of any key that could have signed",
            code="algorithm_mismatch" if len(named) else "key_not_found",
            claim="alg",
            expected=", ".join(sorted({key.alg for key in named})) or "a key",
        )
    raise InvalidToken(
        "no key of the set has the header's 'kid'",
        code="key_not_found",
        claim="kid",
        expected="the kid of a key of the set",
    )


def _body(payload: bytes, header: Mapping[str, Any]) -> bytes:
    if not isinstance(payload, bytes):
        raise InvalidToken("the payload to sign is bytes", code="malformed", expected="bytes")
    return payload if header.get("b64") is False else b64url_encode_bytes(payload)


def _check_unencoded(payload: bytes) -> None:
    """Check a payload that stands unencoded in a compact token (RFC 7797 section 5.2)."""
    if not payload.isascii() or not payload.decode("ascii").isprintable() or b"." in payload:
        raise invalid("b64", "true, or a detached payload, unless it is printable ASCII without .")


def _check_b64(header: Mapping[str, Any]) -> bool:
    b64 = header.get("b64", True)
    if not isinstance(b64, bool):
        raise invalid("b64", "true or false")
    if not b64 and "b64" not in header.get("crit", ()):
        raise invalid("b64", "to be named in 'crit' (RFC 7797 section 6)")
    return b64
