"""The second step: no way in with a password leads around it, and nothing tells of it before."""

import asyncio
import json

import pytest
from tests.server.conftest import PASSWORD
from tests.server.factors.test_factors import SECRET, code_at, with_app
from tests.server.flows import hidden
from tests.server.inside import Inside, register

from carnet import inspect
from carnet.server.audit import OPERATOR, newest

STEP = "/sign-in/code?continue=%2Fme"


@pytest.fixture
def scene_of(play):
    """Run a scene with alice, who has an authenticator app, bob, who has none, and a client."""

    def run(scene, **settings):
        async def opened(service, clock):
            await with_app(service, clock)
            await service.accounts.create("bob", PASSWORD)
            await register(service, scope="openid", resources=("orders",))
            return await scene(Inside(service), clock)

        return play(opened, audiences=("orders",), **settings)

    return run


async def type_code(person, code, **more):
    return await person.client.post("/sign-in/code", data={"continue": "/me", "code": code, **more})


async def password_session(person, username="alice", password=PASSWORD, headers=None, **more):
    given = {"username": username, "password": password, **more}
    return await person.client.post("/sessions", json=given, headers=headers)


def names(answer):
    """The cookies that an answer sets."""
    return {text.partition("=")[0] for text in answer.headers.get_list("set-cookie")}


async def living(service):
    return await service.store.read("SELECT id FROM session WHERE ended_at IS NULL")


async def page(person):
    answer = await person.sign_in()
    assert answer.headers["location"] == STEP
    assert "carnet" not in names(answer)
    assert "carnet-device" not in names(answer)


async def sign_up_again(person):
    form = {"username": "alice", "new_password": PASSWORD, "continue": "/me"}
    answer = await person.client.post("/sign-up", data=form)
    assert answer.headers["location"] == STEP


async def authorization(person):
    _, answer = (
        None,
        await person.client.get(
            "/authorize",
            params={
                "response_type": "code",
                "client_id": "app",
                "redirect_uri": "https://app.example/callback",
                "scope": "openid",
                "code_challenge": "c" * 43,
                "code_challenge_method": "S256",
            },
        ),
    )
    form = hidden((await person.client.get(answer.headers["location"])).text)
    answer = await person.client.post("/sign-in", data={**person.typed, **form})
    assert answer.headers["location"].startswith("/sign-in/code?continue=%2Fauthorize")
    again = await person.client.get(form["continue"])
    assert again.headers["location"].startswith("/sign-in?")


async def device_page(person):
    await person.sign_in()
    answer = await person.client.get("/device")
    assert answer.headers["location"].startswith("/sign-in?")


async def program(person):
    answer = await password_session(person)
    assert (answer.status_code, answer.json()["error"]) == (401, "second_factor_required")


async def cookie_mode(person):
    headers = {"Carnet-Session": "cookie", "Origin": person.origin}
    answer = await password_session(person, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "second_factor_required")
    assert names(answer) == set()


@pytest.mark.parametrize(
    "way", [page, sign_up_again, authorization, device_page, program, cookie_mode]
)
def test_no_way_in_leads_around_the_second_factor(scene_of, way):
    async def scene(person, clock):
        await way(person)
        me = await person.client.get("/me")
        return me.headers["location"], await living(person.service)

    where, sessions = scene_of(scene, sign_up=True)
    assert where.startswith("/sign-in?")
    assert sessions == []


def test_the_code_signs_in_and_the_tokens_say_so(scene_of):
    async def scene(person, clock):
        signed_in_at = clock() // 1_000_000
        await person.sign_in()
        clock.advance(5)
        answer = await type_code(person, code_at(clock))
        assert answer.headers["location"] == "/me"
        assert {"carnet", "carnet-device", "carnet-second-step"} <= names(answer)
        assert (await person.client.get("/me")).status_code == 200
        tokens = await person.tokens()
        refreshed = await person.refresh(tokens["refresh_token"])
        said = [
            inspect(text).claims
            for text in (
                *(tokens["id_token"], tokens["access_token"], refreshed.json()["access_token"]),
            )
        ]
        return said, signed_in_at

    said, signed_in_at = scene_of(scene)
    for claims in said:
        assert claims["amr"] == ["pwd", "otp", "mfa"]
        assert claims["acr"] == "aal2"
        # The older of the two proofs counts.
        assert claims["auth_time"] == signed_in_at


