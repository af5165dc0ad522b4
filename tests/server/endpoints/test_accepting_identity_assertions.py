"""Identity assertions (ID-JAG) that are accepted here: of whom, from whom, for what, how long."""

import asyncio
import hmac
import json
import secrets

import pytest
import structlog
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside, change, register
from tests.server.oauth_clients import Prover
from tests.server.strangers import stranger

from carnet import Key, inspect
from carnet.jose import jws
from carnet.jose.encoding import b64url_encode, json_encode
from carnet.server.accounts.accounts import AccountRefused
from carnet.server.audit import OPERATOR, newest
from carnet.server.clients.clients import JWT_BEARER, TOKEN_EXCHANGE, ClientMetadata, ClientRefused
from carnet.server.clients.federated_credentials import FederatedCredential
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.clock import SECOND
from carnet.server.store import statements as sql

ISSUER = "https://auth.example"
API = "https://api.example/mcp"
FILES = "https://files.example/"
KEY = Key.generate("ES256", kid="idp")
SUBJECT = "U019488227"
MINUTE = 60
KEPT = {
    "redirect_uris": (),
    "grant_types": (JWT_BEARER,),
    "token_endpoint_auth_method": "client_secret_basic",
    "scope": "read write",
    "resources": (API, FILES),
}


class World(Inside):
    """Alice, whom another issuer knows, and the programs that it lets in to her resources."""

    async def prepare(self, idp):
        self.idp = idp.url
        self.there = idp
        self.publish(KEY)
        add = self.service.registry.add_resource
        await add(API, ResourceMetadata(scopes=("read", "write")), OPERATOR)
        await add(FILES, ResourceMetadata(scopes=("read",)), OPERATOR)
        self.secrets = {}
        await self.program("agent")
        self.account = await self.service.accounts.create("alice", PASSWORD, ("ADMIN",))
        await self.link()

    def publish(self, *keys):
        metadata = {"issuer": self.idp, "jwks_uri": f"{self.idp}/keys"}
        self.there.put("/.well-known/openid-configuration", json.dumps(metadata).encode())
        members = [key.public.to_jwk() for key in keys]
        self.there.put("/keys", json.dumps({"keys": members}).encode())

    async def program(self, client_id, **more):
        members = {**KEPT, "identity_issuers": (self.idp,), **more}
        self.secrets[client_id] = await register(self.service, client_id, **members)

    async def link(self, subject=SUBJECT, account=None):
        account = account or self.account
        await self.service.identities.link(account.id, self.idp, subject, OPERATOR)

    async def unlink(self, subject=SUBJECT):
        return await self.service.identities.unlink(self.account.id, self.idp, subject, OPERATOR)

    @property
    def seconds(self):
        return self.service.clock() // SECOND

    def assertion(self, key=KEY, header=None, **more):
        """Make an assertion that is good but for what is told; ... leaves a claim out."""
        claims = {
            "iss": self.idp,
            "sub": SUBJECT,
            "aud": ISSUER,
            "client_id": "agent",
            "resource": API,
            "scope": "read",
            "jti": secrets.token_hex(8),
            "iat": self.seconds,
            "exp": self.seconds + 300,
            "auth_time": self.seconds - 60,
            **more,
        }
        said = {name: value for name, value in claims.items() if value is not ...}
        return jws.sign(json_encode(said), key, {"typ": "oauth-id-jag+jwt", **(header or {})})

    async def present(self, assertion=None, client_id="agent", headers=None, **more):
        form = {"grant_type": JWT_BEARER, "assertion": assertion or self.assertion(), **more}
        return await self.token((client_id, self.secrets[client_id]), headers, **form)

    async def given(self, *arguments, **more):
        answer = await self.present(*arguments, **more)
        assert answer.status_code == 200, answer.text
        return self.service.access_tokens.verify(answer.json()["access_token"])

    async def refused(self, *arguments, **more):
        """Give the error, and why the log says."""
        with structlog.testing.capture_logs() as lines:
            answer = await self.present(*arguments, **more)
        assert answer.status_code == 400, answer.text
        told = [one["reason"] for one in lines if one["event"] == "identity_assertion_refused"]
        return answer.json()["error"], *told

    async def is_good(self, claims):
        return await self.service.sessions.accepts(claims["sid"], claims["sub_ver"], claims["jti"])

    async def sessions(self):
        return [
            (one.client_id, one.identity_issuer)
            for one in await self.service.sessions.of_account(self.account.id)
        ]

    async def agents(self):
        found = await self.service.agents.of_account(self.account.id)
        return [(one.client_id, one.resource, one.scope) for one in found]


