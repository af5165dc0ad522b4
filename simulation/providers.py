"""Providers: who comes from one, connects one, disconnects it, and is signed out there.

What a provider says is taken as it comes: its tokens are checked by what speaks with it, which is
about HTTP. A sign-in and a logout are the steps of their pages, without the pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from carnet.errors import CarnetError
from carnet.server.factors.levels import AT_A_PROVIDER
from carnet.server.sessions.identity_rights import NO_RIGHTS
from carnet.server.sessions.session_record import Identified
from carnet.server.sessions.sessions import FIRST_PARTY, Grant, NewSession
from carnet.server.store import StoreUnavailable
from carnet.server.upstream.provider import Asserted
from carnet.server.web import session_begin
from carnet.server.web.password_sign_in import SignedIn
from simulation.ground import EVERYBODY, PROVIDER
from simulation.world import MICROSECONDS

if TYPE_CHECKING:
    from simulation.facts import Facts
    from simulation.people import People
    from simulation.process import Process

OVER: Final = "a session ends with that at the provider"
LINKED: Final = "a session that began with a provider has it"

INVARIANTS: Final = {
    OVER: "where its logout was answered, nobody who came with that session has one, or is given "
    "one any more, but for the session that has disconnected the provider",
    LINKED: "at the commit that begins it, the provider is connected with the account; and what "
    "began with it ends in the commit that disconnects it, but for the session that asks",
}
REMEMBERED: Final = 3600 * MICROSECONDS
ACCOUNT: Final = "SELECT account_id FROM account_identity WHERE issuer = ? AND subject = ?"
LIVING: Final = (
    "SELECT id FROM session WHERE account_id = ? AND identity_issuer = ? AND ended_at IS NULL"
)


class Upstream:
    """The providers of the settings, as far as somebody asks for them here."""

    def label_of(self, issuer: str) -> str:
        return "Provider" if issuer == PROVIDER else ""

    def external_id(self, said: Asserted) -> None:
        return None

    def by_issuer(self, issuer: str) -> None:
        return None


def arrive(people: People) -> Any:
    """Sign in with the provider."""
    return come(people, people.world.choices.one_of(EVERYBODY[::-1]))


def come(people: People, owner: str) -> Any:
    """Sign in with somebody's subject at the provider."""
    people.numbers += 1
    said = Asserted(PROVIDER, owner, {}, None, f"there {people.numbers}")
    if people.world.choices.draw(2):
        people.world.start(_log_out(people, said))
    return _arrive(people, owner, said)


async def _arrive(people: People, owner: str, said: Asserted) -> None:
    people.world.tell("{} comes from the provider.", owner.title())
    people.arrived.append(said)
    grant = await people.world.call(owner, lambda to: _arrived(to, said))
    if isinstance(grant, Grant):
        people.has_session(f"{owner}'s browser", FIRST_PARTY, grant)


async def _arrived(process: Process, said: Asserted) -> Grant | CarnetError | None:
    facts, origin = process.world.facts, process.origin
    try:
        account = await process.people.arrive(said, NO_RIGHTS, origin)
        if account is None:
            return None
        facts.of_task(version_read=account.version)
        identified = Identified(said.issuer, said.subject, said.session_id)
        signed_in = SignedIn(account, AT_A_PROVIDER, process.clock(), identified)
        new = NewSession(FIRST_PARTY, "default")
        grant = await session_begin.begin_session_of(process.service, signed_in, new, origin)
    except StoreUnavailable:
        raise
    except CarnetError as refused:
        return refused
    facts.granted(process, grant)
    facts.of_provider.setdefault(said.session_id or "", []).append(grant.session_id)
    _look_for_over(facts, said)
    return grant


def log_out(people: People) -> Any:
    """Let the provider say that a session there is over."""
    if not people.arrived:
        return None
    return _log_out(people, people.world.choices.one_of(people.arrived[::-1]))


async def _log_out(people: People, said: Asserted) -> None:
    people.world.tell("The provider ends {}'s session {}.", said.subject, said.session_id)
    people.world.facts.may_end.add(said.session_id or "")
    await people.ask("the provider", lambda to: _logged_out(to, said))


