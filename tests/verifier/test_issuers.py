"""The issuers of the world, each at its own address and with tokens of its own shape."""

import asyncio
import json
from inspect import signature

import pytest
from tests.verifier.internet import Internet, on_the_internet
from tests.verifier.providers import EC, LOGIN, OTHER_TENANT, PROVIDERS, RSA, TENANT, entra, google
from tests.verifier.providers import kubernetes as in_kubernetes

from carnet import ConfigurationError, InvalidToken, Key
from carnet.jwt import UNCHECKED
from carnet.verifier import AccessTokenVerifier, AsyncAccessTokenVerifier, Issuer
from carnet.verifier.issuer_profiles import PROFILES


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    one = Internet(tmp_path_factory.mktemp("internet"))
    yield one
    one.close()


@pytest.fixture
def internet(net, monkeypatch):
    with on_the_internet(net, monkeypatch):
        yield net


@pytest.fixture(params=PROVIDERS, ids=lambda make: make.__name__)
def provider(request, internet, tmp_path):
    arguments = {}
    if signature(request.param).parameters:
        (tmp_path / "token").write_text("of.the.pod\n")
        arguments = {"token_file": tmp_path / "token", "ca_file": internet.ca_file}
    one = request.param(**arguments)
    one.publish(internet)
    return one


def refusal(verifier, token):
    with pytest.raises(InvalidToken) as refused:
        verifier.verify(token)
    return refused.value.code


def test_a_token_of_the_issuers_own_shape_is_accepted_and_read(provider):
    verifier = AccessTokenVerifier(provider.issuer, provider.audience)
    claims = verifier.verify(provider.token())
    assert claims.subject == provider.claims["sub"]
    assert claims.client_id == provider.client_id
    assert claims.roles == provider.roles
    assert claims.scopes == provider.scopes
    assert verifier.health()[0].ready


def test_the_asynchronous_verifier_accepts_it_too(provider):
    verifier = AsyncAccessTokenVerifier(provider.issuer, provider.audience)
    assert asyncio.run(verifier.verify(provider.token())).roles == provider.roles


def test_tokens_of_the_issuer_that_are_not_meant_are_refused(provider):
    verifier = AccessTokenVerifier(provider.issuer, provider.audience)
    verifier.verify(provider.token())
    for code, changes in provider.wrong:
        assert refusal(verifier, provider.token(**changes)) == code, changes
    stranger = Key.generate(provider.key.alg, kid="key-1")
    assert refusal(verifier, provider.token(stranger)) == "signature_invalid"
    assert refusal(verifier, provider.token(header={"typ": "secevent+jwt"})) == "type_mismatch"


def test_odd_types_of_claims_are_refused_or_empty_and_never_an_error(provider):
    verifier = AccessTokenVerifier(provider.issuer, provider.audience)
    for odd in (7, True, {"a": 1}, [1], "", [], 1.5, [["x"]]):
        changes = {name: odd for name in provider.claims if name not in ("iss", "aud", "exp")}
        for name in changes:
            try:
                claims = verifier.verify(provider.token(**{name: odd}))
            except InvalidToken:
                continue
            assert all(isinstance(role, str) for role in claims.roles)
            assert all(isinstance(scope, str) for scope in claims.scopes)
            assert isinstance(claims.client_id, str | None)
            for read in ("subject", "session_id", "token_id", "issued_at", "not_before"):
                getattr(claims, read)
            assert isinstance(claims.audience, tuple)


def test_every_row_is_dated_and_has_been_tried():
    tried = {make.__name__ for make in PROVIDERS}
    assert set(PROFILES) <= tried
    assert all(profile.as_of >= "2026-11" for profile in PROFILES.values())
    assert all(callable(getattr(Issuer, name)) for name in PROFILES)