@pytest.fixture
def scene_of(play, tmp_path, monkeypatch):
    def run(scene, **settings):
        with stranger(tmp_path, monkeypatch) as idp:

            async def opened(service, clock):
                world = World(service)
                world.clock = clock
                await world.prepare(idp)
                return await scene(world)

            given = {"audiences": ("orders",), "private_hosts": ("localhost",), **settings}
            return play(opened, issuer=ISSUER, **given)

    return run


def test_a_client_gets_a_token_for_the_person_whom_an_issuer_names(scene_of):
    async def scene(world):
        answer = await world.present()
        body = answer.json()
        assert answer.status_code == 200, answer.text
        assert (body["token_type"], body["scope"], body["expires_in"]) == ("Bearer", "read", 300)
        assert body["resource"] == API
        assert body.keys() == {"access_token", "token_type", "expires_in", "resource", "scope"}
        claims = world.service.access_tokens.verify(body["access_token"])
        assert claims.subject == world.account.id
        assert claims.client_id == "agent"
        assert claims.audience == (API,)
        assert "act" not in claims
        assert await world.is_good(claims)

    scene_of(scene)


def test_there_is_one_session_however_many_assertions_there_are(scene_of):
    async def scene(world):
        found = {(await world.given())["sid"] for _ in range(5)}
        assert len(found) == 1
        assert (await world.given(world.assertion(resource=FILES)))["sid"] not in found
        await world.program("other")
        await world.given(world.assertion(client_id="other"), "other")
        assert await world.sessions() == [("carnet:elsewhere", world.idp)]
        assert sorted(await world.agents()) == [
            ("agent", API, "read"),
            ("agent", FILES, "read"),
            ("other", API, "read"),
        ]
        [(count,)] = await world.service.store.read("SELECT COUNT(*) FROM session")
        assert count == 4

    scene_of(scene)


def test_of_programs_that_come_at_the_same_moment_all_belong_to_one_session(scene_of):
    async def scene(world):
        await world.program("other")
        asked = [
            world.given(world.assertion(client_id=name), name) for name in ["agent", "other"] * 10
        ]
        assert len({claims["sid"] for claims in await asyncio.gather(*asked)}) == 2
        assert await world.sessions() == [("carnet:elsewhere", world.idp)]

    scene_of(scene)


def test_of_an_assertion_that_is_presented_often_at_once_one_counts(scene_of):
    async def scene(world):
        assertion = world.assertion()
        answers = await asyncio.gather(*(world.present(assertion) for _ in range(10)))
        assert sorted(one.status_code for one in answers) == [200] + [400] * 9

    scene_of(scene)


def test_an_assertion_is_used_once(scene_of):
    async def scene(world):
        assertion = world.assertion()
        await world.given(assertion)
        assert await world.refused(assertion) == ("invalid_grant", "used_before")
        # To the end of its life, with all the leeway that it has.
        world.clock.advance(300 + 29)
        await world.service.store.write(sql.SWEEP_USED_ONCE, world.service.clock(), 100)
        assert await world.refused(assertion) == ("invalid_grant", "used_before")
        world.clock.advance(2)
        assert await world.refused(assertion) == ("invalid_grant", "expired")

    scene_of(scene)


