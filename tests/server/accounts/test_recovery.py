"""Ways back into an account: by a mailed link, by one that is handed over, by "this was not me"."""

import asyncio
import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.server.conftest import PASSWORD
from tests.server.factors.test_factors import SECRET, code_at
from tests.server.flows import hidden
from tests.server.inside import Inside
from tests.server.mail.inbox import link_of, text_of
from tests.server.mail.person import ALICE, NEW, Person, deliver, on_both_engines

from carnet.server.accounts.account_record import AccountRefused
from carnet.server.accounts.one_time_links import BY_HAND, LIFETIMES, RESET, LinkRefused
from carnet.server.accounts.throttle import MAILS_HERE, MAILS_TO
from carnet.server.audit import OPERATOR, newest
from carnet.server.sessions.sessions import FIRST_PARTY, NewSession

EVIL = "mallory@evil.example"


async def begin(service, account):
    grant = await service.sessions.begin(account, NewSession(FIRST_PARTY, "default"))
    return grant.refresh_token


async def living(service):
    rows = await service.store.read("SELECT COUNT(*) FROM session WHERE ended_at IS NULL")
    return rows[0][0]


async def told(service):
    return [entry.event for entry in reversed(await newest(service.store, 100))]


def heading(answer):
    return html.unescape(re.search("<h1>(.*?)</h1>", answer.text)[1])


@on_both_engines
def test_a_forgotten_password_is_set_anew_and_every_session_ends(scene_of, inbox):
    async def scene(person, account):
        await begin(person.service, account)
        link = await person.reset_link()
        opened = await person.client.get(link)
        before = await living(person.service)
        answer = await person.reset(link)
        return (
            (opened.status_code, before, await living(person.service)),
            answer.headers["location"],
            await person.signs_in(password=PASSWORD),
            await person.signs_in(),
            await told(person.service),
        )

    counts, where, old, new, events = scene_of(scene)
    assert counts == (200, 1, 0)
    # It lets nobody in: what the sign-in demands is still to come.
    assert where == "/sign-in?why=password&login_hint=alice"
    assert (old, new) == ("", "/me")
    assert {"link_made", "link_used", "password_changed"} <= set(events)
    assert inbox.mails[0]["To"] == ALICE


def test_a_link_that_is_only_opened_is_still_good(scene_of):
    async def scene(person, account):
        link = await person.reset_link()
        for _ in range(3):
            assert (await person.client.get(link)).status_code == 200
            assert (await person.client.head(link)).status_code == 200
        return (await person.reset(link)).status_code

    assert scene_of(scene) == 303


@on_both_engines
def test_a_link_does_what_it_is_for_once(scene_of):
    async def scene(person, account):
        link = await person.reset_link()
        page = await person.client.get(link)
        form = {**hidden(page.text), "new_password": NEW}
        path = urlsplit(link).path
        answers = await asyncio.gather(*(person.client.post(path, data=form) for _ in range(4)))
        again = await person.client.get(link)
        return sorted(answer.status_code for answer in answers), again

    statuses, again = scene_of(scene)
    assert statuses == [303, 410, 410, 410]
    assert again.status_code == 410
    assert heading(again) == "This link has already been used"
    assert '<a class="button" href="/forgot-password">Send another?</a>' in again.text


@pytest.mark.parametrize("password", ["short", "password1", "alice"])
def test_a_password_that_can_not_be_taken_leaves_the_link_good(scene_of, password):
    async def scene(person, account):
        link = await person.reset_link()
        refused = await person.reset(link, password)
        return refused.status_code, (await person.reset(link)).status_code

    assert scene_of(scene) == (422, 303)


def test_a_link_is_good_for_its_time(scene_of):
    async def scene(person, account):
        link = await person.reset_link()
        person.clock.advance(LIFETIMES["reset"])
        return await person.reset(link)

    answer = scene_of(scene)
    assert (answer.status_code, heading(answer)) == (410, "This link has expired")


