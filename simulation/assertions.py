"""What other issuers assert of people (``jwt-bearer``): who presents it, and who lets it count.

An issuer signs people in, and asserts that to clients, with the moment or without it; how an
assertion is signed and read is about HTTP and keys, and is left out. Its clock is right, and those
of the processes may not be. A client presents an assertion once, or twice at the same moment, or
again after a while. Administrators link people and take that back, end what an issuer carries, and
all else that ends sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from carnet.errors import CarnetError
from carnet.jwt.claims import Claims
from carnet.server.clients.clients import Client, ClientMetadata, Secrets
from carnet.server.endpoints.token.grants import accept_identity_assertion
from carnet.server.sessions.session_record import ELSEWHERE
from carnet.server.sessions.sessions import Grant
from carnet.server.store import StoreUnavailable
from simulation.agents import PROGRAMS, SCOPES
from simulation.ground import EVERYBODY

if TYPE_CHECKING:
    from simulation.facts import Facts
    from simulation.people import People
    from simulation.process import Process

ONCE: Final = "an assertion is used once"
AS_LINKED: Final = "what an issuer asserts lets in whom it is linked to"
COMES_BACK: Final = "what has ended comes back with a later sign-in alone"

INVARIANTS: Final = {
    ONCE: "of all requests with it, one gets a token",
    AS_LINKED: "at the commit that begins a session the subject is linked to the account; and "
    "every token is for an account that it was linked to while it was asked for, of a session that "
    "had not ended before",
    COMES_BACK: "a sign-in there, or a link, that has carried a session which is over carries no "
    "other one; where a process's clock is behind, one that was not shown before the end may",
}

ISSUERS: Final = ("https://one.example.com", "https://two.example.com")
SUBJECTS: Final = ("ada", "ben")
LIFETIME: Final = 300
PAUSES: Final = (0.5, 2.5, 8.0, 90.0, 400.0)
CLIENTS: Final = {
    name: Client(name, Secrets(), ClientMetadata(identity_issuers=ISSUERS)) for name in PROGRAMS
}
LINKED: Final = "SELECT account_id FROM account_identity WHERE issuer = ? AND subject = ?"
CARRIED: Final = (
    "SELECT id FROM session WHERE client_id = 'carnet:elsewhere' AND ended_at IS NULL "
    "ORDER BY created_at DESC, id"
)


class SignIn(NamedTuple):
    """A sign-in at an issuer.

    Attributes:
        issuer: where.
        subject: who, as it says.
        at: the true second of it; None where it does not say.
    """

    issuer: str
    subject: str
    at: int | None


class Assertion(NamedTuple):
    """What an issuer asserts to a client.

    Attributes:
        sign_in: of whom, and when they signed in.
        number: its own.
        client: the client's name.
        at: when it was made, in seconds since 1970.
    """

    sign_in: SignIn
    number: int
    client: str
    at: int


def link(people: People) -> Any:
    """Have an administrator say whose account a subject is."""
    issuer, subject = _whom(people)
    owner = people.world.choices.one_of(EVERYBODY)
    return _link(people, issuer, subject, owner)


def _link(people: People, issuer: str, subject: str, owner: str) -> Any:
    people.world.tell("An administrator links {} of {} to {}.", subject, issuer, owner.title())
    about = people.world.ground.accounts[owner], issuer, subject
    return people.ask("the administrator", lambda to: to.identities.link(*about, to.origin))


def unlink(people: People) -> Any:
    """Have an administrator take that back, also while somebody comes."""
    found = _linked(people)
    if found is None:
        return None
    issuer, subject, account_id = found
    if people.world.choices.draw(2):
        people.world.start(_present(people, _assertion(people, _sign_in(people, issuer, subject))))
    return _unlink(people, issuer, subject, account_id)


async def _unlink(people: People, issuer: str, subject: str, account_id: str) -> None:
    people.world.tell("An administrator unlinks {} of {}.", subject, issuer)
    people.world.facts.may_end.add((account_id, issuer))
    about = account_id, issuer, subject
    await people.ask("the administrator", lambda to: to.identities.unlink(*about, to.origin))


def link_another(people: People) -> Any:
    """Have an administrator give a subject to another account, while it is presented."""
    found = _linked(people)
    if found is None:
        return None
    issuer, subject, account_id = found
    owner = people.owner_of(account_id)
    other = people.world.choices.one_of([one for one in EVERYBODY if one != owner])
    people.world.start(_present(people, _assertion(people, _sign_in(people, issuer, subject))))
    return _link_another(people, issuer, subject, account_id, other)


async def _link_another(
    people: People, issuer: str, subject: str, account_id: str, other: str
) -> None:
    await _unlink(people, issuer, subject, account_id)
    await _link(people, issuer, subject, other)


def present(people: People) -> Any:
    """Present an assertion: a new one, mostly, or one of before, or one twice."""
    if people.assertions and people.world.choices.draw(4) == 1:
        return _present(people, people.world.choices.one_of(people.assertions[:-4:-1]))
    found = _linked(people)
    issuer, subject = _whom(people) if found is None else found[:2]
    assertion = _assertion(people, _sign_in(people, issuer, subject))
    for _ in range(people.world.choices.draw(2)):
        people.world.start(_present(people, assertion))
    return _present(people, assertion)


def end(people: People) -> Any:
    """Have an administrator end what an issuer's assertions carry."""
    rows = people.world.database.read(CARRIED, ())
    if not rows:
        return None
    [session_id] = people.world.choices.one_of(rows)
    people.world.tell("An administrator ends session {}, which an issuer carries.", session_id)
    people.world.facts.may_end.add(session_id)
    return people.ask("the administrator", lambda to: to.end(session_id))


