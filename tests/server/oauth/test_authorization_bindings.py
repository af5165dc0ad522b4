"""What a code, a consent and a session are bound to: resource, scope, key, login, and client."""

import asyncio

import httpx
import pytest
from structlog.testing import capture_logs
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK, Request
from tests.server.inside import Inside, change, register
from tests.server.oauth_clients import Prover

from carnet import inspect
from carnet.server.audit import OPERATOR
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.oauth.authorization_codes import CodeRefused
from carnet.server.store import statements as sql

AUDIENCES = ("orders", "billing")


@pytest.fixture
def scene_of(play):
    """Run a scene with alice's browser and a client that is not first-party."""

    def run(scene, **metadata):
        async def opened(service, clock):
            await service.accounts.create("alice", PASSWORD)
            await register(service, **metadata)
            return await scene(service, Inside(service), clock)

        return play(opened, audiences=AUDIENCES)

    return run


def error_of(answer):
    return (answer.status_code, answer.json().get("error"))


def claims_of(answer):
    return inspect(answer.json()["access_token"]).claims


async def reason_of(answer):
    """Give why a code or a refresh token was refused, as the log tells it, with the answer."""
    with capture_logs() as logs:
        told = await answer
    reasons = [line["reason"] for line in logs if line["event"].endswith("_refused")]
    return (*error_of(told), *reasons)


async def living(service):
    rows = await service.store.read(
        "SELECT client_id FROM session WHERE ended_at IS NULL ORDER BY client_id"
    )
    return [row[0] for row in rows]


# Resources


def test_a_consent_for_one_resource_is_none_for_another(scene_of):
    async def scene(service, alice, _clock):
        await alice.tokens(resource="orders")
        alice.forms.clear()
        assert "code" in (await alice.authorize(resource="orders", prompt="none"))[1]
        silent = (await alice.authorize(resource="billing", prompt="none"))[1]
        assert silent["error"] == "consent_required"
        await alice.authorize(resource="billing", scope="openid profile")
        assert alice.forms == ["/authorize/decision"]
        # What was granted at one does not come to what was granted at the other.
        more = (await alice.authorize(scope="openid profile", resource="orders", prompt="none"))[1]
        assert more["error"] == "consent_required"
        # What was granted before at the same one stays.
        await alice.authorize(resource="billing", scope="openid email")
        account = await service.accounts.find("alice")
        [one] = await service.consents.applications(account.id)
        return one.resources, one.scope

    granted = {"orders": "openid", "billing": "email openid profile"}
    assert scene_of(scene) == (granted, "email openid profile")