def test_another_clients_assertion_is_refused(scene_of):
    async def scene(world):
        await world.program("other")
        refused = await world.refused(world.assertion(), "other")
        assert refused == ("invalid_grant", "another_client")
        refused = await world.refused(world.assertion(client_id=...))
        assert refused == ("invalid_grant", "claim_missing")

    scene_of(scene)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "https://other.example"}, "audience_mismatch"),
        ({"aud": f"{ISSUER}/"}, "audience_mismatch"),
        ({"aud": f"{ISSUER}/token"}, "audience_mismatch"),
        ({"aud": "agent"}, "audience_mismatch"),
        ({"aud": [ISSUER, "https://other.example"]}, "several_audiences"),
        ({"aud": ...}, "claim_missing"),
        ({"iss": "https://other.example"}, "another_issuer"),
        ({"iss": ISSUER}, "another_issuer"),
        ({"iss": ...}, "another_issuer"),
        ({"iss": ["x"]}, "another_issuer"),
        ({"sub": ...}, "claim_missing"),
        ({"sub": ""}, "nameless"),
        ({"sub": "a\0b"}, "nameless"),
        ({"sub": 7}, "claim_invalid"),
        ({"jti": ...}, "claim_missing"),
        ({"jti": ""}, "nameless"),
        ({"iat": ...}, "claim_missing"),
        ({"exp": ...}, "claim_missing"),
        ({"exp": 1_800_000_000 + 3700}, "too_long"),
        ({"exp": 1_800_000_000 - 31}, "expired"),
        ({"iat": 1_800_000_000 + 61}, "not_yet_valid"),
        ({"sub": "somebody else"}, "not_linked"),
        ({"sub": "alice"}, "not_linked"),
        ({"email": "alice@example.com", "sub": "x"}, "not_linked"),
        ({"tenant": "acme"}, "tenant_not_understood"),
        ({"aud_tenant": "acme"}, "aud_tenant_not_understood"),
        ({"sub_id": {"format": "opaque", "id": "x"}}, "sub_id_not_understood"),
        ({"act": {"sub": "x"}}, "act_not_understood"),
        ({"authorization_details": []}, "authorization_details_not_understood"),
        ({"aud_sub": "somebody else"}, "another_aud_sub"),
        ({"cnf": {"jkt": "x" * 43}}, "another_key"),
        ({"cnf": {"x5t#S256": "x"}}, "claim_invalid"),
        ({"resource": 7}, "resource_malformed"),
        ({"resource": [7]}, "resource_malformed"),
    ],
)
def test_an_assertion_that_says_something_else_is_refused(scene_of, claims, reason):
    async def scene(world):
        assert await world.refused(world.assertion(**claims)) == ("invalid_grant", reason)
        assert await world.agents() == []

    scene_of(scene)


def test_an_account_may_be_named_as_it_is_known_here_too(scene_of):
    async def scene(world):
        claims = await world.given(world.assertion(aud_sub=world.account.id))
        assert claims.subject == world.account.id

    scene_of(scene)


@pytest.mark.parametrize("auth_time", [-(10**18), -1, 10**18, 1e300, 1_900_000_000])
def test_whatever_number_stands_for_the_moment_of_a_sign_in_it_is_one_that_has_been(
    scene_of, auth_time
):
    async def scene(world):
        await world.given(world.assertion(auth_time=auth_time))
        [(moment,)] = await world.service.store.read(
            "SELECT authenticated_at FROM session WHERE client_id = 'carnet:elsewhere'"
        )
        assert 0 <= moment <= world.service.clock()

    scene_of(scene)


