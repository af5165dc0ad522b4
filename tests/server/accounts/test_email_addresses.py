"""The addresses of accounts: claimed by many, proved by one, signed in with, told to clients."""

import pytest
from tests.server.conftest import PASSWORD
from tests.server.inside import register
from tests.server.mail.inbox import link_of
from tests.server.mail.person import ALICE, Person, deliver, on_both_engines

from carnet import inspect
from carnet.server.accounts.account_record import AccountRefused
from carnet.server.accounts.email_addresses import MOST_ADDRESSES
from carnet.server.accounts.throttle import MAILS_TO
from carnet.server.audit import OPERATOR

BOB = "bob@example.com"


async def add(person, address):
    return await person.client.post("/me/emails/new", data={"email": address})


async def signed_in(person):
    assert await person.signs_in(password=PASSWORD) == "/me"
    await deliver(person.service)
    person.inbox.envelopes.clear()


async def shown(person, account):
    found = await person.service.addresses.of_account(account.id)
    return [(one.address, one.verified_at is not None, one.primary) for one in found]


@on_both_engines
def test_an_address_counts_once_its_link_was_used(scene_of, inbox):
    async def scene(person, account):
        await signed_in(person)
        answer = await add(person, "Second@Example.com")
        await deliver(person.service)
        link = link_of(inbox.mails[0])
        before = await shown(person, account), await person.signs_in("second@example.com", PASSWORD)
        opened = await person.client.get(link)
        still = await shown(person, account)
        done = await person.use(link)
        after = await shown(person, account), await person.signs_in("second@example.com", PASSWORD)
        return answer.headers["location"], before, opened.text, still, done.text, after

    where, before, opened, still, done, after = scene_of(scene)
    assert where == "/me/emails?done=sent"
    assert before == ([(ALICE, True, True), ("Second@Example.com", False, False)], "")
    # Whoever reads the mail is told whose account it is about.
    assert "an address of the account alice" in opened
    assert still == before[0]
    assert "Second@Example.com is an address of the account now." in done
    assert after == ([(ALICE, True, True), ("Second@Example.com", True, False)], "/me")


@on_both_engines
def test_nobody_keeps_the_owner_of_an_address_from_proving_it(scene_of, inbox):
    async def scene(person, account):
        service = person.service
        bob = await service.accounts.create("bob", PASSWORD)
        await service.addresses.add(account.id, "alice", BOB, OPERATOR)
        await service.addresses.add(bob.id, "bob", BOB, OPERATOR)
        await deliver(service)
        squatting, owning = (link_of(mail) for mail in inbox.to(BOB))
        assert (await person.use(owning)).status_code == 200
        late = await person.use(squatting)
        return late.status_code, late.text, await service.addresses.username_of(BOB)

    status, text, username = scene_of(scene)
    assert (status, username) == (422, "bob")
    assert "Another account has this address already." in text


def test_adding_an_address_says_nothing_of_other_accounts(scene_of, inbox):
    async def scene(person, account):
        service = person.service
        bob = await service.accounts.create("bob", PASSWORD)
        await service.addresses.add_verified(bob.id, BOB, OPERATOR)
        await signed_in(person)
        taken, free = await add(person, BOB), await add(person, "carol@example.com")
        await deliver(service)
        return [(one.status_code, one.headers["location"]) for one in (taken, free)]

    taken, free = scene_of(scene)
    assert taken == free
    assert [len(inbox.to(BOB)), len(inbox.to("carol@example.com"))] == [1, 1]


@pytest.mark.parametrize("name", [ALICE, "ALICE@Example.COM ", "alice"])
def test_one_signs_in_with_the_username_or_an_address(scene_of, name):
    async def scene(person, account):
        page = await person.signs_in(name, PASSWORD)
        given = {"username": name, "password": PASSWORD}
        program = await person.client.post("/sessions", json=given)
        return page, program.status_code

    assert scene_of(scene) == ("/me", 201)


def test_a_username_that_looks_like_an_address_is_a_username_first(scene_of):
    async def scene(person, account):
        service = person.service
        await service.accounts.create(BOB, "another-long-password")
        await service.addresses.add_verified(account.id, BOB, OPERATOR)
        return (
            await person.signs_in(BOB, "another-long-password"),
            await person.signs_in("alice", PASSWORD),
        )

    assert scene_of(scene) == ("/me", "/me")


def test_a_stranger_can_not_take_an_address_as_a_username(scene_of):
    async def scene(person, account):
        form = {"username": BOB, "new_password": "another-long-password", "continue": "/me"}
        return await person.client.post("/sign-up", data=form)

    answer = scene_of(scene, sign_up=True)
    assert answer.status_code == 422
    assert "A username has no @ here" in answer.text


def test_all_names_of_an_account_have_the_attempts_of_one(scene_of):
    async def scene(person, account):
        statuses = []
        for number in range(12):
            form = {"username": ("alice", ALICE)[number % 2], "password": "wrong-one-again"}
            statuses.append((await person.client.post("/sign-in", data=form)).status_code)
        return statuses

    assert scene_of(scene) == [401] * 8 + [429] * 4


