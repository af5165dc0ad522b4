"""Inputs that make careless readers slow: each family gives its text of about ``size`` bytes.

A family is what a stranger may send, so what reads it must do work that grows no faster than its
length. ``FAMILIES`` are texts for whatever takes bytes; ``DOCUMENTS`` are tokens in JSON form and
key sets with as many parts as fit, for what reads those.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["DOCUMENTS", "FAMILIES", "Family"]

Family = Callable[[int], bytes]

JUST_DEEP_ENOUGH = 33
"""Brackets after which a reader that counts them starts to look closely."""


def _fill(begin: bytes, piece: bytes, end: bytes = b"") -> Family:
    """Repeat a piece between a beginning and an end until the size is reached."""
    return lambda size: begin + piece * ((size - len(begin) - len(end)) // len(piece)) + end


def _numbered(begin: bytes, piece: bytes, end: bytes, join: bytes = b",") -> Family:
    """Repeat a piece that holds its number, so that no two are alike."""

    def make(size: int) -> bytes:
        width = len(piece % 10_000_000) + len(join)
        count = (size - len(begin) - len(end)) // width
        return begin + join.join(piece % (10_000_000 + n) for n in range(count)) + end

    return make


def _closed(opening: bytes, inside: bytes, closing: bytes) -> Family:
    def make(size: int) -> bytes:
        depth = size // (len(opening) + len(closing))
        return opening * depth + inside + closing * depth

    return make


_BRACKETS = b"[]" * JUST_DEEP_ENOUGH

FAMILIES: dict[str, Family] = {
    # Nesting.
    "lists opened": _fill(b"", b"["),
    "lists opened and closed": _closed(b"[", b"", b"]"),
    "objects opened": _fill(b"", b'{"a":'),
    "objects opened and closed": _closed(b'{"a":', b"0", b"}"),
    "lists side by side": _fill(b'{"a":[', b"[],", b"0]}"),
    "brackets inside a text": _fill(b'{"a":"', b"[{", b'"}'),
    "closing brackets": _fill(b"", b"]}"),
    # Texts and their escapes, whole and cut short, after brackets enough to be looked at closely.
    "quotes": _fill(b"", b'"'),
    "quotes after brackets": _fill(_BRACKETS, b'"'),
    "empty texts": _fill(b'{"a":[', b'"",', b"0]}"),
    "escaped quotes": _fill(b'{"a":"', b'\\"', b'"}'),
    "escaped quotes after brackets, not closed": _fill(_BRACKETS + b'"', b'\\"'),
    "escaped line ends after brackets, not closed": _fill(_BRACKETS + b'"', b"\\\n"),
    "escaped backslashes": _fill(b'{"a":"', b"\\\\", b'"}'),
    "backslashes": _fill(b"", b"\\"),
    "backslashes after brackets": _fill(_BRACKETS + b'"', b"\\"),
    "unicode escapes": _fill(b'{"a":"', b"\\u0041", b'"}'),
    "unicode escapes in a name": _fill(b'{"', b"\\u0041", b'":0}'),
    "pairs of surrogates": _fill(b'{"a":"', b"\\ud83d\\ude00", b'"}'),
    "lone surrogates": _fill(b'{"a":"', b"\\ud83d", b'"}'),
    "letters of several bytes": _fill(b'{"a":"', "é€😀".encode(), b'"}'),
    "broken UTF-8": _fill(b'{"a":"', b"\xc3", b'"}'),
    "one long text": _fill(b'{"a":"', b"x", b'"}'),
    "one long name": _fill(b'{"', b"x", b'":0}'),
    # Numbers.
    "digits": _fill(b"", b"9"),
    "one huge number": _fill(b'{"a":', b"9", b"}"),
    "one huge negative number": _fill(b'{"exp":-', b"9", b"}"),
    "a long fraction": _fill(b'{"exp":0.', b"3", b"}"),
    "a long number with a fraction": _fill(b'{"exp":', b"7", b".5}"),
    "a huge exponent": _fill(b'{"exp":1e', b"9", b"}"),
    "a long number with an exponent": _fill(b'{"exp":', b"1", b"e-9}"),
    "many numbers": _fill(b'{"a":[', b"1,", b"1]}"),
    "many large numbers": _fill(b'{"a":[', b"9" * 40 + b",", b"1]}"),
    "many fractions": _fill(b'{"a":[', b"1.10,", b"1]}"),
    # Names.
    "one name again and again": _fill(b'{"a":0', b',"a":0', b"}"),
    "one name again, written otherwise": _fill(b'{"a":0', b',"\\u0061":0', b"}"),
    "many names": _numbered(b"{", b'"n%d":0', b"}"),
    "many names, spaced": _numbered(b"{", b'"n%d": 0', b"}"),
    "many objects": _fill(b'{"a":[', b'{"b": 0},', b"0]}"),
    "a long crit": _numbered(b'{"alg":"HS256","crit":[', b'"n%d"', b"]}"),
    "a crit of one name": _fill(b'{"alg":"HS256","crit":["exp"', b',"exp"', b"]}"),
    "many audiences": _numbered(b'{"iss":"a","exp":9999999999,"aud":[', b'"n%d"', b"]}"),
    "many scopes": _fill(b'{"iss":"a","aud":"b","exp":9999999999,"scope":"', b"a ", b'"}'),
    # White space and what parts a text.
    "spaces": _fill(b"", b" "),
    "line ends": _fill(b"", b"\r\n"),
    "a spaced object": _fill(b'{"a":', b" \n", b"0}"),
    "dots": _fill(b"", b"."),
    "letters and dots": _fill(b"", b"a."),
    "commas": _fill(b"[", b","),
    "colons": _fill(b"", b":"),
    "slashes": _fill(b"", b"/"),
    "zero bytes": _fill(b"", b"\0"),
    "ampersands": _fill(b"", b"a=b&"),
    "semicolons": _fill(b"", b"a=b; "),
    "percent escapes": _fill(b"", b"%41"),
    # The alphabets of base64 and of PEM.
    "base64": _fill(b"", b"QUJD"),
    "padding": _fill(b"", b"="),
    "base64 that is not canonical": _fill(b"", b"QUJD", b"QR"),
    "hexadecimal digits": _fill(b"", b"3082"),
    "dashes": _fill(b"", b"-"),
    "beginnings of PEM": _fill(b"", b"-----BEGIN "),
    "beginnings of PEM keys": _fill(b"", b"-----BEGIN PUBLIC KEY-----\n"),
    "empty PEM keys": _fill(b"", b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"),
    "text before a PEM key": _fill(
        b"", b"Subject: a\n", b"-----BEGIN PUBLIC KEY-----\nMA==\n-----END PUBLIC KEY-----\n"
    ),
    "a PEM key of much base64": _fill(
        b"-----BEGIN PUBLIC KEY-----\n", b"MIIB" * 16 + b"\n", b"-----END PUBLIC KEY-----\n"
    ),
    "a PEM key of open DER": _fill(
        b"-----BEGIN PRIVATE KEY-----\n", b"MIIA" * 16 + b"\n", b"-----END PRIVATE KEY-----\n"
    ),
}
"""Texts by the name of their family."""

_HEAD = b"eyJhbGciOiJIUzI1NiJ9"  # {"alg":"HS256"}
_EC = b'"kty":"EC","crv":"P-256","x":"%b","y":"%b"' % (b"A" * 43, b"A" * 43)
_JWE = b'"protected":"eyJlbmMiOiJBMTI4R0NNIn0","iv":"%b","ciphertext":"","tag":"%b",' % (
    b"A" * 16,
    b"A" * 22,
)

DOCUMENTS: dict[str, Family] = {
    "many signatures": _fill(
        b'{"payload":"","signatures":[{"protected":"%b","signature":"AA"}' % _HEAD,
        b',{"protected":"%b","signature":"AA"}' % _HEAD,
        b"]}",
    ),
    "many recipients": _fill(
        b"{%b" % _JWE + b'"recipients":[{"header":{"alg":"A128KW"}}',
        b',{"header":{"alg":"A128KW"},"encrypted_key":"AAAA"}',
        b"]}",
    ),
    "a long payload": _fill(
        b'{"payload":"', b"QUJD", b'","protected":"%b","signature":"AA"}' % _HEAD
    ),
    "a long signature": _fill(
        b'{"payload":"","protected":"%b","signature":"' % _HEAD, b"QUJD", b'"}'
    ),
    "a long unprotected header": _numbered(
        b'{"payload":"","protected":"%b","signature":"AA","header":{' % _HEAD, b'"n%d":0', b"}}"
    ),
    "a long ciphertext": _fill(
        b'{"protected":"eyJlbmMiOiJBMTI4R0NNIn0","header":{"alg":"dir"},"iv":"%b","tag":"%b",'
        b'"ciphertext":"' % (b"A" * 16, b"A" * 22),
        b"QUJD",
        b'"}',
    ),
    "many keys of one name": _fill(b'{"keys":[{"kid":"a"}', b',{"kid":"a",%b}' % _EC, b"]}"),
    "many keys": _numbered(b'{"keys":[', b'{"kid":"n%%d",%b}' % _EC, b"]}"),
    "many keys that are none": _fill(b'{"keys":[0', b",0", b"]}"),
    "a key of a huge modulus": _fill(
        b'{"keys":[{"kty":"RSA","alg":"RS256","e":"AQAB","n":"', b"QUJD", b'"}]}'
    ),
    "a key of a huge exponent": _fill(
        b'{"keys":[{"kty":"RSA","alg":"RS256","n":"%b","e":"' % (b"z" * 342), b"QUJD", b'"}]}'
    ),
    "a key of a huge coordinate": _fill(
        b'{"keys":[{"kty":"EC","crv":"P-256","y":"AA","x":"', b"QUJD", b'"}]}'
    ),
    "a key of a long name": _fill(b'{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"', b"x", b'"}]}'),
    "a key of many operations": _numbered(b'{"keys":[{%b,"key_ops":[' % _EC, b'"n%d"', b"]}]}"),
}
"""Tokens in JSON form and key sets by the name of their family."""