def test_a_sign_in_that_is_dated_ahead_of_its_assertion_does_not_come_back_with_it(scene_of):
    async def scene(world):
        # The issuer's clock is ahead by some seconds.
        said = {"auth_time": world.seconds + 20, "iat": world.seconds + 10}
        await world.given(world.assertion(**said))
        await world.service.sessions.end_all(world.account.id, "signed_out", OPERATOR)
        for _ in range(20):
            world.clock.advance(1)
            refused = await world.refused(world.assertion(**said))
            assert refused == ("invalid_grant", "ended_since")

    scene_of(scene)


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "logout+jwt", "dpop+jwt", "id-jag"])
def test_other_kinds_of_tokens_are_no_identity_assertions(scene_of, typ):
    async def scene(world):
        # A JWT without a type of its own would be a workload's, which needs no secret beside it.
        error = "invalid_request" if typ == "JWT" else "invalid_grant"
        assert await world.refused(world.assertion(header={"typ": typ})) == (error,)

    scene_of(scene)


def test_neither_is_an_id_token_or_an_access_token_of_this_service_or_garbage(scene_of):
    async def scene(world):
        mine = (await world.present()).json()["access_token"]
        for text in (mine, "x", "x.y.z", f"{world.assertion()}.x", " "):
            assert (await world.refused(text))[0] in ("invalid_grant", "invalid_request")
        answer = await world.token(
            ("agent", world.secrets["agent"]), grant_type=JWT_BEARER, assertion=""
        )
        assert answer.json()["error"] == "invalid_request"

    scene_of(scene)


def test_an_algorithm_is_never_confused_with_another(scene_of):
    async def scene(world):
        other = Key.generate("ES256", kid="idp")
        refused = await world.refused(world.assertion(other))
        assert refused == ("invalid_grant", "signature_invalid")
        # A MAC under what everybody can read of the key.
        head = b64url_encode(json_encode({"alg": "HS256", "typ": "oauth-id-jag+jwt", "kid": "idp"}))
        signed = f"{head}.{world.assertion().split('.')[1]}"
        for public in (KEY.public.to_pem(), json.dumps(KEY.public.to_jwk()).encode()):
            mac = b64url_encode(hmac.digest(public, signed.encode(), "sha256"))
            assert (await world.refused(f"{signed}.{mac}"))[0] == "invalid_grant"
        good = world.assertion()
        payload = good.split(".")[1]
        head = json_encode({"alg": "none", "typ": "oauth-id-jag+jwt", "kid": "idp"})
        assert (await world.refused(f"{b64url_encode(head)}.{payload}."))[0] == "invalid_grant"

    scene_of(scene)


def test_an_issuer_counts_for_the_clients_that_name_it_and_no_others(scene_of):
    async def scene(world):
        more = {"identity_issuers": ("https://other.example",)}
        await world.program("plain", **more)
        asked = len(world.there.requests)
        refused = await world.refused(world.assertion(client_id="plain"), "plain")
        assert refused == ("invalid_grant", "another_issuer")
        await world.program("job", identity_issuers=(), grant_types=("client_credentials",))
        refused = await world.refused(world.assertion(client_id="job"), "job")
        assert refused == ("unauthorized_client",)
        # Nothing was fetched for it either.
        assert len(world.there.requests) == asked

    scene_of(scene)


def test_an_issuer_that_is_trusted_for_workloads_says_nothing_of_people(scene_of):
    async def scene(world):
        credential = FederatedCredential(issuer=world.idp, claims={"sub": "workload"})
        await world.program(
            "job",
            token_endpoint_auth_method="federated_jwt",
            identity_issuers=(),
            federated_credentials=(credential,),
        )
        said = {"iss": world.idp, "sub": "workload", "aud": ISSUER}
        now = {"iat": world.seconds, "exp": world.seconds + 300}
        workload = jws.sign(json_encode({**said, **now}), KEY, {"typ": "JWT"})
        proof = {
            "client_id": "job",
            "client_assertion": workload,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }

        async def error(assertion, **more):
            answer = await world.token(None, grant_type=JWT_BEARER, assertion=assertion, **more)
            return None if answer.status_code == 200 else answer.json()["error"]

        assert await error(workload, client_id="job") is None
        # The same client, proved by the same token, with a person's identity.
        assert await error(world.assertion(client_id="job"), **proof) == "invalid_grant"
        # And nobody's workload is a program that may present people's.
        assert await error(workload, client_id="agent") == "invalid_grant"
        assert await world.agents() == []

    scene_of(scene)