@on_both_engines
def test_clients_are_told_the_address_that_was_proved(scene_of):
    async def scene(person, account):
        service = person.service
        await register(service, scope="openid email", resources=("orders",))
        person.typed["password"] = PASSWORD
        tokens = await person.tokens(scope="openid email")
        refreshed = (await person.refresh(tokens["refresh_token"])).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        told = (await person.client.get("/userinfo", headers=bearer)).json()
        told.pop("sub")
        return [
            told,
            *(
                {name: text for name, text in inspect(one).claims.items() if "email" in name}
                for one in (tokens["id_token"], refreshed["id_token"], tokens["access_token"])
            ),
        ]

    proved = {"email": ALICE, "email_verified": True}
    assert scene_of(scene, audiences=("orders",)) == [proved, proved, proved, {}]


def test_without_one_the_claims_of_the_operator_count_as_before(play):
    async def scene(service, clock):
        claims = {"email": "carol@corp.example", "email_verified": False}
        await service.accounts.create("alice", PASSWORD, claims=claims)
        await register(service, scope="openid email", resources=("orders",))
        tokens = await Person(service, clock, None).tokens(scope="openid email")
        return inspect(tokens["id_token"]).claims, claims

    told, claims = play(scene, audiences=("orders",))
    assert {name: told[name] for name in claims} == claims


@on_both_engines
def test_another_main_address_is_told_from_then_on_and_both_hear_of_it(scene_of, inbox):
    async def scene(person, account):
        await person.service.addresses.add_verified(account.id, BOB, OPERATOR)
        await signed_in(person)
        form = {"email": BOB}
        await person.client.post("/me/emails/primary", data=form)
        await deliver(person.service)
        heard = sorted(mail["To"] for mail in inbox.mails)
        inbox.envelopes.clear()
        await person.client.post("/me/emails/remove", data={"email": BOB})
        await deliver(person.service)
        found = await person.service.accounts.by_id(account.id)
        return heard, sorted(mail["To"] for mail in inbox.mails), found.email

    both = [ALICE, BOB]
    assert scene_of(scene) == (both, both, ALICE)


def test_an_address_that_is_not_proved_can_not_be_the_main_one(scene_of):
    async def scene(person, account):
        await person.service.addresses.add(account.id, "alice", BOB, OPERATOR)
        done = await person.service.addresses.make_primary(account.id, BOB, OPERATOR)
        return done, (await person.service.accounts.by_id(account.id)).email

    assert scene_of(scene) == (False, ALICE)


def test_what_changes_addresses_asks_for_a_recent_sign_in(scene_of):
    async def scene(person, account):
        await signed_in(person)
        person.clock.advance(3600)
        new = await person.client.get("/me/emails/new")
        changes = [
            await person.client.post(f"/me/emails/{change}", data={"email": ALICE})
            for change in ("new", "primary", "remove")
        ]
        return new.headers["location"], [one.status_code for one in changes]

    where, statuses = scene_of(scene)
    assert where == "/sign-in?continue=%2Fme%2Femails%2Fnew&why=again"
    assert statuses == [401, 401, 401]


def test_mails_that_prove_an_address_are_few(scene_of, inbox):
    async def scene(person, account):
        await signed_in(person)
        answers = [await add(person, BOB) for _ in range(MAILS_TO.burst + 1)]
        await deliver(person.service)
        return [answer.status_code for answer in answers]

    assert scene_of(scene) == [303] * MAILS_TO.burst + [429]
    assert len(inbox.mails) == MAILS_TO.burst


def test_an_account_has_so_many_addresses_and_no_more(scene_of):
    async def scene(person, account):
        add = person.service.addresses.add_verified
        for number in range(1, MOST_ADDRESSES):
            await add(account.id, f"a{number}@example.com", OPERATOR)
        with pytest.raises(AccountRefused) as refused:
            await add(account.id, "one@too.many", OPERATOR)
        return refused.value.code, len(await shown(person, account))

    assert scene_of(scene) == ("too_many_emails", MOST_ADDRESSES)


@pytest.mark.parametrize("typed", ["", "alice", "a@b.example\r\nBcc: c@d.example", "a b@c.example"])
def test_what_is_no_address_is_told_so_and_kept_in_the_form(scene_of, inbox, typed):
    async def scene(person, account):
        await signed_in(person)
        return await add(person, typed)

    answer = scene_of(scene)
    assert answer.status_code == 422
    assert "An e-mail address must look like alice@example.com" in answer.text
    assert inbox.mails == []


def test_an_address_is_another_account_s_only_once_it_was_proved(scene_of):
    async def scene(person, account):
        bob = await person.service.accounts.create("bob", PASSWORD)
        with pytest.raises(AccountRefused) as refused:
            await person.service.addresses.add_verified(bob.id, ALICE, OPERATOR)
        return refused.value.code, await person.service.addresses.of_account(bob.id)

    assert scene_of(scene) == ("email_taken", [])


def test_a_link_to_an_address_that_was_removed_meanwhile_does_nothing(scene_of, inbox):
    async def scene(person, account):
        await person.service.addresses.add(account.id, "alice", BOB, OPERATOR)
        await deliver(person.service)
        link = link_of(inbox.to(BOB)[0])
        await person.service.addresses.remove(account.id, BOB, OPERATOR)
        await person.service.addresses.add(account.id, "alice", "c@example.com", OPERATOR)
        return (await person.use(link)).status_code, await shown(person, account)

    assert scene_of(scene) == (404, [(ALICE, True, True), ("c@example.com", False, False)])
