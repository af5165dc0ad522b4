"""Devices without a browser (RFC 8628): from the request to the tokens, and the attacks on it."""

import asyncio
import html
import re

import httpx
import pytest
from structlog.testing import capture_logs
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside, change, register
from tests.server.oauth_clients import Prover

from carnet import inspect
from carnet.server.app import build_app
from carnet.server.audit import OPERATOR, newest
from carnet.server.clients.clients import DEVICE_CODE, TOKEN_EXCHANGE
from carnet.server.oauth.device_codes import written

ROUNDS = 15
GRANTS = ("refresh_token", DEVICE_CODE)
TV = {"client_name": "The TV", "grant_types": GRANTS, "redirect_uris": (), "scope": "openid tv:see"}


class Device:
    """A device that shows a code, and asks meanwhile."""

    def __init__(self, service, client_id="tv", address="203.0.113.7"):
        self.service = service
        self.client_id = client_id
        self.code = self.shown = ""
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(build_app(service), client=(address, 50000)),
            base_url=service.settings.own_url,
            headers={"User-Agent": "TV/1.0 (Linux)"},
        )

    async def begin(self, headers=None, auth=None, **form):
        """Ask for codes, and give the answer."""
        form = {"client_id": self.client_id, **form}
        answer = await self.client.post(
            "/device_authorization", data=form, headers=headers, auth=auth
        )
        if answer.status_code == 200:
            self.code, self.shown = (answer.json()[name] for name in ("device_code", "user_code"))
        return answer

    async def ask(self, headers=None, **more):
        """Ask for tokens, and give the answer."""
        form = {"grant_type": DEVICE_CODE, "device_code": self.code, "client_id": self.client_id}
        return await self.client.post("/token", data={**form, **more}, headers=headers)

    async def told(self, **more):
        """Ask for tokens, and give the error; None where there are tokens."""
        return (await self.ask(**more)).json().get("error")


class Person(Inside):
    """Somebody with a browser, at the page for devices."""

    async def look(self, code):
        return await self.client.get("/device", params={"user_code": code})

    async def decide(self, code, decision="allow"):
        """Look at the page of a device, and press a button there."""
        page = await self.look(code)
        assert page.status_code == 200, page.text
        return await self.send(page.text, decision)

    async def send(self, page, decision="allow"):
        names = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
        form = {**{name: html.unescape(value) for name, value in names}, "decision": decision}
        return await self.client.post("/device/decision", data=form)


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


@pytest.fixture
def scene_of(play):
    """Run a scene with a device and alice, who is signed in with her browser."""

    def run(scene, **metadata):
        async def opened(service, clock):
            await service.accounts.create("alice", PASSWORD)
            await register(service, "tv", **{**TV, **metadata})
            person = Person(service)
            await person.sign_in()
            return await scene(Device(service), person, clock)

        return play(opened, audiences=("orders", "billing"))

    return run


def words(page):
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", page.text).split()))


async def logged(asking):
    with capture_logs() as logs:
        answer = await asking
    reasons = [line["reason"] for line in logs if line["event"] == "device_code_refused"]
    return answer.json()["error"], *reasons


async def living(service):
    rows = await service.store.read("SELECT client_id FROM session WHERE ended_at IS NULL")
    return sorted(row[0] for row in rows)


def test_a_device_gets_tokens_once_the_person_has_allowed_it(scene_of):
    async def scene(device, person, clock):
        answer = (await device.begin(scope="openid tv:see tv:buy")).json()
        assert re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", device.shown)
        page = f"{person.origin}/device"
        assert answer == {
            "device_code": device.code,
            "user_code": device.shown,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={device.shown}",
            "expires_in": 600,
            "interval": 5,
        }
        assert await device.told() == "authorization_pending"
        decided = await person.decide(device.shown)
        assert "You can close this page" in words(decided)
        clock.advance(5)
        answer = await device.ask()
        assert answer.headers["cache-control"] == "no-store"
        given = answer.json()
        assert given["scope"] == "openid tv:see"
        claims = inspect(given["access_token"]).claims
        account = await device.service.accounts.find("alice")
        assert (claims["sub"], claims["client_id"], claims["aud"]) == (account.id, "tv", "orders")
        assert inspect(given["id_token"]).claims["aud"] == "tv"
        assert (await person.refresh(given["refresh_token"], "tv")).status_code == 200
        entries = await newest(device.service.store, 10)
        told = {(entry.event, entry.reason, entry.address) for entry in entries}
        assert ("device_allowed", "tv", "127.0.0.1") in told
        assert ("session_begun", "tv", "203.0.113.7") in told
        # The device is not the browser's: signing out there leaves it signed in.
        await person.client.post("/sign-out")
        assert await living(device.service) == ["tv"]

    scene_of(scene)


