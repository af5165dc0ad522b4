"""Waiting for what must come true."""

from __future__ import annotations

import time

from carnet import InvalidToken


def until(done, seconds=60):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


def followed(verifier):
    """Tell whether a verifier has a word of the issuer about what is revoked."""
    return verifier.health()[0].revocations_age is not None


def refusal(verifier, token, seconds=60.0):
    """Give the refusal of a token that was good; fail where it stays good."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            verifier.verify(token)
        except InvalidToken as error:
            return error
        time.sleep(0.002)
    raise AssertionError("the token is still accepted")