def test_a_service_that_has_taken_the_address_of_a_trusted_issuer_trusts_itself_with_nobody(
    play, tmp_path, monkeypatch
):
    with stranger(tmp_path, monkeypatch) as idp:
        given = {"audiences": ("orders",), "private_hosts": ("localhost",)}

        async def before(service, _clock):
            world = World(service)
            await world.prepare(idp)
            return world.secrets

        kept = play(before, issuer=ISSUER, **given)

        async def after(service, _clock):
            world = World(service)
            world.idp, world.secrets = idp.url, kept
            return await world.refused(world.assertion(aud=idp.url))

        assert play(after, issuer=idp.url, **given) == ("invalid_grant", "another_issuer")


def test_a_stranger_gets_nothing_and_causes_no_fetch(scene_of):
    async def scene(world):
        asked = len(world.there.requests)
        world.secrets["agent"] = "wrong"
        answer = await world.present()
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        await register(world.service, "app")
        answer = await world.token(
            None, client_id="app", grant_type=JWT_BEARER, assertion=world.assertion()
        )
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert len(world.there.requests) == asked

    scene_of(scene)


def test_while_the_keys_cant_be_had_the_client_is_told_to_try_again(scene_of):
    async def scene(world):
        world.there.pages.clear()
        answer = await world.present()
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert int(answer.headers["retry-after"]) > 0

    scene_of(scene)


def test_keys_that_the_issuer_takes_instead_are_found_and_the_old_ones_forgotten(scene_of):
    async def scene(world):
        await world.given()
        following = Key.generate("EdDSA", kid="following")
        world.publish(following)
        world.clock.advance(60)
        await world.given(world.assertion(following))
        assert (await world.refused())[0] == "invalid_grant"

    scene_of(scene)


def test_scope_and_resource_are_only_ever_narrowed(scene_of):
    async def scene(world):
        both = world.assertion
        assert (await world.given(both(scope="read write admin"))).scopes == {"read", "write"}
        narrowed = await world.given(both(scope="read write"), scope="write")
        assert narrowed["scope"] == "write"
        assert await world.refused(both(), scope="write") == ("invalid_scope",)
        assert await world.refused(both(), scope="openid") == ("invalid_scope",)
        assert await world.refused(both(scope="admin")) == ("invalid_scope",)
        assert await world.refused(both(scope="openid offline_access")) == ("invalid_scope",)
        # What the assertion does not say, the token does not say either.
        assert "scope" not in await world.given(both(scope=...))
        assert await world.refused(both(scope=...), scope="read") == ("invalid_scope",)
        # The resource's own table: files can't be written.
        files = await world.given(both(scope="read write", resource=FILES))
        assert (files["aud"], files["scope"]) == (FILES, "read")

        assert (await world.given(both(resource=[FILES, API])))["aud"] == FILES
        assert (await world.given(both(resource=[FILES, API]), resource=API))["aud"] == API
        other = both(resource=["https://elsewhere.example", API])
        assert (await world.given(other))["aud"] == API
        assert (await world.given(both(resource=...)))["aud"] == API
        assert (await world.given(both(resource=...), resource=FILES))["aud"] == FILES
        for asked, more in (
            ({"resource": FILES}, {"resource": API}),
            ({"resource": "orders"}, {}),
            ({"resource": "https://elsewhere.example"}, {}),
            ({"resource": ISSUER}, {}),
            ({"resource": ...}, {"resource": "orders"}),
        ):
            assert await world.refused(both(**asked), **more) == ("invalid_target",)

    scene_of(scene)


