"""Accounts that get another name, or become a part of another one, while their people go on.

An administrator looks at what a merge would do, and has it done some time later, as it was shown;
meanwhile people sign in, come from providers, use links, and change what would move. Names are
given away and taken again, also by somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from carnet.errors import CarnetError
from carnet.server.accounts.accounts import AccountRefused
from carnet.server.accounts.merging import Merge
from carnet.server.accounts.one_time_links import NOT_ME
from carnet.server.sessions.sessions import FIRST_PARTY, Grant
from carnet.server.store import StoreUnavailable
from simulation import grants, mailboxes, providers
from simulation.ground import EVERYBODY

if TYPE_CHECKING:
    from simulation.facts import Facts
    from simulation.people import People
    from simulation.process import Process

AS_SHOWN: Final = "a merge does what was shown"
GONE: Final = "nothing of an account that is merged is left"
OWN_KEYS: Final = "what lets into one account never lets into another"
STAYS: Final = "the account that stays is as it was"
RENAMED: Final = "an account that is renamed has the new name"
BY_NAME: Final = "nobody signs in by a name that the account does not have"

INVARIANTS: Final = {
    AS_SHOWN: "the identities, proved addresses and consents that move in its commit are those "
    "that were shown, with the names and the roles that were; and the owners of both may sign in",
    GONE: "in the commit that merges it, its row is gone or empty, as is everything that refers to "
    "it, but for sessions that have ended",
    OWN_KEYS: "no password, factor, recovery code, remembered browser, link, code or session "
    "changes its account",
    STAYS: "its row is not changed by the merge, no session of it ends, and none begins",
    RENAMED: "in the commit in which it is told so",
    BY_NAME: "at the commit that begins a session, the account has the name that was typed",
}

NAMES: Final = ("dora", "emil", *EVERYBODY)
"""What accounts are called, and what is typed."""
TABLES: Final = (
    *("account_identity", "authorization_code", "consent", "device_code", "email_address"),
    *("factor", "one_time_link", "recovery_code", "remembered_browser"),
)
LEFT: Final = " UNION ALL ".join(
    f"SELECT '{table}' FROM {table} WHERE account_id = ?" for table in TABLES
)
KEYS: Final = frozenset(TABLES) - {"account_identity", "consent", "email_address"}


def look(people: People) -> Any:
    """Have an administrator look at what a merge would do."""
    gone, into = _two(people)
    return _look(people, gone, into)


async def _look(people: People, gone: str, into: str) -> Merge | None:
    people.world.tell("An administrator looks at merging {} into {}.", gone, into)
    accounts = people.world.ground.accounts
    about = accounts[gone], accounts[into]
    shown = await people.ask("the administrator", lambda to: to.merges.preview(*about, to.origin))
    if isinstance(shown, Merge):
        people.shown.append(shown)
        return shown
    return None


def merge(people: People) -> Any:
    """Have an administrator merge what was shown, of late or of long ago."""
    if not people.shown:
        return look(people)
    shown = people.world.choices.one_of(people.shown[::-1])
    _meanwhile(people, shown)
    return _merge(people, shown)


def merge_at_once(people: People) -> Any:
    """Have an administrator look, and merge."""
    return _merge_at_once(people, *_two(people))


async def _merge_at_once(people: People, gone: str, into: str) -> None:
    shown = await _look(people, gone, into)
    if shown is not None:
        _meanwhile(people, shown)
        await _merge(people, shown)


async def _merge(people: People, shown: Merge) -> None:
    people.world.tell("An administrator merges {} into {}.", shown.username, shown.into_username)
    people.world.facts.may_end.add(shown.account)
    await people.ask("the administrator", lambda to: _merged(to, shown))


async def _merged(process: Process, shown: Merge) -> Merge:
    about = shown.account, shown.into
    process.world.facts.of_task(merges=shown, leaves=(shown.account, ""), deletes=shown.account)
    return await process.merges.merge(*about, shown.digest, process.origin)


def _two(people: People) -> tuple[str, str]:
    gone = people.world.choices.one_of(EVERYBODY)
    return gone, people.world.choices.one_of([one for one in EVERYBODY if one != gone])


def _meanwhile(people: People, shown: Merge) -> None:
    """Let somebody do something at the same moment with an account that is merged."""
    what = people.world.choices.one_of(MEANWHILE)
    if what is not None:
        account_id = people.world.choices.one_of((shown.account, shown.into))
        work = what(people, people.owner_of(account_id))
        if work is not None:
            people.world.start(work)


def _type(people: People, owner: str) -> Any:
    return _sign_in(people, people.usernames[owner], owner)


def _let_in(people: People, _: str) -> Any:
    return grants.let_in(people)


def _link_provider(people: People, owner: str) -> Any:
    """Have an administrator say whose account a subject of the provider's is."""
    account_id = people.world.ground.accounts[owner]
    subject = people.world.choices.one_of(EVERYBODY)
    people.world.tell("An administrator links {} of the provider to {}.", subject, owner)
    about = account_id, providers.PROVIDER, subject
    return people.ask("the administrator", lambda to: to.identities.link(*about, to.origin))


