"""Links that set a password, accounts that are deleted, and keys that rotate.

What people do is in the functions that take `People`, what a process does for it in those that take
a `Process`, and what must hold in `CHECKS`, for the tables that this is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from carnet.errors import CarnetError
from carnet.server.accounts.one_time_links import INVITE, NOT_ME, RECOVER, RESET
from carnet.server.accounts.recovery import Handed
from carnet.server.sessions.sessions import FIRST_PARTY
from carnet.server.store import StoreUnavailable
from simulation.ground import PASSWORD, SETTINGS

if TYPE_CHECKING:
    from simulation.facts import Facts
    from simulation.people import Device, Link, People
    from simulation.process import Process

KEPT: Final = "an account that is kept is there"
LINK_ONCE: Final = "a link does one thing once"

INVARIANTS: Final = {
    LINK_ONCE: "it sets one password, and nothing after another password was set or the account "
    "was disabled since it was made",
    KEPT: "what is deleted by itself is an account whose owner wants it at that moment",
}
NEVER: Final = {
    "who leaves is signed out": (
        "an account that is to be deleted, or is gone, has no session",
        "SELECT session.id FROM session LEFT JOIN account ON account.id = account_id "
        "WHERE ended_at IS NULL AND (account.id IS NULL OR delete_at IS NOT NULL)",
    ),
}
PURPOSES: Final = (RESET, RECOVER, INVITE)


def hand_over(people: People) -> Any:
    """Ask an administrator for a link that sets a password."""
    name, account_id = people.account()
    purpose = people.world.choices.one_of(PURPOSES)
    return _hand_over(people, name, account_id, purpose)


async def _hand_over(people: People, name: str, account_id: str, purpose: str) -> None:
    from simulation.people import Link

    people.world.tell("An administrator gives {} a link: {}.", name, purpose)
    handed = await people.world.call(
        "the administrator", lambda to: to.recovery.hand_over(account_id, purpose, to.origin)
    )
    if isinstance(handed, Handed):
        [secret] = parse_qs(urlsplit(handed.link).query)["secret"]
        people.links.append(Link(purpose, secret, name))


def use_link(people: People) -> Any:
    """Use a link, of late or of long ago."""
    if not people.links:
        return None
    link = people.world.choices.one_of(people.links[::-1])
    people.numbers += 1
    people.world.facts.may_end.add(people.world.ground.accounts[link.owner])
    return _use_link(people, link, f"{PASSWORD} {people.numbers}")


async def _use_link(people: People, link: Link, new: str) -> None:
    people.world.tell("{} uses a link: {}.", link.owner.title(), link.purpose)
    answer = await people.world.call(link.owner, lambda to: _used(to, link, new))
    if answer is True:
        people.passwords[link.owner] = new


async def _used(process: Process, link: Link, new: str) -> bool | CarnetError:
    account_id = process.world.ground.accounts[link.owner]
    process.world.facts.of_task(leaves=(account_id, ""), resets=account_id)
    try:
        await process.recovery.set_password(link.purpose, link.secret, new, process.origin)
    except StoreUnavailable:
        raise
    except CarnetError as refused:
        return refused
    return True


def leave(people: People) -> Any:
    """Have one's account deleted after a while."""
    device = people.device()
    if device is None:
        return None
    people.world.tell("{} wants the account to be deleted.", device.name)
    people.world.facts.may_end.add(people.world.ground.accounts[device.owner])
    return people.world.call(device.name, lambda to: _left(to, device))


async def _left(process: Process, device: Device) -> int | CarnetError:
    try:
        account = await process.account_of(device.owner)
        process.world.facts.of_task(leaves=(account.id, ""))
        return await process.deletions.ask(account, device.session_id, process.origin)
    except StoreUnavailable:
        raise
    except CarnetError as refused:
        return refused


def delete(people: People) -> Any:
    """Delete an account at once."""
    name, account_id = people.account()
    people.world.tell("An administrator deletes {}.", name)
    people.world.facts.may_end.add(account_id)
    return people.ask("the administrator", lambda to: _deleted(to, account_id))


async def _deleted(process: Process, account_id: str) -> bool:
    process.world.facts.of_task(leaves=(account_id, ""), deletes=account_id)
    return await process.deletions.delete(account_id, process.origin)


def run_due(people: People) -> Any:
    """Let a process delete what is due."""
    if people.world.processes:
        process = people.world.choices.one_of(people.world.processes)
        people.world.tell("Process {} deletes what is due.", process.number)
        process.work(process.deletions.run_due)


def come_back(people: People) -> Any:
    """Have the account kept, or sign in again, at the moment at which it is to be deleted."""
    if not people.world.honest:
        people.world.pass_time(SETTINGS.account_deletion_pause)
    run_due(people)
    name, account_id = people.account()
    if people.world.choices.one_of((True, False)):
        people.world.tell("An administrator keeps {}.", name)
        return people.ask("the administrator", lambda to: to.deletions.keep(account_id, to.origin))
    username, password = people.usernames[name], people.passwords[name]
    people.world.tell("{} comes back.", name.title())
    return people.world.call(name, lambda to: to.sign_in(username, password, FIRST_PARTY))


def _link_changed(facts: Facts, key: str, old: Any, new: Any, *_more: Any) -> None:
    now = facts.version()
    if new is None:
        return
    if old is None:
        facts.links[key] = now
    elif old["used_at"] is not None and new["used_at"] != old["used_at"]:
        facts.violate(LINK_ONCE, "it was used twice")
    elif old["used_at"] is None and new["used_at"] is not None:
        made = facts.links.get(key, 0)
        over = facts.links_over.get(new["account_id"], [])
        # One that was made at the same moment may as well have been made after it.
        if new["purpose"] != NOT_ME and any(
            made <= asked and changed < now for asked, changed in over
        ):
            facts.violate(LINK_ONCE, "another password was set, or the account disabled, before")


def _account_changed(
    facts: Facts, key: str, old: Any, new: Any, _: Any, task: dict[str, Any]
) -> None:
    if old is None:
        return
    # Its row goes with it, or as soon as clients have been told.
    is_gone = new is None or new["delete_at"] == 0
    if is_gone and old["delete_at"] is None and "deletes" not in task:
        facts.violate(KEPT, "it was deleted, and nobody wanted that any more")
    if new is None:
        return
    asked = task.get("since", 0)
    disabled = old["disabled_at"] is None and new["disabled_at"] is not None
    if disabled or old["password_hash"] != new["password_hash"]:
        facts.links_over.setdefault(key, []).append((asked, facts.version()))


CHECKS: Final = {"one_time_link": _link_changed, "account": _account_changed}