def test_the_services_own_api_is_for_those_who_have_signed_in_here(scene_of):
    async def scene(world):
        await world.program("admin", resources=(ISSUER, API), scope="carnet:admin read")
        told = {"client_id": "admin", "scope": "carnet:admin"}
        for resource in (ISSUER, ...):
            refused = await world.refused(world.assertion(**told, resource=resource), "admin")
            assert refused == ("invalid_target",)

    scene_of(scene)


def test_a_token_of_a_first_party_client_carries_what_those_carry(scene_of):
    async def scene(world):
        assert "roles" not in await world.given()
        await world.program("own", first_party=True)
        claims = await world.given(world.assertion(client_id="own"), "own")
        assert claims.roles == ("ADMIN",)

    scene_of(scene)


def test_a_disabled_person_gets_no_program_in(scene_of):
    async def scene(world):
        claims = await world.given()
        await world.service.accounts.disable(world.account.id, OPERATOR)
        assert not await world.is_good(claims)
        assert await world.refused() == ("invalid_grant", "account_disabled")
        await world.service.accounts.enable(world.account.id, OPERATOR)
        assert await world.refused() == ("invalid_grant", "ended_since")
        world.clock.advance(MINUTE)
        await world.given(world.assertion(auth_time=world.seconds))

    scene_of(scene)


@pytest.mark.parametrize("what", ["everything", "others", "password", "session", "unlinked"])
def test_what_ends_the_persons_sessions_ends_the_programs_until_they_sign_in_there_again(
    scene_of, what
):
    async def scene(world):
        service, account = world.service, world.account
        claims = await world.given()
        [parent] = await service.sessions.of_account(account.id)
        end = {
            "everything": lambda: service.sessions.end_all(account.id, "signed_out", OPERATOR),
            "others": lambda: service.sessions.end_all(
                account.id, "signed_out", OPERATOR, keep="x"
            ),
            "password": lambda: service.accounts.set_password(
                account.id, "another-long-password", OPERATOR
            ),
            "session": lambda: service.sessions.end_of_account(
                account.id, parent.id, "signed_out", OPERATOR
            ),
            "unlinked": world.unlink,
        }[what]
        await end()
        assert not await world.is_good(claims)
        assert await world.agents() == []
        assert await world.sessions() == []
        if what == "unlinked":
            assert await world.refused() == ("invalid_grant", "not_linked")
            await world.link()
        assert await world.refused() == ("invalid_grant", "ended_since")
        world.clock.advance(MINUTE)
        assert await world.refused(world.assertion(auth_time=world.seconds - 61)) == (
            "invalid_grant",
            "ended_since",
        )
        again = await world.given(world.assertion(auth_time=world.seconds - 1))
        assert again["sid"] != claims["sid"]
        assert await world.is_good(again)

    scene_of(scene)


def test_an_issuer_that_does_not_say_when_they_signed_in_counts_from_the_link_on(scene_of):
    async def scene(world):
        claims = await world.given(world.assertion(auth_time=...))
        await world.service.sessions.end_all(world.account.id, "signed_out", OPERATOR)
        assert not await world.is_good(claims)
        world.clock.advance(MINUTE)
        refused = await world.refused(world.assertion(auth_time=...))
        assert refused == ("invalid_grant", "ended_since")
        await world.unlink()
        await world.link()
        await world.given(world.assertion(auth_time=...))

    scene_of(scene)


def test_a_program_that_is_stopped_stays_so_until_its_person_signs_in_there_again(scene_of):
    async def scene(world):
        await world.program("other")
        claims = await world.given()
        other = await world.given(world.assertion(client_id="other"), "other")
        assert await world.service.agents.stop(world.account.id, "agent", OPERATOR) == 1
        assert not await world.is_good(claims)
        assert await world.is_good(other)
        assert await world.refused() == ("invalid_grant", "stopped_since")
        world.clock.advance(MINUTE)
        await world.given(world.assertion(auth_time=world.seconds))
        # An older moment that comes after a newer one changes nothing.
        await world.given()

    scene_of(scene)