def test_who_has_no_factor_is_asked_for_none_and_the_tokens_say_so(scene_of):
    async def scene(person, clock):
        answer = await password_session(person, "bob", code="123456")
        return inspect(answer.json()["access_token"]).claims

    claims = scene_of(scene)
    assert (claims["amr"], claims["acr"]) == (["pwd"], "aal1")


def test_a_program_sends_the_code_with_the_password(scene_of):
    async def scene(person, clock):
        wrong = await password_session(person, code="000000")
        right = await password_session(person, code=code_at(clock))
        again = await password_session(person, code=code_at(clock))
        return wrong, right, again

    wrong, right, again = scene_of(scene)
    assert [answer.status_code for answer in (wrong, right, again)] == [401, 201, 401]
    assert wrong.json()["error"] == again.json()["error"] == "second_factor_required"
    assert inspect(right.json()["access_token"]).claims["acr"] == "aal2"


def test_a_recovery_code_signs_in_where_the_app_is_lost(scene_of):
    async def scene(person, clock):
        account = await person.service.accounts.find("alice")
        codes = await person.service.factors.make_recovery_codes(account, OPERATOR)
        answer = await password_session(person, code=codes[0])
        return inspect(answer.json()["access_token"]).claims

    claims = scene_of(scene)
    assert (claims["amr"], claims["acr"]) == (["pwd", "mfa"], "aal2")


def test_nothing_tells_of_a_factor_until_the_password_was_right(scene_of):
    async def scene(person, clock):
        answers = []
        for username in ("alice", "bob", "nobody"):
            asked = await password_session(person, username, "wrong-password", code="123456")
            person.typed = {"username": username, "password": "wrong-password"}
            shown = await person.sign_in()
            answers.append(
                (
                    *(asked.status_code, asked.text),
                    *(shown.status_code, shown.text.replace(username, ""), names(shown)),
                )
            )
        return answers

    assert len({json.dumps(one, default=sorted) for one in scene_of(scene)}) == 1


def test_what_is_kept_between_the_steps_opens_nothing_else(scene_of):
    async def scene(person, clock):
        await person.sign_in()
        state = person.client.cookies["carnet-second-step"]
        tries = {
            "altered": state[:-1] + ("A" if state[-1] != "A" else "B"),
            "as a session": "",
            "empty": ".",
            "not ours": "é.é",
        }
        found = {}
        for name, text in tries.items():
            headers = {"Cookie": f"carnet-second-step={text}".encode()}
            if name == "as a session":
                headers = {"Cookie": f"carnet={state}; carnet-device={state}"}
            other = Inside(person.service)
            form = {"continue": "/me", "code": code_at(clock)}
            answer = await other.client.post("/sign-in/code", data=form, headers=headers)
            found[name] = answer.headers["location"]
        return found, await living(person.service)

    found, sessions = scene_of(scene)
    assert set(found.values()) == {"/sign-in?continue=%2Fme&why=late"}
    assert sessions == []


def test_whoever_has_proved_both_factors_leaves_nothing_behind_that_signs_in(scene_of):
    async def scene(person, clock):
        await person.sign_in()
        await type_code(person, code_at(clock))
        asked = await person.client.get("/sign-in/once-more?continue=/me/factors")
        kept = person.client.cookies.get("carnet-second-step")
        await person.client.post("/sign-out", data={"form": ""})
        again = await type_code(person, "")
        return asked.headers["location"], kept, again.headers["location"]

    assert scene_of(scene) == ("/me/factors", None, "/sign-in?continue=%2Fme&why=late")