def _give_roles(people: People, owner: str) -> Any:
    account_id = people.world.ground.accounts[owner]
    people.world.tell("An administrator gives {} a role.", owner.title())
    return people.ask("the administrator", lambda to: to.set_roles(account_id, ("editor",)))


def _disable(people: People, owner: str) -> Any:
    account_id = people.world.ground.accounts[owner]
    people.world.tell("An administrator disables {}.", owner.title())
    people.world.facts.may_end.add(account_id)
    return people.ask("the administrator", lambda to: to.disable(account_id, True))


def _rename(people: People, owner: str) -> Any:
    return rename_to(people, owner, people.world.choices.one_of(NAMES))


MEANWHILE: Final[tuple[Callable[[People, str], Any] | None, ...]] = (
    *(None, None, providers.come, mailboxes.prove_of),
    *(_type, _let_in, _link_provider, _give_roles, _disable, _rename),
)


def link_provider(people: People) -> Any:
    """Have an administrator link a subject of the provider's with an account."""
    return _link_provider(people, people.world.choices.one_of(EVERYBODY))


def rename(people: People) -> Any:
    """Give an account another name, also while somebody signs in by the one that it has."""
    owner = people.world.choices.one_of(EVERYBODY)
    name = people.world.choices.one_of(NAMES)
    for _ in range(people.world.choices.draw(2)):
        people.world.start(_sign_in(people, people.usernames[owner], owner))
    if people.world.choices.draw(3) == 1:
        # Two want the same name at once.
        other = people.world.choices.one_of([one for one in EVERYBODY if one != owner])
        people.world.start(rename_to(people, other, name))
    return rename_to(people, owner, name)


async def rename_to(people: People, owner: str, name: str) -> None:
    """Give somebody's account another name."""
    people.world.tell("An administrator renames {} to {}.", owner.title(), name)
    account_id = people.world.ground.accounts[owner]
    answer = await people.ask("the administrator", lambda to: _renamed(to, account_id, name))
    if answer is True:
        people.usernames[owner] = name


async def _renamed(process: Process, account_id: str, name: str) -> bool | CarnetError:
    process.world.facts.of_task(renames=name)
    try:
        await process.mail.accounts.rename(account_id, name, process.origin)
    except StoreUnavailable:
        raise
    except AccountRefused as refused:
        return refused
    return True


def sign_in(people: People) -> Any:
    """Sign in by a name that an account has, or has had."""
    owner = people.world.choices.one_of(EVERYBODY)
    name = people.world.choices.one_of((people.usernames[owner], *NAMES))
    return _sign_in(people, name, owner)


async def _sign_in(people: People, name: str, owner: str) -> None:
    people.world.tell("{} signs in as {}.", owner.title(), name)
    password = people.passwords[owner]
    grant = await people.world.insist(owner, lambda to: to.sign_in(name, password, FIRST_PARTY))
    if isinstance(grant, Grant):
        people.has_session(f"{owner}'s device", FIRST_PARTY, grant)