def test_a_client_that_is_removed_ends_what_it_did(scene_of):
    async def scene(world):
        claims = await world.given()
        await world.service.registry.remove_client("agent", OPERATOR)
        assert not await world.is_good(claims)
        assert await world.agents() == []

    scene_of(scene)


def test_a_client_whose_registration_names_the_issuer_no_more_gets_nothing_more(scene_of):
    async def scene(world):
        await world.given()
        more = {"identity_issuers": ("https://other.example",)}
        await change(world.service, "agent", **{**KEPT, **more})
        assert await world.refused() == ("invalid_grant", "another_issuer")

    scene_of(scene)


def test_other_programs_that_act_with_its_token_end_with_it(scene_of):
    async def scene(world):
        world.secrets["files"] = await register(
            world.service,
            "files",
            redirect_uris=(),
            grant_types=(TOKEN_EXCHANGE,),
            token_endpoint_auth_method="client_secret_basic",
            exchange_from=(API,),
            exchange_to=(FILES,),
            scope="read",
        )
        first = (await world.present()).json()["access_token"]
        answer = await world.token(
            ("files", world.secrets["files"]),
            grant_type=TOKEN_EXCHANGE,
            subject_token=first,
            subject_token_type="urn:ietf:params:oauth:token-type:access_token",
        )
        assert answer.status_code == 200, answer.text
        deep = world.service.access_tokens.verify(answer.json()["access_token"])
        assert await world.is_good(deep)
        await world.unlink()
        assert not await world.is_good(deep)

    scene_of(scene)


def test_one_subject_is_one_account_and_unlinking_anothers_changes_nothing(scene_of):
    async def scene(world):
        bob = await world.service.accounts.create("bob", PASSWORD)
        with pytest.raises(AccountRefused) as refused:
            await world.link(account=bob)
        assert refused.value.code == "identity_taken"
        # May be repeated.
        await world.link()
        claims = await world.given()
        assert not await world.service.identities.unlink(bob.id, world.idp, SUBJECT, OPERATOR)
        assert not await world.unlink("another")
        assert await world.is_good(claims)
        # The same subject at another issuer is somebody else.
        await world.service.identities.link(bob.id, "https://other.example", SUBJECT, OPERATOR)
        assert (await world.given()).subject == world.account.id
        events = [one.event for one in await newest(world.service.store, 100)]
        assert events.count("identity_linked") == 2
        assert "identity_unlinked" not in events
        assert await world.unlink()
        [entry, *_] = [
            one
            for one in await newest(world.service.store, 100)
            if one.event == "identity_unlinked"
        ]
        assert (entry.account_id, entry.reason) == (world.account.id, f"{world.idp} {SUBJECT}")

    scene_of(scene)


@pytest.mark.parametrize(
    ("issuer", "subject", "member"),
    [
        ("idp", "x", "issuer"),
        ("https://idp.example/ x", "x", "issuer"),
        ("https://" + "x" * 3000, "x", "issuer"),
        (ISSUER, "x", "issuer"),
        ("https://idp.example", "", "subject"),
        ("https://idp.example", "x" * 256, "subject"),
        ("https://idp.example", "a\0b", "subject"),
    ],
)
def test_what_can_be_no_identity_is_refused_with_the_member(scene_of, issuer, subject, member):
    async def scene(world):
        with pytest.raises(AccountRefused) as refused:
            await world.service.identities.link(world.account.id, issuer, subject, OPERATOR)
        return refused.value.code, refused.value.member

    assert scene_of(scene) == ("identity_invalid", member)