async def _logged_out(process: Process, said: Asserted) -> None:
    over = (session_begin.PROVIDER_SESSION_OVER, said.issuer, said.session_id or "")
    await process.used_once.first_use(*over, microseconds=REMEMBERED)
    await process.people.signed_out(said.issuer, None, said.session_id, process.origin)
    process.world.facts.over.add(said.session_id or "")
    _look_for_over(process.world.facts, said)


def _look_for_over(facts: Facts, said: Asserted) -> None:
    if said.session_id not in facts.over:
        return
    for session_id in facts.of_provider.get(said.session_id, []):
        row = facts.session(session_id)
        if row is None or row["ended_at"] is not None:
            continue
        has_disconnected = session_id in facts.kept and row["identity_issuer"] is None
        if not has_disconnected:
            facts.violate(OVER, f"session {session_id} lives")


def connect(people: People) -> Any:
    """Connect the provider with one's account."""
    device = people.device()
    if device is None:
        return None
    owner, session_id = device.owner, device.session_id
    people.world.tell("{} connects the provider.", device.name)
    return people.world.call(owner, lambda to: _connected(to, owner, session_id))


async def _connected(process: Process, owner: str, session_id: str) -> bool | CarnetError:
    try:
        account = await process.account_of(owner)
        process.world.facts.of_task(connects=session_id)
        said = Asserted(PROVIDER, owner, {})
        await process.people.connect(account, said, NO_RIGHTS, session_id, process.origin)
    except StoreUnavailable:
        raise
    except CarnetError as refused:
        return refused
    return True


def disconnect(people: People) -> Any:
    """Disconnect the provider, also while somebody comes from it."""
    device = people.device()
    if device is None:
        return None
    owner, session_id = device.owner, device.session_id
    account_id = people.world.ground.accounts[owner]
    people.world.tell("{} disconnects the provider.", device.name)
    people.world.facts.may_end.add((account_id, PROVIDER))
    people.world.facts.kept.add(session_id)
    if people.world.choices.draw(2):
        people.numbers += 1
        said = Asserted(PROVIDER, owner, {}, None, f"there {people.numbers}")
        people.world.start(_arrive(people, owner, said))
    return people.world.call(owner, lambda to: _disconnected(to, owner, account_id, session_id))


async def _disconnected(
    process: Process, owner: str, account_id: str, session_id: str
) -> bool | CarnetError:
    process.world.facts.of_task(keeps_a_way=account_id)
    try:
        about = account_id, PROVIDER, owner, session_id
        return await process.people.disconnect(*about, process.origin)
    except StoreUnavailable:
        raise
    except CarnetError as refused:
        return refused


def unlink(people: People) -> Any:
    """Have an administrator take the provider from an account."""
    owner, account_id = people.account()
    people.world.tell("An administrator takes the provider from {}.", owner.title())
    people.world.facts.may_end.add((account_id, PROVIDER))
    return people.ask(
        "the administrator",
        lambda to: to.identities.unlink(account_id, PROVIDER, owner, to.origin),
    )


def _session_begun(
    facts: Facts, key: str, old: Any, new: Any, _changes: Any, task: dict[str, Any]
) -> None:
    if old is not None or new is None or new["identity_issuer"] is None:
        return
    # Of an issuer whose assertions carry a session, it does not say by whose.
    about = new["identity_issuer"], new["identity_subject"] or task.get("subject")
    if facts.world.database.read(ACCOUNT, about) != [(new["account_id"],)]:
        facts.violate(LINKED, f"session {key} began without it")


def _identity_changed(
    facts: Facts, _: str, old: Any, new: Any, _changes: Any, task: dict[str, Any]
) -> None:
    if old is None and "connects" in task:
        asking = facts.session(task["connects"])
        if asking is None or asking["ended_at"] is not None:
            facts.violate(LINKED, "the session that has connected it had ended")
    if new is not None:
        return
    living = facts.world.database.read(LIVING, (old["account_id"], old["issuer"]))
    left = [one for (one,) in living if one not in facts.kept]
    if left:
        facts.violate(LINKED, f"session {left[0]} lives without it")


CHECKS: Final = {"session": _session_begun, "account_identity": _identity_changed}
