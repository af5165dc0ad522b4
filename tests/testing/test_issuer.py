"""An issuer in memory: what it signs, and that the checks of the service stay the service's own."""

import asyncio
import socket
import threading

import pytest
from tests.verifier import providers

from carnet import ConfigurationError, InvalidToken, IssuerUnavailable, Key, KeySet
from carnet.testing import TestIssuer
from carnet.verifier import AccessTokenVerifier, AsyncAccessTokenVerifier, Issuer

NAME = "https://auth.example.com"


@pytest.fixture
def issuer():
    one = TestIssuer(NAME, audience="orders")
    yield one
    one.restore()


def service(issuer, **options):
    verifier = AccessTokenVerifier(NAME, "orders", **options)
    issuer.override(verifier)
    return verifier


def refusal(verifier, token):
    with pytest.raises(InvalidToken) as raised:
        verifier.verify(token)
    return raised.value.code


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"expired": True}, "expired"),
        ({"not_yet": True}, "not_yet_valid"),
        ({"audience": "billing"}, "audience_mismatch"),
        ({"audience": ["billing", "mail"]}, "audience_mismatch"),
        ({"type": "JWT"}, "type_mismatch"),
        ({"claims": {"iss": "https://other.example.com"}}, "issuer_mismatch"),
        ({"claims": {"exp": None}}, "claim_missing"),
        ({"key": "unknown"}, "key_not_found"),
        ({"key": "forged"}, "signature_invalid"),
        ({"key": Key.generate("ES256", kid="x")}, "key_not_found"),
        ({"alg": "HS256"}, "key_not_found"),
        ({"alg": "HS256", "key": "forged"}, "algorithm_mismatch"),
        ({"alg": "none"}, "malformed"),
    ],
    ids=str,
)
def test_a_bad_token_is_refused_for_what_was_asked_for(issuer, options, code):
    verifier = service(issuer)
    assert refusal(verifier, issuer.token(**options)) == code


def test_a_good_token_says_what_was_asked_for(issuer):
    claims = service(issuer).verify(
        issuer.token("ada", ["ADMIN"], "a b", client_id="web", sid="s", claims={"mail": "a@b"})
    )
    assert (claims.subject, claims.client_id, claims["sid"]) == ("ada", "web", "s")
    assert (claims.roles, claims.scopes) == (("ADMIN",), {"a", "b"})
    assert claims["mail"] == "a@b"


def test_the_clock_stands_still_until_it_is_moved(issuer):
    verifier, token = service(issuer), issuer.token(lifetime=60)
    verifier.verify(token)
    issuer.clock.advance(59)
    verifier.verify(token)
    issuer.clock.advance(1)
    assert refusal(verifier, token) == "expired"
    with pytest.raises(ConfigurationError):
        issuer.clock.advance(-1)
    assert TestIssuer(NAME, "orders", now=1_000).clock() == 1_000


def test_the_options_of_the_service_count(issuer):
    verifier = service(issuer, leeway=30, claims={"tenant": "t1"}, roles_claim="groups")
    assert refusal(verifier, issuer.token()) == "claim_missing"
    token = issuer.token(lifetime=60, claims={"tenant": "t1", "groups": ["ADMIN"]})
    assert verifier.verify(token).roles == ("ADMIN",)
    issuer.clock.advance(89)
    verifier.verify(token)
    issuer.clock.advance(1)
    assert refusal(verifier, token) == "expired"


def test_a_service_that_accepts_no_keys_of_its_algorithm_is_told_at_once(issuer):
    verifier = AccessTokenVerifier(NAME, "orders", algorithms=["RS256"])
    with pytest.raises(ConfigurationError, match="no usable key"):
        issuer.override(verifier)
    with pytest.raises(ConfigurationError, match="trusts https://else"):
        issuer.override(AccessTokenVerifier("https://else.example.com", "orders"))
    with pytest.raises(ConfigurationError, match="no verifier of Carnet's"):
        issuer.override(object())
    TestIssuer(NAME, "orders", alg="RS256").override(verifier)


