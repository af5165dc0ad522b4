"""Passwords and their hashes, by themselves."""

import asyncio

import argon2
import pytest

from carnet.server.accounts.passwords import Passwords


def test_what_nobody_has_is_compared_as_a_hash_of_todays_parameters():
    passwords = Passwords(1)
    try:
        real = asyncio.run(passwords.hash("a-long-enough-password"))
        of_nobody = passwords.hash_of_nobody
        assert argon2.extract_parameters(of_nobody) == argon2.extract_parameters(real)
        assert not passwords.is_outdated(of_nobody)
        # It is computed to its end, and not refused for its form, which would take no time.
        with pytest.raises(argon2.exceptions.VerifyMismatchError):
            argon2.PasswordHasher().verify(of_nobody, "a-long-enough-password")
        assert not asyncio.run(passwords.check("a-long-enough-password", None))
    finally:
        passwords.close()


def test_each_process_compares_with_another_one():
    first, second = Passwords(1), Passwords(1)
    first.close()
    second.close()
    assert first.hash_of_nobody != second.hash_of_nobody