def test_the_page_shows_what_asks_from_where_and_warns_of_other_peoples_devices(scene_of):
    async def scene(device, person, clock):
        await device.begin()
        page = await person.look(device.shown)
        said = words(page)
        for text in ("The TV", device.shown, "203.0.113.7", "TV/1.0", "15 Jan 2027", "orders"):
            assert text in said, text
        assert "tv:see" in said
        assert "Is it your own device, and did you begin this?" in said
        assert "they want to get into your account" in said
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        # An address with the code in it decides nothing.
        assert await device.told() == "authorization_pending"

    scene_of(scene)


def test_the_page_names_the_programs_that_can_then_act_for_the_person(scene_of):
    async def scene(device, person, _clock):
        await register(
            *(device.service, "orders-service"),
            client_name="The orders",
            redirect_uris=(),
            grant_types=(TOKEN_EXCHANGE,),
            token_endpoint_auth_method="client_secret_basic",
            exchange_from=("orders",),
            exchange_to=("billing",),
            scope="tv:see",
        )
        await device.begin()
        assert "The orders at billing" in words(await person.look(device.shown))

    scene_of(scene)


@pytest.mark.parametrize("write", [str.lower, lambda code: code.replace("-", ""), " {} ".format])
def test_a_code_is_typed_in_any_case_with_or_without_the_dash(scene_of, write):
    async def scene(device, person, _clock):
        await device.begin()
        page = await person.look(write(device.shown))
        assert page.status_code == 200
        assert device.shown in words(page)

    scene_of(scene)


def test_whoever_is_not_signed_in_is_led_to_the_sign_in_and_back_to_the_code(scene_of):
    async def scene(device, _person, _clock):
        await device.begin()
        stranger = Person(device.service)
        answer = await stranger.look(device.shown)
        assert answer.headers["location"].startswith("/sign-in?continue=%2Fdevice%3Fuser_code")
        form = {**stranger.typed, "continue": f"/device?user_code={device.shown}"}
        answer = await stranger.client.post("/sign-in", data=form)
        page = await stranger.client.get(answer.headers["location"])
        assert "The TV" in words(page)
        assert (await stranger.send(page.text)).status_code == 200
        assert await device.told() is None

    scene_of(scene)


def test_a_decision_for_somebody_else_than_who_is_signed_in_is_asked_for_again(scene_of):
    async def scene(device, person, _clock):
        await device.service.accounts.create("bob", PASSWORD)
        await device.begin()
        page = await person.look(device.shown)
        person.typed["username"] = "bob"
        await person.sign_in()
        again = await person.send(page.text)
        assert "bob" in words(again)
        assert await device.told() == "authorization_pending"

    scene_of(scene)


def test_a_decision_from_another_sites_page_is_refused(scene_of):
    async def scene(device, person, _clock):
        await device.begin()
        page = await person.look(device.shown)
        person.client.headers["Origin"] = "https://evil.example"
        assert (await person.send(page.text)).status_code == 403
        assert await device.told() == "authorization_pending"

    scene_of(scene)


def test_a_denied_device_is_told_so_and_gets_nothing(scene_of):
    async def scene(device, person, _clock):
        await device.begin()
        assert "Nothing was allowed" in words(await person.decide(device.shown, "deny"))
        assert await device.told() == "access_denied"
        # There is nothing more to decide.
        assert (await person.look(device.shown)).status_code == 422
        assert await device.told() == "access_denied"
        assert await living(device.service) == ["carnet:browser"]

    scene_of(scene)


def test_anything_else_than_allow_is_no(scene_of):
    async def scene(device, person, _clock):
        await device.begin()
        await person.decide(device.shown, "")
        assert await device.told() == "access_denied"

    scene_of(scene)