@pytest.mark.parametrize("purpose", ["invite", "recover", "verify", "not-me"])
def test_a_link_is_good_for_its_purpose_alone(scene_of, purpose):
    async def scene(person, account):
        link = (await person.reset_link()).replace("/link/reset", f"/link/{purpose}")
        opened = await person.client.get(link)
        secret = parse_qs(urlsplit(link).query)["secret"][0]
        form = {"secret": secret, "new_password": NEW}
        posted = await person.client.post(f"/link/{purpose}", data=form)
        return opened.status_code, posted.status_code, await person.signs_in(password=PASSWORD)

    assert scene_of(scene) == (404, 404, "/me")


@on_both_engines
def test_a_link_that_was_sent_to_an_address_does_nothing_without_it(scene_of):
    async def scene(person, account):
        def work():
            return (yield from person.service.recovery._links.make(RESET, account.id, now, ALICE))

        now = person.clock()
        link = await person.service.store.transact(work)
        assert await person.service.addresses.remove(account.id, ALICE, OPERATOR)
        [secret] = parse_qs(urlsplit(link).query)["secret"]
        with pytest.raises(LinkRefused, match="not the account's any more"):
            await person.service.recovery.set_password(RESET, secret, "another boat", OPERATOR)

    scene_of(scene)


def test_another_password_ends_all_links(scene_of, inbox):
    async def scene(person, account):
        await person.forget()
        await person.forget()
        await person.service.addresses.add(account.id, "alice", "new@example.com", OPERATOR)
        await deliver(person.service)
        first, second = (link_of(mail) for mail in inbox.to(ALICE))
        [verifying] = [link_of(mail) for mail in inbox.to("new@example.com")]
        handed = await person.service.recovery.hand_over(account.id, "reset", OPERATOR)
        assert (await person.reset(first)).status_code == 303
        links = second, verifying, handed.link
        return [(await person.client.get(link)).status_code for link in links]

    assert scene_of(scene) == [410, 410, 410]


@pytest.mark.parametrize("disables", [False, True])
def test_a_link_that_is_over_is_over_by_a_clock_that_is_behind(play, disables):
    async def scene(service, clock):
        account = await service.accounts.create("alice", PASSWORD)
        handed = await service.recovery.hand_over(account.id, "reset", OPERATOR)
        if disables:
            await service.accounts.disable(account.id, OPERATOR)
            await service.accounts.enable(account.id, OPERATOR)
        else:
            await service.accounts.set_password(account.id, NEW, OPERATOR)
        clock.advance(-3)
        return await Person(service, clock, None).reset(handed.link)

    answer = play(scene)
    assert (answer.status_code, heading(answer)) == (410, "This link has expired")


def test_a_disabled_account_is_not_let_in_by_a_link(scene_of, inbox):
    async def scene(person, account):
        link = await person.reset_link()
        await person.service.accounts.disable(account.id, OPERATOR)
        opened = await person.client.get(link)
        inbox.envelopes.clear()
        await person.forget()
        return opened.status_code

    assert scene_of(scene) == 410
    assert inbox.mails == []


def test_a_link_that_was_made_for_a_disabled_account_does_nothing(play):
    async def scene(service, clock):
        account = await service.accounts.create("alice", PASSWORD)
        await service.accounts.disable(account.id, OPERATOR)
        handed = await service.recovery.hand_over(account.id, "reset", OPERATOR)
        person = Person(service, clock, None)
        opened = await person.reset(handed.link)
        secret = parse_qs(urlsplit(handed.link).query)["secret"][0]
        form = {"secret": secret, "new_password": NEW}
        posted = await person.client.post("/link/reset", data=form)
        await service.accounts.enable(account.id, OPERATOR)
        return opened.status_code, posted.status_code, await person.signs_in(password=PASSWORD)

    assert play(scene) == (404, 404, "/me")