def end_all(people: People) -> Any:
    """Have an administrator end all sessions of an account."""
    account_id = people.world.ground.accounts[people.world.choices.one_of(EVERYBODY)]
    people.world.tell("An administrator ends all sessions of {}.", people.owner_of(account_id))
    people.world.facts.may_end.add(account_id)
    return people.ask("the administrator", lambda to: to.end_all(account_id, ""))


def _whom(people: People) -> tuple[str, str]:
    return people.world.choices.one_of(ISSUERS), people.world.choices.one_of(SUBJECTS)


def _linked(people: People) -> tuple[str, str, str] | None:
    sql = "SELECT issuer, subject, account_id FROM account_identity WHERE issuer IN (?, ?)"
    rows = people.world.database.read(f"{sql} ORDER BY created_at DESC, issuer, subject", ISSUERS)
    found: tuple[str, str, str] | None = people.world.choices.one_of(rows) if rows else None
    return found


def _sign_in(people: People, issuer: str, subject: str) -> SignIn:
    """Let somebody sign in at an issuer, or be signed in there since some time ago."""
    how = people.world.choices.draw(4)
    if how == 0:
        return SignIn(issuer, subject, None)
    known = [one for one in people.signed_in if one[:2] == (issuer, subject)]
    if how < 3 and known:
        return people.world.choices.one_of(known[::-1])
    new = SignIn(issuer, subject, int(people.world.unix()))
    people.signed_in.append(new)
    return new


def _assertion(people: People, sign_in: SignIn) -> Assertion:
    people.numbers += 1
    client = people.world.choices.one_of(PROGRAMS)
    made = Assertion(sign_in, people.numbers, client, int(people.world.unix()))
    people.assertions.append(made)
    return made


async def _present(people: People, assertion: Assertion) -> None:
    sign_in, client = assertion.sign_in, assertion.client
    since = "" if sign_in.at is None else f", signed in at {sign_in.at}"
    people.world.tell(
        "The client {} presents assertion {} of {} at {}{}.",
        *(client, assertion.number, sign_in.subject, sign_in.issuer, since),
    )
    await people.world.call(client, lambda to: _presented(to, people, assertion))


