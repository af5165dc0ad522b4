"""A code by mail instead of the password: once, for one page, and no way around a second factor."""

import re

import pytest
from tests.server.factors.test_factors import SECRET, code_at
from tests.server.flows import hidden
from tests.server.inside import register
from tests.server.mail.inbox import text_of
from tests.server.mail.person import ALICE, deliver

from carnet import inspect
from carnet.errors import ConfigurationError
from carnet.server.accounts.one_time_links import CODE, LIFETIMES
from carnet.server.accounts.throttle import SECOND_FACTOR
from carnet.server.audit import OPERATOR
from carnet.server.settings import Settings, check_settings

OPEN = {"sign_in_by_mail": True}


async def ask(person, name="alice"):
    """Ask for a code; give the page that takes it."""
    form = {"username": name, "continue": "/me"}
    page = await person.client.post("/sign-in/mail", data=form)
    await deliver(person.service)
    return page


async def type_code(person, page, code):
    form = {**hidden(page.text), "code": code}
    return await person.client.post("/sign-in/mail/code", data=form)


def code_of(mail):
    [found] = re.findall(r"^ +(\d{4} \d{4})\s*$", text_of(mail), re.MULTILINE)
    return found


@pytest.mark.parametrize("name", ["alice", ALICE])
def test_the_code_lets_in_once_and_the_tokens_say_how(scene_of, inbox, name):
    async def scene(person, account):
        await register(person.service, scope="openid", resources=("orders",))
        page = await ask(person, name)
        code = code_of(inbox.mails[0])
        answer = await type_code(person, page, code)
        tokens = await person.tokens()
        again = await type_code(person, page, code)
        return answer.headers["location"], again.status_code, inspect(tokens["id_token"]).claims

    where, again, claims = scene_of(scene, audiences=("orders",), **OPEN)
    assert (where, again) == ("/me", 401)
    assert (claims["amr"], claims["acr"]) == (["otp"], "aal1")


def test_a_code_is_good_for_the_page_that_asked_for_it(scene_of, inbox):
    async def scene(person, account):
        mine = await ask(person)
        theirs = await ask(person)
        code = code_of(inbox.mails[0])
        return [(await type_code(person, page, code)).status_code for page in (theirs, mine)]

    assert scene_of(scene, **OPEN) == [401, 303]


def test_a_code_that_was_sent_to_an_address_is_worth_nothing_without_it(scene_of, inbox):
    async def scene(person, account):
        page = await ask(person)
        assert await person.service.addresses.remove(account.id, ALICE, OPERATOR)
        return (await type_code(person, page, code_of(inbox.mails[0]))).status_code

    assert scene_of(scene, **OPEN) == 401


def test_another_password_while_a_code_is_taken_lets_nobody_in(scene_of, inbox):
    async def scene(person, account):
        page = await ask(person)
        codes, take = person.service.mailed_codes, person.service.mailed_codes.take

        async def taking(*given):
            found = await take(*given)
            await person.service.accounts.set_password(account.id, "another paper boat", OPERATOR)
            return found

        codes.take = taking
        answer = await type_code(person, page, code_of(inbox.mails[0]))
        living = "SELECT id FROM session WHERE ended_at IS NULL"
        return answer.status_code, await person.service.store.read(living)

    assert scene_of(scene, **OPEN) == (503, [])


def test_a_code_is_good_for_its_time_and_until_another_password(scene_of, inbox):
    async def scene(person, account):
        late = await ask(person)
        person.clock.advance(LIFETIMES[CODE] - 1)
        voided = await ask(person)
        codes = [code_of(mail) for mail in inbox.mails]
        person.clock.advance(1)
        await person.service.accounts.set_password(account.id, "another-long-one", OPERATOR)
        pages = zip((late, voided), codes, strict=True)
        answers = [await type_code(person, page, code) for page, code in pages]
        return [answer.headers.get("location") for answer in answers]

    late, voided = scene_of(scene, **OPEN)
    assert late.startswith("/sign-in?")
    assert voided is None


def test_guesses_are_few(scene_of, inbox):
    async def scene(person, account):
        page = await ask(person)
        wrong = [
            (await type_code(person, page, f"{number:08}")).status_code
            for number in range(SECOND_FACTOR.burst + 1)
        ]
        return wrong, (await type_code(person, page, code_of(inbox.mails[0]))).status_code

    wrong, right = scene_of(scene, **OPEN)
    assert wrong == [401] * SECOND_FACTOR.burst + [429]
    assert right == 429


def test_a_code_does_not_lead_around_the_second_factor(scene_of, inbox):
    async def scene(person, account):
        service, clock = person.service, person.clock
        await register(service, scope="openid", resources=("orders",))
        await service.factors.add_totp(account, "f1", SECRET, code_at(clock), "", OPERATOR)
        clock.advance(60)
        await deliver(service)
        inbox.envelopes.clear()
        page = await ask(person)
        answer = await type_code(person, page, code_of(inbox.mails[0]))
        step = await person.client.get(answer.headers["location"])
        form = {"continue": "/me", "code": code_at(clock)}
        await person.client.post("/sign-in/code", data=form)
        tokens = await person.tokens()
        return answer.headers["location"], step.text, inspect(tokens["id_token"]).claims

    where, step, claims = scene_of(scene, audiences=("orders",), **OPEN)
    assert where == "/sign-in/code?continue=%2Fme"
    assert "The mailed code of" in step
    # It names no password that nobody has typed.
    assert (claims["amr"], claims["acr"]) == (["otp", "mfa"], "aal2")


def test_nothing_tells_whether_there_is_an_account(scene_of, inbox):
    async def scene(person, account):
        found = []
        for name in ("alice", ALICE, "nobody", "nobody@example.com", "x y"):
            before = person.service.store.statements_run
            form = {"username": name, "continue": "/me"}
            answer = await person.client.post("/sign-in/mail", data=form)
            cost = person.service.store.statements_run - before
            text = answer.text.replace(hidden(answer.text)["state"], "")
            found.append((answer.status_code, text, cost))
            await deliver(person.service)
        return found

    assert len(set(scene_of(scene, **OPEN))) == 1
    assert len(inbox.mails) == 2


def test_without_the_setting_there_is_no_such_way(scene_of):
    async def scene(person, account):
        paths = ("/sign-in/mail", "/sign-in/mail/code")
        answers = [await person.client.post(path, data={"username": "alice"}) for path in paths]
        page = await person.client.get("/sign-in")
        return [answer.status_code for answer in answers], "code by mail" in page.text

    assert scene_of(scene) == ([404, 404], False)


@pytest.mark.parametrize("name", ["sign_in_by_mail", "sign_up_email"])
def test_the_setting_needs_a_mail_server(name):
    with pytest.raises(ConfigurationError, match=name):
        check_settings(Settings(**{name: True}))


def test_a_disabled_account_is_not_let_in(scene_of, inbox):
    async def scene(person, account):
        page = await ask(person)
        code = code_of(inbox.mails[0])
        await person.service.accounts.disable(account.id, OPERATOR)
        await person.service.store.write("UPDATE one_time_link SET expires_at = $1", 2**60)
        return (await type_code(person, page, code)).status_code

    assert scene_of(scene, **OPEN) == 401
