"""What histories are about: who does what, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from simulation import (
    agents,
    assertions,
    grants,
    keys,
    lifecycle,
    mailboxes,
    merges,
    passkeys,
    people,
    providers,
    verifiers,
)
from simulation.people import People

__all__ = ["BEGINNINGS", "PAUSES", "UNFOLLOWED", "VERIFIERS", "about", "drawn", "names"]

# Each history has one subject, so that what belongs together comes together; the first has all.
ALL: Final = (
    (9, People.refresh),
    (6, People.refresh_in_tabs),
    (8, People.poll),
    (4, People.sign_in),
    (3, People.steal),
    (5, People.refresh_stolen),
    (2, People.sign_out),
    (2, People.end),
    (2, People.end_all),
    (2, People.disable),
    (2, People.enable),
    (2, People.set_roles),
    (2, People.set_password),
    (2, People.change_password),
    (3, People.sign_in_browser),
    (4, People.authorize),
    (6, People.exchange),
)
THEFT: Final = (
    (8, People.refresh),
    (4, People.refresh_in_tabs),
    (6, People.steal),
    (8, People.refresh_stolen),
    (1, People.end),
    (1, People.sign_out),
    (1, People.poll),
)
GRANTS: Final = (
    (9, People.exchange),
    (7, People.authorize),
    (5, People.sign_in_browser),
    (4, People.sign_out),
    (3, People.end),
    (2, People.end_all),
    (2, People.set_roles),
    (1, People.disable),
    (1, People.enable),
    (2, People.refresh),
)
ACCOUNTS: Final = (
    (8, People.sign_in),
    (5, People.change_password),
    (5, People.set_password),
    (4, People.disable),
    (4, People.enable),
    (5, People.end_all),
    (2, People.set_roles),
    (3, People.end),
    (3, People.sign_out),
    (3, People.refresh),
)
PASSWORDS: Final = (
    (8, People.change_password),
    (4, People.set_password),
    (4, People.end),
    (4, People.sign_out),
    (3, People.sign_in),
    (1, People.refresh),
)
FACTORS: Final = (
    (4, People.add_app),
    (6, People.use_app),
    (8, People.make_recovery_codes),
    (9, People.use_recovery_code),
    (4, People.reset_factors),
    (2, People.sign_in),
    (1, People.set_password),
    (1, People.set_roles),
)
FOLLOWED: Final = (
    (8, People.poll),
    (5, People.refresh),
    (5, People.sign_in),
    (6, People.end),
    (6, People.set_roles),
    (2, People.end_all),
)
CONSENTS: Final = (
    (9, People.exchange),
    (9, grants.let_in),
    (6, grants.take_back),
    (2, grants.withdraw),
    (2, People.refresh),
    (1, People.sign_in_browser),
    (1, People.end_all),
    (1, People.set_roles),
    (1, People.sign_out),
)
DEVICES: Final = (
    (14, grants.fetch),
    (9, grants.decide),
    (4, grants.ask_as_device),
    (4, People.set_roles),
    (3, People.end_all),
    (2, grants.withdraw),
    (1, People.sign_in_browser),
    (1, People.set_password),
    (1, People.disable),
    (1, People.enable),
)
LINKS: Final = (
    (9, lifecycle.use_link),
    (6, lifecycle.hand_over),
    (3, People.change_password),
    (2, People.set_password),
    (3, People.sign_in),
    (2, People.disable),
    (2, People.enable),
    (1, People.add_app),
    (1, People.make_recovery_codes),
    (1, People.refresh),
)
DELETIONS: Final = (
    (6, lifecycle.leave),
    (4, lifecycle.run_due),
    (3, lifecycle.come_back),
    (2, lifecycle.delete),
    (7, People.exchange),
    (6, People.authorize),
    (5, People.sign_in),
    (2, People.refresh),
    (2, People.sign_in_browser),
    (1, grants.let_in),
    (1, People.add_app),
    (1, People.set_password),
    (1, People.disable),
    (1, lifecycle.hand_over),
    (1, lifecycle.use_link),
)
KEYS: Final = (
    (8, keys.keep_up),
    (5, keys.wait),
    (1, keys.sign),
    (1, keys.fetch),
    (1, keys.rotate),
)
COMPROMISES: Final = (
    (8, keys.keep_up),
    (3, keys.wait),
    (3, keys.retire),
    (2, keys.begin_at_once),
    (2, keys.sign),
    (2, keys.fetch),
    (1, keys.rotate),
)
LEAVERS: Final = (
    (4, lifecycle.leave),
    (7, lifecycle.come_back),
    (2, lifecycle.run_due),
    (2, People.sign_in),
    (1, People.refresh),
)
AGENTS: Final = (
    (14, agents.exchange),
    (6, agents.stop),
    (2, agents.end),
    (6, People.sign_in),
    (2, People.end),
    (1, People.sign_out),
    (1, People.end_all),
    (2, agents.revoke),
    (3, People.refresh),
    (1, People.set_roles),
    (1, People.disable),
    (1, People.enable),
    (1, People.sign_in_browser),
    (2, People.authorize),
    (2, People.exchange),
)
PASSKEYS: Final = (
    (8, passkeys.use),
    (5, passkeys.register),
    (4, passkeys.remove_all),
    (3, passkeys.remove),
    (3, passkeys.copied),
    (2, providers.arrive),
    (1, providers.connect),
    (1, People.change_password),
    (1, People.reset_factors),
    (1, People.refresh),
    (1, People.disable),
    (1, People.enable),
)
PROVIDERS: Final = (
    (9, providers.arrive),
    (5, providers.log_out),
    (4, providers.connect),
    (5, providers.disconnect),
    (2, providers.unlink),
    (3, People.sign_in),
    (4, People.refresh),
    (1, People.end_all),
    (1, People.set_roles),
)
MAIL: Final = (
    (9, mailboxes.deliver),
    (9, mailboxes.read),
    (4, mailboxes.prove),
    (2, mailboxes.claim),
    (4, mailboxes.remove),
    (4, mailboxes.forget),
    (5, mailboxes.want_code),
    (2, People.set_password),
    (1, People.sign_in),
    (1, People.disable),
    (1, People.enable),
)
MERGES: Final = (
    (7, merges.merge),
    (4, merges.look),
    (3, merges.merge_at_once),
    (3, merges.rename),
    (4, merges.sign_in),
    (4, providers.arrive),
    (2, merges.link_provider),
    (3, mailboxes.prove),
    (2, mailboxes.claim),
    (1, mailboxes.remove),
    (3, mailboxes.deliver),
    (4, mailboxes.read),
    (1, mailboxes.forget),
    (1, mailboxes.want_code),
    (2, passkeys.register),
    (2, passkeys.use),
    (3, grants.let_in),
    (2, People.exchange),
    (2, People.refresh),
    (1, People.add_app),
    (1, People.set_password),
    (1, People.change_password),
    (1, People.enable),
    (1, lifecycle.leave),
    (1, lifecycle.come_back),
    (1, lifecycle.hand_over),
    (1, lifecycle.use_link),
)
RENAMES: Final = (
    (7, merges.rename),
    (7, merges.sign_in),
    (2, People.sign_in),
    (2, People.refresh),
    (1, People.set_password),
    (1, People.set_roles),
    (1, lifecycle.delete),
    (1, lifecycle.leave),
    (1, lifecycle.come_back),
    (1, merges.merge_at_once),
)
ASSERTIONS: Final = (
    (12, assertions.present),
    (4, assertions.link),
    (3, assertions.unlink),
    (3, assertions.link_another),
    (5, assertions.end),
    (2, assertions.end_all),
    (2, agents.stop),
    (2, agents.exchange),
    (1, agents.end),
    (2, People.disable),
    (2, People.enable),
    (1, People.set_roles),
    (1, merges.merge_at_once),
    (1, lifecycle.leave),
)
FRESHNESS: Final = (
    (8, verifiers.ask),
    (6, verifiers.wait),
    (8, People.poll),
    (5, People.end),
    (3, People.sign_in),
    (2, People.refresh),
    (2, People.set_roles),
    (1, People.end_all),
)
VERIFIER_FAULTS: Final = (
    (5, verifiers.step_clock),
    (2, people.step_clock),
    (2, people.cut),
    (2, people.kill),
)
FAULTS: Final = ((3, people.cut), (3, people.kill), (2, people.fail_over), (2, people.step_clock))
CLOCKS: Final = ((6, people.step_clock), (2, people.cut), (1, people.kill))
FAILOVERS: Final = ((6, people.fail_over), (1, people.cut), (1, people.kill))
ROTATIONS: Final = (
    (9, People.refresh),
    (5, People.refresh_in_tabs),
    (2, People.end),
    (2, People.steal),
    (3, People.refresh_stolen),
)

# The core of the service, with nothing else beside it, and with nobody who follows it: the shortest
# histories. Only whoever asks for them gets these.
SESSIONS: Final = (
    (9, People.refresh),
    (5, People.refresh_in_tabs),
    (2, People.steal),
    (4, People.refresh_stolen),
    (2, People.sign_in),
    (1, People.sign_out),
    (2, People.end),
    (1, People.end_all),
)
CORE_FAULTS: Final = (
    (3, people.cut),
    (3, people.kill),
    (3, people.fail_over),
    (1, people.step_clock),
)

BEGINNINGS: Final = {
    GRANTS: People.sign_in_browser,
    CONSENTS: People.sign_in_browser,
    DEVICES: People.sign_in_browser,
    FACTORS: People.add_app,
    LINKS: lifecycle.hand_over,
    DELETIONS: People.sign_in_browser,
    KEYS: keys.keep_up,
    COMPROMISES: keys.keep_up,
    PASSKEYS: passkeys.register,
    PROVIDERS: providers.arrive,
    MAIL: mailboxes.prove,
    MERGES: People.sign_in_browser,
    ASSERTIONS: assertions.link,
}
PAUSES: Final = {
    KEYS: keys.PAUSES,
    COMPROMISES: keys.HURRIED_PAUSES,
    AGENTS: agents.PAUSES,
    ASSERTIONS: assertions.PAUSES,
    FRESHNESS: verifiers.PAUSES,
}
"""Where others pass between what people do than elsewhere, in seconds."""

SUBJECTS: Final = (
    (3, (ALL, FAULTS)),
    (3, (THEFT, FAULTS)),
    (3, (GRANTS, FAULTS)),
    (3, (ACCOUNTS, FAULTS)),
    (2, (PASSWORDS, FAULTS)),
    (3, (FACTORS, FAULTS)),
    (4, (FOLLOWED, FAULTS)),
    (3, (ROTATIONS, FAILOVERS)),
    (4, (CONSENTS, FAULTS)),
    (3, (DEVICES, FAULTS)),
    (3, (LINKS, FAULTS)),
    (3, (DELETIONS, FAULTS)),
    (3, (KEYS, FAULTS)),
    (2, (COMPROMISES, FAULTS)),
    (2, (AGENTS, CLOCKS)),
    (1, (PASSKEYS, FAULTS)),
    (2, (PROVIDERS, FAULTS)),
    (2, (MAIL, FAULTS)),
    (1, (LEAVERS, FAULTS)),
    (2, (MERGES, FAULTS)),
    (1, (RENAMES, FAULTS)),
    (2, (ASSERTIONS, CLOCKS)),
    (2, (FRESHNESS, VERIFIER_FAULTS)),
)

ALONE: Final = ((1, (SESSIONS, CORE_FAULTS)),)
UNFOLLOWED: Final = frozenset((SESSIONS,))
"""In which no verifier follows the revocations."""

VERIFIERS: Final = {FRESHNESS: verifiers.Required}
"""Where whoever follows them is another one than elsewhere."""

_drawn: list[Any] = [[*SUBJECTS]]


def drawn() -> Any:
    """Give what a history may be about now, with the weight of each."""
    return _drawn[-1]


def names() -> list[str]:
    """Give the names of what histories can be held to."""
    every = [actions for _, (actions, _) in (*SUBJECTS, *ALONE)]
    return [name for name, value in globals().items() if any(value is one for one in every)]


@cache
def _held_to(name: str) -> Any:
    return [one for one in (*SUBJECTS, *ALONE) if one[1][0] is globals()[name]]


@contextmanager
def about(name: str) -> Iterator[None]:
    """Let histories be about one subject alone for a while; "" is for all."""
    before = len(_drawn)
    if name:
        _drawn.append(_held_to(name))
    try:
        yield
    finally:
        del _drawn[before:]
