"""Who is in the world: people with devices, thieves, administrators and operators."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

from carnet.server.accounts.merging import Merge
from carnet.server.clients.clients import Client
from carnet.server.oauth.authorization_request import AuthorizationRequest
from carnet.server.oauth.device_codes import Issued
from carnet.server.sessions.sessions import BROWSER, FIRST_PARTY, Grant
from carnet.server.upstream.provider import Asserted
from simulation.assertions import Assertion, SignIn
from simulation.facts import THIEF_GONE
from simulation.ground import CLIENT, EVERYBODY, NAMES, PASSWORD, REQUEST, SETTINGS
from simulation.keys import Fetched, Signed
from simulation.mailboxes import Mail
from simulation.passkeys import Passkey
from simulation.process import Process
from simulation.verifiers import Verifier
from simulation.world import World

MOST_DEVICES: Final = 5
"""How many people sign in to; each history draws its own number up to it."""

LATER: Final = SETTINGS.refresh_grace + 10.0
"""Seconds after which nobody takes a token that was used for a repeated request's."""


class Device:
    """A device on which somebody has signed in: it keeps the newest token that it was given."""

    def __init__(self, name: str, owner: str, client_id: str, grant: Grant) -> None:
        self.name = name
        self.owner = owner
        self.client_id = client_id
        self.session_id = grant.session_id
        self.token: str | None = grant.refresh_token
        # What is on its way: tabs refresh together, and then wait for all answers. A request that
        # is overtaken by two rotations can't be told from a thief's.
        self.sent: list[str] = []

    @property
    def may_refresh(self) -> bool:
        return all(text == self.token for text in self.sent)


class Thief:
    """Somebody who has copied a device's token; what it brings is kept."""

    def __init__(self, device: Device, token: str) -> None:
        self.session_id = device.session_id
        self.client_id = device.client_id
        self.token = token


class Code(NamedTuple):
    """An authorization code, and what it was given for."""

    text: str
    client: Client
    request: AuthorizationRequest


class Link(NamedTuple):
    """A link that sets a password, and whose."""

    purpose: str
    secret: str
    owner: str


