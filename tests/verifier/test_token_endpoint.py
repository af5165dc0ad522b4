"""What a device authorization endpoint may answer to a program at a terminal."""

from __future__ import annotations

import pytest

from carnet import IssuerUnavailable
from carnet.jose.encoding import json_encode
from carnet.jwt.key_source import Answer
from carnet.verifier.token_endpoint import Client, TokenEndpoint

ISSUER = "https://auth.example.com"
METADATA = {
    "issuer": ISSUER,
    "jwks_uri": f"{ISSUER}/jwks",
    "device_authorization_endpoint": f"{ISSUER}/device_authorization",
}
CODES = {
    "device_code": "d",
    "user_code": "WDJB-MJHT",
    "verification_uri": f"{ISSUER}/device",
    "expires_in": 600,
}


def ask(codes):
    """Run the protocol against an issuer that answers so."""
    steps = TokenEndpoint(ISSUER, Client("cli")).device_authorization()
    next(steps)
    steps.send(Answer(200, "", json_encode(METADATA)))
    try:
        steps.send(Answer(200, "", json_encode(codes)))
    except StopIteration as end:
        return end.value
    raise AssertionError("it asks for more")


def test_a_device_that_is_told_no_interval_waits_five_seconds():
    device = ask(CODES)
    assert (device.interval, device.page_with_code) == (5, None)
    assert "device_code" not in repr(device)


@pytest.mark.parametrize(
    "wrong",
    [
        {"device_code": None},
        {"user_code": "\x1b[2J"},
        {"verification_uri": "https://auth.example.com/\x1b]0;x\x07"},
        {"verification_uri_complete": "a\nb"},
        {"verification_uri_complete": 1},
        {"expires_in": "600"},
        {"interval": True},
    ],
)
def test_what_could_harm_a_terminal_or_is_of_another_kind_is_refused(wrong):
    with pytest.raises(IssuerUnavailable, match="without codes for a device"):
        ask({**CODES, **wrong})
