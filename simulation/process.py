"""A process of the service: the service's own parts on a simulated store, and what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import cached_property
from types import SimpleNamespace
from typing import Any, Final, cast

import msgspec

from carnet.errors import CarnetError
from carnet.server.accounts.accounts import Account, AccountRefused, Accounts
from carnet.server.accounts.address_codes import AddressCodes
from carnet.server.accounts.deletion import Deletions
from carnet.server.accounts.email_addresses import EmailAddresses
from carnet.server.accounts.mailed_codes import MailedCodes
from carnet.server.accounts.merging import Merges
from carnet.server.accounts.notices import Notices
from carnet.server.accounts.one_time_links import OneTimeLinks
from carnet.server.accounts.recovery import Recovery
from carnet.server.accounts.throttle import Throttle
from carnet.server.audit import Origin
from carnet.server.clients.clients import Client
from carnet.server.clients.consents import Consents
from carnet.server.clients.subjects import Subjects
from carnet.server.factors.factors import Factors
from carnet.server.mail.outbox import Outbox
from carnet.server.oauth.authorization_codes import AuthorizationCodes
from carnet.server.oauth.authorization_request import AuthorizationRequest
from carnet.server.oauth.device_codes import DeviceCodes
from carnet.server.revocations.revocations import Revocations
from carnet.server.revocations.stream import RevocationStream
from carnet.server.sessions.agents import Agents
from carnet.server.sessions.identities import Identities
from carnet.server.sessions.sessions import BROWSER, Grant, NewSession, RefreshRefused
from carnet.server.store import StoreUnavailable
from carnet.server.tokens.used_once import UsedOnce
from carnet.server.upstream.people import People as ProvidersPeople
from simulation.ground import REQUEST, SETTINGS, VERIFIER, no_notices
from simulation.passkeys import PASSKEYS
from simulation.providers import Upstream
from simulation.stores import SimulatedPostgres, SimulatedSqlite
from simulation.world import BEGINNING, MICROSECONDS, Lost, World

ORIGIN: Final = Origin("192.0.2.1", "a browser", None)


class _Passwords:
    """Passwords without their cost; that hashing takes a while is kept."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def hash(self, password: str) -> str:
        await self._process.pause("hashes a password")
        return f"hash of {password}"

    async def check(self, password: str, encoded: str | None) -> bool:
        await self._process.pause("checks a password")
        return encoded == f"hash of {password}"

    async def is_breached(self, password: str) -> bool:
        return False

    def is_outdated(self, encoded: str) -> bool:
        return False