def test_a_code_is_good_for_ten_minutes(scene_of):
    async def scene(device, person, clock):
        await device.begin()
        page = await person.look(device.shown)
        clock.advance(599)
        assert await device.told() == "authorization_pending"
        clock.advance(1)
        assert await device.told() == "expired_token"
        assert (await person.look(device.shown)).status_code == 422
        assert (await person.send(page.text)).status_code == 422
        # Nor is one that was allowed in time.
        other = Device(device.service)
        await other.begin()
        await person.decide(other.shown)
        clock.advance(600)
        assert await other.told() == "expired_token"
        assert await living(device.service) == ["carnet:browser"]

    scene_of(scene)


def test_what_has_expired_is_swept_an_hour_later(scene_of):
    async def scene(device, _person, clock):
        await device.begin()
        kept = []
        for seconds in (600, 3600 - 1, 2):
            clock.advance(seconds)
            await device.service.background.sweep()
            rows = await device.service.store.read("SELECT COUNT(*) FROM device_code")
            kept.append(rows[0][0])
        assert kept == [1, 1, 0]
        assert await device.told() == "invalid_grant"

    scene_of(scene)


def test_a_device_that_asks_too_often_waits_longer_and_longer(scene_of):
    async def scene(device, person, clock):
        await device.begin()
        told = [await device.told()]
        for seconds in (4, 3, 9, 5, 14, 15):
            clock.advance(seconds)
            told.append(await device.told())
        pending, slow = "authorization_pending", "slow_down"
        assert told == [pending, pending, slow, pending, slow, pending, pending]
        # However often it has asked: it is let in when it is.
        await person.decide(device.shown)
        assert await device.told() is None

    scene_of(scene)


def test_a_device_that_waits_costs_one_statement_each_time(scene_of):
    async def scene(device, _person, _clock):
        await device.begin()
        before = device.service.store.statements_run
        for _ in range(10):
            await device.told()
        return device.service.store.statements_run - before

    assert scene_of(scene) == 10


def test_a_code_used_twice_ends_what_it_gave(scene_of):
    async def scene(device, person, _clock):
        await device.begin()
        await person.decide(device.shown)
        given = (await device.ask()).json()
        assert await logged(device.ask()) == ("invalid_grant", "used")
        assert (await person.refresh(given["refresh_token"], "tv")).status_code == 400
        assert await living(device.service) == ["carnet:browser"]

    scene_of(scene)


def test_of_many_uses_at_once_at_most_one_is_answered(scene_of):
    async def scene(device, person, _clock):
        await device.begin()
        await person.decide(device.shown)
        answers = await asyncio.gather(*(device.ask() for _ in range(8)))
        assert sum(answer.status_code == 200 for answer in answers) <= 1
        assert {answer.json().get("error") for answer in answers} <= {None, "invalid_grant"}

    scene_of(scene)


def test_another_clients_device_code_is_no_use(scene_of):
    async def scene(device, person, _clock):
        await register(device.service, "other", **TV)
        await device.begin()
        await person.decide(device.shown)
        answer = device.ask(client_id="other")
        assert await logged(answer) == ("invalid_grant", "client_mismatch")
        assert await device.told() is None

    scene_of(scene)


def test_a_client_that_is_not_registered_for_it_gets_no_codes_and_no_tokens(scene_of):
    async def scene(device, person, _clock):
        await device.begin()
        await person.decide(device.shown)
        await change(device.service, "tv", **{**TV, "grant_types": ("refresh_token",)})
        assert await device.told() == "unauthorized_client"
        assert (await device.begin()).json()["error"] == "unauthorized_client"
        answer = await Device(device.service, "nobody").begin()
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    scene_of(scene)


def test_a_confidential_client_proves_who_it_is_at_both_endpoints(scene_of):
    async def scene(device, _person, _clock):
        metadata = {**TV, "token_endpoint_auth_method": "client_secret_basic"}
        secret = await register(device.service, "box", **metadata)
        box = Device(device.service, "box")
        assert (await box.begin()).json()["error"] == "invalid_client"
        assert (await box.begin(auth=("box", secret))).status_code == 200
        assert await box.told() == "invalid_client"

    scene_of(scene)