def test_a_reset_does_not_lead_around_the_second_factor(scene_of):
    async def scene(person, account):
        code = code_at(person.clock)
        await person.service.factors.add_totp(account, "f1", SECRET, code, "", OPERATOR)
        answer = await person.reset(await person.reset_link())
        assert "set-cookie" not in answer.headers
        where = await person.signs_in()
        me = await person.client.get("/me")
        return where, me.headers["location"]

    where, me = scene_of(scene)
    assert where == "/sign-in/code?continue=%2Fme"
    assert me.startswith("/sign-in?")


NAMES = {
    "a username": "alice",
    "an address": ALICE,
    "the same in capitals": "ALICE@Example.com",
    "nobody's name": "nobody",
    "nobody's address": "nobody@example.com",
    "no name at all": "a b c \u202e",
    "a line end": "alice\r\nBcc: x",
}


@pytest.fixture
def asked_as(scene_of):
    """Ask for a link by each name; give what each cost and was answered, and what it brought."""

    async def scene(person, account):
        found = {}
        for what, name in NAMES.items():
            before = person.service.store.statements_run
            answer = await person.client.post("/forgot-password", data={"username": name})
            cost = person.service.store.statements_run - before
            headers = {key: text for key, text in answer.headers.items() if key != "date"}
            await deliver(person.service)
            found[what] = (answer.status_code, answer.text, headers, cost), len(person.inbox.mails)
            person.inbox.envelopes.clear()
            person.clock.advance(3600)
        return found

    return scene_of(scene)


def test_nothing_tells_whether_there_is_an_account(asked_as):
    assert len({str(answer) for answer, _ in asked_as.values()}) == 1
    assert [mails for _, mails in asked_as.values()] == [1, 1, 1, 0, 0, 0, 0]


def test_nobody_is_flooded_whatever_names_others_ask_with(scene_of, inbox):
    async def scene(person, account):
        for number in range(MAILS_TO.burst * 2):
            name = ("alice", ALICE, "ALICE ", "Alice@EXAMPLE.com")[number % 4]
            await person.service.recovery.ask(name, OPERATOR._replace(address=f"192.0.2.{number}"))
            await deliver(person.service)

    scene_of(scene)
    assert len(inbox.mails) == MAILS_TO.burst


def test_what_was_asked_for_by_name_makes_nothing_else_tell_of_the_account(scene_of):
    async def scene(person, account):
        bob = await person.service.accounts.create("bob", PASSWORD)
        found = []
        for address in (ALICE, "nobody@example.com"):
            for _ in range(MAILS_TO.burst + 1):
                await person.forget(address)
            person.clock.advance(1)
            form = {"username": f"new-{len(found)}", "email": address}
            answer = await person.client.post("/sign-up", data=form)
            await person.service.addresses.add(bob.id, "bob", address, OPERATOR)
            found.append((answer.status_code, answer.text.replace(address, "")))
            person.clock.advance(3600)
        return found

    known, unknown = scene_of(scene, sign_up=True, sign_up_email=True)
    assert known == unknown


def test_whoever_asks_for_many_has_to_wait(scene_of):
    async def scene(person, account):
        answers = [
            (await person.client.post("/forgot-password", data={"username": f"u{number}"}))
            for number in range(MAILS_HERE.burst + 1)
        ]
        return [answer.status_code for answer in answers], answers[-1].headers["retry-after"]

    statuses, wait = scene_of(scene)
    assert statuses == [200] * MAILS_HERE.burst + [429]
    assert int(wait) > 0


def test_a_link_leads_to_the_issuer_whatever_the_host_of_the_request(scene_of, inbox):
    async def scene(person, account):
        headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        data = {"username": "alice"}
        await person.client.post("/forgot-password", data=data, headers=headers)
        await deliver(person.service)

    scene_of(scene, issuer="https://auth.example.com")
    assert link_of(inbox.mails[0]).startswith("https://auth.example.com/link/reset?")
    assert "evil.example" not in inbox.mails[0].as_string()


