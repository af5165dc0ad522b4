"""Mail: addresses that are claimed and proved, and what is sent to them: links, codes and notices.

Everybody has the same mailbox. A mail is in it once a process has taken it from the queue: what
happens between that and its arrival is about SMTP.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from carnet.errors import CarnetError
from carnet.server.accounts.mailed_codes import CODE_WANTED
from carnet.server.accounts.one_time_links import CODE, NOT_ME, RESET, VERIFY, _hash
from carnet.server.accounts.recovery import FORGOTTEN
from carnet.server.sessions.sessions import FIRST_PARTY, Grant, NewSession
from carnet.server.store import StoreUnavailable
from carnet.server.store import statements as sql
from simulation.ground import EVERYBODY, PASSWORD
from simulation.world import MICROSECONDS

if TYPE_CHECKING:
    from simulation.facts import Facts
    from simulation.people import People
    from simulation.process import Process

MAILED_TO: Final = "a mailed link or code works only while its address is the account's"
CODE_BEFORE: Final = "a mailed code is good only for the account as it was when it was taken"
PROVED_BY: Final = "an address is proved by what was sent to it"
ONE_FIRST: Final = "exactly one of the proved addresses of an account is the first"

INVARIANTS: Final = {
    MAILED_TO: "at the commit that uses a link or a code which was sent to it, the account has "
    "proved that address",
    CODE_BEFORE: "no session begins with a code that was taken before another password was set or "
    "the account disabled",
    PROVED_BY: "in the commit that proves it, a link or a code is used that was sent there, "
    "be it a notice's",
    ONE_FIRST: "and none that is not proved is",
}
ADDRESSES: Final = ("a@example.com", "b@example.com")
LEASE: Final = 600 * MICROSECONDS
OF_ACCOUNT: Final = "SELECT verified_at, is_primary FROM email_address WHERE account_id = ?"
PROVED: Final = (
    "SELECT 1 FROM email_address WHERE account_id = ? AND normalized = ? "
    "AND verified_at IS NOT NULL"
)


class Mail(NamedTuple):
    """A mail in the mailbox, and whose account its link is for; "" where that is gone."""

    template: str
    to: str
    values: dict[str, str]
    account_id: str


def claim(people: People) -> Any:
    """Add an address to an account."""
    name, account_id = people.account()
    address = people.world.choices.one_of(ADDRESSES)
    people.world.tell("{} claims {}.", name.title(), address)
    return _ask(
        people, name, lambda to: to.mail.addresses.add(account_id, name, address, to.origin)
    )


def prove(people: People) -> Any:
    """Have an administrator say that an address is an account's."""
    return prove_of(people, people.account()[0])


def prove_of(people: People, name: str) -> Any:
    """Have an administrator say that an address is somebody's."""
    account_id = people.world.ground.accounts[name]
    address = people.world.choices.one_of(ADDRESSES)
    people.world.tell("An administrator gives {} {}.", name.title(), address)
    return _ask(people, "the administrator", lambda to: _proved(to, account_id, address))


async def _proved(process: Process, account_id: str, address: str) -> None:
    process.world.facts.of_task(proves=address)
    await process.mail.addresses.add_verified(account_id, address, process.origin)


def remove(people: People) -> Any:
    """Take an address from an account."""
    name, account_id = people.account()
    address = people.world.choices.one_of(ADDRESSES)
    people.world.tell("{} removes {}.", name.title(), address)
    return _ask(people, name, lambda to: to.mail.addresses.remove(account_id, address, to.origin))


def forget(people: People) -> Any:
    """Ask for a link that sets another password, by a name or an address."""
    typed = people.world.choices.one_of(("alice", *ADDRESSES))
    people.world.tell("Somebody has forgotten the password of {}.", typed)
    return _ask(people, "somebody", lambda to: to.mail.recovery.ask(typed, to.origin))


def want_code(people: People) -> Any:
    """Ask for a code instead of a password."""
    typed = people.world.choices.one_of(("alice", *ADDRESSES))
    people.numbers += 1
    page = f"page {people.numbers}"
    people.pages.append(page)
    people.world.tell("Somebody wants a code for {}.", typed)
    return _ask(people, "somebody", lambda to: to.mail.mailed_codes.ask(typed, page, to.origin))


def deliver(people: People) -> Any:
    """Let a process look at the wishes and send the mails that wait."""
    if people.world.processes:
        process = people.world.choices.one_of(people.world.processes)
        people.world.tell("Process {} sends mails.", process.number)
        process.work(lambda: _delivered(process, people))


async def _delivered(process: Process, people: People) -> None:
    parts = process.mail
    while rows := await _leased(process):
        for row in rows:
            letter = parts.outbox.read(row.id, row.content)
            if letter.template == FORGOTTEN:
                await parts.recovery.answer(row.id, letter)
            elif letter.template == CODE_WANTED:
                await parts.mailed_codes.answer(row.id, letter)
            else:
                about = letter.template, letter.to, letter.values
                people.mails.append(Mail(*about, _account_of(process, letter.values)))
                await process.store.write(sql.REMOVE_MAIL, row.id)


def _account_of(process: Process, values: dict[str, str]) -> str:
    """Give for whom the link of a mail is: a name may be somebody else's by now."""
    if "link" not in values:
        return ""
    row = process.world.facts.row("one_time_link", _hash(_secret(values)))
    return "" if row is None else str(row["account_id"])


def _secret(values: dict[str, str]) -> str:
    [secret] = parse_qs(urlsplit(values["link"]).query)["secret"]
    return secret


