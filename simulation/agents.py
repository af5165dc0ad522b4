"""Programs that act for people: who exchanges tokens, who stops them, and what hangs on what.

Which program may exchange which token is a matter of the token endpoint and its settings; here a
program acts with the token of any person, or of another program that acts, where the chain does not
name it yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from carnet.server.sessions.agents import Subject
from carnet.server.sessions.sessions import Grant

if TYPE_CHECKING:
    from simulation.facts import Facts
    from simulation.people import People
    from simulation.process import Process

BELOW: Final = "what a program does ends with what it hangs on"
NOTHING_NEW: Final = "a program gets nothing from what has ended"
STOPPED: Final = "a program that was stopped does not begin anew"
SHOWN: Final = "people see all that a program may do"

INVARIANTS: Final = {
    BELOW: "in the commit that ends a session, each session of a program that was begun with its "
    "tokens ends, and so on down; none begins below one that has ended; and those of a token's "
    "session end where the token is revoked",
    NOTHING_NEW: "of a session that had ended, an account that had changed, or a token that was "
    "revoked when it asked",
    STOPPED: "with tokens of sessions that the person had signed in to before; and none that was "
    "there lives when the answer to the stop is given",
    SHOWN: "the row of its session names each scope that its tokens were given",
}

PROGRAMS: Final = ("orders", "billing", "ledger")
SCOPES: Final = ("read", "write", "delete", "read write")
PAUSES: Final = (0.5, 2.5, 8.0, 90.0)
MOST: Final = 4
"""How many of the newest tokens a program may have."""
LIVING_BELOW: Final = "SELECT id FROM session WHERE parent_id = ? AND ended_at IS NULL"
LIVING_OF: Final = (
    "SELECT id FROM session WHERE account_id = ? AND client_id = ? AND parent_id IS NOT NULL "
    "AND ended_at IS NULL"
)
STANDING: Final = (
    "SELECT account.version, session.ended_at FROM session JOIN account "
    "ON account.id = account_id WHERE session.id = ?"
)
REVOKED: Final = "SELECT 1 FROM revocation WHERE value = ? AND kind = 'jti'"


def exchange(people: People) -> Any:
    """Let a program exchange a token that it was handed."""
    facts = people.world.facts
    tokens = facts.tokens[-MOST:]
    if not tokens:
        return None
    token = people.world.choices.one_of(tokens[::-1])
    chain = _chain(facts, token["sid"])
    free = [one for one in PROGRAMS if one not in chain]
    if not free or token["exp"] <= people.world.unix():
        return None
    program, scope = people.world.choices.one_of(free), people.world.choices.one_of(SCOPES)
    for _ in range(people.world.choices.draw(2)):
        other = people.world.choices.one_of(SCOPES)
        people.world.start(_exchange(people, token, program, other))
    return _exchange(people, token, program, scope)


def stop(people: People) -> Any:
    """Stop a program, also while it exchanges another token of the same person's."""
    facts = people.world.facts
    name, account_id = people.account()
    program = people.world.choices.one_of(PROGRAMS)
    acting, above = [one for one in facts.tokens[-MOST:] if _chain(facts, one["sid"])], ""
    if acting:
        token = people.world.choices.one_of(acting[::-1])
        program, account_id = _chain(facts, token["sid"])[0], token["sub"]
        row = facts.session(token["sid"])
        above = "" if row is None else row["parent_id"]
    if people.world.choices.draw(2):
        own = [one for one in facts.tokens if one["sub"] == account_id and one["sid"] != above]
        free = [one for one in own if program not in _chain(facts, one["sid"])]
        if free:
            token = people.world.choices.one_of(free[::-1])
            people.world.start(_exchange(people, token, program, SCOPES[0]))
    people.world.tell("{} is stopped.", program.title())
    facts.may_end.add((account_id, program))
    return people.ask(name, lambda to: _stopped(to, account_id, program))


def revoke(people: People) -> Any:
    """Revoke one token of a person's."""
    facts = people.world.facts
    tokens = [one for one in facts.tokens[-MOST:] if not _chain(facts, one["sid"])]
    if not tokens:
        return None
    token = people.world.choices.one_of(tokens[::-1])
    people.world.tell("A token of session {} is revoked.", token["sid"])
    facts.tokens_revoked_of.add(token["sid"])
    return people.ask("the owner", lambda to: _revoked(to, token["jti"], token["sid"]))


def end(people: People) -> Any:
    """Have an administrator end what one program does with one session."""
    tokens = [one for one in people.world.facts.tokens if _chain(people.world.facts, one["sid"])]
    if not tokens:
        return None
    session_id = people.world.choices.one_of(tokens[-MOST:][::-1])["sid"]
    people.world.tell("An administrator ends session {}, of a program.", session_id)
    people.world.facts.may_end.add(session_id)
    return people.ask("the administrator", lambda to: to.end(session_id))