def test_a_key_of_another_tenant_opens_nothing_though_it_is_published_beside(internet):
    provider = next(make for make in PROVIDERS if make.__name__ == "entra_of_many_tenants")()
    provider.publish(internet)
    verifier = AccessTokenVerifier(
        provider.issuer, provider.audience, algorithms=["RS256", "ES256"]
    )
    verifier.verify(provider.token())
    # The key that is published for personal accounts alone.
    personal = Key.from_jwk({**EC.to_jwk(private=True), "kid": "personal"})
    assert refusal(verifier, provider.token(personal)) == "key_not_found"


def test_the_pods_token_goes_to_the_api_server_and_nowhere_else(internet, tmp_path):
    (tmp_path / "token").write_text("of.the.pod\n")
    provider = in_kubernetes(tmp_path / "token", internet.ca_file)
    provider.publish(internet)
    AccessTokenVerifier(provider.issuer, provider.audience).verify(provider.token())
    [(address, headers)] = internet.requests
    assert address == "kubernetes.default.svc/openid/v1/jwks"
    assert "Authorization: Bearer of.the.pod" in headers
    # Where metadata leads elsewhere, neither the token nor the headers go along.
    internet.requests.clear()
    name = "https://sso.example.com"
    internet.publish(f"{name}/meta", {"issuer": name, "jwks_uri": "https://cdn.example/jwks"})
    internet.publish("https://cdn.example/jwks", provider.published[next(iter(provider.published))])
    issuer = Issuer(
        name,
        metadata=f"{name}/meta",
        headers={"X-Api-Key": "secret"},
        bearer_file=tmp_path / "token",
        type="JWT",
    )
    AccessTokenVerifier(issuer, "orders").verify(provider.token(iss=name))
    (_, to_issuer), (_, to_cdn) = internet.requests
    assert "X-Api-Key: secret" in to_issuer
    assert "Authorization: Bearer of.the.pod" in to_issuer
    assert not any(line.startswith(("X-Api-Key", "Authorization")) for line in to_cdn)


def test_issuers_of_several_kinds_each_have_their_own_audience_and_shape(internet):
    one, other = entra(), google()
    for provider in (one, other):
        provider.publish(internet)
    verifier = AccessTokenVerifier([one.issuer, other.issuer], one.audience)
    assert verifier.verify(one.token()).client_id == one.client_id
    assert verifier.verify(other.token()).client_id == other.client_id
    # Each audience is good at its own issuer only.
    assert refusal(verifier, other.token(aud=one.audience)) == "audience_mismatch"
    assert refusal(verifier, one.token(aud=other.claims["aud"])) == "audience_mismatch"
    assert refusal(verifier, one.token(iss="https://stranger.example")) == "issuer_mismatch"
    assert len(verifier.health()) == 2


def test_what_is_asked_for_nearer_counts_and_checks_add_up(internet):
    provider = next(make for make in PROVIDERS if make.__name__ == "keycloak")()
    provider.publish(internet)
    address = "https://sso.example.com"
    token = provider.token(groups=["staff"], tenant="a")
    by_option = AccessTokenVerifier(provider.issuer, "orders", roles_claim="groups")
    assert by_option.verify(token).roles == ("staff",)
    issuer = Issuer.keycloak(address, "shop", roles_claim="resource_access", claims={"tenant": "a"})
    both = AccessTokenVerifier(issuer, "orders", roles_claim="groups", claims={"azp": "web"})
    assert both.verify(token).roles == ()
    assert refusal(both, provider.token(tenant="b")) == "claim_mismatch"
    assert refusal(both, provider.token(tenant="a", azp="x")) == "claim_mismatch"
    assert refusal(both, provider.token(tenant="a", typ="ID")) == "claim_mismatch"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Issuer.entra("contoso.onmicrosoft.com"),
        lambda: Issuer.entra(""),
        lambda: Issuer.auth0("https://acme.eu.auth0.com"),
        lambda: Issuer.okta("acme.okta.com/oauth2"),
        lambda: Issuer.okta("acme.okta.com", "a/b"),
        lambda: Issuer.cognito("AbCdEf123", "client"),
        lambda: Issuer.cognito("eu-central-1_AbCdEf123", []),
        lambda: Issuer.cognito("eu-central-1_AbCdEf123", "c", claims={"client_id": "d"}),
        lambda: Issuer.keycloak("sso.example.com", "shop"),
        lambda: Issuer.google([]),
        Issuer.github_actions,
        lambda: Issuer.github_actions(claims={}),
        lambda: Issuer.github_actions("a/b", claims=["ref"]),
        Issuer.gitlab,
        lambda: Issuer.clerk("clerk.example.com", ""),
        lambda: Issuer.keycloak("https://sso.example.com", "shop", role_claim="groups"),
    ],
)
def test_a_profile_refuses_what_can_not_be_right_or_would_be_open(make):
    with pytest.raises(ConfigurationError):
        make()


