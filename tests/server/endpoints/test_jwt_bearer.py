"""A workload's token for a token of the service, and no secret in between (RFC 7523)."""

import pytest
import structlog
from tests.server import workloads
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside, register
from tests.server.oauth_clients import Prover
from tests.server.strangers import stranger
from tests.server.workloads import BY_JWT, ISSUER, trusting

from carnet import inspect
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import JWT_BEARER
from carnet.server.clients.resources import ResourceMetadata


@pytest.fixture
def there(tmp_path, monkeypatch):
    with stranger(tmp_path, monkeypatch) as server:
        yield server


@pytest.fixture
def played(play):
    def run(scene):
        async def prepared(service, clock):
            wanted = ResourceMetadata(scopes=("orders:read",))
            await service.registry.add_resource("orders", wanted, OPERATOR)
            return await scene(service, clock, Inside(service))

        return play(prepared, issuer=ISSUER, private_hosts=("localhost",))

    return run


async def ask(person, assertion, headers=None, **more):
    return await person.token(headers=headers, grant_type=JWT_BEARER, assertion=assertion, **more)


async def refused(answering):
    with structlog.testing.capture_logs() as logs:
        answer = await answering
    told = [line["reason"] for line in logs if line["event"] == "assertion_refused"]
    return answer.status_code, answer.json()["error"], *told


@pytest.mark.parametrize("make", workloads.ALL.values(), ids=workloads.ALL)
@pytest.mark.parametrize("named", [{}, {"client_id": "nightly"}], ids=["unnamed", "named"])
def test_a_workload_gets_what_client_credentials_gives_its_client(there, played, make, named):
    workload = make(there)

    async def scene(service, clock, person):
        await trusting(service, workload, grant_types=(JWT_BEARER,))
        for _ in range(2):
            answer = await ask(person, workload.token(clock), scope="orders:read", **named)
            assert answer.status_code == 200, answer.text
        body = answer.json()
        claims = inspect(body["access_token"]).claims
        assert (claims["sub"], claims["client_id"], claims["aud"]) == (
            *("nightly", "nightly"),
            "orders",
        )
        assert (body["scope"], body["token_type"]) == ("orders:read", "Bearer")
        assert "refresh_token" not in body

    played(scene)


def test_the_scope_and_the_resource_are_those_of_the_client(there, played):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload, grant_types=(JWT_BEARER,))
        token = workload.token(clock)
        assert (await refused(ask(person, token, scope="orders:write")))[1] == "invalid_scope"
        assert (await refused(ask(person, token, resource=ISSUER)))[1] == "invalid_target"
        short = await ask(person, token, expires_in="60")
        assert short.json()["expires_in"] == 60

    played(scene)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ref": "refs/heads/feature"}, "no_credential_matches"),
        ({"iss": None}, "no_issuer"),
        ({"aud": "https://other.example.com"}, "assertion_audience_mismatch"),
        ({"aud": [ISSUER, "https://other.example.com"]}, "assertion_too_wide"),
        ({"exp": 1_800_003_700}, "assertion_too_wide"),
        ({"exp": 1_799_999_000}, "assertion_expired"),
    ],
)
@pytest.mark.parametrize("named", [{}, {"client_id": "nightly"}], ids=["unnamed", "named"])
def test_what_meets_no_credentials_is_no_grant(there, played, named, changes, told):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload, grant_types=(JWT_BEARER,))
        got = await refused(ask(person, workload.token(clock, **changes), **named))
        assert got == (400, "invalid_grant", told)

    played(scene)


@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "dpop+jwt", "nonsense", 5])
def test_tokens_of_other_types_are_not_taken(there, played, typ):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload, grant_types=(JWT_BEARER,))
        token = workload.token(clock, header={"typ": "JWT"})
        if isinstance(typ, str):
            token = workload.token(clock, header={"typ": typ})
        else:
            token = f"eyJhbGciOiJFUzI1NiIsInR5cCI6NX0.{token.partition('.')[2]}"
        assert await refused(ask(person, token)) == (400, "invalid_grant")
        assert there.connections == 0

    played(scene)


def test_what_is_no_token_at_all_is_no_grant(there, played):
    async def scene(_service, _clock, person):
        assert await refused(ask(person, "x")) == (400, "invalid_grant", "no_issuer")
        assert await refused(ask(person, "a.b.c")) == (400, "invalid_grant", "no_issuer")
        answer = await person.token(grant_type=JWT_BEARER)
        assert answer.json()["error"] == "invalid_request"

    played(scene)