class App:
    """An authenticator app on somebody's phone."""

    def __init__(self, world: World, name: str, number: int) -> None:
        self.name = name
        self.factor_id = f"app {number}"
        self.secret = world.random.randbytes(20)
        self._hotp = HOTP(self.secret, 6, SHA1())

    def code(self, seconds: float) -> str:
        return self._hotp.generate(int(seconds) // 30).decode()


class People:
    """Everybody in one history; what they begin is drawn."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.passwords = dict.fromkeys(EVERYBODY, PASSWORD)
        # Who is called what now.
        self.usernames = {name: name for name in EVERYBODY}
        self.shown: list[Merge] = []
        self.signed_in: list[SignIn] = []
        self.assertions: list[Assertion] = []
        self.devices: list[Device] = []
        self.thieves: list[Thief] = []
        self.codes: list[Code] = []
        self.issued: list[Issued] = []
        self.links: list[Link] = []
        self.tokens: list[Signed] = []
        self.key_sets: list[Fetched] = []
        self.is_hurried = False
        self.passkeys: list[Passkey] = []
        self.arrived: list[Asserted] = []
        self.mails: list[Mail] = []
        self.pages: list[str] = []
        self.apps: list[App] = []
        self.recovery_codes: list[tuple[str, str]] = []
        self.numbers = 0

    def begin(self) -> None:
        """Begin with one verifier and one person's sign-in."""
        from simulation.subjects import BEGINNINGS, PAUSES, UNFOLLOWED, VERIFIERS, drawn

        self._most_devices = 1 + self.world.choices.draw(MOST_DEVICES)
        self.actions, self.faults = self.world.choices.weighted(drawn())
        self.world.pauses = PAUSES.get(self.actions, self.world.pauses)
        if self.actions not in UNFOLLOWED:
            made = VERIFIERS.get(self.actions, Verifier)
            self.world.facts.verifiers.append(made(self.world, "the verifier"))
        self._start(BEGINNINGS.get(self.actions, People.sign_in))

    def act(self) -> None:
        """Let somebody begin something, where that is possible now."""
        self._start(self.world.choices.weighted(self.actions))

    def go_wrong(self) -> None:
        """Let something go wrong."""
        self.world.choices.weighted(self.faults)(self.world)

    def _start(self, action: Callable[[People], Any]) -> None:
        work = action(self)
        if work is not None:
            self.world.start(work)

    def device(self, *, browser: bool = False) -> Device | None:
        # The newest first: an old one is often signed out.
        found = [
            one
            for one in reversed(self.devices)
            if one.token and (one.client_id == BROWSER) is browser
        ]
        return self.world.choices.one_of(found) if found else None

    def sign_in(self, client_id: str = FIRST_PARTY) -> Any:
        if len(self.devices) >= self._most_devices:
            return None
        owner = self.world.choices.one_of(NAMES)
        self.numbers += 1
        name = f"{owner.title()}'s device {self.numbers}"
        return self._sign_in(name, owner, client_id)

    async def _sign_in(self, name: str, owner: str, client_id: str) -> None:
        self.world.tell("{} signs in.", name)
        username, password = self.usernames[owner], self.passwords[owner]
        grant = await self.world.insist(name, lambda to: to.sign_in(username, password, client_id))
        if grant is not None:
            self.devices.append(Device(name, self.owner_of(grant.account_id), client_id, grant))
            self.world.tell("{} has session {}.", name, grant.session_id)

    def sign_in_browser(self) -> Any:
        return self.sign_in(BROWSER)

    def refresh(self) -> Any:
        device = self.device()
        return None if device is None else self._refresh(device)

    def refresh_in_tabs(self) -> Any:
        device = self.device()
        if device is None:
            return None
        for _ in range(self.world.choices.draw(3)):
            self.world.start(self._refresh(device))
        return self._refresh(device)

    async def _refresh(self, device: Device) -> None:
        presented = device.token
        if presented is None or not device.may_refresh:
            return
        facts = self.world.facts
        if self.world.told is not None:
            self.world.tell(
                "A tab of {} refreshes, with generation {}.",
                *(device.name, facts.generation(presented)),
            )
        device.sent.append(presented)
        answer = await self.world.insist(
            device.name, lambda to: to.refresh(presented, device.client_id)
        )
        device.sent.remove(presented)
        if isinstance(answer, Grant):
            current = device.token
            new = facts.generation(answer.refresh_token)
            if current is not None and new > facts.generation(current):
                device.token = answer.refresh_token
        else:
            device.token = None
            self.world.tell("{} is signed out ({}).", device.name, answer.code)
            facts.refused(device.session_id, answer.code)

    def steal(self) -> Any:
        device = self.device()
        if device is not None and device.token is not None:
            self.world.facts.stolen.add(device.session_id)
            self.thieves.append(Thief(device, device.token))
            self.world.tell("A thief copies the token of {}.", device.name)

    def refresh_stolen(self) -> Any:
        return (
            self._refresh_stolen(self.world.choices.one_of(self.thieves)) if self.thieves else None
        )

    async def _refresh_stolen(self, thief: Thief) -> bool:
        presented = thief.token
        if self.world.told is not None:
            generation = self.world.facts.generation(presented)
            self.world.tell("The thief refreshes, with generation {}.", generation)
        answer = await self.world.call(
            "the thief", lambda to: to.refresh(presented, thief.client_id)
        )
        if isinstance(answer, Grant):
            thief.token = answer.refresh_token
        return isinstance(answer, Grant)

    def last_visits(self) -> Any:
        """Let the owners of stolen sessions and the thieves come once more, where there are any."""
        stolen = [device for device in self.devices if device.session_id in self._stolen_living()]
        return self._last_visits(stolen) if stolen else None

    def _stolen_living(self) -> set[str]:
        facts = self.world.facts
        rows = [facts.session(session_id) for session_id in facts.stolen]
        return {row["id"] for row in rows if row is not None and row["ended_at"] is None}

    async def _last_visits(self, devices: list[Device]) -> None:
        # Whoever waits here has time that passes.
        self.world.honest += 1
        for device in devices:
            thieves = [one for one in self.thieves if one.session_id == device.session_id]
            for visits in range(2):
                await asyncio.sleep(LATER)
                await self._refresh(device)
                for thief in thieves:
                    await asyncio.sleep(LATER)
                    if await self._refresh_stolen(thief) and visits:
                        self.world.violate(THIEF_GONE, f"{device.session_id} is the thief's")
        self.world.honest -= 1

    def sign_out(self) -> Any:
        device = self.device(browser=self.world.choices.one_of((False, True)))
        return None if device is None else self._sign_out(device)

    async def _sign_out(self, device: Device) -> None:
        token, device.token = device.token, None
        if token is not None:
            self.world.tell("{} signs out.", device.name)
            self.world.facts.may_end.add(device.session_id)
            await self.world.insist(device.name, lambda to: to.sign_out(token, device.client_id))

    def end(self) -> Any:
        if not self.devices:
            return None
        device = self.world.choices.one_of(self.devices)
        self.world.tell("An administrator ends the session of {}.", device.name)
        self.world.facts.may_end.add(device.session_id)
        return self.ask("the administrator", lambda to: to.end(device.session_id))

    async def ask(self, who: str, handle: Callable[[Process], Any]) -> Any:
        return await self.world.insist(who, handle)

    def account(self) -> tuple[str, str]:
        name = self.world.choices.one_of(NAMES)
        return name, self.world.ground.accounts[name]

    def end_all(self) -> Any:
        device = self.device()
        if device is None:
            return None
        account_id = self.world.ground.accounts[device.owner]
        keep = self.world.choices.one_of(("", device.session_id))
        self.world.tell("{} signs out everywhere{}.", device.name, " else" if keep else "")
        self.world.facts.may_end.add(account_id)
        return self.ask(device.name, lambda to: to.end_all(account_id, keep))

    def disable(self) -> Any:
        name, account_id = self.account()
        self.world.tell("An administrator disables {}.", name)
        self.world.facts.may_end.add(account_id)
        return self.ask("the administrator", lambda to: to.disable(account_id, True))

    def enable(self) -> Any:
        name, account_id = self.account()
        self.world.tell("An administrator enables {}.", name)
        return self.ask("the administrator", lambda to: to.disable(account_id, False))

    def set_roles(self) -> Any:
        name, account_id = self.account()
        roles = self.world.choices.one_of(((), ("editor",), ("editor", "admin")))
        self.world.tell("An administrator gives {} the roles {}.", name, roles)
        return self.ask("the administrator", lambda to: to.set_roles(account_id, roles))

    def set_password(self) -> Any:
        name, account_id = self.account()
        self.numbers += 1
        new = f"{PASSWORD} {self.numbers}"
        self.world.tell("An administrator resets the password of {}.", name)
        self.world.facts.may_end.add(account_id)
        return self._set_password(name, account_id, new)

    async def _set_password(self, name: str, account_id: str, new: str) -> None:
        await self.world.insist("the administrator", lambda to: to.set_password(account_id, new))
        self.passwords[name] = new

    def change_password(self) -> Any:
        device = self.device()
        if device is None:
            return None
        self.numbers += 1
        new = f"{PASSWORD} {self.numbers}"
        self.world.tell("{} changes the password.", device.name)
        self.world.facts.may_end.add(self.world.ground.accounts[device.owner])
        return self._change_password(device, new)

    async def _change_password(self, device: Device, new: str) -> None:
        current = self.passwords[device.owner]
        answer = await self.world.call(
            device.name,
            lambda to: to.change_password(device.owner, current, new, device.session_id),
        )
        if answer is True:
            self.passwords[device.owner] = new

    def authorize(self) -> Any:
        device = self.device(browser=True)
        return None if device is None else self._authorize(device)

    async def _authorize(self, device: Device) -> None:
        cookie = device.token
        if cookie is None:
            return
        self.world.tell("{} lets an application in.", device.name)
        code = await self.world.call(device.name, lambda to: to.authorize(cookie))
        if code is not None:
            self.codes.append(Code(code, CLIENT, REQUEST))

    def exchange(self) -> Any:
        return (
            self.exchange_code(self.world.choices.one_of(self.codes[::-1])) if self.codes else None
        )

    async def exchange_code(self, code: Code) -> None:
        """Let an application exchange a code."""
        self.world.tell("A code is exchanged.")
        answer = await self.world.call("the application", lambda to: to.exchange(*code))
        if isinstance(answer, Grant):
            self.has_session("the application", code.client.id, answer)

    def has_session(self, name: str, client_id: str, grant: Grant) -> None:
        """Give somebody's application a session."""
        self.world.tell("{} has session {}.", name.capitalize(), grant.session_id)
        self.devices.append(Device(name, self.owner_of(grant.account_id), client_id, grant))

    def owner_of(self, account_id: str) -> str:
        """Give whose an account was at the beginning."""
        accounts = self.world.ground.accounts.items()
        return next(owner for owner, account in accounts if account == account_id)

    def add_app(self) -> Any:
        name, _ = self.account()
        self.numbers += 1
        return self._add_app(name, App(self.world, name, self.numbers))

    async def _add_app(self, name: str, app: App) -> None:
        self.world.tell("{} adds an authenticator app.", name.title())
        code = app.code(self.world.unix())
        answer = await self.world.call(
            name, lambda to: to.add_app(name, app.factor_id, app.secret, code)
        )
        if answer is True:
            self.apps.append(app)

    def use_app(self) -> Any:
        if not self.apps:
            return None
        app = self.world.choices.one_of(self.apps[::-1])
        return self._use_code(app.name, app.code(self.world.unix()))

    def use_recovery_code(self) -> Any:
        if not self.recovery_codes:
            return None
        name, code = self.world.choices.one_of(self.recovery_codes[:2])
        for _ in range(self.world.choices.draw(2)):
            self.world.start(self._use_code(name, code))
        return self._use_code(name, code)

    async def _use_code(self, name: str, code: str) -> None:
        self.world.tell("{} types a code.", name.title())
        await self.world.call(name, lambda to: to.use_code(name, code))

    def make_recovery_codes(self) -> Any:
        if not self.apps:
            return None
        return self._make_recovery_codes(self.world.choices.one_of(self.apps[::-1]).name)

    async def _make_recovery_codes(self, name: str) -> None:
        self.world.tell("{} asks for recovery codes.", name.title())
        made = await self.world.call(name, lambda to: to.make_recovery_codes(name))
        if isinstance(made, list):
            self.recovery_codes += [(name, code) for code in made[:2]]

    def reset_factors(self) -> Any:
        name, account_id = self.account()
        self.world.tell("An administrator resets the factors of {}.", name)
        self.world.facts.may_end.add(account_id)
        return self.ask("the administrator", lambda to: to.reset_factors(account_id))

    def poll(self) -> Any:
        if self.world.processes:
            self.world.choices.one_of(self.world.processes).poll()


def kill(world: World) -> None:
    """Kill a process; another begins in its place."""
    world.kill(world.choices.one_of(world.processes))
    world.add_process()


def fail_over(world: World) -> None:
    """Replace the database by a standby that lacks the newest rotations."""
    if world.engine != "postgres":
        return
    world.cut_connections()
    database = world.database
    most = 0
    while most < min(3, len(database.commits)) and _is_rotation(database, -1 - most):
        most += 1
    count = world.choices.draw(most + 1)
    world.tell("The database fails over, and loses {} rotations.", count)
    if count:
        world.facts.losses += 1
        database.lose(count)


def _is_rotation(database: Any, place: int) -> bool:
    """Tell whether a commit has done nothing but go on with sessions."""
    ended = database.tables["session"].places["ended_at"]
    return all(
        key[0] == "audit"
        or (
            key[0] == "session"
            and change.old is not None
            and change.new is not None
            and change.old[ended] == change.new[ended]
        )
        for key, change in database.commits[place].items()
    )


def cut(world: World) -> None:
    """Lose the connections of one process to the database."""
    process = world.choices.one_of(world.processes)
    world.tell("Process {} loses its connections to the database.", process.number)
    process.store.end()


def step_clock(world: World) -> None:
    """Set the clock of a process by a few seconds."""
    process = world.choices.one_of(world.processes)
    seconds = world.choices.one_of((1.0, -1.0, 3.0, -3.0))
    world.tell("The clock of process {} is set by {:+g} seconds.", process.number, seconds)
    process.offset = max(-3.0, min(3.0, process.offset + seconds))
    process.most_ahead = max(process.most_ahead, process.offset)
    world.facts.clock_steps += 1
