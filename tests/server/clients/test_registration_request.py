"""What a client may say of itself, what is ignored, and what is refused by name."""

import pytest

from carnet import Key
from carnet.server.clients.clients import ClientRefused
from carnet.server.clients.registration_request import (
    MOST_KEYS,
    read_registration,
    registered_members,
)

CALLBACK = "https://app.example/callback"
KEY = Key.generate("ES256").public.to_jwk()
LOOPBACK = "http://127.0.0.1:3000/callback"


def read(**members):
    return read_registration({"redirect_uris": [CALLBACK], **members})


def test_what_is_not_said_is_as_the_rfc_says():
    metadata = read()
    assert metadata.token_endpoint_auth_method == "client_secret_basic"
    assert metadata.grant_types == ("authorization_code",)
    assert registered_members(metadata) == {
        "redirect_uris": (CALLBACK,),
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ("authorization_code",),
        "response_types": ("code",),
        "application_type": "web",
        "dpop_bound_access_tokens": False,
        "require_pushed_authorization_requests": False,
        "require_signed_request_object": False,
    }


def test_what_a_client_says_is_registered():
    key = Key.generate("ES256").public.to_jwk()
    said = {
        "client_name": "Agent é",
        "redirect_uris": [LOOPBACK, "com.example.agent:/callback"],
        "scope": "tools:read tools:write",
        "jwks": {"keys": [key]},
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["authorization_code", "refresh_token"],
        "dpop_bound_access_tokens": True,
        "require_pushed_authorization_requests": False,
        "require_signed_request_object": False,
        "application_type": "native",
    }
    told = registered_members(read_registration(said))
    assert {name: list(one) if isinstance(one, tuple) else one for name, one in told.items()} == {
        **said,
        "response_types": ["code"],
    }


def test_what_only_administrators_may_say_and_what_is_unknown_is_ignored():
    metadata = read(
        first_party=True,
        plain_http=True,
        introspects=["orders"],
        resources=["https://auth.example.com"],
        software_statement="eyJ",
        logo_uri=5,
        post_logout_redirect_uris=[CALLBACK],
        **{"client_name#ja": "x"},
    )
    assert metadata == read()


def test_a_member_without_a_value_is_not_given():
    assert read(client_name=None, jwks_uri=None, grant_types=None) == read()


def test_grants_that_there_are_not_are_left_out_and_client_credentials_are_nobodys():
    asked = ["client_credentials", "authorization_code", "implicit", "refresh_token"]
    metadata = read(grant_types=asked, response_types=["code", "token"])
    assert metadata.grant_types == ("authorization_code", "refresh_token")


@pytest.mark.parametrize(
    ("members", "member"),
    [
        ({"redirect_uris": []}, "redirect_uris"),
        ({"redirect_uris": CALLBACK}, "redirect_uris"),
        ({"redirect_uris": [5]}, "redirect_uris"),
        ({"redirect_uris": None}, "redirect_uris"),
        ({"redirect_uris": ["http://app.example/callback"]}, "redirect_uris"),
        ({"redirect_uris": ["http://10.0.0.5/callback"], "plain_http": True}, "redirect_uris"),
        ({"redirect_uris": [f"{CALLBACK}#x"]}, "redirect_uris"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "redirect_uris"),
        ({"redirect_uris": [CALLBACK, LOOPBACK], "application_type": "web"}, "redirect_uris"),
        ({"client_name": "x" * 257}, "client_name"),
        ({"client_name": 5}, "client_name"),
        ({"client_name": "a\nb"}, "client_name"),
        ({"client_name": "bank\u202e"}, "client_name"),
        ({"client_name": "\x1b[2J"}, "client_name"),
        ({"grant_types": ["client_credentials"]}, "grant_types"),
        ({"grant_types": "authorization_code"}, "grant_types"),
        ({"grant_types": []}, "grant_types"),
        ({"response_types": ["token"]}, "response_types"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "jwks"),
        ({"jwks_uri": "https://app.example/jwks.json"}, "jwks_uri"),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://a.b"}, "jwks_uri"),
        ({"token_endpoint_auth_method": "federated_jwt"}, "federated_credentials"),
        ({"jwks": [1]}, "jwks"),
        ({"jwks": {"keys": [{}]}}, "jwks"),
        ({"jwks": {"keys": [Key.generate("ES256").to_jwk(private=True)]}}, "jwks"),
        ({"jwks": {"keys": [KEY] * (MOST_KEYS + 1)}}, "jwks"),
        ({"backchannel_logout_uri": "https://app.example/logout"}, "backchannel_logout_uri"),
        ({"application_type": "service"}, "application_type"),
        ({"scope": "a  b"}, "scope"),
        ({"scope": ["a"]}, "scope"),
        ({"dpop_bound_access_tokens": "yes"}, "dpop_bound_access_tokens"),
        ({"id_token_encrypted_response_alg": "RSA1_5"}, "id_token_encrypted_response_alg"),
        ({"redirect_uris": [f"{CALLBACK}/{'x' * 1990}{n}" for n in range(5)]}, ""),
    ],
)
def test_what_can_not_be_is_refused_by_its_name(members, member):
    with pytest.raises(ClientRefused) as refused:
        read(**members)
    code = "invalid_redirect_uri" if member == "redirect_uris" else "invalid_client_metadata"
    assert (refused.value.code, refused.value.member) == (code, member)
    assert member in str(refused.value)