def test_a_token_that_two_clients_credentials_match_needs_a_client_id(there, played):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload, grant_types=(JWT_BEARER,))
        await trusting(service, workload, "weekly", grant_types=(JWT_BEARER,))
        token = workload.token(clock)
        assert await refused(ask(person, token)) == (
            *(400, "invalid_grant"),
            "several_clients_match",
        )
        answer = await ask(person, token, client_id="weekly")
        assert inspect(answer.json()["access_token"]).claims["sub"] == "weekly"

    played(scene)


def test_a_client_without_this_grant_gets_nothing_by_it(there, played):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload)
        token = workload.token(clock)
        assert (await refused(ask(person, token)))[1] == "invalid_grant"
        named = await refused(ask(person, token, client_id="nightly"))
        assert named == (400, "unauthorized_client")
        # And the other way round.
        await service.registry.edit_client("nightly", {"grant_types": [JWT_BEARER]}, OPERATOR)
        proof = {"client_assertion": token, "client_assertion_type": BY_JWT}
        answer = await person.token(grant_type="client_credentials", client_id="nightly", **proof)
        assert answer.json()["error"] == "unauthorized_client"

    played(scene)


def test_clients_that_are_gone_or_trust_nobody_get_nothing(there, played):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await register(service, "app")
        await trusting(service, workload, grant_types=(JWT_BEARER,))
        token = workload.token(clock)
        told = [await refused(ask(person, token, client_id=name)) for name in ("app", "nobody")]
        await service.registry.remove_client("nightly", OPERATOR)
        told += [await refused(ask(person, token, client_id="nightly"))]
        told += [await refused(ask(person, token))]
        assert told == [(400, "invalid_grant", "no_credential_matches")] * 4

    played(scene)


def test_no_other_proof_stands_beside_the_assertion(there, played):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload, grant_types=(JWT_BEARER,))
        token = workload.token(clock)
        more = (
            {"client_secret": "x"},
            {"client_assertion": token, "client_assertion_type": BY_JWT},
            {"headers": {"Authorization": "Basic bmlnaHRseTp4"}},
        )
        for one in more:
            got = await refused(ask(person, token, client_id="nightly", **one))
            assert got == (400, "invalid_request")

    played(scene)


def test_a_client_of_bound_tokens_proves_its_key_here_too(there, played):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload, grant_types=(JWT_BEARER,), dpop_bound_access_tokens=True)
        token = workload.token(clock)
        assert (await ask(person, token)).json()["error"] == "invalid_dpop_proof"
        prover, now = Prover(), clock() // 1_000_000
        first = prover.proof(f"{ISSUER}/token", iat=now)
        nonce = (await ask(person, token, {"DPoP": first})).headers["dpop-nonce"]
        proof = prover.proof(f"{ISSUER}/token", nonce=nonce, iat=now)
        answer = await ask(person, token, {"DPoP": proof})
        claims = inspect(answer.json()["access_token"]).claims
        assert claims["cnf"]["jkt"] == prover.thumbprint

    played(scene)


def test_nothing_is_fetched_for_an_issuer_that_nobody_trusts(there, played):
    workload = workloads.github(there)

    async def scene(service, clock, person):
        await trusting(service, workload, grant_types=(JWT_BEARER,))
        for number in range(5):
            token = workload.token(clock, iss=f"{there.url}/{number}")
            assert (await refused(ask(person, token)))[1] == "invalid_grant"
        assert there.connections == 0

    played(scene)


def test_an_administrator_makes_a_client_of_a_workload(there, played):
    workload = workloads.kubernetes(there)

    async def scene(service, clock, person):
        await service.accounts.create("alice", PASSWORD, (service.settings.admin_role,))
        await person.sign_in()
        form = {
            "id": "nightly",
            "client_name": "Nightly",
            "kind": "workload",
            "resources": "orders",
            "issuer": "https://token.actions.githubusercontent.com",
            "subject": "repo:octo-org/orders:pull_request",
        }
        refused = await person.client.post("/admin/clients/new", data=form)
        assert refused.status_code == 422
        assert "the rule is too broad for GitHub Actions" in refused.text
        form |= {"issuer": workload.issuer, "subject": workload.claims["sub"]}
        made = await person.client.post("/admin/clients/new", data=form)
        assert made.status_code == 201
        assert f"sub: <code>{workload.claims['sub']}</code>" in made.text
        assert workload.issuer in made.text
        [client] = [one for one in service.registry.clients() if one.id == "nightly"]
        assert JWT_BEARER in client.metadata.grant_types
        # What is left out of the form is nobody's fault but the form's.
        del form["subject"], form["issuer"]
        missing = await person.client.post("/admin/clients/new", data={**form, "id": "other"})
        assert missing.status_code == 422
        assert "needs federated_credentials" in missing.text

    played(scene)
