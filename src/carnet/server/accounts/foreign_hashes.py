"""Password hashes that other systems have made: their formats, a table, and how each is checked.

An imported account keeps its hash until its first good sign-in, which makes a new one with today's
parameters. Until then a sign-in costs what the other system chose, so what would cost more than a
service can spare is refused when it is imported, and again when it is checked.

    format          looks like                                          made by
    ──────────────  ──────────────────────────────────────────────────  ───────────────────────────
    bcrypt          $2b$…, bcrypt$$2b$…                                 many; Auth0; Django
    bcrypt_sha256   bcrypt_sha256$$2b$…                                 Django
    pbkdf2          pbkdf2_sha256$…, $pbkdf2-sha256$…, pbkdf2:sha256:…  Django; Auth0, passlib,
                                                                        Keycloak; Werkzeug
    scrypt          scrypt$…, $scrypt$ln=…, scrypt:…                    Django; passlib; Werkzeug
    argon2          $argon2id$…, argon2$argon2id$…                      many; Django
    none            !…                                                  no password at all
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode
from binascii import Error as Base64Error
from binascii import hexlify
from collections.abc import Callable
from typing import Final, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from carnet.errors import CarnetError

__all__ = ["FORMATS", "Format", "HashRefused", "has_password", "read_hash"]

MAX_TEXT: Final = 1024
MIN_DIGEST: Final = 16
"""Bytes. A hash that was cut short is one that many passwords belong to."""
MAX_DIGEST: Final = 128

# What a sign-in may cost until the first good one: about two seconds of a core.
MAX_BCRYPT_COST: Final = 15
MAX_PBKDF2_ROUNDS: Final = 4_000_000
MAX_SCRYPT_BYTES: Final = 128 * 1024 * 1024
MAX_SCRYPT_WORK: Final = 2**22
MAX_ARGON2_KIB: Final = 256 * 1024
MAX_ARGON2_WORK: Final = 2**20
MAX_ARGON2_LANES: Final = 16

# More of a password than this bcrypt has never looked at.
BCRYPT_BYTES: Final = 72

Check = Callable[[bytes], bool]

_BASE64: Final = r"([A-Za-z0-9+/.]{0,200}={0,2})"
_BCRYPT: Final = r"(\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53})"
_SALT: Final = r"([^$]{1,128})"


class HashRefused(CarnetError):
    """A password hash can't be used; the message says why, and never what it is.

    Codes: ``hash_unknown``, ``hash_too_costly``, ``hash_invalid``, ``bcrypt_missing``.
    """

    code = "hash_invalid"


class Format(NamedTuple):
    """One way to write a password hash.

    Attributes:
        name: what reports call it.
        pattern: what it looks like, whole.
        read: gives what tells whether a password belongs to it.
    """

    name: str
    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], Check]


def read_hash(encoded: str) -> tuple[str, Check]:
    """Read a hash.

    Args:
        encoded: as the other system has written it.

    Returns:
        The name of its format, and what tells whether a password, in UTF-8, belongs to it.

    Raises:
        HashRefused: if its format is not known, or if a check would cost too much.
    """
    for format in FORMATS if len(encoded) <= MAX_TEXT else ():
        match = format.pattern.fullmatch(encoded)
        if match is not None:
            return format.name, format.read(match)
    raise HashRefused("the format of the password hash is not known", code="hash_unknown")


def has_password(encoded: str) -> bool:
    """Tell whether an account with this hash has a password at all."""
    return bool(encoded) and not encoded.startswith("!")


def _bcrypt(match: re.Match[str]) -> Check:
    encoded, cost = match[1].encode(), int(match[2])
    _bound("bcrypt's cost", cost, MAX_BCRYPT_COST)
    if cost < 4:
        raise HashRefused("the password hash has a cost that bcrypt does not have")
    try:
        import bcrypt
    except ModuleNotFoundError:
        raise HashRefused(
            "hashes of bcrypt need a part that is not installed: pip install 'carnet[bcrypt]'",
            code="bcrypt_missing",
        ) from None

    def check(password: bytes) -> bool:
        try:
            return bcrypt.checkpw(password[:BCRYPT_BYTES], encoded)
        except ValueError:
            return False

    return check


def _bcrypt_sha256(match: re.Match[str]) -> Check:
    check = _bcrypt(match)
    return lambda password: check(hexlify(hashlib.sha256(password).digest()))


def _pbkdf2(digest: str, rounds: int, salt: bytes, expected: bytes) -> Check:
    _check_digest(expected)
    # Each block of the output costs all the rounds.
    blocks = -(-len(expected) // hashlib.new(digest).digest_size)
    _bound("PBKDF2's iterations", max(rounds, 1) * blocks, MAX_PBKDF2_ROUNDS)
    if not rounds:
        raise HashRefused("the password hash has no iterations")

    def check(password: bytes) -> bool:
        made = hashlib.pbkdf2_hmac(digest, password, salt, rounds, len(expected))
        return hmac.compare_digest(made, expected)

    return check


def _scrypt(costs: tuple[int, int, int], salt: bytes, expected: bytes) -> Check:
    _check_digest(expected)
    n, r, p = costs
    if n < 2 or n & (n - 1) or not r or not p:
        raise HashRefused("the password hash has parameters that scrypt does not have")
    _bound("scrypt's memory", 128 * n * r, MAX_SCRYPT_BYTES)
    _bound("scrypt's work", n * r * p, MAX_SCRYPT_WORK)

    def check(password: bytes) -> bool:
        size, most = len(expected), 2 * MAX_SCRYPT_BYTES
        made = hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=most, dklen=size)
        return hmac.compare_digest(made, expected)

    return check


def _argon2(match: re.Match[str]) -> Check:
    encoded = match[1]
    memory, passes, lanes = (int(match[place]) for place in (2, 3, 4))
    _bound("Argon2's memory", memory, MAX_ARGON2_KIB)
    _bound("Argon2's work", memory * passes, MAX_ARGON2_WORK)
    _bound("Argon2's lanes", lanes, MAX_ARGON2_LANES)
    _check_digest(_base64(match[6]))

    def check(password: bytes) -> bool:
        try:
            return PasswordHasher().verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False

    return check


def _no_password(_match: re.Match[str]) -> Check:
    return lambda _password: False


def _bound(what: str, value: int, most: int) -> None:
    if value > most:
        raise HashRefused(
            f"a sign-in would cost too much: {what} may be {most} at most",
            code="hash_too_costly",
        )


def _check_digest(digest: bytes) -> None:
    if not MIN_DIGEST <= len(digest) <= MAX_DIGEST:
        raise HashRefused(f"a password hash has {MIN_DIGEST} to {MAX_DIGEST} bytes")


def _base64(text: str) -> bytes:
    # Some write '.' for '+', and most leave the padding out.
    plain = text.rstrip("=").replace(".", "+")
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except Base64Error:
        raise HashRefused("the password hash is not whole") from None


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise HashRefused("the password hash is not whole") from None


FORMATS: Final = (
    Format("bcrypt", re.compile(rf"(?:bcrypt\$)?{_BCRYPT}"), _bcrypt),
    Format("bcrypt_sha256", re.compile(rf"bcrypt_sha256\${_BCRYPT}"), _bcrypt_sha256),
    Format(
        "pbkdf2",
        re.compile(rf"pbkdf2_(sha1|sha256)\$([0-9]{{1,9}})\${_SALT}\${_BASE64}"),
        lambda match: _pbkdf2(match[1], int(match[2]), match[3].encode(), _base64(match[4])),
    ),
    Format(
        "pbkdf2",
        re.compile(
            r"\$pbkdf2-(sha1|sha256|sha512)\$(?:i=)?([0-9]{1,9})(?:,l=[0-9]{1,3})?"
            rf"\${_BASE64}\${_BASE64}"
        ),
        lambda match: _pbkdf2(match[1], int(match[2]), _base64(match[3]), _base64(match[4])),
    ),
    Format(
        "pbkdf2",
        re.compile(rf"pbkdf2:(sha1|sha256|sha512):([0-9]{{1,9}})\${_SALT}\$([0-9a-f]{{0,256}})"),
        lambda match: _pbkdf2(match[1], int(match[2]), match[3].encode(), _hex(match[4])),
    ),
    Format(
        "scrypt",
        re.compile(rf"scrypt\$([0-9]{{1,9}})\${_SALT}\$([0-9]{{1,3}})\$([0-9]{{1,3}})\${_BASE64}"),
        lambda match: _scrypt(
            (int(match[1]), int(match[3]), int(match[4])), match[2].encode(), _base64(match[5])
        ),
    ),
    Format(
        "scrypt",
        re.compile(
            r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,3}),p=([0-9]{1,3})"
            rf"\${_BASE64}\${_BASE64}"
        ),
        lambda match: _scrypt(
            (2 ** int(match[1]), int(match[2]), int(match[3])),
            _base64(match[4]),
            _base64(match[5]),
        ),
    ),
    Format(
        "scrypt",
        re.compile(
            rf"scrypt:([0-9]{{1,9}}):([0-9]{{1,3}}):([0-9]{{1,3}})\${_SALT}\$([0-9a-f]{{0,256}})"
        ),
        lambda match: _scrypt(
            (int(match[1]), int(match[2]), int(match[3])), match[4].encode(), _hex(match[5])
        ),
    ),
    Format(
        "argon2",
        re.compile(
            r"(?:argon2)?(\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?"
            rf"m=([0-9]{{1,9}}),t=([0-9]{{1,4}}),p=([0-9]{{1,3}})\${_BASE64}\${_BASE64})"
        ),
        _argon2,
    ),
    Format("none", re.compile(r"![\x20-\x7e]{0,128}"), _no_password),
)
"""Every format, the first that a hash looks like is its own."""