def test_a_mistyped_option_is_told_with_the_nearest_that_there_is():
    with pytest.raises(ConfigurationError, match="did you mean 'roles_claim'"):
        Issuer.keycloak("https://sso.example.com", "shop", role_claim="groups")
    with pytest.raises(ConfigurationError, match="did you mean 'leeway'"):
        AccessTokenVerifier("https://auth.example.com", "orders", leway=3)


@pytest.mark.parametrize(
    ("issuer", "options", "said"),
    [
        (Issuer.auth0("acme.eu.auth0.com"), {}, "name the audience"),
        ("https://auth.example.com", {}, "name the audience"),
        (Issuer.auth0("a.example"), {"audience": "o", "revocations": "required"}, "no revocations"),
        (["https://a.example", Issuer("https://a.example")], {"audience": "o"}, "the same name"),
        (["https://a.example", "https://b.example"], {"keys": EC, "audience": "o"}, "one issuer"),
        (Issuer("https://a.example/{tid}"), {"audience": "o"}, "needs the address of its keys"),
        (Issuer(lambda claims: True), {"audience": "o"}, "needs the address of its keys"),
        (Issuer("https://a.example/{}", keys=EC), {"audience": "o"}, "claims in braces"),
        (Issuer("https://a.example/{iss}", keys=EC), {"audience": "o"}, "claims in braces"),
        (Issuer(7, keys=EC), {"audience": "o"}, "an issuer must be a text"),
        (Issuer([], keys=EC), {"audience": "o"}, "an issuer must be a text"),
        (Issuer("https://a.example", keys=EC, jwks_uri="https://a.example/k"), {}, "give one of"),
        (Issuer("a", keys={"keys": []}), {"audience": "o"}, "no usable key"),
        (Issuer("a", keys={"keys": [{"kty": "x"}]}), {"audience": "o"}, "no usable key: "),
        (Issuer("a", keys={}), {"audience": "o"}, "not a key set"),
        (Issuer("a", keys="jwks.json"), {"audience": "o"}, "pathlib.Path"),
        (Issuer("a", keys=EC, claims={"tid": {}}), {"audience": "o"}, "a value of claims"),
        (Issuer("a", keys=EC, claims={"tid": []}), {"audience": "o"}, "a value of claims"),
        (Issuer("a", keys=EC, claims=["tid"]), {"audience": "o"}, "must map names"),
        (Issuer("a", keys=EC, roles_claim=7), {"audience": "o"}, "roles_claim must name"),
        (Issuer("a", keys=EC, scope_claim=[]), {"audience": "o"}, "scope_claim must name"),
        (
            Issuer("a", keys=EC, client_id_claim="a..b"),
            {"audience": "o"},
            "client_id_claim must name",
        ),
        (Issuer("a", keys=EC, max_stale=-1), {"audience": "o"}, "max_stale"),
        (Issuer("a", keys=EC, required="sub"), {"audience": "o"}, "required must be a list"),
        ("https://a.example", {"audience": "o", "jwks_uri": 7, "insecure_http": True}, "address"),
        (b"a", {"audience": "o"}, "name the issuers"),
        (UNCHECKED, {"audience": "o"}, "name the issuers"),
    ],
)
def test_a_configuration_that_can_not_be_right_is_told_at_the_start(issuer, options, said):
    if isinstance(issuer, Issuer) and "give one of" in said:
        options = {"audience": "o"}
    with pytest.raises(ConfigurationError, match=said):
        AccessTokenVerifier(issuer, **options)