def test_what_failed_halfway_changes_nothing(issuer):
    verifier = AccessTokenVerifier(NAME, "orders")
    before = verifier.issuers
    with pytest.raises(ConfigurationError):
        issuer.override(verifier, object())
    assert verifier.issuers == before


def test_the_end_of_an_override_puts_the_issuer_back_and_remembers_nothing_of_it(issuer):
    key = Key.generate("ES256")
    verifier = AccessTokenVerifier(NAME, "orders", keys=KeySet([key.public]))
    own = TestIssuer(NAME, "orders").token(key=key)
    verifier.verify(own)
    token = issuer.token()
    with issuer.override(verifier):
        verifier.verify(token)
        assert refusal(verifier, own) == "key_not_found"
    assert refusal(verifier, token) == "key_not_found"
    verifier.verify(own)


def test_overrides_within_each_other_and_of_several_issuers_end_in_order(issuer):
    other = TestIssuer("https://other.example.com", "orders")
    verifier = AccessTokenVerifier([NAME, "https://other.example.com"], "orders")
    before = verifier.issuers
    again = TestIssuer(NAME, "orders")
    with issuer.override(verifier), other.override(verifier), again.override(verifier):
        verifier.verify(other.token())
        verifier.verify(again.token())
        assert refusal(verifier, issuer.token()) == "key_not_found"
    assert verifier.issuers == before


def test_what_is_revoked_is_refused_at_the_next_request(issuer):
    verifier = service(issuer)
    first, second = issuer.token(sid="s"), issuer.token(sid="s")
    of_ada, of_bob = issuer.token("ada"), issuer.token("bob")
    for token in (first, second, of_ada, of_bob):
        verifier.verify(token)
    issuer.revoke(first)
    assert refusal(verifier, first) == "revoked"
    verifier.verify(second)
    issuer.end_session(second)
    assert refusal(verifier, second) == "revoked"
    issuer.change_account("ada")
    assert refusal(verifier, of_ada) == "revoked"
    verifier.verify(of_bob)
    verifier.verify(issuer.token("ada"))
    # A service that begins only now hears all of it.
    assert refusal(service(issuer), first) == "revoked"


def test_a_service_that_does_not_ask_for_revocations_accepts_what_was_revoked(issuer):
    verifier, token = service(issuer, revocations="off"), issuer.token()
    issuer.revoke(token)
    verifier.verify(token)


def test_a_token_without_the_claim_can_not_be_revoked_by_it(issuer):
    with pytest.raises(ConfigurationError, match="jti"):
        issuer.revoke(issuer.token(claims={"jti": None}))
    with pytest.raises(ConfigurationError, match="sid"):
        issuer.end_session("no token")


def test_an_issuer_that_is_down_leaves_nobody_to_check_with_until_it_is_up(issuer):
    verifier, token = service(issuer), issuer.token()
    verifier.verify(token)
    issuer.down()
    with pytest.raises(IssuerUnavailable):
        verifier.verify(token)
    issuer.rotate()
    with pytest.raises(IssuerUnavailable):
        verifier.verify(token)
    issuer.up()
    verifier.verify(token)


def test_required_revocations_refuse_when_the_issuer_was_silent_for_too_long(issuer):
    verifier, token = service(issuer, revocations="required"), issuer.token()
    verifier.verify(token)
    issuer.down(keys_held=True)
    issuer.clock.advance(15)
    verifier.verify(token)
    issuer.revoke(token)
    verifier.verify(token)  # nobody has heard of it
    issuer.clock.advance(11)
    with pytest.raises(IssuerUnavailable):
        verifier.verify(token)
    assert not verifier.health()[0].ready
    issuer.up()
    assert verifier.health()[0].ready
    assert refusal(verifier, token) == "revoked"


