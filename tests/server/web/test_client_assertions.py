"""Clients that keep no secret: keys that they publish, and tokens of issuers that are trusted."""

import hashlib
import hmac
import json

import pytest
import structlog
from spiffe import JwtBundle, JwtSvid, TrustDomain
from tests.server import workloads
from tests.server.inside import Inside, register
from tests.server.strangers import stranger
from tests.server.workloads import BY_JWT, BY_SVID, ISSUER, trusting

from carnet import Key, inspect
from carnet.jose import jws
from carnet.jose.encoding import b64url_encode
from carnet.server.audit import OPERATOR
from carnet.server.clients.resources import ResourceMetadata

MACHINE = ("client_credentials",)


@pytest.fixture
def there(tmp_path, monkeypatch):
    with stranger(tmp_path, monkeypatch) as server:
        yield server


@pytest.fixture
def played(play):
    """Run a scene with the resource orders, whose scope a client may have."""

    def run(scene, private_hosts=("localhost",)):
        async def prepared(service, clock):
            wanted = ResourceMetadata(scopes=("orders:read",))
            await service.registry.add_resource("orders", wanted, OPERATOR)
            return await scene(service, clock, Inside(service))

        return play(prepared, issuer=ISSUER, private_hosts=private_hosts)

    return run


async def ask(person, assertion, client_id="nightly", kind=BY_JWT, **more):
    return await person.token(
        grant_type="client_credentials",
        client_id=client_id,
        client_assertion=assertion,
        client_assertion_type=kind,
        **more,
    )


async def reason(answering):
    """Give the status and the error of an answer, and what the operator is told."""
    with structlog.testing.capture_logs() as logs:
        answer = await answering
    told = [line["reason"] for line in logs if line["event"] == "client_refused"]
    return answer.status_code, answer.json()["error"], *told


@pytest.mark.parametrize("make", workloads.ALL.values(), ids=workloads.ALL)
def test_a_workload_gets_a_token_without_a_secret(there, played, make):
    workload = make(there)

    async def scene(service, clock, person):
        await trusting(service, workload)
        answer = await ask(person, workload.token(clock), scope="orders:read")
        assert answer.status_code == 200, answer.text
        claims = inspect(answer.json()["access_token"]).claims
        assert (claims["sub"], claims["client_id"]) == ("nightly", "nightly")
        assert (claims["aud"], claims["scope"]) == ("orders", "orders:read")
        assert "refresh_token" not in answer.json()
        assert len(there.requests) == 1

    played(scene)


def test_a_workload_proves_itself_in_the_same_way_wherever_clients_do(there, played):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload, introspects=("orders",))
        answer = (await ask(person, workload.token(clock))).json()
        about = {
            "token": answer["access_token"],
            "client_id": "nightly",
            "client_assertion": workload.token(clock),
            "client_assertion_type": BY_JWT,
        }
        told = await person.client.post("/introspection", data=about)
        assert told.json()["active"] is True

    played(scene)


def test_the_same_token_serves_until_it_ends(there, played):
    workload = workloads.kubernetes(there)

    async def scene(service, clock, person):
        await trusting(service, workload)
        token = workload.token(clock)
        answers = [(await ask(person, token)).status_code for _ in range(3)]
        clock.advance(3607 + 30)
        assert answers == [200, 200, 200]
        assert await reason(ask(person, token)) == (401, "invalid_client", "assertion_expired")

    played(scene)


def test_svids_are_what_spiffe_takes_for_them(there, played):
    workload = workloads.spiffe(there)

    async def scene(service, clock, person):
        await trusting(service, workload)
        own = workload.token(clock, header={"typ": "JOSE", "kid": "key-1"})
        [bundle] = [page.partition(b"\r\n\r\n")[2] for page in there.pages.values()]
        domain = TrustDomain("example.org")
        read = JwtSvid.parse_insecure(own, {ISSUER})
        assert str(read.spiffe_id) == workloads.WORKLOAD
        JwtSvid.parse_and_validate(own, JwtBundle.parse(domain, bundle), {ISSUER})
        assert (await ask(person, own, kind=BY_SVID)).status_code == 200
        assert (await ask(person, own)).status_code == 200

    played(scene)


