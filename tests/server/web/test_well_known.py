"""Well-known addresses for password managers and browsers."""

import pytest
from tests.server.inside import Inside

ORIGINS = ("https://auth.example.de", "https://auth.example.fr:8443")


@pytest.fixture
def get(play):
    def asked(path, **settings):
        async def scene(service, _clock):
            return await Inside(service).client.get(path)

        return play(scene, **settings)

    return asked


def test_a_password_manager_is_led_to_the_page_for_changing_passwords(get):
    answer = get("/.well-known/change-password")
    assert (answer.status_code, answer.headers["location"]) == (303, "/me/password")
    # By which it knows that the answer above is meant.
    missing = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"
    assert get(missing).status_code == 404


def test_under_a_path_it_is_led_to_the_page_there(get):
    answer = get("/.well-known/change-password", issuer="https://example.com/auth")
    assert answer.headers["location"] == "/auth/me/password"


def test_password_managers_learn_where_passkeys_are_made(get):
    answer = get("/.well-known/passkey-endpoints", issuer="https://auth.example.com")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "enroll": "https://auth.example.com/me/factors/passkey",
        "manage": "https://auth.example.com/me/factors",
    }
    # An address has none.
    assert get("/.well-known/passkey-endpoints").status_code == 404


def test_browsers_learn_which_other_origins_use_passkeys_of_this_host(get):
    answer = get("/.well-known/webauthn", related_origins=ORIGINS)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"origins": list(ORIGINS)}
    assert get("/.well-known/webauthn").status_code == 404


def test_passkeys_can_be_for_another_host_than_the_issuers(play):
    async def scene(service, _clock):
        return service.factors.passkeys.request_options(None, b"c" * 32)

    here = play(scene, issuer="https://auth.example.com")
    above = play(scene, issuer="https://auth.example.com", passkey_host="example.com")
    assert '"rpId":"auth.example.com"' in here
    assert '"rpId":"example.com"' in above