def test_after_a_rotation_older_tokens_are_good_while_their_key_is_published(issuer):
    verifier, old = service(issuer), issuer.token()
    issuer.rotate()
    verifier.verify(old)
    verifier.verify(issuer.token())
    issuer.rotate(keep=False)
    assert refusal(verifier, old) == "key_not_found"
    verifier.verify(issuer.token())


def test_an_asynchronous_verifier_needs_no_network_and_no_thread(issuer, monkeypatch):
    def refuse(*_arguments, **_options):
        raise AssertionError("something was begun that a test with this issuer does not need")

    verifier = AsyncAccessTokenVerifier(NAME, "orders", revocations="required")
    issuer.override(verifier)

    async def use():
        await verifier.prepare()
        monkeypatch.setattr(threading.Thread, "start", refuse)
        monkeypatch.setattr(socket.socket, "connect", refuse)
        token = issuer.token()
        assert (await verifier.verify(token)).subject == "alice"
        issuer.rotate(keep=False)
        with pytest.raises(InvalidToken):
            await verifier.verify(token)
        issuer.clock.advance(86_400)
        await verifier.verify(issuer.token())
        issuer.down()
        with pytest.raises(IssuerUnavailable):
            await verifier.verify(token)
        await verifier.aclose()

    asyncio.run(use())


LIKE = {
    name: getattr(providers, name)
    for name in (
        "entra", "entra_of_many_tenants", "auth0", "okta", "cognito", "keycloak",
        "keycloak_with_the_roles_of_a_client", "google", "firebase", "github_actions", "gitlab",
        "supabase", "clerk",
    )
}  # fmt: skip


@pytest.mark.parametrize("name", LIKE)
def test_tokens_look_like_those_of_any_issuer_of_the_world(name):
    provider = LIKE[name]()
    like = TestIssuer.like(provider.issuer, audience=provider.audience)
    verifier = AccessTokenVerifier(provider.issuer, provider.audience)
    like.override(verifier)
    claims = verifier.verify(like.token("ada", roles=["ADMIN"], scope="a:read"))
    assert (claims.subject, claims.roles, claims.scopes) == ("ada", ("ADMIN",), {"a:read"})
    assert claims.client_id
    assert refusal(verifier, like.token(expired=True)) == "expired"
    assert refusal(verifier, like.token(key="forged")) == "signature_invalid"
    with pytest.raises(ConfigurationError, match="no revocations"):
        like.revoke(like.token())


def test_a_shape_of_ones_own_is_taken_from_the_issuer():
    shaped = Issuer(
        ["https://a.example", "https://b.example"],
        audience=["orders", "billing"],
        type=["JWT", "at+jwt"],
        algorithms=["EdDSA"],
        roles_claim=["https://a.example/roles", "groups"],
        claims={("a.b", "c"): [7, 8]},
        required=["auth_time", "tenant"],
    )
    like, verifier = TestIssuer.like(shaped), AccessTokenVerifier(shaped)
    like.override(verifier)
    claims = verifier.verify(like.token(roles=["ADMIN"]))
    assert claims["iss"] == "https://a.example"
    assert claims["https://a.example/roles"] == ["ADMIN"]
    assert claims["a.b"] == {"c": 7}
    assert claims["auth_time"] == int(like.clock())


def test_what_a_function_reads_is_said_with_claims():
    shaped = Issuer(NAME, audience="orders", roles_claim=lambda claims: [claims["level"]])
    like, verifier = TestIssuer.like(shaped), AccessTokenVerifier(shaped)
    like.override(verifier)
    with pytest.raises(ConfigurationError, match="roles_claim"):
        like.token(roles=["ADMIN"])
    assert verifier.verify(like.token(claims={"level": "ADMIN"})).roles == ("ADMIN",)
    with pytest.raises(ConfigurationError, match="function"):
        TestIssuer.like(Issuer(lambda _: True, audience="orders"))