def signed(**claims):
    provider = entra()
    provider.claims = {"aud": "orders", "sub": "ada"}
    provider.header = {"typ": "at+jwt"}
    return provider.token(EC, **claims)


def test_issuers_by_template_and_by_function_are_chosen_and_checked():
    verifier = AccessTokenVerifier(
        [
            Issuer("https://exact.example", keys=EC),
            Issuer("https://{region}.example/{tid}", keys=EC, claims={"tid": ["t1", "t2"]}),
            Issuer(lambda claims: claims["iss"].endswith("/own"), keys=EC, jwks_uri=None),
        ],
        "orders",
    )
    assert verifier.verify(signed(iss="https://exact.example"))
    assert verifier.verify(signed(iss="https://eu.example/t1", region="eu", tid="t1"))
    assert verifier.verify(signed(iss="https://anything/own"))
    for code, claims in [
        ("issuer_mismatch", {"iss": "https://eu.example/t1", "region": "us", "tid": "t1"}),
        ("claim_mismatch", {"iss": "https://eu.example/t3", "region": "eu", "tid": "t3"}),
        ("issuer_mismatch", {"iss": "https://eu.example/a/b", "region": "eu", "tid": "a/b"}),
        ("issuer_mismatch", {"iss": "https://stranger.example"}),
        ("issuer_mismatch", {"iss": 7}),
        ("issuer_mismatch", {}),
    ]:
        assert refusal(verifier, signed(**claims)) == code


def test_a_template_or_function_is_checked_where_the_issuer_is_the_only_one_too():
    by_template = AccessTokenVerifier(Issuer("https://a.example/{tid}", keys=EC), "orders")
    by_function = AccessTokenVerifier(
        Issuer(lambda claims: claims["iss"] == "b", keys=EC), "orders"
    )
    for verifier in (by_template, by_function):
        assert refusal(verifier, signed(iss="https://a.example/2", tid="1")) == "issuer_mismatch"
        assert refusal(verifier, signed()) == "issuer_mismatch"
    assert by_template.verify(signed(iss="https://a.example/1", tid="1"))
    assert by_function.verify(signed(iss="b"))


def test_only_true_is_the_yes_of_a_function():
    verifier = AccessTokenVerifier(Issuer(lambda claims: claims.get("iss"), keys=EC), "orders")
    assert refusal(verifier, signed(iss="b")) == "issuer_mismatch"


@pytest.mark.parametrize(
    ("wanted", "said", "code"),
    [
        ({"n": 1}, {"n": 1}, None),
        ({"n": 1}, {"n": True}, "claim_mismatch"),
        ({"n": 1}, {"n": 1.0}, "claim_mismatch"),
        ({"n": True}, {"n": True}, None),
        ({"n": "a"}, {"n": ["a"]}, "claim_mismatch"),
        ({"n": {"a", "b"}}, {"n": "b"}, None),
        ({"n": "a"}, {}, "claim_missing"),
        ({"a.b": "x"}, {"a": {"b": "x"}}, None),
        ({"a.b": "x"}, {"a.b": "x"}, "claim_missing"),
        ({"https://a.example/b.c": "x"}, {"https://a.example/b.c": "x"}, None),
        ({("a.b", "c"): "x"}, {"a.b": {"c": "x"}}, None),
        ({"a.b": "x"}, {"a": "x"}, "claim_missing"),
    ],
)
def test_exact_claims_are_compared_with_their_types(wanted, said, code):
    verifier = AccessTokenVerifier(Issuer("a", keys=EC, claims=wanted), "orders")
    for _ in range(2):  # the second time it comes from the cache
        token = signed(iss="a", **said)
        if code is None:
            assert verifier.verify(token)
        else:
            assert refusal(verifier, token) == code
    assert code is None or refusal(verifier, token) == code