async def _leased(process: Process) -> list[sql.MailRow]:
    now = process.clock()
    rows = await process.store.write(sql.LEASE_MAILS, now + LEASE, now, 10)
    return [sql.MailRow(*row) for row in rows]


def read(people: People) -> Any:
    """Do what a mail is for."""
    if not people.mails:
        return None
    # There are many notices, and mostly nobody does what they offer.
    others = [one for one in people.mails if one.template != "notice"]
    mails = others if others and people.world.choices.one_of((True, True, False)) else people.mails
    mail = people.world.choices.one_of(mails[:-4:-1])
    people.world.tell("Somebody reads a mail: {}.", mail.template)
    if mail.template == CODE:
        page = people.world.choices.one_of(people.pages[::-1])
        return _sign_in(people, page, mail.values["code"])
    secret, account_id = _secret(mail.values), mail.account_id
    # Where the account is gone, it lets nobody in, whoever tries.
    name = people.owner_of(account_id) if account_id else EVERYBODY[0]
    account_id = people.world.ground.accounts[name]
    if mail.template == RESET:
        people.numbers += 1
        new = f"{PASSWORD} {people.numbers}"
        people.world.facts.may_end.add(account_id)
        return _reset(people, name, secret, new)
    if mail.template == "notice":
        if people.world.choices.one_of((True, True, False)):
            return None
        people.world.facts.may_end.add(account_id)
        return _ask(people, name, lambda to: _disowned(to, account_id, secret))
    if people.world.choices.one_of((True, False)):
        return _ask(people, name, lambda to: to.mail.recovery.verify(secret, to.origin))
    about = account_id, mail.to, mail.values["code"]
    return _ask(people, name, lambda to: to.mail.addresses.confirm(*about, to.origin))


async def _ask(
    people: People, who: str, handle: Callable[[Process], Coroutine[Any, Any, Any]]
) -> Any:
    """Ask for something; a refusal is an answer."""

    async def handled(process: Process) -> Any:
        try:
            return await handle(process)
        except StoreUnavailable:
            raise
        except CarnetError as refused:
            return refused

    return await people.world.insist(who, handled)


async def _disowned(process: Process, account_id: str, secret: str) -> str | None:
    process.world.facts.of_task(leaves=(account_id, ""), resets=account_id)
    return await process.mail.recovery.disown(secret, process.origin)


async def _reset(people: People, name: str, secret: str, new: str) -> None:
    account_id = people.world.ground.accounts[name]

    async def used(process: Process) -> bool:
        process.world.facts.of_task(leaves=(account_id, ""), resets=account_id)
        await process.mail.recovery.set_password(RESET, secret, new, process.origin)
        return True

    if await _ask(people, name, used) is True:
        people.passwords[name] = new


async def _sign_in(people: People, page: str, code: str) -> None:
    grant = await _ask(people, "somebody", lambda to: _signed_in(to, page, code))
    if isinstance(grant, Grant):
        people.has_session("somebody", FIRST_PARTY, grant)


async def _signed_in(process: Process, page: str, code: str) -> Grant | None:
    facts = process.world.facts
    facts.of_task(code_taken=facts.version())
    account = await process.mail.mailed_codes.take(page, code)
    facts.of_task(code_taken=facts.version())
    if account is None or account.disabled:
        return None
    facts.of_task(version_read=account.version)
    new = NewSession(FIRST_PARTY, "default")
    grant: Grant | None = await process.sessions.begin(account, new, process.origin)
    if grant is not None:
        facts.granted(process, grant)
    return grant


def _link_used(facts: Facts, _: str, old: Any, new: Any, *_more: Any) -> None:
    if old is None or new is None or old["used_at"] is not None or new["used_at"] is None:
        return
    about = new["account_id"], new["address"]
    lets_in = new["purpose"] in (RESET, CODE) and new["address"]
    if lets_in and not facts.world.database.read(PROVED, about):
        facts.violate(MAILED_TO, f"{new['purpose']} was sent to {new['address']}")


def _address_changed(
    facts: Facts, _: str, old: Any, new: Any, changes: Any, task: dict[str, Any]
) -> None:
    row = old if new is None else new
    rows = facts.world.database.read(OF_ACCOUNT, (row["account_id"],))
    first = [proved for proved, is_first in rows if is_first]
    if len(first) != any(proved is not None for proved, _ in rows) or None in first:
        facts.violate(ONE_FIRST, f"{len(first)} of {len(rows)}")
    proved = old is not None and new is not None and old["verified_at"] is None
    if not proved or new["verified_at"] is None or old["account_id"] != new["account_id"]:
        return
    used = facts.used_links(changes)
    # What moves in a merge was proved before, and was shown.
    if "proves" in task or "merges" in task:
        return
    if not any(
        link["address"] == new["normalized"] and link["purpose"] in (VERIFY, NOT_ME)
        for link in used
    ):
        facts.violate(PROVED_BY, f"nothing was used that was sent to {new['normalized']}")


def _session_begun(
    facts: Facts, _: str, old: Any, new: Any, _changes: Any, task: dict[str, Any]
) -> None:
    if old is not None or new is None or "code_taken" not in task:
        return
    over = facts.links_over.get(new["account_id"], [])
    if any(changed > task["code_taken"] for _, changed in over):
        facts.violate(CODE_BEFORE, "the code was taken before")


CHECKS: Final = {
    "one_time_link": _link_used,
    "email_address": _address_changed,
    "session": _session_begun,
}