def test_the_link_itself_is_not_in_the_database(scene_of):
    async def scene(person, account):
        await person.client.post("/forgot-password", data={"username": "alice"})
        handed = await person.service.recovery.hand_over(account.id, "reset", OPERATOR)
        secret = parse_qs(urlsplit(handed.link).query)["secret"][0]
        rows = []
        for table in ("one_time_link", "mail", "audit"):
            rows += await person.service.store.read(f"SELECT * FROM {table}")
        return secret, repr(rows)

    secret, rows = scene_of(scene)
    assert secret not in rows


def test_without_mail_nobody_is_offered_a_link(play):
    async def scene(service, clock):
        person = Inside(service)
        asked = await person.client.post("/forgot-password", data={"username": "alice"})
        page = await person.client.get("/forgot-password")
        sign_in = await person.client.get("/sign-in")
        return asked.status_code, page.status_code, "Forgot" in sign_in.text

    assert play(scene) == (404, 404, False)


def test_an_administrator_s_link_works_without_mail_for_a_day(play):
    async def scene(service, clock):
        account = await service.accounts.create("alice", PASSWORD)
        person = Person(service, clock, None)
        late = await service.recovery.hand_over(account.id, "reset", OPERATOR)
        clock.advance(BY_HAND["reset"])
        too_late = await person.reset(late.link)
        handed = await service.recovery.hand_over(account.id, "reset", OPERATOR)
        clock.advance(BY_HAND["reset"] - 1)
        return too_late.text, await person.reset(handed.link), await person.signs_in()

    too_late, answer, where = play(scene)
    assert "Ask whoever gave it to you for another one." in too_late
    assert (answer.status_code, where) == (303, "/me")


@on_both_engines
def test_an_invited_account_is_nobody_s_until_the_link_is_used(scene_of, inbox):
    async def scene(person, account):
        _, handed = await person.service.recovery.invite(
            "carol", OPERATOR, ["ADMIN"], None, "carol@example.com"
        )
        closed = [await person.signs_in("carol", typed) for typed in ("", "x", "carol")]
        await deliver(person.service)
        mailed = link_of(inbox.to("carol@example.com")[0])
        assert (await person.reset(mailed)).status_code == 303
        used = (await person.client.get(handed.link)).status_code
        found = await person.service.accounts.find("carol")
        by_address = await person.signs_in("Carol@example.com")
        return closed, used, found.roles, found.email, by_address

    assert scene_of(scene) == (["", "", ""], 410, ("ADMIN",), "carol@example.com", "/me")


def test_a_link_that_was_handed_over_proves_no_address(scene_of):
    async def scene(person, account):
        carol, handed = await person.service.recovery.invite(
            "carol", OPERATOR, email="carol@example.com"
        )
        await person.reset(handed.link)
        return [one.verified_at for one in await person.service.addresses.of_account(carol.id)]

    assert scene_of(scene) == [None]


def test_recovery_sets_a_password_and_removes_the_second_factors(scene_of):
    async def scene(person, account):
        service = person.service
        await service.factors.add_totp(account, "f1", SECRET, code_at(person.clock), "", OPERATOR)
        await service.factors.make_recovery_codes(account, OPERATOR)
        handed = await service.recovery.hand_over(account.id, "recover", OPERATOR)
        await person.reset(handed.link)
        return (
            await person.signs_in(),
            await service.factors.of_account(account.id),
            await service.factors.recovery_codes_left(account.id),
            await told(service),
        )

    where, factors, codes, events = scene_of(scene)
    assert (where, factors, codes) == ("/me", [], 0)
    assert {"link_made", "link_used", "factors_reset", "password_changed"} <= set(events)


