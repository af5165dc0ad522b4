"""Codes that prove an address: bound to account, address and purpose, few tries, dead after use."""

import html
import re

from tests.server.accounts.test_email_addresses import add, shown, signed_in
from tests.server.conftest import PASSWORD
from tests.server.mail.inbox import link_of, text_of
from tests.server.mail.person import Person, deliver, on_both_engines

from carnet.server.accounts.one_time_links import INVITE, LIFETIMES, VERIFY
from carnet.server.accounts.throttle import SECOND_FACTOR
from carnet.server.audit import OPERATOR, newest

SECOND = "second@example.com"
WRONG = "0000 0000"


def code_of(mail):
    return re.search(r"\b\d{4} \d{4}\b", text_of(mail))[0]


async def codes(person, address=SECOND, times=1):
    """Add an address, and give the codes and links that were mailed to it."""
    before = len(person.inbox.to(address))
    for _ in range(times):
        await add(person, address)
        # Of two mails the later one is the newer.
        person.clock.advance(1)
    await deliver(person.service)
    mails = person.inbox.to(address)[before:]
    asking = [mail for mail in mails if mail["Subject"].startswith("Confirm")]
    return [(code_of(mail), link_of(mail)) for mail in asking]


async def confirm(person, code, address=SECOND):
    return await person.client.post("/me/emails/confirm", data={"email": address, "code": code})


async def is_proved(person, account, address=SECOND):
    return (address, True, False) in await shown(person, account)


@on_both_engines
def test_an_address_is_proved_by_the_code_that_was_sent_to_it(scene_of, inbox):
    async def scene(person, account):
        await signed_in(person)
        [(code, link)] = await codes(person)
        wrong = await confirm(person, WRONG)
        assert not await is_proved(person, account)
        right = await confirm(person, f" {code.replace(' ', '')} ")
        page = await person.client.get(right.headers["location"])
        events = [entry.event for entry in await newest(person.service.store, 9)]
        signs_in = await person.signs_in(SECOND, PASSWORD)
        # It was used with its link.
        used = await person.use(link)
        return wrong, page.text, await is_proved(person, account), events, signs_in, used

    wrong, page, proved, events, signs_in, used = scene_of(scene)
    assert wrong.status_code == 422
    assert "This code doesn't work." in html.unescape(wrong.text)
    assert "The address is confirmed." in page
    assert (proved, signs_in) == (True, "/me")
    assert {"link_used", "email_verified"} <= set(events)
    assert used.status_code == 410


def test_a_code_whose_link_was_used_or_is_too_old_is_worth_nothing(scene_of, inbox):
    async def scene(person, account):
        await signed_in(person)
        [(code, link)] = await codes(person)
        await person.use(link)
        await person.client.post("/me/emails/remove", data={"email": SECOND})
        # The address is claimed again, but no mail has come yet.
        await person.service.store.write(
            "INSERT INTO email_address (account_id, normalized, address, is_primary, created_at) "
            "VALUES ($1, $2, $2, 0, 1)",
            *(account.id, SECOND),
        )
        used = await confirm(person, code)
        [(code, _)] = await codes(person)
        person.clock.advance(LIFETIMES[VERIFY])
        await signed_in(person)
        late = await confirm(person, code)
        return used.status_code, late.status_code, await is_proved(person, account)

    assert scene_of(scene) == (422, 422, False)


def test_another_password_ends_a_code_and_a_newer_mail_does_too(scene_of, inbox):
    async def scene(person, account):
        await signed_in(person)
        [(first, _), (second, _)] = await codes(person, times=2)
        older = await confirm(person, first)
        await person.service.accounts.set_password(account.id, PASSWORD, OPERATOR)
        await signed_in(person)
        changed = await confirm(person, second)
        [(third, _)] = await codes(person)
        return older.status_code, changed.status_code, (await confirm(person, third)).status_code

    assert scene_of(scene) == (422, 422, 303)


def test_a_code_is_good_for_its_account_its_address_and_nothing_else(scene_of, inbox):
    async def scene(person, account):
        service = person.service
        bob = await service.accounts.create("bob", PASSWORD)
        await signed_in(person)
        [(code, _)] = await codes(person)
        await codes(person, "third@example.com")
        elsewhere = await confirm(person, code, "third@example.com")
        other = Person(service, person.clock, inbox)
        other.typed["username"] = "bob"
        await other.signs_in("bob", PASSWORD)
        await codes(other)
        stolen = await confirm(other, code)
        proved = [await is_proved(person, one) for one in (account, bob)]
        # A younger link that does something else is in nobody's way.
        links, now = service.recovery._links, person.clock()
        await service.store.transact(lambda: links.make(INVITE, account.id, now, SECOND))
        right = await confirm(person, code)
        return elsewhere.status_code, stolen.status_code, proved, right.status_code

    assert scene_of(scene) == (422, 422, [False, False], 303)


def test_whoever_guesses_has_few_tries_whatever_address_or_account_they_use(scene_of, inbox):
    async def scene(person, account):
        service = person.service
        await service.accounts.create("bob", PASSWORD)
        await signed_in(person)
        [(code, _)] = await codes(person)
        tried = [(await confirm(person, WRONG)).status_code for _ in range(SECOND_FACTOR.burst)]
        too_many = await confirm(person, code)
        # Another account has no more for the same address, nor this one for another.
        other = Person(service, person.clock, inbox)
        await other.signs_in("bob", PASSWORD)
        [(theirs, _)] = await codes(other)
        for_address = await confirm(other, theirs)
        [(third, _)] = await codes(person, "third@example.com")
        of_account = await confirm(person, third, "third@example.com")
        # An address that is not claimed uses up nothing.
        free = [await confirm(other, WRONG, "victim@example.com") for _ in range(9)]
        person.clock.advance(SECOND_FACTOR.interval // 1_000_000)
        again = await confirm(person, code)
        return (
            tried,
            too_many,
            [for_address.status_code, of_account.status_code],
            {one.status_code for one in free},
            again.status_code,
        )

    tried, too_many, others, free, again = scene_of(scene)
    assert tried == [422] * SECOND_FACTOR.burst
    assert too_many.status_code == 429
    assert "Too many codes were tried. Wait" in too_many.text
    assert (others, free, again) == ([429, 429], {422}, 303)


def test_an_address_that_another_has_proved_meanwhile_is_theirs(scene_of, inbox):
    async def scene(person, account):
        bob = await person.service.accounts.create("bob", PASSWORD)
        await signed_in(person)
        [(code, _)] = await codes(person)
        await person.service.addresses.add_verified(bob.id, SECOND, OPERATOR)
        answer = await confirm(person, code)
        return answer.status_code, answer.text, await person.service.addresses.username_of(SECOND)

    status, text, username = scene_of(scene)
    assert (status, username) == (422, "bob")
    assert "Another account has this address already." in text


def test_nobody_who_is_not_signed_in_tries_a_code(scene_of, inbox):
    async def scene(person, account):
        answer = await confirm(person, WRONG)
        slots = await person.service.store.read(
            "SELECT name FROM throttle WHERE name LIKE 'address code%'"
        )
        return answer.status_code, slots

    assert scene_of(scene) == (401, [])