@pytest.mark.parametrize(
    ("form", "error"),
    [({"scope": "payroll"}, "invalid_scope"), ({"resource": "payroll"}, "invalid_target")],
)
def test_what_can_not_be_given_is_refused_at_once(scene_of, form, error):
    async def scene(device, _person, _clock):
        answer = await device.begin(**form)
        assert (answer.status_code, answer.json()["error"]) == (400, error)

    scene_of(scene)


def test_tokens_are_for_the_resource_that_was_shown_and_no_other(scene_of):
    async def scene(device, person, _clock):
        await device.begin(resource="billing")
        assert "billing" in words(await person.look(device.shown))
        await person.decide(device.shown)
        assert await device.told(resource="orders") == "invalid_target"
        assert inspect((await device.ask()).json()["access_token"]).claims["aud"] == "billing"

    scene_of(scene)


def test_guessing_user_codes_is_slowed_down_by_account_and_by_network(scene_of):
    async def scene(device, person, clock):
        await device.begin()
        wrong = "BBBB-BBBB" if device.shown != "BBBB-BBBB" else "CCCC-CCCC"
        statuses = [(await person.look(wrong)).status_code for _ in range(9)]
        assert statuses == [422] * 8 + [429]
        # The right one, too, by this account; and the decision looks for it no less.
        page = await person.look(device.shown)
        assert page.status_code == 429
        assert int(page.headers["retry-after"]) > 0
        form = {"user_code": device.shown, "decision": "allow"}
        answer = await person.client.post("/device/decision", data=form)
        assert answer.status_code == 429
        # With other accounts, from the same network.
        looked = 0
        for number in range(6):
            await device.service.accounts.create(f"bob{number}", PASSWORD)
            other = Person(device.service, f"bob{number}")
            await other.sign_in()
            for _ in range(5):
                looked += (await other.look(wrong)).status_code == 422
        assert looked == 30 - 8
        clock.advance(600)

    scene_of(scene)


def test_right_codes_count_for_nothing(scene_of):
    async def scene(device, person, _clock):
        await device.begin()
        return [(await person.look(device.shown)).status_code for _ in range(40)]

    assert scene_of(scene) == [200] * 40


def test_a_flood_of_requests_is_slowed_down_by_network_and_client(scene_of):
    async def scene(device, _person, _clock):
        answers = [await device.begin() for _ in range(31)]
        assert [answer.status_code for answer in answers] == [200] * 30 + [429]
        assert answers[-1].json()["error"] == "temporarily_unavailable"
        assert int(answers[-1].headers["retry-after"]) > 0
        elsewhere = Device(device.service, address="198.51.100.9")
        assert (await elsewhere.begin()).status_code == 200
        await register(device.service, "other", **TV)
        assert (await Device(device.service, "other").begin()).status_code == 200

    scene_of(scene)


def test_a_code_is_bound_to_the_key_of_its_request(scene_of):
    async def scene(device, person, clock):
        moment = clock() // 1_000_000
        prover, thief = Prover(), Prover()

        async def proof(who, path, nonce):
            url = f"{person.origin}{path}"
            return {"DPoP": who.proof(url, iat=moment, nonce=nonce)}

        first = await device.begin(await proof(prover, "/device_authorization", None))
        assert first.json()["error"] == "use_dpop_nonce"
        nonce = first.headers["dpop-nonce"]
        used = await proof(prover, "/device_authorization", nonce)
        assert (await device.begin(used)).status_code == 200
        assert (await device.begin(used)).json()["error"] == "invalid_dpop_proof"
        await person.decide(device.shown)
        assert await logged(device.ask()) == ("invalid_grant", "key_mismatch")
        stolen = device.ask(await proof(thief, "/token", nonce))
        assert await logged(stolen) == ("invalid_grant", "key_mismatch")
        own = await proof(prover, "/token", nonce)
        given = (await device.ask(own)).json()
        assert given["token_type"] == "DPoP"
        # The same request again is refused for its proof, and ends nothing.
        assert (await device.ask(own)).json()["error"] == "invalid_dpop_proof"
        assert "tv" in await living(device.service)
        assert (await person.refresh(given["refresh_token"], "tv")).status_code == 400

    scene_of(scene)