def _session_changed(
    facts: Facts, _: str, old: Any, new: Any, _changes: Any, task: dict[str, Any]
) -> None:
    if old is not None or new is None or "typed" not in task:
        return
    row = facts.row("account", new["account_id"])
    if row is None or row["username"] != task["typed"]:
        facts.violate(BY_NAME, f"{task['typed']} was typed")


def _account_changed(
    facts: Facts, key: str, old: Any, new: Any, changes: Any, task: dict[str, Any]
) -> None:
    if new is not None and old != new and new["username"] != task.get("renames", new["username"]):
        facts.violate(RENAMED, f"it is called {new['username']}")
    shown: Merge | None = task.get("merges")
    if shown is None or old is None:
        return
    if key == shown.into:
        if new != old:
            facts.violate(STAYS, f"its row was changed: {_difference(old, new)}")
        _look_at_merge(facts, shown, old, changes)
    if old["disabled_at"] is not None or old["delete_at"] is not None:
        facts.violate(AS_SHOWN, f"{old['username']} is disabled, or to be deleted")


def _difference(old: dict[str, Any], new: dict[str, Any] | None) -> str:
    return ", ".join(name for name in old if new is None or old[name] != new[name])


def _look_at_merge(facts: Facts, shown: Merge, into: dict[str, Any], changes: Any) -> None:
    gone = facts.row("account", shown.account)
    if gone is not None and gone["delete_at"] != 0:
        facts.violate(GONE, f"{shown.username} is there")
    left = facts.world.database.read(LEFT, (shown.account,) * len(TABLES))
    if left:
        facts.violate(GONE, f"a row of {left[0][0]} is there")
    moved: dict[str, list[Any]] = {"account_identity": [], "consent": [], "email_address": []}
    for table, old, new in _rows(facts, changes):
        if new is None or new.get("account_id") != shown.into:
            continue
        is_notice = table == "one_time_link" and new["purpose"] == NOT_ME
        if table in KEYS and not is_notice:
            facts.violate(OWN_KEYS, f"a row of {table} was changed")
        if table == "session":
            facts.violate(STAYS, f"session {new['id']} was changed")
        if table in moved and (old is None or _is_new(table, old, new)):
            moved[table].append(_shown(table, new))
    became = {
        "identities": sorted(moved["account_identity"]),
        "emails": sorted(moved["email_address"]),
        "applications": sorted(set(moved["consent"])),
        "names": [_name_before(facts, shown.account, changes), into["username"]],
    }
    expected = {
        "identities": sorted(shown.identities),
        "emails": sorted(shown.emails),
        "applications": sorted(shown.applications),
        "names": [shown.username, shown.into_username],
    }
    for what, found in became.items():
        if found != expected[what]:
            facts.violate(AS_SHOWN, f"{what}: {found}, and {expected[what]} were shown")


def _is_new(table: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Tell whether a row that was there before has come to the account, or was only claimed."""
    if old["account_id"] != new["account_id"]:
        return True
    return table == "email_address" and old["verified_at"] is None


def _shown(table: str, row: dict[str, Any]) -> Any:
    if table == "account_identity":
        return row["issuer"], row["subject"]
    return row["client_id"] if table == "consent" else row["address"]


def _name_before(facts: Facts, account_id: str, changes: Any) -> str:
    change = changes.get(("account", account_id))
    row = None if change is None else facts.names("account", change.old)
    return "" if row is None else str(row["username"])


def _rows(facts: Facts, changes: Any) -> Iterator[tuple[str, Any, Any]]:
    for (table, *_), change in changes.items():
        yield table, facts.names(table, change.old), facts.names(table, change.new)


def _key_changed(facts: Facts, _: str, old: Any, new: Any, *_more: Any) -> None:
    if old is None or new is None:
        return
    # Nobody has decided about a device that has just asked.
    if old["account_id"] not in (None, new["account_id"]):
        facts.violate(OWN_KEYS, "its row has another account")


CHECKS: Final = {
    "session": _session_changed,
    "account": _account_changed,
    "factor": _key_changed,
    "one_time_link": _key_changed,
    "authorization_code": _key_changed,
    "device_code": _key_changed,
}