@pytest.mark.parametrize(
    ("where", "said", "roles"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["A", "B"]}}, ("A", "B")),
        ("role", {"role": "A"}, ("A",)),
        (["a", "b.c"], {"b": {"c": ["A"]}}, ("A",)),
        (["a", "b"], {"a": [], "b": ["B"]}, ()),
        ("https://acme.example/roles", {"https://acme.example/roles": ["A"]}, ("A",)),
        (lambda claims: [role.upper() for role in claims["r"]], {"r": ["a"]}, ("A",)),
        (lambda claims: {"A"}, {}, ("A",)),
        ("r", {"r": ["A", 7]}, ()),
        ("r", {"r": {"A": True}}, ()),
        ("r", {"roles": ["A"]}, ()),
        ("r.s", {"r": ["s"]}, ()),
    ],
)
def test_roles_are_read_where_it_was_said(where, said, roles):
    verifier = AccessTokenVerifier(Issuer("a", keys=EC), "orders", roles_claim=where)
    assert verifier.verify(signed(iss="a", **said)).roles == roles


def test_a_function_that_fails_on_a_token_refuses_it():
    verifier = AccessTokenVerifier(
        Issuer("a", keys=EC), "orders", roles_claim=lambda claims: claims["r"]["roles"]
    )
    assert refusal(verifier, signed(iss="a", r=7)) == "claim_invalid"


def test_scopes_are_a_text_or_a_list():
    for said in ("a:read b", ["a:read", "b"]):
        verifier = AccessTokenVerifier(Issuer("a", keys=EC), "orders", scope_claim="scp")
        assert verifier.verify(signed(iss="a", scp=said)).scopes == {"a:read", "b"}


def test_one_key_set_serves_two_names_of_an_issuer(internet):
    provider = google()
    provider.publish(internet)
    verifier = AccessTokenVerifier(provider.issuer)
    for name in ("https://accounts.google.com", "accounts.google.com"):
        assert verifier.verify(provider.token(iss=name)).issuer == name
    assert internet.asked().count("www.googleapis.com/oauth2/v3/certs") == 1


def test_keys_that_are_given_are_public_ones_and_nothing_is_fetched(internet):
    verifier = AccessTokenVerifier(Issuer("a", keys=EC), "orders")
    assert verifier.verify(signed(iss="a"))
    assert not any(key.is_private for key in verifier._only.source.keys)
    stranger = Key.generate("ES256", kid="other")
    provider = entra()
    assert refusal(verifier, provider.token(stranger, {"typ": "at+jwt"})) == "key_not_found"
    assert internet.requests == []
    secret = Key.from_secret(b"s" * 32, "HS256")
    assert AccessTokenVerifier(Issuer("a", keys=secret), "orders")


def test_what_metadata_says_must_be_of_the_tenant(internet):
    provider = entra()
    provider.publish(internet)
    address = f"{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration"
    document = provider.published[address]
    internet.publish(address, {**document, "issuer": f"{LOGIN}/{OTHER_TENANT}/v2.0"})
    verifier = AccessTokenVerifier(provider.issuer, provider.audience)
    with pytest.raises(Exception, match=f"of another issuer, {LOGIN}/{OTHER_TENANT}"):
        verifier.verify(provider.token())


def test_claims_of_foreign_tokens_are_read_only_and_equal_to_what_the_token_says():
    verifier = AccessTokenVerifier(Issuer("a", keys=EC), "orders", roles_claim="r")
    token = signed(iss="a", r=["A"])
    claims = verifier.verify(token)
    claims["r"].append("ADMIN")
    assert verifier.verify(token).roles == ("A",)
    assert dict(claims) == json.loads(json.dumps(dict(claims)))
    assert RSA.kid == "key-1"
