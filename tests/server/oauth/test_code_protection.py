"""Clients that can't do PKCE: who is let off, what they send instead, and what that is worth."""

import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK, Request
from tests.server.inside import Inside, register

from carnet import inspect
from carnet.server.clients.clients import ClientMetadata, ClientRefused
from carnet.server.clients.metadata_checks import check_metadata
from carnet.server.clients.registration_request import read_registration

EXEMPT = {"token_endpoint_auth_method": "client_secret_basic", "require_pkce": False}
WITHOUT = {"code_challenge": None, "code_challenge_method": None}


@pytest.fixture
def scene_of(play):
    """Run a scene with alice's browser and a client with a secret that can't do PKCE."""

    def run(scene, **metadata):
        async def opened(service, _clock):
            await service.accounts.create("alice", PASSWORD)
            secret = await register(service, **{**EXEMPT, **metadata})
            return await scene(service, Inside(service), ("app", secret))

        return play(opened)

    return run


def error_of(answer):
    return (answer.status_code, answer.json().get("error"))


def test_a_nonce_stands_for_pkce_where_an_administrator_has_said_so(scene_of):
    async def scene(_service, alice, auth):
        asked, answer = await alice.authorize(nonce="n-1", **WITHOUT)
        sent = {"auth": auth, "client_id": None, "code_verifier": None}
        told = (await alice.exchange(asked, answer["code"], **sent)).json()
        return inspect(told["id_token"]).claims["nonce"]

    assert scene_of(scene) == "n-1"


def test_without_pkce_and_without_a_nonce_nothing_is_given(scene_of):
    async def scene(_service, alice, _auth):
        _, answer = await alice.authorize(**WITHOUT)
        return answer["error"], answer["state"], "nonce" in answer["error_description"]

    assert scene_of(scene) == ("invalid_request", "a state", True)


def test_a_conformance_suite_may_leave_out_both(scene_of):
    async def scene(_service, alice, auth):
        asked, answer = await alice.authorize(**WITHOUT)
        sent = {"auth": auth, "client_id": None, "code_verifier": None}
        return (await alice.exchange(asked, answer["code"], **sent)).status_code

    assert scene_of(scene, require_nonce=False) == 200


def test_every_other_client_needs_pkce_whatever_else_it_sends(scene_of):
    async def scene(_service, alice, _auth):
        _, answer = await alice.authorize(nonce="n-1", **WITHOUT)
        return answer["error"], "code_challenge" in answer["error_description"]

    assert scene_of(scene, require_pkce=True) == ("invalid_request", True)


def test_who_does_pkce_all_the_same_is_held_to_it(scene_of):
    """RFC 9700 section 4.8.2: neither is the verifier left out, nor is one taken for nothing."""

    async def scene(_service, alice, auth):
        sent = {"auth": auth, "client_id": None}
        asked, answer = await alice.authorize()
        outcomes = [
            error_of(await alice.exchange(asked, answer["code"], **sent, code_verifier=None)),
            error_of(await alice.exchange(asked, answer["code"], **sent, code_verifier="v" * 43)),
            error_of(await alice.exchange(asked, answer["code"], **sent)),
        ]
        # The challenge was taken out of the request on its way.
        asked, answer = await alice.authorize(nonce="n-1", **WITHOUT)
        outcomes.append(error_of(await alice.exchange(asked, answer["code"], **sent)))
        return outcomes

    refused = (400, "invalid_grant")
    assert scene_of(scene) == [refused, refused, (200, None), refused]


def test_a_method_without_a_challenge_is_refused(scene_of):
    async def scene(_service, alice, _auth):
        return (await alice.authorize(nonce="n-1", code_challenge=None))[1]["error"]

    assert scene_of(scene) == "invalid_request"


def test_a_new_password_counts_for_the_one_request_that_has_no_challenge_either(scene_of):
    """What the service signs into the way to the sign-in page is good for no other request."""

    async def scene(_service, alice, _auth):
        first = Request(nonce="n-1", prompt="login", **WITHOUT)
        answer = await alice.client.get("/authorize", params=first.parameters)
        await alice.sign_in()
        following = answer.headers["location"].partition("continue=")[2]
        alice.forms.clear()
        await alice.go("/authorize?" + _unquoted(following).partition("?")[2])
        same = "/sign-in" in alice.forms
        alice.forms.clear()
        await alice.go("/authorize?" + _unquoted(following).partition("?")[2].replace("n-1", "n-2"))
        return same, "/sign-in" in alice.forms

    assert scene_of(scene) == (False, True)


def _unquoted(text):
    from urllib.parse import unquote_plus

    return unquote_plus(text)


@pytest.mark.parametrize(
    ("members", "member"),
    [
        ({"token_endpoint_auth_method": "none", "require_pkce": False}, "require_pkce"),
        ({"require_nonce": False}, "require_nonce"),
    ],
)
def test_a_client_that_keeps_no_secret_is_never_let_off(members, member):
    with pytest.raises(ClientRefused) as refused:
        check_metadata(ClientMetadata(redirect_uris=(CALLBACK,), **members))
    assert refused.value.member == member


def test_nobody_lets_itself_off():
    given = {"redirect_uris": [CALLBACK], "require_pkce": False, "require_nonce": False}
    made = read_registration(given)
    assert (made.require_pkce, made.require_nonce) == (True, True)