def test_an_svid_proves_nothing_of_a_client_with_another_method(there, played):
    workload = workloads.spiffe(there)

    async def scene(service, clock, person):
        await register(service, "app")
        token = workload.token(clock)
        told = [
            await reason(ask(person, token, client_id="app", kind=BY_SVID)),
            await reason(ask(person, token, client_id="nobody", kind=BY_SVID)),
            await reason(ask(person, token, client_id=None, kind=BY_SVID)),
        ]
        assert [one[:2] for one in told] == [(401, "invalid_client")] * 3
        assert [one[2] for one in told] == ["another_method", "unknown_client", "unknown_client"]

    played(scene)


OTHER = Key.generate("RS256", size=2048, kid="key-1")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"aud": "https://other.example.com"}, "assertion_audience_mismatch"),
        ({"aud": [ISSUER, "https://other.example.com"]}, "assertion_too_wide"),
        ({"aud": None}, "assertion_claim_missing"),
        ({"exp": None}, "assertion_claim_missing"),
        ({"exp": 1_800_003_700}, "assertion_too_wide"),
        ({"ref": "refs/heads/feature"}, "no_credential_matches"),
        ({"repository": "mallory/orders"}, "no_credential_matches"),
        ({"iss": "https://gitlab.com"}, "no_credential_matches"),
        ({"iss": None}, "no_issuer"),
        ({"key": OTHER}, "assertion_signature_invalid"),
        ({"header": {"typ": "at+jwt"}}, "assertion_type_mismatch"),
        ({"header": {"typ": "logout+jwt"}}, "assertion_type_mismatch"),
        ({"header": {"typ": "dpop+jwt"}}, "assertion_type_mismatch"),
        ({"header": {"typ": "oauth-id-jag+jwt"}}, "assertion_type_mismatch"),
        ({"header": {"typ": "client-authentication+jwt"}}, "assertion_type_mismatch"),
    ],
)
def test_a_token_that_is_not_quite_right_proves_nothing(there, played, changes, told):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload)
        got = await reason(ask(person, workload.token(clock, **changes)))
        assert got == (401, "invalid_client", told)

    played(scene)


def test_the_token_endpoint_may_be_the_audience_too(there, played):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload)
        token = workload.token(clock, aud=f"{ISSUER}/token")
        assert (await ask(person, token)).status_code == 200

    played(scene)


def test_another_issuers_token_with_the_same_subject_proves_nothing(there, played):
    workload = workloads.kubernetes(there)
    other = workloads.Workload(
        there, "https://oidc.other.example", workload.claims, {"sub": "x"}, {}, 300, OTHER
    )
    workload.publish(workload.key)

    async def scene(service, clock, person):
        await trusting(service, workload)
        as_itself = other.token(clock, iss=other.issuer)
        as_the_other = other.token(clock)
        assert await reason(ask(person, as_itself)) == (
            *(401, "invalid_client"),
            "no_credential_matches",
        )
        assert await reason(ask(person, as_the_other)) == (
            *(401, "invalid_client"),
            "assertion_signature_invalid",
        )

    played(scene)


def test_one_trust_domain_can_not_speak_for_another(there, played):
    workload = workloads.spiffe(there)

    async def scene(service, clock, person):
        await trusting(service, workload)
        elsewhere = workload.token(clock, sub="spiffe://other.example/ns/shop/sa/nightly")
        assert (await reason(ask(person, elsewhere)))[2] == "no_credential_matches"

    played(scene)