class Process:
    """One process; its clock may be wrong by a little.

    Attributes:
        number: its number in the history.
        alive: whether it was not killed.
        offset: seconds by which its clock is ahead.
        most_ahead: the most that it ever was.
        origin: from where whoever asks it does.
        is_alone: whether nothing comes between its statements.
        own_keys: those that it keeps up, in histories of keys.
        kept_up_at: the moment of the history that they are of.
        kept_up_version: after how many commits that was.
    """

    origin = ORIGIN

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.alive = True
        self.offset = 0.0
        self.most_ahead = 0.0
        # In the order in which they came: a history is the same each time.
        self._answers: dict[asyncio.Future[Any], None] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._inboxes: list[asyncio.Queue[bytes | None]] = []
        made = SimulatedPostgres if world.engine == "postgres" else SimulatedSqlite
        self.store: Any = made(self, world.database)
        keys = world.ground.keys
        self.is_alone = False
        self.own_keys: Any = None
        self.kept_up_at = float("-inf")
        self.kept_up_version = 0
        self.revocations = Revocations(self.store, SETTINGS, self.clock)
        self.sessions = world.sessions_type(
            self.store, keys, self.revocations, SETTINGS, self.clock
        )
        self.agents = Agents(self.store, self.sessions, SETTINGS, self.clock)
        notices = no_notices(self.store, keys, self.clock)
        passwords: Any = _Passwords(self)
        self.accounts = Accounts(self.store, passwords, self.revocations, notices, self.clock)
        about = self.revocations, PASSKEYS, notices, self.clock
        self.factors = Factors(self.store, keys, *about)
        self.identities = Identities(
            self.store, self.sessions, self.revocations, SETTINGS, self.clock
        )
        self.used_once = UsedOnce(self.store, self.clock)
        self.codes = AuthorizationCodes(self.store, self.sessions, Subjects(keys), self.clock)
        self.consents = Consents(self.store, self.sessions, self.clock)
        self.device_codes = DeviceCodes(self.store, keys, self.sessions, self.clock)
        self.deletions = Deletions(self.store, self.revocations, SETTINGS, self.clock)
        links = OneTimeLinks(self.store, SETTINGS, self.clock)
        # Links that are handed over have nothing to do with addresses, mails and throttles.
        unused: Any = None
        self.recovery = Recovery(
            self.store, self.accounts, unused, links, unused, unused, self.clock
        )
        upstream: Any = Upstream()
        self.people = ProvidersPeople(
            *(self.store, self.accounts, self.identities, upstream, self.sessions),
            *(notices, self.revocations, keys, self.clock),
        )
        self.stream = RevocationStream(self.store, keys, SETTINGS, self.clock)

    @cached_property
    def service(self) -> Any:
        """What functions of the pages take, as far as they are used here."""
        return SimpleNamespace(
            clock=self.clock,
            store=self.store,
            keys=self.world.ground.keys,
            accounts=self.accounts,
            identities=self.identities,
            agents=self.agents,
            factors=self.factors,
            used_once=self.used_once,
            sessions=self.sessions,
            deletions=self.deletions,
            throttle=Throttle(self.store, self.world.ground.keys, self.clock),
        )

    @cached_property
    def mail(self) -> Any:
        """What sends mails, and what is done with them."""
        store, keys, clock = self.store, self.world.ground.keys, self.clock
        settings = msgspec.structs.replace(SETTINGS, smtp_host="mail.example.com")
        outbox, links = Outbox(keys, settings), OneTimeLinks(store, settings, clock)
        notices, throttle = Notices(outbox, links), Throttle(store, keys, clock)
        codes, passwords = AddressCodes(links, keys), cast("Any", _Passwords(self))
        accounts = Accounts(store, passwords, self.revocations, notices, clock)
        about = notices, throttle, clock
        addresses = EmailAddresses(store, outbox, links, codes, *about)
        return SimpleNamespace(
            outbox=outbox,
            accounts=accounts,
            notices=notices,
            addresses=addresses,
            recovery=Recovery(store, accounts, addresses, links, outbox, throttle, clock),
            mailed_codes=MailedCodes(store, links, outbox, throttle, clock),
        )

    @cached_property
    def merges(self) -> Merges:
        """What merges accounts."""
        return Merges(self.store, self.deletions, self.mail.notices, self.clock)

    def clock(self) -> int:
        """Give the microseconds since 1970, as this process takes them to be."""
        return int((BEGINNING + self.world.loop.now + self.offset) * MICROSECONDS)

    def statement(self, sql: str) -> asyncio.Future[str]:
        world = self.world
        # A timer of a process that was killed may come, and nothing comes of it.
        is_alone = self.is_alone and self.alive
        return world.at_once if is_alone else world.point(self, "statement", sql)

    def pause(self, text: str) -> asyncio.Future[str]:
        return self.world.point(self, "pause", text)

    async def until_ended(self, transaction: Any, sql: str) -> None:
        await self.world.until_ended(self, transaction, sql)

    def serve(self, copies: list[Coroutine[Any, Any, Any]], answer: asyncio.Future[Any]) -> None:
        """Do what a request asks for, as often as it has come; the last one is answered."""
        self._answers[answer] = None
        left = len(copies)

        def done(task: asyncio.Task[Any]) -> None:
            nonlocal left
            left -= 1
            self._tasks.discard(task)
            if task.cancelled():
                return
            error = task.exception()
            if error is not None and not isinstance(error, CarnetError):
                self.world.violate("nothing dies in silence", f"{type(error).__name__}: {error}")
            if not left and not answer.done():
                self._answers.pop(answer, None)
                answer.set_result(task.result() if error is None else error)

        for work in copies:
            task = self.world.loop.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(done)

    def broken(self) -> None:
        """Nobody who waits for this process gets an answer any more."""
        for answer in list(self._answers):
            if not answer.done():
                answer.set_result(Lost())
        self._answers.clear()
        for inbox in self._inboxes:
            inbox.put_nowait(None)

    def poll(self) -> None:
        """Read the counters, as every process does many times a second."""
        self.work(self.stream.catch_up)

    def work(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Do something by itself; what fails is done again another time."""

        async def working() -> None:
            try:
                await work()
            except* StoreUnavailable:
                self.world.tell("Process {} has no database for that.", self.number)

        self.serve([working()], self.world.loop.create_future())

    @property
    def is_busy(self) -> bool:
        """Whether it has not answered somebody yet."""
        return bool(self._tasks)

    def read_stream(
        self, position: int | None, inbox: asyncio.Queue[bytes | None]
    ) -> asyncio.Task[None]:
        """Send the events of the stream to a verifier; None where the connection ends."""

        async def reading() -> None:
            try:
                async for event in self.stream.read(position):
                    inbox.put_nowait(event)
            except StoreUnavailable:
                self.world.tell("Process {} ends a stream.", self.number)
            finally:
                inbox.put_nowait(None)

        self._inboxes.append(inbox)
        task: asyncio.Task[None] = self.world.start(reading())
        return task

    # What it answers.

    async def account_of(self, owner: str) -> Account:
        """Give somebody's account, as a page does that knows it by their session.

        Raises:
            AccountRefused: if it is gone.
        """
        account = await self.accounts.by_id(self.world.ground.accounts[owner])
        if account is None:
            raise AccountRefused("the account is gone", code="account_unknown")
        return account

    async def sign_in(self, name: str, password: str, client_id: str) -> Grant | None:
        facts = self.world.facts
        account = await self.accounts.authenticate(name, password)
        if account is None:
            return None
        facts.of_task(version_read=account.version, typed=name)
        new = NewSession(client_id, "default")
        grant = await self.sessions.begin(account, new, ORIGIN)
        if grant is None and await self.deletions.keep(account.id, ORIGIN):
            grant = await self.sessions.begin(account, new, ORIGIN)
        if grant is not None:
            facts.granted(self, grant)
        return grant

    async def refresh(self, text: str, client_id: str) -> Grant | RefreshRefused:
        facts = self.world.facts
        before = facts.before_refresh(self, text)
        try:
            answer: Grant | RefreshRefused = await self.sessions.refresh(text, ORIGIN, client_id)
        except RefreshRefused as refused:
            answer = refused
        facts.refreshed(self, before, answer)
        return answer

    async def sign_out(self, text: str, client_id: str) -> bool:
        done = await self.sessions.end_by_refresh_token(text, "signed_out", ORIGIN, client_id)
        self.world.facts.signed_out(text)
        return done

    async def end(self, session_id: str) -> bool:
        done = await self.sessions.end(session_id, "ended_by_administrator", ORIGIN)
        self.world.facts.ended(session_id)
        return done

    async def end_all(self, account_id: str, keep: str) -> int:
        self.world.facts.of_task(leaves=(account_id, keep))
        return await self.sessions.end_all(account_id, "ended_everywhere", ORIGIN, keep=keep)

    async def disable(self, account_id: str, disabled: bool) -> None:
        if disabled:
            self.world.facts.of_task(leaves=(account_id, ""))
        await self.accounts.change(account_id, ORIGIN, disabled=disabled)

    async def set_roles(self, account_id: str, roles: tuple[str, ...]) -> None:
        await self.accounts.set_roles(account_id, roles, ORIGIN)

    async def set_password(self, account_id: str, new: str) -> None:
        self.world.facts.of_task(leaves=(account_id, ""), resets=account_id)
        await self.accounts.set_password(account_id, new, ORIGIN)

    async def change_password(
        self, name: str, current: str, new: str, session_id: str
    ) -> bool | CarnetError:
        try:
            account = await self.account_of(name)
            self.world.facts.of_task(
                changes=(account.id, session_id), leaves=(account.id, session_id)
            )
            return await self.accounts.change_password(account, current, new, session_id, ORIGIN)
        except StoreUnavailable:
            raise
        except CarnetError as refused:
            return refused

    async def authorize(self, cookie: str) -> str | None:
        login = await self.sessions.by_token(cookie, BROWSER, ORIGIN.address)
        if login is None:
            return None
        account, at, amr = login.account, login.authenticated_at, login.amr
        return await self.codes.issue(REQUEST, account.id, login.session_id, at, amr)

    async def exchange(
        self, code: str, client: Client, request: AuthorizationRequest
    ) -> Grant | CarnetError:
        self.world.facts.presented_code(code)
        try:
            presented = await self.codes.read(code, client)
            await self.codes.check(presented, request.redirect_uri, VERIFIER, "", ORIGIN)
            self.world.facts.of_task(code=code)
            exchanged = await self.codes.exchange(presented, client, "", ORIGIN)
        except StoreUnavailable:
            raise
        except CarnetError as refused:
            self.world.facts.code_refused(code, refused.code)
            return refused
        self.world.facts.granted(self, exchanged.grant)
        return exchanged.grant

    async def add_app(self, name: str, factor_id: str, secret: bytes, code: str) -> bool:
        account = await self.account_of(name)
        self.world.facts.of_task(version_read=account.version)
        await self.factors.add_totp(account, factor_id, secret, code, "", ORIGIN)
        return True

    async def make_recovery_codes(self, name: str) -> list[str]:
        account = await self.account_of(name)
        self.world.facts.of_task(version_read=account.version)
        if not await self.factors.kinds(account.id):
            # As on the page: there is nothing that they could stand in for.
            return []
        return await self.factors.make_recovery_codes(account, ORIGIN)

    async def use_code(self, name: str, typed: str) -> bool:
        account = await self.account_of(name)
        is_good = await self.factors.check_code(account, typed, ORIGIN) is not None
        if is_good:
            self.world.facts.used_code(account.id, typed)
        return is_good

    async def reset_factors(self, account_id: str) -> int:
        self.world.facts.of_task(leaves=(account_id, ""))
        return await self.factors.reset(account_id, ORIGIN)
