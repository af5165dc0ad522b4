"""Hashes of other systems: made by those themselves, checked by us, and bounded."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import Counter

import argon2
import bcrypt
import pytest
from argon2 import Type
from argon2.low_level import hash_secret
from django.contrib.auth import hashers

from carnet.server.accounts import passwords as passwords_module
from carnet.server.accounts.foreign_hashes import HashRefused, read_hash
from carnet.server.accounts.passwords import Passwords

PASSWORD = "paper-boat-härbour"
SALT = "saltsaltsaltsalt"
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


def django_hasher(kind):
    made = {
        "argon2": hashers.Argon2PasswordHasher,
        "bcrypt": hashers.BCryptPasswordHasher,
        "bcrypt_sha256": hashers.BCryptSHA256PasswordHasher,
        "pbkdf2_sha1": hashers.PBKDF2SHA1PasswordHasher,
        "pbkdf2_sha256": hashers.PBKDF2PasswordHasher,
        "scrypt": hashers.ScryptPasswordHasher,
    }[kind]()
    made.rounds, made.iterations, made.work_factor = 4, 1000, 2**10
    made.memory_cost, made.parallelism = 1024, 2 if kind == "argon2" else 1
    return made


DJANGO = ("pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt", "bcrypt_sha256", "scrypt")


def phc(digest="sha512", rounds=1000, size=64, head="i=1000,l=64", password=PASSWORD):
    made = hashlib.pbkdf2_hmac(digest, password.encode(), b"some salt bytes", rounds, size)
    salt, value = (base64.b64encode(one).decode().rstrip("=") for one in (b"some salt bytes", made))
    return f"$pbkdf2-{digest}${head}${salt}${value}"


def werkzeug(kind):
    generate = pytest.importorskip("werkzeug.security").generate_password_hash
    return generate(PASSWORD, kind)


OTHERS = {
    "bcrypt": lambda: BCRYPT,
    "bcrypt of PHP": lambda: "$2y$" + BCRYPT[4:],
    "bcrypt of old": lambda: "$2a$" + BCRYPT[4:],
    "PBKDF2 as PHC": phc,
    "PBKDF2 of passlib": lambda: phc("sha256", 1000, 32, "1000").replace("+", "."),
    "PBKDF2 of Werkzeug": lambda: werkzeug("pbkdf2:sha256:1000"),
    "scrypt of Werkzeug": lambda: werkzeug("scrypt:1024:8:1"),
    "scrypt as PHC": lambda: (
        "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHQ$"
        + base64.b64encode(
            hashlib.scrypt(PASSWORD.encode(), salt=b"saltsalt", n=1024, r=8, p=1, dklen=32)
        )
        .decode()
        .rstrip("=")
    ),
    "Argon2i": lambda: hash_secret(
        PASSWORD.encode(), SALT.encode(), 1, 1024, 2, 32, Type.I
    ).decode(),
    "Argon2d": lambda: hash_secret(
        PASSWORD.encode(), SALT.encode(), 1, 1024, 2, 32, Type.D
    ).decode(),
    "Argon2id": lambda: argon2.PasswordHasher(1, 1024, 4, hash_len=16).hash(PASSWORD),
}


@pytest.mark.parametrize("kind", DJANGO)
def test_what_django_has_hashed_belongs_to_its_password_and_to_no_other(kind):
    hasher = django_hasher(kind)
    encoded = hasher.encode(PASSWORD, hasher.salt() if kind.startswith("bcrypt") else SALT)
    assert hasher.verify(PASSWORD, encoded)
    _, belongs = read_hash(encoded)
    assert belongs(PASSWORD.encode())
    assert not belongs(PASSWORD.encode() + b"x")
    assert not belongs(b"")


@pytest.mark.parametrize("kind", OTHERS)
def test_what_others_have_hashed_belongs_to_its_password_and_to_no_other(kind):
    _, belongs = read_hash(OTHERS[kind]())
    assert belongs(PASSWORD.encode())
    assert not belongs(PASSWORD.encode() + b"x")
    assert not belongs(b"")


def test_an_account_without_a_password_has_none_that_belongs():
    for encoded in ("!", "!aUnusableOfDjango"):
        name, belongs = read_hash(encoded)
        assert name == "none"
        assert not belongs(encoded.encode())
        assert not belongs(b"")


@pytest.mark.parametrize(
    "encoded",
    [
        BCRYPT.replace("$04$", "$16$"),
        f"bcrypt_sha256${BCRYPT.replace('$04$', '$31$')}",
        f"pbkdf2_sha256$4000001${SALT}${base64.b64encode(bytes(32)).decode()}",
        # Two blocks of the output are twice the work.
        phc("sha1", 1000, 64, "i=1500000"),
        "pbkdf2:sha256:999999999$salt$" + "0" * 64,
        f"scrypt$1048576${SALT}$8$1${base64.b64encode(bytes(64)).decode()}",
        f"scrypt$16384${SALT}$8$999${base64.b64encode(bytes(64)).decode()}",
        "$scrypt$ln=99,r=8,p=1$c2FsdA$" + "A" * 43,
        "$argon2id$v=19$m=2097152,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=65536,t=9999,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=1024,t=1,p=200$c2FsdHNhbHQ$" + "A" * 43,
    ],
)
def test_a_hash_that_would_cost_a_sign_in_too_much_is_refused(encoded):
    with pytest.raises(HashRefused) as refused:
        read_hash(encoded)
    assert refused.value.code == "hash_too_costly"
    assert SALT not in str(refused.value)


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        ("", "hash_unknown"),
        ("correct horse battery", "hash_unknown"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "hash_unknown"),
        ("md5$salt$5f4dcc3b5aa765d61d8327deb882cf99", "hash_unknown"),
        ("$6$salt$" + "x" * 86, "hash_unknown"),
        ("$2x$04$" + "a" * 53, "hash_unknown"),
        ("!" * 2000, "hash_unknown"),
        (BCRYPT.replace("$04$", "$03$"), "hash_invalid"),
        # Of one byte, 256 passwords are one.
        (f"pbkdf2_sha256$1000${SALT}$YQ==", "hash_invalid"),
        (f"pbkdf2_sha256$0${SALT}${base64.b64encode(bytes(32)).decode()}", "hash_invalid"),
        (f"pbkdf2_sha256$1000${SALT}$" + "A" * 25, "hash_invalid"),
        (f"scrypt$1000${SALT}$8$1${base64.b64encode(bytes(64)).decode()}", "hash_invalid"),
        (f"scrypt$1024${SALT}$0$1${base64.b64encode(bytes(64)).decode()}", "hash_invalid"),
        ("$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ$YWJjZA", "hash_invalid"),
    ],
)
def test_what_is_no_good_hash_is_refused_with_a_reason(encoded, code):
    with pytest.raises(HashRefused) as refused:
        read_hash(encoded)
    assert refused.value.code == code
    assert not encoded or encoded not in str(refused.value)


def test_more_of_a_password_than_bcrypt_reads_makes_no_difference_and_no_error():
    long = "x" * 100
    encoded = bcrypt.hashpw(long[:72].encode(), bcrypt.gensalt(4)).decode()
    _, belongs = read_hash(encoded)
    assert belongs(long.encode())
    assert not belongs(long[:71].encode())
    assert not belongs(b"\0")


class _Counted:
    """Counts how often a hash of ours is computed."""

    def __init__(self, hasher, counts):
        self._hasher, self._counts = hasher, counts

    def verify(self, encoded, password):
        self._counts["verify"] += 1
        return self._hasher.verify(encoded, password)

    def __getattr__(self, name):
        return getattr(self._hasher, name)


@pytest.fixture
def passwords():
    made = Passwords(1)
    yield made
    made.close()


@pytest.mark.parametrize("encoded", [None, "!", BCRYPT, phc("sha256", 1, 32, "i=1")])
def test_whoever_has_a_foreign_hash_costs_at_least_what_nobody_does(passwords, encoded):
    counts = Counter()
    passwords._hasher = _Counted(passwords._hasher, counts)
    assert not asyncio.run(passwords.check("wrong-password", encoded))
    assert counts["verify"] == 1


def test_a_hash_of_todays_parameters_is_computed_once(passwords):
    encoded = asyncio.run(passwords.hash(PASSWORD))
    counts = Counter()
    passwords._hasher = _Counted(passwords._hasher, counts)
    assert asyncio.run(passwords.check(PASSWORD, encoded))
    assert counts["verify"] == 1
    assert not passwords.is_outdated(encoded)


def test_what_was_typed_counts_as_the_other_system_has_taken_it(passwords):
    # The letter and its accent apart, as some keyboards send it.
    apart = "cafe\u0301-in-the-harbour"
    for made_of in (apart, "caf\u00e9-in-the-harbour"):
        encoded = phc("sha256", 10, 32, "i=10", made_of)
        assert asyncio.run(passwords.check(apart, encoded))
    assert not asyncio.run(passwords.check("cafe-in-the-harbour", encoded))


def test_without_bcrypt_its_hashes_let_nobody_in_and_the_log_says_so(passwords, monkeypatch):
    said = []
    monkeypatch.setitem(__import__("sys").modules, "bcrypt", None)
    monkeypatch.setattr(
        passwords_module._log, "error", lambda event, **more: said.append((event, more))
    )
    with pytest.raises(HashRefused) as refused:
        read_hash(BCRYPT)
    assert "carnet[bcrypt]" in str(refused.value)
    assert not asyncio.run(passwords.check(PASSWORD, BCRYPT))
    assert said == [("password_hash_unusable", {"reason": "bcrypt_missing"})]