async def _exchange(people: People, token: dict[str, Any], program: str, scope: str) -> None:
    people.world.tell("The program {} exchanges a token of session {}.", program, token["sid"])
    await people.world.call(program, lambda to: _exchanged(to, token, program, scope))


async def _exchanged(
    process: Process, token: dict[str, Any], program: str, scope: str
) -> Grant | None:
    facts = process.world.facts
    [(version, ended_at)] = process.world.database.read(STANDING, (token["sid"],)) or [(0, 0)]
    is_over = version != token["sub_ver"] or ended_at is not None
    is_over = is_over or bool(process.world.database.read(REVOKED, (token["jti"],)))
    subject = Subject(token["jti"], token["sid"], token["sub"], token["sub_ver"])
    facts.of_task(version_read=token["sub_ver"])
    audience = f"what {program} needs"
    grant = await process.agents.act(subject, program, audience, scope, process.origin)
    if grant is None:
        return None
    if is_over:
        facts.violate(NOTHING_NEW, f"{program} has session {grant.session_id}")
    row = facts.session(grant.session_id)
    if row is not None and row["ended_at"] is None and not _covers(row["scope"], scope):
        facts.violate(SHOWN, f"{program} was given {scope}, and its session has {row['scope']}")
    facts.granted(process, grant)
    return grant


async def _stopped(process: Process, account_id: str, program: str) -> None:
    about = account_id, program
    before = {one for (one,) in process.world.database.read(LIVING_OF, about)}
    process.world.facts.of_task(stops=program)
    await process.agents.stop(account_id, program, process.origin)
    after = {one for (one,) in process.world.database.read(LIVING_OF, about)}
    if before & after:
        process.world.facts.violate(STOPPED, f"{program} goes on after the answer")


async def _revoked(process: Process, token_id: str, session_id: str) -> None:
    before = set(process.world.database.read(LIVING_BELOW, (session_id,)))
    await process.sessions.revoke_token(token_id, session_id, process.origin)
    if before & set(process.world.database.read(LIVING_BELOW, (session_id,))):
        process.world.facts.violate(BELOW, "a program of a revoked token goes on")


def may_end(facts: Facts, row: dict[str, Any]) -> bool:
    """Tell whether the session of a program may end as a part of something else."""
    parent = facts.session(row["parent_id"])
    is_over = parent is None or parent["ended_at"] is not None
    return is_over or row["parent_id"] in facts.tokens_revoked_of


def _covers(whole: str, part: str) -> bool:
    return set(part.split()) <= set(whole.split())


def _chain(facts: Facts, session_id: str) -> list[str]:
    """Give the programs through which a token has come."""
    found = []
    row = facts.session(session_id)
    while row is not None and row["parent_id"] is not None:
        found.append(row["client_id"])
        row = facts.session(row["parent_id"])
    return found


def _signed_in_at(facts: Facts, row: dict[str, Any]) -> int:
    """Give after how many commits the person had signed in whose session one hangs on."""
    above = row["parent_id"] or row["login_id"]
    while above is not None:
        found = facts.session(above)
        if found is None:
            return facts.version()
        row, above = found, found["parent_id"] or found["login_id"]
    return facts.begun_at.get(row["id"], 0)


def _session_changed(
    facts: Facts, key: str, old: Any, new: Any, _: Any, task: dict[str, Any]
) -> None:
    if new is None:
        return
    if old is None:
        facts.begun_at[key] = facts.version()
        if new["parent_id"] is not None:
            _begun(facts, new, task)
        return
    if old["ended_at"] is None and new["ended_at"] is not None:
        left = facts.world.database.read(LIVING_BELOW, (key,))
        if left:
            facts.violate(BELOW, f"session {left[0][0]} lives")
        if new["ended_reason"] == "stopped":
            # Whoever ends one session of a program stops it from then on, too; one that begins
            # elsewhere at the same moment may as well have begun before.
            stopped = facts.stopped if "stops" in task else facts.ended_programs
            stopped[new["account_id"], new["client_id"]] = facts.version()
    elif new["parent_id"] is not None and not _covers(new["scope"], old["scope"]):
        facts.violate(SHOWN, f"{old['scope']} became {new['scope']}")


def _begun(facts: Facts, new: dict[str, Any], task: dict[str, Any]) -> None:
    parent = facts.session(new["parent_id"])
    if parent is None or parent["ended_at"] is not None:
        facts.violate(BELOW, "it begins below one that has ended")
    about, signed_in = (new["account_id"], new["client_id"]), _signed_in_at(facts, new)
    ended = facts.ended_programs.get(about, -1)
    if facts.stopped.get(about, -1) >= signed_in or task.get("since", 0) >= ended >= signed_in:
        facts.violate(STOPPED, f"{new['client_id']} has session {new['id']}")


CHECKS: Final = {"session": _session_changed}