@pytest.mark.parametrize("what", ["password", "disabled", "consent"])
def test_what_was_allowed_is_gone_with_what_allowed_it(scene_of, what):
    async def scene(device, person, _clock):
        service = device.service
        await device.begin()
        await person.decide(device.shown)
        account = await service.accounts.find("alice")
        if what == "password":
            await service.accounts.set_password(account.id, "four other words here", OPERATOR)
        elif what == "disabled":
            await service.accounts.disable(account.id, OPERATOR)
        else:
            await service.consents.withdraw(account.id, "tv", OPERATOR)
        error, reason = await logged(device.ask())
        assert error == "invalid_grant"
        assert reason == ("consent_withdrawn" if what == "consent" else "account_changed")
        assert "tv" not in await living(service)

    scene_of(scene)


@pytest.mark.parametrize("keep", [True, False])
def test_what_was_allowed_is_gone_when_everything_is_ended_even_if_no_session_lives(scene_of, keep):
    async def scene(device, person, _clock):
        service = device.service
        await device.begin()
        await person.decide(device.shown)
        account = await service.accounts.find("alice")
        [session] = await service.sessions.of_account(account.id)
        if not keep:
            await person.client.post("/sign-out")
        kept = session.id if keep else ""
        assert await service.sessions.end_all(account.id, "signed_out", OPERATOR, keep=kept) == 0
        assert await logged(device.ask()) == ("invalid_grant", "account_changed")
        assert len(await living(service)) == keep

    scene_of(scene)


def test_a_device_that_asks_while_everything_is_ended_has_no_session_afterwards(scene_of):
    async def scene(device, person, _clock):
        service = device.service
        account = await service.accounts.find("alice")
        for _ in range(ROUNDS):
            await device.begin()
            await person.decide(device.shown)
            ending = service.sessions.end_all(account.id, "signed_out", OPERATOR)
            await asyncio.gather(device.ask(), ending)
            assert await living(service) == []
            await person.sign_in()

    scene_of(scene)


def test_a_first_party_client_is_shown_too_but_no_consent_is_kept(scene_of):
    async def scene(device, person, _clock):
        await device.begin()
        assert "The TV" in words(await person.look(device.shown))
        await person.decide(device.shown)
        account = await device.service.accounts.find("alice")
        assert await device.service.consents.applications(account.id) == []
        assert await device.told() is None

    scene_of(scene, first_party=True)


def test_withdrawing_the_consent_ends_the_devices_session(scene_of):
    async def scene(device, person, _clock):
        await device.begin()
        await person.decide(device.shown)
        given = (await device.ask()).json()
        await person.client.post("/me/applications/disconnect", data={"id": "tv"})
        assert (await person.refresh(given["refresh_token"], "tv")).status_code == 400

    scene_of(scene)


def test_the_database_holds_neither_of_the_codes(scene_of):
    async def scene(device, _person, _clock):
        await device.begin()
        [row] = await device.service.store.read("SELECT * FROM device_code")
        held = repr(row)
        plain = device.shown.replace("-", "")
        assert device.code not in held
        assert plain not in held
        assert written(plain) not in held

    scene_of(scene)


def test_codes_that_are_there_already_are_made_anew(scene_of, monkeypatch):
    async def scene(device, _person, _clock):
        letters = iter("B" * 16 + "C" * 8)
        monkeypatch.setattr(
            "carnet.server.oauth.device_codes.secrets.choice", lambda _: next(letters)
        )
        await device.begin()
        assert device.shown == "BBBB-BBBB"
        await device.begin()
        assert device.shown == "CCCC-CCCC"

    scene_of(scene)


def test_a_script_of_another_origin_may_ask(scene_of):
    async def scene(device, _person, _clock):
        answer = await device.begin({"Origin": "https://tv.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        document = (await device.client.get("/.well-known/oauth-authorization-server")).json()
        endpoint = f"{device.service.settings.own_url}/device_authorization"
        assert document["device_authorization_endpoint"] == endpoint
        assert DEVICE_CODE in document["grant_types_supported"]

    scene_of(scene)


def test_a_decision_that_comes_too_late_changes_nothing(scene_of):
    async def scene(device, person, clock):
        await device.begin()
        service = device.service
        found = await service.device_codes.find(device.shown)
        account = await service.accounts.find("alice")
        decide = service.device_codes.decide
        assert await decide(found, account, 1, "pwd", OPERATOR, allowed=False)
        assert not await decide(found, account, 1, "pwd", OPERATOR, allowed=True)
        assert await device.told() == "access_denied"

    scene_of(scene)