def test_the_algorithm_is_the_keys_and_a_token_is_signed(there, played):
    workload = workloads.github(there)
    public = workload.key.public.to_pem()

    async def scene(service, clock, person):
        await trusting(service, workload)
        head, payload, signature = workload.token(clock).split(".")

        def with_header(header, signed=True):
            made = b64url_encode(json.dumps(header).encode())
            return f"{made}.{payload}.{signature if signed else ''}"

        begin = f"{b64url_encode(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{payload}"
        mac = hmac.new(public, begin.encode(), hashlib.sha256)
        forged = [
            with_header({"alg": "none", "typ": "JWT"}, signed=False),
            with_header({"alg": "none", "typ": "JWT"}),
            with_header({"alg": "PS256", "typ": "JWT"}),
            f"{begin}.{b64url_encode(mac.digest())}",
            f"{head}.{payload}.",
        ]
        for token in forged:
            answer = await ask(person, token)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), token

    played(scene)


def test_a_key_that_the_issuer_has_rotated_to_is_found(there, played):
    workload = workloads.github(there)
    fresh = Key.generate("ES256", kid="key-2")

    async def scene(service, clock, person):
        await trusting(service, workload)
        head = {"typ": "JWT", "kid": "key-2"}
        assert (await ask(person, workload.token(clock))).status_code == 200
        workload.publish(workload.key, fresh)
        early = await reason(ask(person, workload.token(clock, fresh, head)))
        assert early[2] == "assertion_key_not_found"
        clock.advance(30)
        assert (await ask(person, workload.token(clock, fresh, head))).status_code == 200
        assert len(there.requests) == 2

    played(scene)


def test_a_key_that_was_withdrawn_proves_nothing_any_more(there, played):
    workload = workloads.github(there)
    fresh = Key.generate("ES256", kid="key-2")

    async def scene(service, clock, person):
        await trusting(service, workload)
        assert (await ask(person, workload.token(clock))).status_code == 200
        workload.publish(fresh)
        clock.advance(300)
        assert (await ask(person, workload.token(clock))).status_code == 401

    played(scene)


def test_a_flood_of_unknown_keys_is_one_fetch_each_half_minute(there, played):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload)
        assert (await ask(person, workload.token(clock))).status_code == 200
        clock.advance(30)
        for number in range(20):
            head = {"typ": "JWT", "kid": f"made-up-{number}"}
            assert (await ask(person, workload.token(clock, OTHER, head))).status_code == 401
        assert len(there.requests) == 2

    played(scene)


def test_nothing_is_fetched_for_a_token_that_meets_no_rule(there, played):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload)
        for number in range(5):
            token = workload.token(clock, OTHER, repository=f"mallory/{number}")
            assert (await ask(person, token)).status_code == 401
        assert there.connections == 0

    played(scene)


def test_keys_at_a_private_address_are_not_asked_for(there, played):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload)
        answer = await ask(person, workload.token(clock))
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert answer.headers["retry-after"] == "5"
        assert there.connections == 0

    played(scene, private_hosts=())


def test_keys_that_are_given_are_not_fetched(there, played):
    workload = workloads.kubernetes(there)
    bundle = {"keys": [workload.key.public.to_jwk()]}
    workload.credential = {**workload.credential, "jwks_uri": None, "jwks": bundle}

    async def scene(service, clock, person):
        await trusting(service, workload)
        assert (await ask(person, workload.token(clock))).status_code == 200
        assert there.connections == 0

    played(scene)


def test_several_issuers_can_be_trusted_each_for_its_own_workload(there, played):
    first, second = workloads.github(there), workloads.gitlab(there)

    async def scene(service, clock, person):
        both = (first.credential, second.credential)
        await trusting(service, first, federated_credentials=both)
        assert (await ask(person, first.token(clock))).status_code == 200
        assert (await ask(person, second.token(clock))).status_code == 200
        crossed = second.token(clock, iss=first.issuer)
        assert (await ask(person, crossed)).status_code == 401

    played(scene)


def test_a_client_that_was_removed_or_changed_gets_nothing(there, played):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload)
        token = workload.token(clock)
        assert (await ask(person, token)).status_code == 200
        narrowed = {**workload.credential, "claims": {"sub": "repo:octo-org/shop:environment:p"}}
        await service.registry.edit_client(
            "nightly", {"federated_credentials": [narrowed]}, OPERATOR
        )
        assert (await reason(ask(person, token)))[2] == "no_credential_matches"
        await service.registry.remove_client("nightly", OPERATOR)
        assert (await reason(ask(person, token)))[2] == "unknown_client"

    played(scene)