def test_the_consents_of_an_account_say_for_which_resource(scene_of):
    async def scene(service, alice, _clock):
        await alice.tokens(resource="orders")
        await alice.tokens(resource="billing", scope="openid email")
        api = service.settings.own_url
        own = {"username": "alice", "password": PASSWORD, "resource": api}
        token = (await alice.client.post("/sessions", json=own)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        told = await alice.client.get("/account/consents", headers=headers)
        page = (await alice.client.get("/me/applications")).text
        assert "billing" in page
        assert "orders" in page
        assert page.count('aria-label="Disconnect') == 1
        return told.json()["consents"]

    [consent] = scene_of(scene)
    assert consent["scope"] == "email openid"
    assert consent["resources"] == [
        {"resource": "billing", "scope": "email openid"},
        {"resource": "orders", "scope": "openid"},
    ]


def test_a_consent_from_before_resources_covers_nothing_and_is_listed_until_a_new_one(scene_of):
    async def scene(service, alice, _clock):
        account = await service.accounts.find("alice")
        await service.store.write(sql.ADD_CONSENT, "app", "", "openid roles", 1, account.id)
        await alice.sign_in()
        silent = (await alice.authorize(prompt="none"))[1]
        assert silent["error"] == "consent_required"
        assert [one.resources for one in await service.consents.applications(account.id)] == [
            {"": "openid roles"}
        ]
        assert "May use: openid, roles" in (await alice.client.get("/me/applications")).text
        await alice.authorize(resource="billing")
        return [one.resources for one in await service.consents.applications(account.id)]

    assert scene_of(scene) == [{"billing": "openid"}]


@pytest.mark.parametrize("first_party", [False, True])
def test_a_code_for_one_resource_is_good_for_no_other(scene_of, first_party):
    async def scene(_service, alice, _clock):
        asked, answer = await alice.authorize(resource="orders")
        refused = await alice.exchange(asked, answer["code"], resource="billing")
        assert error_of(refused) == (400, "invalid_target")
        given = await alice.exchange(asked, answer["code"], resource="orders")
        return claims_of(given)["aud"]

    assert scene_of(scene, first_party=first_party) == "orders"


def test_a_code_of_a_request_without_resource_is_for_the_clients_default(scene_of):
    async def scene(_service, alice, _clock):
        asked, answer = await alice.authorize()
        refused = await alice.exchange(asked, answer["code"], resource="orders")
        assert error_of(refused) == (400, "invalid_target")
        return claims_of(await alice.exchange(asked, answer["code"]))["aud"]

    assert scene_of(scene, resources=("billing", "orders")) == "billing"


def test_a_refresh_token_for_one_resource_is_good_for_no_other(scene_of):
    async def scene(_service, alice, _clock):
        token = (await alice.tokens(resource="orders"))["refresh_token"]
        for _ in range(2):
            refused = await alice.refresh(token, resource="billing")
            assert error_of(refused) == (400, "invalid_target")
        given = await alice.refresh(token, resource="orders")
        assert claims_of(given)["aud"] == "orders"
        return claims_of(await alice.refresh(given.json()["refresh_token"]))["aud"]

    assert scene_of(scene) == "orders"


def test_a_first_party_client_chooses_among_its_own_resources_at_refresh(scene_of):
    async def scene(service, alice, _clock):
        await service.registry.add_resource("vault", ResourceMetadata(), OPERATOR)
        token = (await alice.tokens(resource="orders"))["refresh_token"]
        refused = await alice.refresh(token, resource="vault")
        assert error_of(refused) == (400, "invalid_target")
        given = await alice.refresh(token, resource="billing")
        assert claims_of(given)["aud"] == "billing"
        given = await alice.refresh(given.json()["refresh_token"])
        assert claims_of(given)["aud"] == "orders"
        # Where its default is no more, the next one is.
        await change(service, first_party=True, resources=("billing",))
        return claims_of(await alice.refresh(given.json()["refresh_token"]))["aud"]

    assert scene_of(scene, first_party=True, resources=AUDIENCES) == "billing"


def test_several_resources_at_once_are_refused_in_so_many_words(scene_of):
    async def scene(_service, alice, _clock):
        given = str(httpx.QueryParams(Request().parameters))
        address = f"/authorize?{given}&resource=orders&resource=billing"
        told = httpx.URL(await alice.go(address)).params
        return told["error"], told["error_description"]

    assert scene_of(scene) == ("invalid_target", "ask for one resource at a time")


# Scopes


def test_every_grant_gives_what_is_granted_to_this_client_of_what_the_resource_knows(play):
    """One table for all of them: (client, resource, granted) and what is left."""
    read, write, admin = "orders:read", "orders:write", "carnet:admin"
    table = [
        # client has            resource knows   left of all that
        ((read, write, admin), (), (read, write, admin)),
        ((read, write, admin), (read, write), (read, write)),
        ((read, admin), (read, write), (read,)),
        ((read,), (), (read,)),
        ((admin,), (read, write), ()),
    ]

    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        alice = Inside(service)
        everything = (read, write, admin)
        secret = await register(
            service,
            grant_types=("authorization_code", "refresh_token", "client_credentials"),
            token_endpoint_auth_method="client_secret_basic",
        )
        auth = ("app", secret)

        async def set_up(has, knows):
            await change(
                service,
                scope=" ".join(has),
                grant_types=("authorization_code", "refresh_token", "client_credentials"),
                token_endpoint_auth_method="client_secret_basic",
            )
            metadata = ResourceMetadata(scopes=knows)
            await service.registry.replace_resource("orders", metadata, OPERATOR)

        async def code():
            asked, answer = await alice.authorize(scope=" ".join(everything), resource="orders")
            return asked, answer["code"]

        await service.registry.add_resource("orders", ResourceMetadata(), OPERATOR)
        for has, knows, names in table:
            left = " ".join(sorted(names))
            # What is asked for when nothing is narrowed yet, and given when it is.
            await set_up(everything, ())
            asked, unused = await code()
            other, used = await code()
            token = (await alice.exchange(other, used, auth)).json()["refresh_token"]
            await set_up(has, knows)

            by_code = await alice.exchange(asked, unused, auth)
            by_refresh = await alice.refresh(token, None, auth=auth)
            own = await alice.token(auth, grant_type="client_credentials", resource="orders")
            _, again = await alice.authorize(scope=" ".join(everything), resource="orders")
            assert claims_of(own).get("scope", "") == left
            if left:
                for answer in (by_code, by_refresh):
                    assert claims_of(answer)["scope"] == answer.json()["scope"] == left
                assert "code" in again
            else:
                assert error_of(by_code) == (400, "invalid_scope")
                assert error_of(by_refresh) == (400, "invalid_grant")
                assert again["error"] == "invalid_scope"
        # Who signs in with a password is granted no scope at all, and may ask for none.
        begun = (
            await alice.client.post("/sessions", json={"username": "alice", "password": PASSWORD})
        ).json()
        assert "scope" not in inspect(begun["access_token"]).claims
        refused = await alice.refresh(begun["refresh_token"], None, scope="openid")
        assert error_of(refused) == (400, "invalid_scope")

    play(scene, audiences=AUDIENCES)


def test_a_request_without_scope_gets_the_clients_of_what_the_resource_knows(scene_of):
    async def scene(service, alice, _clock):
        known = ResourceMetadata(scopes=("orders:read",))
        await service.registry.add_resource("orders", known, OPERATOR)
        return (await alice.tokens(scope=None, resource="orders"))["scope"]

    assert scene_of(scene, scope="orders:read carnet:admin") == "orders:read"


def test_a_client_that_has_its_scope_again_has_it_in_its_living_sessions(scene_of):
    async def scene(service, alice, _clock):
        token = (await alice.tokens(scope="openid email"))["refresh_token"]
        await change(service, scope="openid")
        less = (await alice.refresh(token)).json()
        assert less["scope"] == "openid"
        refused = await alice.refresh(less["refresh_token"], scope="email")
        assert error_of(refused) == (400, "invalid_scope")
        await change(service)
        return (await alice.refresh(less["refresh_token"])).json()["scope"]

    assert scene_of(scene) == "email openid"


def test_a_session_of_which_nothing_is_left_to_its_client_ends(scene_of):
    async def scene(service, alice, _clock):
        token = (await alice.tokens(resource="orders"))["refresh_token"]
        await change(service, resources=("billing",))
        assert await reason_of(alice.refresh(token)) == (400, "invalid_grant", "withdrawn")
        assert await living(service) == ["carnet:browser"]
        rows = await service.store.read(
            "SELECT reason FROM audit WHERE event = 'session_ended' ORDER BY at DESC"
        )
        assert rows == [("grant_withdrawn",)]
        return await reason_of(alice.refresh(token))

    assert scene_of(scene) == (400, "invalid_grant", "ended")


@pytest.mark.parametrize("own", [(), ("vault",)])
def test_a_removed_resource_is_given_no_token_any_more(scene_of, own):
    async def scene(service, alice, _clock):
        await service.registry.add_resource("vault", ResourceMetadata(), OPERATOR)
        await change(service, resources=own)
        token = (await alice.tokens(resource="vault"))["refresh_token"]
        asked, answer = await alice.authorize(resource="vault")
        await service.registry.remove_resource("vault", OPERATOR)
        refused = await alice.exchange(asked, answer["code"])
        assert error_of(refused) == (400, "invalid_target")
        return error_of(await alice.refresh(token))

    assert scene_of(scene) == (400, "invalid_grant")


# Codes


def test_a_code_after_the_sign_out_is_refused_for_that_and_not_used_up(scene_of):
    async def scene(service, alice, _clock):
        asked, answer = await alice.authorize()
        form = {"request": ""}
        assert (await alice.client.post("/logout/decision", data=form)).status_code == 200
        for _ in range(2):
            outcome = await reason_of(alice.exchange(asked, answer["code"]))
            assert outcome == (400, "invalid_grant", "login_ended")
        assert await living(service) == []
        return await service.store.read("SELECT session_id FROM authorization_code")

    assert scene_of(scene) == [(None,)]


def test_the_session_of_a_code_was_signed_in_to_when_the_password_was_given(scene_of):
    async def scene(_service, alice, clock):
        signed_in_at = clock() // 1_000_000
        asked, answer = await alice.authorize()
        clock.advance(30)
        given = (await alice.exchange(asked, answer["code"])).json()
        return inspect(given["id_token"]).claims["auth_time"] == signed_in_at

    assert scene_of(scene)


def test_a_code_of_a_disabled_account_is_refused_for_that(scene_of):
    async def scene(service, alice, _clock):
        asked, answer = await alice.authorize()
        account = await service.accounts.find("alice")
        await service.accounts.disable(account.id, OPERATOR)
        return await reason_of(alice.exchange(asked, answer["code"]))

    assert scene_of(scene) == (400, "invalid_grant", "account_disabled")


def test_a_code_of_an_account_that_is_deleted_while_it_is_exchanged_is_unknown(scene_of):
    async def scene(service, alice, _clock):
        _, answer = await alice.authorize()
        account = await service.accounts.find("alice")
        client = service.registry.client("app")
        presented = await service.codes.read(answer["code"], client)
        await service.deletions.delete(account.id, OPERATOR)
        with pytest.raises(CodeRefused) as refused:
            await service.codes.exchange(presented, client, "", OPERATOR)
        return refused.value.code

    assert scene_of(scene) == "unknown"


def test_a_code_outlives_a_change_of_roles_while_it_is_being_exchanged(scene_of):
    async def scene(service, alice, _clock):
        _, answer = await alice.authorize()
        account = await service.accounts.find("alice")
        client = service.registry.client("app")
        presented = await service.codes.read(answer["code"], client)
        await service.accounts.set_roles(account.id, ("NEW",), OPERATOR)
        return (await service.codes.exchange(presented, client, "", OPERATOR)).grant.roles

    assert scene_of(scene) == ("NEW",)


def test_a_consent_that_was_withdrawn_lets_no_code_through(scene_of):
    async def scene(service, alice, _clock):
        asked, answer = await alice.authorize()
        account = await service.accounts.find("alice")
        await service.consents.withdraw(account.id, "app", OPERATOR)
        outcome = await reason_of(alice.exchange(asked, answer["code"]))
        assert await living(service) == ["carnet:browser"]
        return outcome

    assert scene_of(scene) == (400, "invalid_grant", "consent_withdrawn")


def test_a_consent_to_something_else_lets_no_code_through(scene_of):
    async def scene(service, alice, _clock):
        asked, answer = await alice.authorize(scope="openid email")
        account = await service.accounts.find("alice")
        await service.consents.withdraw(account.id, "app", OPERATOR)
        await alice.authorize(scope="openid email", resource="billing")
        outcomes = [await reason_of(alice.exchange(asked, answer["code"]))]
        await alice.authorize(scope="openid")
        return [*outcomes, await reason_of(alice.exchange(asked, answer["code"]))]

    assert scene_of(scene) == [(400, "invalid_grant", "consent_withdrawn")] * 2


def test_a_code_is_taken_once_by_the_statement_itself(scene_of):
    """Both have read the code before either takes it."""

    async def scene(service, alice, _clock):
        _, answer = await alice.authorize()
        client = service.registry.client("app")
        both = [await service.codes.read(answer["code"], client) for _ in range(2)]
        outcomes = await asyncio.gather(
            *(service.codes.exchange(one, client, "", OPERATOR) for one in both),
            return_exceptions=True,
        )
        codes = sorted(getattr(one, "code", "exchanged") for one in outcomes)
        return codes, await living(service)

    assert scene_of(scene) == (["exchanged", "used"], ["carnet:browser"])


@pytest.mark.parametrize("method", ["none", "client_secret_basic"])
def test_a_code_is_bound_to_the_key_that_the_request_named(play, method):
    mine, other = Prover(), Prover()

    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        secret = await register(service, token_endpoint_auth_method=method)
        alice, auth = Inside(service), ("app", secret) if secret else None
        asked, answer = await alice.authorize(dpop_jkt=mine.thumbprint)
        url = f"{alice.origin}/token"

        async def exchange(prover):
            first = await alice.exchange(
                asked, answer["code"], auth, headers={"DPoP": prover.proof(url, iat=now())}
            )
            proof = prover.proof(url, iat=now(), nonce=first.headers["dpop-nonce"])
            return await alice.exchange(asked, answer["code"], auth, headers={"DPoP": proof})

        def now():
            return service.clock() // 1_000_000

        refused = (400, "invalid_grant", "key_mismatch")
        assert await reason_of(exchange(other)) == refused
        assert await reason_of(alice.exchange(asked, answer["code"], auth)) == refused
        given = await exchange(mine)
        # A public client's refresh token is bound as well, a confidential one's to the client.
        refreshed = alice.refresh(given.json()["refresh_token"], None if auth else "app", auth=auth)
        bound = (400, "invalid_grant", "key_mismatch")
        assert await reason_of(refreshed) == ((200, None) if auth else bound)
        return claims_of(given)["cnf"]["jkt"]

    assert play(scene, audiences=AUDIENCES) == mine.thumbprint


def test_a_used_code_ends_the_session_whatever_else_is_sent_with_it(scene_of):
    async def scene(service, alice, _clock):
        outcomes = []
        for wrong in ({"redirect_uri": None}, {"code_verifier": "v" * 43}):
            asked, answer = await alice.authorize()
            body = (await alice.exchange(asked, answer["code"])).json()
            outcomes.append((await reason_of(alice.exchange(asked, answer["code"], **wrong)))[2])
            outcomes.append((await reason_of(alice.refresh(body["refresh_token"])))[2])
        return outcomes

    assert scene_of(scene) == ["used", "ended"] * 2


def test_another_client_with_a_used_code_ends_nothing(scene_of):
    async def scene(service, alice, _clock):
        await register(service, "other")
        asked, answer = await alice.authorize()
        body = (await alice.exchange(asked, answer["code"])).json()
        told = await reason_of(alice.exchange(asked, answer["code"], client_id="other"))
        assert told == (400, "invalid_grant", "client_mismatch")
        return (await alice.refresh(body["refresh_token"])).status_code

    assert scene_of(scene) == 200


def test_each_check_of_a_code_leaves_it_good_for_its_client(scene_of):
    wrong = {
        "redirect_mismatch": {"redirect_uri": f"{CALLBACK}/other"},
        "verifier_wrong": {"code_verifier": "v" * 43},
        "client_mismatch": {"client_id": "other"},
        "unknown": {"code": "x" * 43},
    }

    async def scene(service, alice, _clock):
        await register(service, "other")
        asked, answer = await alice.authorize()
        for reason, sent in wrong.items():
            told = await reason_of(alice.exchange(asked, **{"code": answer["code"], **sent}))
            assert told == (400, "invalid_grant", reason)
        for sent in (
            {"code_verifier": None},
            {"code_verifier": "short"},
            {"code_verifier": "v" * 129},
            {"code_verifier": "v" * 42 + "="},
            {"expires_in": "0"},
            {"expires_in": "x"},
            {"expires_in": "\u0663"},
            {"expires_in": "1" * 10},
        ):
            told = await alice.exchange(asked, answer["code"], **sent)
            assert error_of(told) == (400, "invalid_request"), sent
        return (await alice.exchange(asked, answer["code"])).status_code

    assert scene_of(scene) == 200


def test_a_request_that_named_no_address_is_exchanged_without_one(scene_of):
    async def scene(service, alice, _clock):
        asked, answer = await alice.authorize(redirect_uri=None, scope="profile")
        asked.parameters["redirect_uri"] = CALLBACK
        told = await reason_of(alice.exchange(asked, answer["code"]))
        assert told == (400, "invalid_grant", "redirect_mismatch")
        return (await alice.exchange(asked, answer["code"], redirect_uri=None)).status_code

    assert scene_of(scene) == 200


# Consent of those who can't prove who they are


@pytest.mark.parametrize(
    "address",
    ["com.example.app:/callback", "cursor://oauth/callback", "http://127.0.0.1/callback"],
)
def test_a_native_public_clients_consent_is_asked_each_time(scene_of, address):
    """RFC 8252 section 8.6: any program may claim to be one that keeps no secret."""

    async def scene(service, alice, _clock):
        for _ in range(2):
            alice.forms.clear()
            assert "code" in (await alice.authorize(redirect_uri=address))[1]
            assert alice.forms[-1] == "/authorize/decision"
        silent = (await alice.authorize(redirect_uri=address, prompt="none"))[1]
        # One at an https address proves itself by that, and is remembered.
        alice.forms.clear()
        await alice.authorize()
        return silent["error"], alice.forms

    addresses = (CALLBACK, address)
    assert scene_of(scene, redirect_uris=addresses) == ("consent_required", [])


def test_a_confidential_clients_consent_is_remembered_wherever_it_goes(scene_of):
    async def scene(service, alice, _clock):
        address = "http://127.0.0.1/callback"
        await alice.authorize(redirect_uri=address)
        return (await alice.authorize(redirect_uri=address, prompt="none"))[1]

    addresses = ("http://127.0.0.1/callback",)
    answer = scene_of(
        scene, redirect_uris=addresses, token_endpoint_auth_method="client_secret_basic"
    )
    assert "code" in answer


# Refreshing what is over


def test_what_ends_a_clients_session_is_told_in_the_log(scene_of):
    async def scene(service, alice, _clock):
        account = await service.accounts.find("alice")

        async def by_consent():
            await service.consents.withdraw(account.id, "app", OPERATOR)

        async def by_client():
            await service.registry.remove_client("app", OPERATOR)
            await register(service)

        async def by_account():
            await service.accounts.disable(account.id, OPERATOR)

        outcomes = []
        for end in (by_consent, by_client, by_account):
            token = (await alice.tokens())["refresh_token"]
            await end()
            outcomes.append(await reason_of(alice.refresh(token)))
        return outcomes

    assert scene_of(scene) == [(400, "invalid_grant", "ended")] * 3


# Signing in again


@pytest.mark.parametrize(("seconds", "good"), [(600, True), (601, False)])
def test_a_new_password_counts_for_its_request_for_ten_minutes(scene_of, seconds, good):
    async def scene(_service, alice, clock):
        asked = Request(prompt="login")
        first = await alice.client.get("/authorize", params=asked.parameters)
        following = httpx.URL(first.headers["location"]).params["continue"]
        await alice.sign_in()
        clock.advance(seconds)
        alice.forms.clear()
        await alice.go(following)
        return alice.forms == ["/authorize/decision"]

    assert scene_of(scene) is good


def test_signing_in_again_keeps_the_session_under_another_cookie(scene_of):
    async def scene(service, alice, clock):
        token = (await alice.tokens())["refresh_token"]
        before, [session] = alice.cookie, await browser_sessions(service)
        clock.advance(60)
        assert (await alice.sign_in()).status_code == 303
        [renewed] = await browser_sessions(service)
        assert renewed[0] == session[0]
        assert renewed[1] == session[1] + 60_000_000
        assert renewed[2] > session[2]
        assert alice.cookie != before
        # Whoever knew the cookie before has nothing of it.
        headers = {"Cookie": f"carnet={before}"}
        old = Inside(service)
        assert (await old.client.get("/me", headers=headers)).status_code == 303
        assert (await alice.client.get("/me")).status_code == 200
        return (await alice.refresh(token)).status_code

    assert scene_of(scene) == 200


def test_what_asks_for_a_new_sign_in_ends_no_other_application(scene_of):
    async def scene(service, alice, clock):
        await register(service, "other")
        token = (await alice.tokens(client_id="other"))["refresh_token"]
        first = inspect((await alice.tokens())["id_token"]).claims["auth_time"]
        clock.advance(5)
        later = inspect((await alice.tokens(prompt="login"))["id_token"]).claims["auth_time"]
        assert later == first + 5
        return (await alice.refresh(token, "other")).status_code

    assert scene_of(scene) == 200


def test_two_tabs_that_sign_in_at_once_have_the_same_cookie(scene_of):
    async def scene(service, alice, clock):
        await alice.sign_in()
        before = alice.cookie
        answers = await asyncio.gather(*(Inside(service).sign_in(cookie=before) for _ in range(3)))
        cookies = {answer.cookies["carnet"] for answer in answers}
        assert len(cookies) == 1
        assert before not in cookies
        # Also later, where the answer was lost.
        clock.advance(600)
        late = await Inside(service).sign_in(cookie=before)
        assert {late.cookies["carnet"]} == cookies
        return len(await browser_sessions(service))

    assert scene_of(scene) == 1


def test_signing_out_ends_the_session_also_with_the_cookie_from_before(scene_of):
    """Where the answer to the second sign-in was lost, the browser has no other."""

    async def scene(service, alice, _clock):
        token = (await alice.tokens())["refresh_token"]
        before = alice.cookie
        await alice.sign_in()
        browser = Inside(service)
        headers = {"Cookie": f"carnet={before}"}
        await browser.client.post("/logout/decision", data={"request": ""}, headers=headers)
        assert await living(service) == []
        return await reason_of(alice.refresh(token))

    assert scene_of(scene) == (400, "invalid_grant", "ended")


def test_another_account_ends_the_session_and_what_it_gave(scene_of):
    async def scene(service, alice, _clock):
        await service.accounts.create("bob", PASSWORD)
        token = (await alice.tokens())["refresh_token"]
        outcomes = []
        for old in (False, True):
            stale = alice.cookie
            if old:
                await alice.sign_in()
            bob = Inside(service, "bob")
            await bob.sign_in(cookie=stale)
            outcomes.append(await living(service))
            await bob.client.post("/logout/decision", data={"request": ""})
            assert (await alice.client.get("/me")).status_code == 303
            await alice.sign_in()
        assert await reason_of(alice.refresh(token)) == (400, "invalid_grant", "ended")
        return outcomes

    assert scene_of(scene) == [["carnet:browser"]] * 2


@pytest.mark.parametrize("over", ["ended", "idle", "old"])
def test_a_session_that_is_over_is_not_carried_on(scene_of, over):
    async def scene(service, alice, clock):
        await alice.sign_in()
        before, [session] = alice.cookie, await browser_sessions(service)
        if over == "ended":
            await service.sessions.end(session[0], "ended_by_administrator")
        if over == "idle":
            clock.advance(service.settings.session_idle_lifetime)
        if over == "old":
            for _ in range(10):
                clock.advance(service.settings.session_lifetime / 10)
                await alice.client.get("/me")
        await alice.sign_in(cookie=before)
        [now] = await browser_sessions(service)
        return now[0] != session[0]

    assert scene_of(scene)


def test_an_account_that_changed_since_its_password_was_checked_is_not_carried_on(scene_of):
    async def scene(service, alice, _clock):
        await alice.sign_in()
        account = await service.accounts.find("alice")
        await service.accounts.set_roles(account.id, ("NEW",), OPERATOR)
        renew = service.sessions.renew
        assert await renew(alice.cookie, account, "carnet:browser", OPERATOR) is None
        account = await service.accounts.find("alice")
        for wrong in (
            ("", account, "carnet:browser"),
            (alice.cookie, account, "carnet"),
            (alice.cookie, account._replace(id="x"), "carnet:browser"),
        ):
            assert await renew(*wrong, OPERATOR) is None
        return await renew(alice.cookie, account, "carnet:browser", OPERATOR) is not None

    assert scene_of(scene)


async def browser_sessions(service):
    return await service.store.read(
        "SELECT id, authenticated_at, expires_at FROM session "
        "WHERE client_id = 'carnet:browser' AND ended_at IS NULL"
    )