async def hijack(person, account):
    """Somebody who knows the password signs in, changes the address and then the password."""
    service = person.service
    person.clock.advance(1)
    thief = Person(service, person.clock, person.inbox)
    assert await thief.signs_in(password=PASSWORD) == "/me"
    await deliver(service)
    await service.addresses.add(account.id, "alice", EVIL, OPERATOR)
    await deliver(service)
    await thief.use(link_of(person.inbox.to(EVIL)[0]))
    person.clock.advance(1)
    form = {"email": EVIL}
    assert (await thief.client.post("/me/emails/primary", data=form)).status_code == 303
    form = {"email": ALICE}
    assert (await thief.client.post("/me/emails/remove", data=form)).status_code == 303
    form = {"current_password": PASSWORD, "new_password": "stolen-for-good-now"}
    assert (await thief.client.post("/me/password", data=form)).status_code == 303
    await deliver(service)
    return thief


NOTICES = (
    "New sign-in to your account (Carnet)",
    "An e-mail address was added (Carnet)",
    "Your main e-mail address was changed (Carnet)",
    "An e-mail address was removed (Carnet)",
)


@pytest.mark.parametrize(
    ("engine", "subject"),
    [("sqlite", NOTICES[0]), ("postgres", NOTICES[3])],
    indirect=["engine"],
)
def test_an_account_that_was_taken_is_taken_back_by_any_of_its_notices(scene_of, inbox, subject):
    async def scene(person, account):
        thief = await hijack(person, account)
        mine = inbox.to(ALICE)
        [link] = [link_of(mail) for mail in mine if mail["Subject"] == subject]
        [of_thief] = [link_of(mail) for mail in inbox.to(EVIL) if mail["Subject"] == NOTICES[3]]
        opened = await person.client.get(link)
        assert opened.status_code == 200
        assert (await thief.client.get("/me")).status_code == 200
        answer = await person.use(link)
        out = (await thief.client.get("/me")).status_code
        kept_out = await thief.signs_in(password="stolen-for-good-now")
        addresses = await person.service.addresses.of_account(account.id)
        await person.reset(answer.headers["location"])
        inbox.envelopes.clear()
        await person.forget(EVIL)
        assert (await thief.use(of_thief)).status_code == 410
        return (
            sorted(mail["Subject"] for mail in mine),
            (out, kept_out),
            [(one.address, one.primary) for one in addresses],
            await person.signs_in(),
            inbox.to(EVIL),
        )

    subjects, thief, addresses, where, mails_to_thief = scene_of(scene)
    assert subjects == sorted(NOTICES)
    assert thief == (303, "")
    assert addresses == [(ALICE, True)]
    assert where == "/me"
    assert mails_to_thief == []


def test_the_thief_s_notices_take_nothing_from_the_owner(scene_of, inbox):
    async def scene(person, account):
        thief = await hijack(person, account)
        [theirs] = [link_of(mail) for mail in inbox.to(EVIL) if mail["Subject"] == NOTICES[3]]
        [mine] = [link_of(mail) for mail in inbox.to(ALICE) if mail["Subject"] == NOTICES[3]]
        await thief.use(theirs)
        answer = await person.use(mine)
        addresses = await person.service.addresses.of_account(account.id)
        return answer.status_code, [one.address for one in addresses]

    assert scene_of(scene) == (303, [ALICE])


def test_a_notice_s_link_does_not_lead_past_a_factor_that_was_added_since(scene_of, inbox):
    async def scene(person, account):
        service = person.service
        await service.factors.add_totp(account, "f1", SECRET, code_at(person.clock), "", OPERATOR)
        await deliver(service)
        answer = await person.use(link_of(inbox.mails[-1]))
        found = await service.accounts.by_id(account.id)
        return answer, found.disabled, await service.factors.kinds(account.id)

    answer, disabled, kinds = scene_of(scene)
    assert heading(answer) == "The account is locked"
    assert (disabled, kinds) == (True, ("totp",))