async def _presented(
    process: Process, people: People, assertion: Assertion
) -> Grant | Exception | None:
    facts, sign_in, since = process.world.facts, assertion.sign_in, process.world.facts.version()
    if process.clock() // 1_000_000 > assertion.at + LIFETIME:
        return None
    scope = people.world.choices.one_of(SCOPES)
    said = {
        "iss": sign_in.issuer,
        "sub": sign_in.subject,
        "jti": f"assertion {assertion.number}",
        "iat": assertion.at,
        "exp": assertion.at + LIFETIME,
    }
    claims = Claims(said if sign_in.at is None else {**said, "auth_time": sign_in.at})
    facts.of_task(subject=sign_in.subject, asserts=sign_in)
    about = CLIENTS[assertion.client], claims, f"what {assertion.client} needs", scope
    before = process.world.database.read(LINKED, sign_in[:2])
    try:
        grant = await accept_identity_assertion._use(process.service, *about, process.origin)
    except StoreUnavailable:
        raise
    except (CarnetError, accept_identity_assertion._Refused) as refused:
        return refused
    linked = {one for (one,) in before}
    linked |= {one for at, one in facts.linked.get(sign_in[:2], []) if at > since}
    if grant.account_id not in linked:
        facts.violate(AS_LINKED, f"the token is {people.owner_of(grant.account_id)}'s")
    if facts.over_at.get(grant.session_id, since + 1) <= since:
        facts.violate(AS_LINKED, f"session {grant.session_id} had ended before")
    if assertion.number in facts.asserted:
        facts.violate(ONCE, f"assertion {assertion.number} was used before")
    facts.asserted.add(assertion.number)
    row, link = facts.session(grant.session_id), facts.row("account_identity", *sign_in[:2])
    # Without a moment the link counts, and there may be another one by now.
    is_known = sign_in.at is not None or not any(
        at > since for at, _ in facts.linked.get(sign_in[:2], [])
    )
    if row is not None and link is not None and is_known:
        known = facts.carrying.setdefault((grant.account_id, row["parent_id"]), set())
        known.add(_carried_by(sign_in, link["created_at"]))
    facts.granted(process, grant)
    return grant


def _carried_by(sign_in: SignIn, linked_at: int) -> tuple[Any, ...]:
    """Give what stands for a sign-in: its moment, or else that of the link by which it counts."""
    return sign_in if sign_in.at is not None else (*sign_in, linked_at)


def _identity_changed(facts: Facts, _: str, old: Any, new: Any, *_more: Any) -> None:
    row = old if new is None else new
    if row["issuer"] in ISSUERS and (new is None or old is None or old != new):
        account_id = "" if new is None else new["account_id"]
        known = facts.linked.setdefault((row["issuer"], row["subject"]), [])
        known.append((facts.version(), account_id))


def _session_changed(
    facts: Facts, key: str, old: Any, new: Any, _changes: Any, task: dict[str, Any]
) -> None:
    if new is None or (new["client_id"] != ELSEWHERE and new["parent_id"] is None):
        return
    if new["ended_at"] is not None:
        facts.over_at.setdefault(key, facts.version())
    if new["client_id"] != ELSEWHERE or "asserts" not in task:
        return
    by = _carried_by(task["asserts"], new["authenticated_at"])
    known = facts.carrying.setdefault((new["account_id"], key), set())
    if old is None:
        for (account_id, other), signed_in in facts.carrying.items():
            if by in signed_in and other != key and account_id == new["account_id"]:
                facts.violate(COMES_BACK, f"session {other} has ended, and {key} begins with it")
    elif old["authenticated_at"] != new["authenticated_at"] and by not in known:
        # Whoever was stopped before may begin anew.
        facts.begun_at[key] = facts.version()
    known.add(by)


CHECKS: Final = {"account_identity": _identity_changed, "session": _session_changed}