def test_a_client_of_another_method_is_not_one_of_federated_tokens(there, played):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload)
        secret = await register(
            service,
            "web",
            grant_types=MACHINE,
            redirect_uris=(),
            token_endpoint_auth_method="client_secret_post",
        )
        told = [
            await reason(ask(person, workload.token(clock), client_id="web")),
            await reason(ask(person, workload.token(clock), client_id=None)),
            await reason(ask(person, workload.token(clock, sub="nightly"), client_id=None)),
            await reason(
                person.token(
                    grant_type="client_credentials", client_id="nightly", client_secret=secret
                )
            ),
        ]
        assert [one[:2] for one in told] == [(401, "invalid_client")] * 4
        assert [one[2] for one in told] == [
            *("unknown_client", "unknown_client", "another_method", "another_method"),
        ]

    played(scene)


# ── A client's own key ────────────────────────────────────────────────────────────────────────────

KEY = Key.generate("ES256", kid="own")


def own_assertion(clock, key=KEY, **changes):
    now = clock() // 1_000_000
    said = {"iss": "signer", "sub": "signer", "aud": ISSUER, "exp": now + 60, "jti": "1", **changes}
    said = {name: value for name, value in said.items() if value is not None}
    return jws.sign(json.dumps(said).encode(), key)


def publish(there, *keys):
    there.put("/keys", json.dumps({"keys": [key.public.to_jwk() for key in keys]}).encode())


async def signer(service, there, *keys):
    publish(there, *keys)
    await register(
        service,
        "signer",
        redirect_uris=(),
        grant_types=MACHINE,
        token_endpoint_auth_method="private_key_jwt",
        jwks_uri=f"{there.url}/keys",
    )


def test_a_client_that_publishes_its_keys_signs_with_any_of_them(there, played):
    fresh = Key.generate("ES256", kid="fresh")

    async def scene(service, clock, person):
        await signer(service, there, KEY)
        assert (await ask(person, own_assertion(clock), "signer")).status_code == 200
        publish(there, KEY, fresh)
        clock.advance(30)
        made = own_assertion(clock, fresh, jti="2")
        assert (await ask(person, made, "signer")).status_code == 200
        assert len(there.requests) == 2

    played(scene)


def test_an_assertion_of_ones_own_is_taken_once(there, played):
    async def scene(service, clock, person):
        await signer(service, there, KEY)
        made = own_assertion(clock)
        assert (await ask(person, made, "signer")).status_code == 200
        assert await reason(ask(person, made, "signer")) == (
            *(401, "invalid_client"),
            "assertion_used_before",
        )

    played(scene)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"aud": "https://other.example.com"}, "assertion_audience_mismatch"),
        ({"aud": [ISSUER, "https://other.example.com"]}, "assertion_too_wide"),
        ({"jti": None}, "assertion_too_wide"),
        ({"jti": ""}, "assertion_too_wide"),
        ({"iss": "another"}, "assertion_issuer_mismatch"),
        ({"key": Key.generate("ES256", kid="own")}, "assertion_signature_invalid"),
    ],
)
def test_an_assertion_of_ones_own_that_is_not_quite_right_proves_nothing(
    there, played, changes, told
):
    async def scene(service, clock, person):
        await signer(service, there, KEY)
        got = await reason(ask(person, own_assertion(clock, **changes), "signer"))
        assert got == (401, "invalid_client", told)

    played(scene)


def test_keys_that_can_not_be_had_are_no_fault_of_the_clients(there, played):
    async def scene(service, clock, person):
        await signer(service, there, KEY)
        there.pages.clear()
        answers = [await ask(person, own_assertion(clock), "signer") for _ in range(3)]
        assert [one.status_code for one in answers] == [503, 503, 503]
        assert len(there.requests) == 1

    played(scene)