@pytest.mark.parametrize(("purpose", "secret"), [("reset", "x"), ("not-me", ""), ("verify", "é")])
def test_a_link_that_was_never_made_costs_one_look(scene_of, purpose, secret):
    async def scene(person, account):
        before = person.service.store.statements_run
        form = {"secret": secret, "new_password": NEW}
        answer = await person.client.post(f"/link/{purpose}", data=form)
        return answer.status_code, person.service.store.statements_run - before

    assert scene_of(scene) == (404, 1)


def test_another_site_can_not_use_a_link(scene_of):
    async def scene(person, account):
        link = await person.reset_link()
        secret = parse_qs(urlsplit(link).query)["secret"][0]
        form = {"secret": secret, "new_password": NEW}
        headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        answer = await person.client.post("/link/reset", data=form, headers=headers)
        return answer.status_code, await person.signs_in(password=PASSWORD)

    assert scene_of(scene) == (403, "/me")


def test_the_address_of_an_invitation_is_checked_before_the_account_is_made(scene_of):
    async def scene(person, account):
        with pytest.raises(AccountRefused) as refused:
            await person.service.recovery.invite("carol", OPERATOR, email="carol")
        with pytest.raises(AccountRefused):
            await person.service.accounts.find("carol")
        with pytest.raises(LinkRefused):
            await person.service.recovery.owner("reset", "x")
        return refused.value.code

    assert scene_of(scene) == "email_invalid"


def test_mails_say_from_where_somebody_came_and_nothing_that_they_wrote(scene_of, inbox):
    async def scene(person, account):
        person.client.headers["User-Agent"] = "Visit https://evil.example now! Firefox/1 Linux"
        await person.signs_in(password=PASSWORD)
        await deliver(person.service)

    scene_of(scene)
    text = text_of(inbox.mails[0])
    assert "Firefox on Linux, at 127.0.0.1" in text
    assert "evil" not in inbox.mails[0].as_string()


def test_whoever_signs_up_with_an_address_chooses_the_password_by_its_link(scene_of, inbox):
    async def scene(person, account):
        form = {"username": "carol", "email": "Carol@example.com", "continue": "/me"}
        page = await person.client.get("/sign-up")
        answer = await person.client.post("/sign-up", data=form)
        again = await person.client.post("/sign-up", data=form)
        wrong = await person.client.post("/sign-up", data={**form, "email": "x"})
        known = {"username": "dora", "email": ALICE, "continue": "/me"}
        taken = await person.client.post("/sign-up", data=known)
        await deliver(person.service)
        await person.reset(link_of(inbox.to("Carol@example.com")[0]))
        late = await person.reset(link_of(inbox.to(ALICE)[0]))
        return (
            ('name="new_password"' in page.text, "set-cookie" in answer.headers),
            [one.status_code for one in (answer, again, wrong, taken, late)],
            taken.text.replace(ALICE, "Carol@example.com") == answer.text,
            await person.signs_in("carol@example.com"),
            await person.service.addresses.username_of(ALICE),
        )

    shown, statuses, alike, where, owner = scene_of(scene, sign_up=True, sign_up_email=True)
    assert shown == (False, False)
    # Whose the address is already is not told, and it stays theirs.
    assert statuses == [200, 422, 422, 200, 422]
    assert alike
    assert (where, owner) == ("/me", "alice")


@pytest.mark.parametrize(
    ("language", "subject"),
    [
        ("", "Wählen Sie ein neues Passwort für Carnet"),
        ("en", "Choose a new password for Carnet"),
    ],
)
def test_a_link_speaks_the_account_s_language_or_that_of_the_page_that_asked(
    scene_of, inbox, language, subject
):
    async def scene(person, account):
        await person.service.accounts.set_language(account.id, language)
        headers = {"Accept-Language": "de"}
        form = {"username": "alice"}
        await person.client.post("/forgot-password", data=form, headers=headers)
        await deliver(person.service)

    scene_of(scene)
    assert inbox.subjects == [subject]
