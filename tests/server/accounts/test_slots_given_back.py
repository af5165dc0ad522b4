"""A sign-in gives its slots back once, in the transaction of the session that begins."""

from contextlib import asynccontextmanager
from itertools import count

import pytest
from tests.server.accounts.test_known_devices import browser, sign_in
from tests.server.factors.test_factors import SECRET, code_at

from carnet.server.audit import OPERATOR
from carnet.server.sessions.sessions import FIRST_PARTY, NewSession
from carnet.server.store import StoreUnavailable
from carnet.server.store import statements as sql

PASSWORD = "paper-boat-harbour"
TAKEN = "SELECT name, due_at FROM throttle WHERE due_at > $1 AND name NOT LIKE 'audited%'"


class Seen:
    """A service with ada's account, whose commits are counted.

    Attributes:
        commits: how many there were.
        fails: what becomes of the transaction of a new session: "" nothing, "undone", or "unknown"
            where it is done and the answer is lost.
    """

    def __init__(self, service, clock, account):
        self.service, self.clock, self.account = service, clock, account
        self.commits, self.fails = 0, ""
        self._steps = count()
        store = service.store
        self._transact, self._write = store.transact, store.write
        store.transact, store.write = self.transact, self.write

    async def write(self, *statement):
        self.commits += 1
        return await self._write(*statement)

    async def transact(self, work):
        self.commits += 1
        asked = []

        def watched():
            steps, rows = work(), None
            while True:
                try:
                    asked.append(steps.send(rows))
                except StopIteration as done:
                    self._fail(asked, "undone")
                    return done.value
                rows = yield asked[-1]

        result = await self._transact(watched)
        self._fail(asked, "unknown")
        return result

    def _fail(self, asked, when):
        if self.fails == when and sql.ADD_SESSION in dict(asked):
            raise StoreUnavailable("it is away")

    async def program(self, password=PASSWORD, **more):
        async with browser(self.service) as http:
            given = {"username": "ada", "password": password, **more}
            return (await http.post("/sessions", json=given)).status_code

    def code(self):
        """Give a code that was not used yet: that of now, and then the next one."""
        return code_at(self.clock, steps=next(self._steps))

    async def taken(self):
        return dict(await self.service.store.read(TAKEN, self.clock()))

    async def use(self):
        """Use some slots up, and give what is taken."""
        code = {}
        if await self.service.factors.kinds(self.account.id):
            code = {"code": self.code()}
            assert [await self.program(code="000000") for _ in range(2)] == [401] * 2
        assert await self.program(**code) == 201
        assert [await self.program("wrong") for _ in range(3)] == [401] * 3
        before = await self.taken()
        assert len(before) == 3 + len(code)
        return before

    @asynccontextmanager
    async def used(self):
        """Use some slots up; whatever is done within takes none and gives none of these back."""
        before = await self.use()
        yield
        assert await self.taken() == before


@pytest.fixture
def seen(play):
    def run(scene, *, app=False, **settings):
        async def opened(service, clock):
            account = await service.accounts.create("ada", PASSWORD)
            if app:
                clock.advance(-30)
                about = SECRET, code_at(clock), "Phone", OPERATOR
                await service.factors.add_totp(account, "f1", *about)
                clock.advance(30)
            return await scene(Seen(service, clock, account))

        return play(opened, **settings)

    return run


def test_a_program_signs_in_with_two_commits(seen):
    async def scene(some):
        async with some.used():
            some.commits = 0
            assert await some.program() == 201
            return some.commits

    assert seen(scene) == 2


@pytest.mark.parametrize("earlier", ["", "ada", "bob"])
def test_a_browser_signs_in_with_two_commits_whoever_has_used_it(seen, earlier):
    async def scene(some):
        await some.service.accounts.create("bob", PASSWORD)
        async with browser(some.service) as http:
            if earlier:
                assert (await sign_in(http, earlier)).status_code == 303
                # Known by its cookie, it would have slots of its own.
                http.cookies.delete("carnet-device")
            async with some.used():
                some.commits = 0
                assert (await sign_in(http)).status_code == 303
                return some.commits

    # Bob's session is asked for, and ended after.
    assert seen(scene) == {"": 2, "ada": 2, "bob": 4}[earlier]


def test_a_code_that_is_sent_along_gives_its_slot_back_with_those_of_the_password(seen):
    async def scene(some):
        async with some.used():
            code = some.code()
            some.commits = 0
            assert await some.program(code=code) == 201
            return some.commits

    # Slots for the password, a slot for the code, the code, and the session.
    assert seen(scene, app=True) == 4


def test_a_code_on_a_page_of_its_own_gives_its_slot_back_with_the_session(seen):
    async def scene(some):
        async with browser(some.service) as http, some.used():
            code, some.commits = some.code(), 0
            assert (await sign_in(http)).headers["location"].startswith("/sign-in/code")
            first, some.commits = some.commits, 0
            answer = await http.post("/sign-in/code", data={"code": code, "continue": "/me"})
            assert answer.headers["location"] == "/me"
            return first, some.commits

    assert seen(scene, app=True) == (2, 3)


def test_a_wrong_code_keeps_its_own_slot_alone(seen):
    async def scene(some):
        async with some.used():
            before = await some.taken()
            assert await some.program(code="000000") == 401
            after = await some.taken()
            changed = [name for name in after if after[name] != before[name]]
            for name in changed:
                await some.service.store.write(sql.GIVE_SLOT_BACK, 120_000_000, name)
            return changed

    [changed] = seen(scene, app=True)
    assert changed.startswith("second factor ")


def test_the_form_of_a_new_account_that_is_sent_twice_gives_the_slots_back(seen):
    async def scene(some):
        async with browser(some.service) as http, some.used():
            form = {"username": "ada", "new_password": PASSWORD}
            assert (await http.post("/sign-up", data=form)).status_code == 303
            # To ask for an account has taken one.
            [name] = [name for name in await some.taken() if name.startswith("address ")]
            await some.service.store.write(sql.GIVE_SLOT_BACK, 4_000_000, name)

    seen(scene, sign_up=True)


def test_whoever_is_disabled_meanwhile_gets_the_slots_back_and_no_session(seen, monkeypatch):
    async def scene(some):
        accounts = some.service.accounts
        check = accounts.check

        async def and_disable(*typed):
            found = await check(*typed)
            await accounts.change(some.account.id, OPERATOR, disabled=True)
            return found

        async with some.used():
            monkeypatch.setattr(accounts, "check", and_disable)
            return await some.program()

    assert seen(scene) == 503


def test_an_account_that_is_kept_by_a_sign_in_gets_the_slots_back_once(seen):
    async def scene(some):
        async with some.used():
            service, new = some.service, NewSession(FIRST_PARTY, "orders")
            grant = await service.sessions.begin(some.account, new)
            await service.deletions.ask(some.account, grant.session_id, OPERATOR)
            return await some.program()

    assert seen(scene) == 201


@pytest.mark.parametrize(("fails", "more"), [("unknown", 0), ("undone", 3)])
def test_where_a_session_is_not_known_to_have_begun_no_slot_is_given_back_twice(seen, fails, more):
    async def scene(some):
        before = await some.use()
        some.fails = fails
        assert await some.program() == 503
        after = await some.taken()
        return sum(after[name] > before[name] for name in before), len(after) - len(before)

    assert seen(scene) == (more, 0)