def test_a_sign_in_that_was_begun_ends_with_the_sign_out(scene_of):
    async def scene(person, clock):
        await person.sign_in()
        await person.client.post("/sign-out", data={"form": ""})
        answer = await type_code(person, code_at(clock))
        return answer.headers["location"]

    assert scene_of(scene) == "/sign-in?continue=%2Fme&why=late"


@pytest.mark.parametrize(
    "happens",
    [
        lambda service, account, clock: _later(clock),
        lambda service, account, clock: service.accounts.set_password(
            account.id, "another-long-password", OPERATOR
        ),
        lambda service, account, clock: service.accounts.disable(account.id, OPERATOR),
        lambda service, account, clock: service.factors.reset(account.id, OPERATOR),
    ],
    ids=["ten minutes", "password", "disabled", "reset"],
)
def test_the_first_step_counts_for_ten_minutes_and_while_the_account_is_as_it_was(
    scene_of, happens
):
    async def scene(person, clock):
        account = await person.service.accounts.find("alice")
        await person.sign_in()
        await happens(person.service, account, clock)
        answer = await type_code(person, code_at(clock))
        return answer.headers["location"], await living(person.service)

    assert scene_of(scene) == ("/sign-in?continue=%2Fme&why=late", [])


async def _later(clock):
    clock.advance(600)


def test_codes_cant_be_guessed_however_many_come_at_once(scene_of):
    async def scene(person, clock):
        await person.sign_in()
        answers = await asyncio.gather(*(type_code(person, f"{n:06}") for n in range(20)))
        clock.advance(100)
        blocked = await type_code(person, code_at(clock))
        clock.advance(500)
        await person.sign_in()
        right = await type_code(person, code_at(clock))
        events = [entry.event for entry in await newest(person.service.store, 30)]
        return answers, blocked, right, events

    answers, blocked, right, events = scene_of(scene)
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 15
    assert blocked.status_code == 429
    assert int(blocked.headers["retry-after"]) > 0
    assert right.status_code == 303
    assert events.count("second_factor_refused") == 5


def test_a_guesser_does_not_lock_out_the_browser_that_has_signed_in_before(scene_of):
    async def scene(person, clock):
        await person.sign_in()
        await type_code(person, code_at(clock))
        clock.advance(60)
        thief = Inside(person.service)
        await thief.sign_in()
        await asyncio.gather(*(type_code(thief, f"{n:06}") for n in range(20)))
        assert (await type_code(thief, code_at(clock))).status_code == 429
        await person.sign_in()
        return (await type_code(person, code_at(clock))).status_code

    assert scene_of(scene) == 303


def test_an_empty_code_is_asked_for_again_and_another_site_sends_none(scene_of):
    async def scene(person, clock):
        await person.sign_in()
        empty = await type_code(person, "")
        headers = {"Origin": "https://evil.example"}
        form = {"code": code_at(clock)}
        foreign = await person.client.post("/sign-in/code", data=form, headers=headers)
        return empty.status_code, foreign.status_code, await living(person.service)

    assert scene_of(scene) == (422, 403, [])


@pytest.mark.parametrize("following", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_the_second_step_leads_to_no_other_site(scene_of, following):
    async def scene(person, clock):
        await person.sign_in()
        answer = await type_code(person, code_at(clock), **{"continue": following})
        return answer.headers["location"]

    assert scene_of(scene) == "/me"


def test_a_changed_master_key_leaves_secrets_readable_at_once(play, tmp_path):
    async def scene(service, clock):
        account = await with_app(service, clock)
        codes = await service.factors.make_recovery_codes(account, OPERATOR)
        await service.change_master_key(OPERATOR)
        return codes

    async def after(service, clock):
        clock.advance(600)
        account = await service.accounts.find("alice")
        return [
            await service.factors.check_code(account, text, OPERATOR)
            for text in (code_at(clock, SECRET), codes[0])
        ]

    codes = play(scene)
    assert play(after) == ["pwd otp mfa", "pwd mfa"]