def test_an_assertion_that_is_bound_to_a_key_is_good_with_that_key_only(scene_of):
    async def scene(world):
        prover, other = Prover(), Prover()
        bound = world.assertion(cnf={"jkt": prover.thumbprint})
        assert await world.refused(bound) == ("invalid_grant", "another_key")

        async def prove(holder, assertion):
            url = f"{world.origin}/token"
            headers = {"DPoP": holder.proof(url, iat=world.seconds)}
            nonce = (await world.present(headers=headers)).headers["dpop-nonce"]
            headers = {"DPoP": holder.proof(url, iat=world.seconds, nonce=nonce)}
            return await world.present(assertion, headers=headers)

        assert (await prove(other, bound)).json()["error"] == "invalid_grant"
        last = await prove(prover, world.assertion())
        again = {"DPoP": last.request.headers["dpop"]}
        refused = await world.present(headers=again)
        assert refused.json()["error"] == "invalid_dpop_proof"
        for assertion in (bound, world.assertion()):
            answer = await prove(prover, assertion)
            assert answer.json()["token_type"] == "DPoP"
            claims = inspect(answer.json()["access_token"]).claims
            assert claims["cnf"] == {"jkt": prover.thumbprint}
        await world.program("bound", dpop_bound_access_tokens=True)
        refused = await world.refused(world.assertion(client_id="bound"), "bound")
        assert refused == ("invalid_dpop_proof",)

    scene_of(scene)


def test_the_metadata_say_what_is_accepted_and_nothing_of_whom(scene_of):
    async def scene(world):
        found = (await world.client.get("/.well-known/oauth-authorization-server")).json()
        profile = "urn:ietf:params:oauth:grant-profile:id-jag"
        assert found["authorization_grant_profiles_supported"] == [profile]
        assert JWT_BEARER in found["grant_types_supported"]
        assert world.idp not in json.dumps(found)

    scene_of(scene)


@pytest.mark.parametrize(
    ("members", "member"),
    [
        ({"grant_types": ("client_credentials",)}, "identity_issuers"),
        ({"token_endpoint_auth_method": "none"}, "token_endpoint_auth_method"),
        ({"identity_issuers": ("http://idp.example",)}, "identity_issuers"),
        ({"identity_issuers": ("https://idp.example?a",)}, "identity_issuers"),
        ({"identity_issuers": (f"{ISSUER}/",)}, "identity_issuers"),
        ({"resources": ()}, "resources"),
    ],
)
def test_a_registration_that_makes_no_sense_is_refused_with_the_member(play, members, member):
    async def scene(service, _clock):
        given = {
            **KEPT,
            "resources": ("orders",),
            "identity_issuers": ("https://idp.example",),
        }
        await service.registry.add_client(ClientMetadata(**given), OPERATOR)
        with pytest.raises(ClientRefused) as refused:
            await service.registry.add_client(ClientMetadata(**{**given, **members}), OPERATOR)
        return refused.value.member

    assert play(scene, audiences=("orders",), issuer=ISSUER) == member


def test_a_session_that_is_used_now_and_then_writes_now_and_then(scene_of):
    async def scene(world):
        await world.given()
        [before] = await world.service.sessions.of_account(world.account.id)
        moment = world.seconds - 60
        world.clock.advance(MINUTE)
        await world.given(world.assertion(auth_time=moment))
        [after] = await world.service.sessions.of_account(world.account.id)
        assert after == before
        world.clock.advance(5 * MINUTE)
        await world.given(world.assertion(auth_time=moment))
        [after] = await world.service.sessions.of_account(world.account.id)
        assert after.rotated_at == world.service.clock()

    scene_of(scene)


def test_a_session_that_has_expired_is_followed_by_another(scene_of):
    async def scene(world):
        first = await world.given()
        world.clock.advance(world.service.settings.session_lifetime + 1)
        second = await world.given()
        assert second["sid"] != first["sid"]
        assert await world.is_good(second)

    scene_of(scene)
