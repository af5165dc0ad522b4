"""What must hold, and what has to be known to tell.

Each check has the name of what must hold and a sentence. Those of commits look at every row that
was changed, in the commit that has changed it; those of answers at what a process answers, beside
what was committed when it was asked; those of verifiers at each event that one takes in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from carnet.errors import InvalidToken
from carnet.server.oauth.authorization_codes import _hash as hash_of_code
from carnet.server.sessions.refresh_token import RefreshToken, parse
from carnet.server.sessions.sessions import Grant, RefreshRefused
from simulation import (
    agents,
    assertions,
    grants,
    keys,
    lifecycle,
    mailboxes,
    merges,
    passkeys,
    providers,
    verifiers,
)
from simulation.database import Change, Key
from simulation.ground import SETTINGS
from simulation.world import MICROSECONDS, World

if TYPE_CHECKING:
    from simulation.process import Process
    from simulation.verifiers import Verifier

ONE_SUCCESSOR: Final = "one successor a generation"
ENDED_STAYS: Final = "an ended session stays ended"
NOT_SIGNED_OUT: Final = "nobody is signed out who did nothing wrong"
REUSE_ENDS: Final = "a token that was used before ends its session"
THIEF_GONE: Final = "a thief does not stay"
REVOKED_WITH: Final = "what ends is revoked in the same commit"
AS_IT_IS: Final = "a session begins for the account as it is"
ALL_END: Final = "ending everything leaves nothing"
RESET_WINS: Final = "a reset wins over what is in flight"
NO_GAPS: Final = "revocations are numbered without gaps, in the order of the commits"
ONCE: Final = "a code is used once"
TYPED_ONCE: Final = "a code that somebody types is used once"
FACTOR_AS_IT_IS: Final = "a factor is added to the account as it is"
NEWEST: Final = "a new token tells what is true of the account"
KNOWN: Final = "a verifier knows what it says that it knows"
ALL_HEAR: Final = "every verifier hears of every revocation"
ANSWERED: Final = "every request is answered"
SILENCE: Final = "nothing dies in silence"

INVARIANTS: Final = {
    ONE_SUCCESSOR: "a generation of a session has one refresh token, the one after the presented "
    "one, and the row never goes back or skips one, unless the database had lost it",
    ENDED_STAYS: "its row is not changed any more, and no request that comes after brings a token",
    NOT_SIGNED_OUT: "a session ends only where its token was stolen, a code was presented twice, "
    "or somebody who may has asked for it, and expires only when its time is over",
    REUSE_ENDS: "a refresh token older than the one before the current one, or that one after the "
    "grace, is refused, and the session is over by then",
    THIEF_GONE: "when its owner and the thief have both come once more, the session is over, or "
    "the thief gets nothing",
    REVOKED_WITH: "a session that ends, and an account that changes, is told to the verifiers by "
    "an entry in the very same transaction",
    AS_IT_IS: "at the commit that begins it, the account has the version that was signed in to, is "
    "not disabled, and the browser's session that it belongs to lives",
    ALL_END: "after 'sign out everywhere', a disabling or a new password, no session lives that "
    "was there before, but the one that is kept",
    RESET_WINS: "a password that was changed by its owner at the same moment does not undo another "
    "change, nor does it come from a session that has ended",
    NO_GAPS: "each entry has the number after the one before",
    ONCE: "it begins one session, and a second use ends it",
    TYPED_ONCE: "of an app, which shows it for a while, or a recovery code",
    FACTOR_AS_IT_IS: "at the commit that adds it, or recovery codes, the account has the version "
    "that was read when it was asked for: a reset wins over what is in flight",
    NEWEST: "a refresh brings at least the account's version of the moment at which it was asked",
    KNOWN: "at position n it refuses what the first n entries refuse, and a proof of freshness of "
    "some moment is given only to one that knows what was revoked until then",
    ALL_HEAR: "when nothing happens any more, each is at the newest number",
    ANSWERED: "a history has an end, and nobody waits at it",
    SILENCE: "no error but those that are meant for whoever has asked",
    **grants.INVARIANTS,
    **lifecycle.INVARIANTS,
    **keys.INVARIANTS,
    **agents.INVARIANTS,
    **passkeys.INVARIANTS,
    **providers.INVARIANTS,
    **mailboxes.INVARIANTS,
    **merges.INVARIANTS,
    **assertions.INVARIANTS,
    **verifiers.INVARIANTS,
}

# What may never be found after a commit that changes a column that it reads.
NEVER: Final = {
    "a session ends with the browser's in which it was granted": (
        "it was granted by whoever was signed in there",
        "SELECT session.id FROM session JOIN session AS login ON login.id = session.login_id "
        "WHERE session.ended_at IS NULL AND login.ended_at IS NOT NULL",
    ),
    "a disabled account has no session": (
        "who may not sign in is not signed in",
        "SELECT session.id FROM session JOIN account ON account.id = account_id "
        "WHERE ended_at IS NULL AND disabled_at IS NOT NULL",
    ),
    "recovery codes stand beside a factor": (
        "they let in who has lost it, and nobody who has none",
        "SELECT account_id FROM recovery_code WHERE NOT EXISTS "
        "(SELECT 1 FROM factor WHERE factor.account_id = recovery_code.account_id)",
    ),
    **grants.NEVER,
    **lifecycle.NEVER,
}

# By whether the presented generation is before or after the current one.
GRANTED: Final = {0: "rotated", -1: "the same again", 1: "healed"}
GRACE: Final = SETTINGS.refresh_grace * MICROSECONDS
CODES_OF_SESSION: Final = (
    "SELECT code_hash FROM authorization_code WHERE session_id = ? "
    "UNION ALL SELECT code_hash FROM device_code WHERE session_id = ?"
)
SESSION_OF_CODE: Final = (
    "SELECT session_id FROM authorization_code WHERE code_hash = ? "
    "UNION ALL SELECT session_id FROM device_code WHERE code_hash = ?"
)
LIVING: Final = "SELECT id FROM session WHERE account_id = ? AND id <> ? AND ended_at IS NULL"


class Before(NamedTuple):
    """What was committed when a refresh was asked for."""

    text: str
    presented: int
    session: dict[str, Any]
    account_version: int
    clock: int
    clock_steps: int
    losses: int


class Revoked(NamedTuple):
    """An entry, and the true moment of its commit, in seconds since 1970."""

    seq: int
    kind: str
    value: str
    version: int | None
    at: float


class Facts:
    """What has happened in a history."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stolen: set[str] = set()
        # Of accounts, of sessions, and of accounts with a client.
        self.may_end: set[str | tuple[str, str]] = set()
        self.kept: set[str] = set()
        self.revoked: list[Revoked] = []
        self.tokens: list[dict[str, Any]] = []
        self.verifiers: list[Verifier] = []
        # How often a failover has lost writes.
        self.losses = 0
        self.clock_steps = 0
        self._successors: dict[tuple[str, int], str] = {}
        self._of_task: dict[Any, dict[str, Any]] = {}
        self._presented_codes: dict[bytes, int] = {}
        self._typed: set[tuple[str, str]] = set()
        self._passwords: dict[str, int] = {}
        # Of links: after how many commits they were made; and when those of an account were over,
        # after how many that was asked for, and done.
        # For each table what may never be found that has to do with it, and with which columns.
        self._never = world.ground.never
        self.links: dict[str, int] = {}
        self.links_over: dict[str, list[tuple[int, int]]] = {}
        # Of programs: after how many commits sessions had begun, programs were stopped,
        # and a session of one was ended.
        self.begun_at: dict[str, int] = {}
        self.stopped: dict[tuple[str, str], int] = {}
        self.ended_programs: dict[tuple[str, str], int] = {}
        self.tokens_revoked_of: set[str] = set()
        # Of passkeys: the challenges that were used. Of providers: who came with which session
        # there, and which are over.
        self.challenges: dict[str, str] = {}
        self.of_provider: dict[str, list[str]] = {}
        self.over: set[str] = set()
        # Of what issuers assert: what was used; whose account a subject was, and after how many
        # commits; by which sign-ins a session was carried; and after how many commits one was over.
        self.asserted: set[int] = set()
        self.linked: dict[tuple[str, str], list[tuple[int, str]]] = {}
        self.carrying: dict[tuple[str, str], set[tuple[Any, ...]]] = {}
        self.over_at: dict[str, int] = {}
        # Of keys: after how many commits they were retired, or began at once, and when.
        self.retired_keys: dict[str, int] = {}
        self.keys_at_once: dict[str, tuple[int, float]] = {}

    def of_task(self, **what: Any) -> None:
        """Remember what the piece of work that runs now is about."""
        known = self._of_task.setdefault(asyncio.current_task(), {"since": self.version()})
        known.update(what)
        if "leaves" in what:
            self.kept.add(what["leaves"][1])

    def session(self, session_id: str) -> dict[str, Any] | None:
        """Give a session's row as it is committed."""
        return self.row("session", session_id)

    def row(self, table: str, *key: str | bytes) -> dict[str, Any] | None:
        """Give a row as it is committed, by its key."""
        return self.names(table, self._rows[table].get((table, *key)))

    def session_of(self, text: str) -> dict[str, Any] | None:
        """Give the row of a refresh token's session."""
        secret_hash = self.token(text).secret_hash
        place = self._place("session", "secret_hash")
        rows = (row for row in self._rows["session"].values() if row[place] == secret_hash)
        return self.names("session", next(rows, None))

    def token(self, text: str) -> RefreshToken:
        """Read a refresh token."""
        return parse(text, self.world.ground.keys.peppers)

    def generation(self, text: str) -> int:
        """Give the generation of a refresh token."""
        return self.token(text).generation

    # Commits.

    def committed(self, changes: dict[Key, Change]) -> None:
        """Look at what a commit has changed."""
        touched: set[str] = set()
        task = self._of_task.get(asyncio.current_task(), {})
        for (table, *key), change in changes.items():
            checks = _CHECKS.get(table)
            if checks is not None:
                old, new = (self.names(table, row) for row in change)
                for check in checks:
                    check(self, str(key[0]), old, new, changes, task)
            for name, places in self._never.get(table, ()):
                if name not in touched and (
                    change.old is None
                    or change.new is None
                    or any(change.old[place] != change.new[place] for place in places)
                ):
                    touched.add(name)
        for name in NEVER if touched else ():
            if name not in touched:
                continue
            sql = NEVER[name][1]
            # "Sign out everywhere else" keeps the session that asks, also where it was granted in a
            # browser's session, which ends.
            found = [one for (one,) in self.world.database.read(sql, ()) if one not in self.kept]
            if found:
                self.violate(name, f"{found[0]} is there")

    def _session_changed(
        self, key: str, old: Any, new: Any, changes: dict[Key, Change], task: dict[str, Any]
    ) -> None:
        if new is None:
            # The row of an account that is deleted, or of a session long ago.
            self.may_end.add(key)
            return
        if old is None:
            self._session_begun(new, task)
            return
        ended = old["ended_at"] is None and new["ended_at"] is not None
        if old["ended_at"] is not None and (
            new["ended_at"] != old["ended_at"] or new["generation"] != old["generation"]
        ):
            self.violate(ENDED_STAYS, f"the row of session {key} was changed after its end")
        rise = new["generation"] - old["generation"]
        if rise < 0 or (rise > 1 and not self.losses):
            self.violate(ONE_SUCCESSOR, f"session {key} went on by {rise} generations")
        if ended:
            if not self.has_entry(changes, key, new["account_id"]):
                self.violate(REVOKED_WITH, f"session {key} ended ({new['ended_reason']})")
            if not self._may_end(new):
                self.violate(NOT_SIGNED_OUT, f"session {key} ended ({new['ended_reason']})")

    def _session_begun(self, new: dict[str, Any], task: dict[str, Any]) -> None:
        version, disabled_at = self.account(new["account_id"])
        read = task.get("version_read")
        if read is not None and read != version:
            self.violate(AS_IT_IS, f"it was read at version {read} and is at {version}")
        if disabled_at is not None:
            self.violate(AS_IT_IS, "the account is disabled")

    def _account_changed(
        self, key: str, old: Any, new: Any, changes: dict[Key, Change], task: dict[str, Any]
    ) -> None:
        if old is None:
            return
        is_gone = new is None or new["delete_at"] == 0
        if is_gone and old["delete_at"] != 0 and not self.has_entry(changes, "", key):
            self.violate(REVOKED_WITH, "the account is gone, and its tokens are good")
        if new is None:
            return
        members = ("username", "roles", "claims", "password_hash")
        changed = any(old[name] != new[name] for name in members) or (
            new["disabled_at"] is not None and old["disabled_at"] is None
        )
        if changed and not (new["version"] > old["version"] and self.has_entry(changes, "", key)):
            self.violate(REVOKED_WITH, "the account has changed, and its tokens are good")
        if task.get("leaves", ("",))[0] == key and new["version"] > old["version"]:
            left = self.world.database.read(LIVING, task["leaves"])
            if left:
                self.violate(ALL_END, f"session {left[0][0]} lives")
        if old["password_hash"] != new["password_hash"]:
            self._password_changed(key, task)

    def _password_changed(self, key: str, task: dict[str, Any]) -> None:
        before, self._passwords[key] = self._passwords.get(key, 0), self.version()
        if "resets" in task:
            return
        if task.get("since", 0) < before:
            self.violate(RESET_WINS, "the owner's password, asked for before it, came after it")
        asking = self.session(task["changes"][1]) if "changes" in task else None
        if asking is None or asking["ended_at"] is not None:
            self.violate(RESET_WINS, "the session that changed the password had ended")

    def _revocation_added(
        self, key: str, old: Any, new: Any, changes: dict[Key, Change], task: dict[str, Any]
    ) -> None:
        if new is None:
            return
        newest = self.revoked[-1].seq if self.revoked else 0
        if new["seq"] != newest + 1:
            self.violate(NO_GAPS, f"{new['seq']} comes after {newest}")
        entry = Revoked(new["seq"], new["kind"], new["value"], new["version"], self.world.unix())
        self.revoked.append(entry)

    def _code_changed(
        self, key: str, old: Any, new: Any, changes: dict[Key, Change], task: dict[str, Any]
    ) -> None:
        if old and new and old["session_id"] not in (None, new["session_id"]):
            self.violate(ONCE, "it has begun two sessions")

    def _factor_changed(
        self, key: str, old: Any, new: Any, changes: dict[Key, Change], task: dict[str, Any]
    ) -> None:
        if old is None and new is not None:
            version, _ = self.account(new["account_id"])
            if version != task.get("version_read"):
                self.violate(FACTOR_AS_IT_IS, f"the account is at version {version}")
        elif old is not None and new is not None and 0 < new["counter"] <= old["counter"]:
            self.violate(TYPED_ONCE, "an app's code of the same moment was used again")

    def used_code(self, account_id: str, typed: str) -> None:
        """Take down that a code let somebody in."""
        if len(typed) > 6 and (account_id, typed) in self._typed:
            self.violate(TYPED_ONCE, "a recovery code was used again")
        self._typed.add((account_id, typed))

    def has_entry(self, changes: dict[Key, Change], session_id: str, account_id: str) -> bool:
        """Tell whether a commit says to the verifiers that a session or an account is over."""
        wanted = {("sid", session_id), ("sub", account_id)}
        kind, value = (self._place("revocation", name) for name in ("kind", "value"))
        return any(
            table == "revocation"
            and change.new is not None
            and (change.new[kind], change.new[value]) in wanted
            for (table, *_), change in changes.items()
        )

    def used_links(self, changes: dict[Key, Change]) -> list[dict[str, Any]]:
        """Give the links that a commit has used."""
        changed = [change for key, change in changes.items() if key[0] == "one_time_link"]
        rows = [self.names("one_time_link", change.new) for change in changed]
        return [row for row in rows if row is not None and row["used_at"] is not None]

    def _may_end(self, row: dict[str, Any]) -> bool:
        account_id = row["account_id"]
        about = {row["id"], account_id, row["login_id"], (account_id, row["client_id"])}
        if row["identity_issuer"] is not None:
            about |= {row["identity_session"], (account_id, row["identity_issuer"])}
        if about & (self.stolen | self.may_end):
            return True
        if row["parent_id"] is not None and agents.may_end(self, row):
            return True
        if row["ended_reason"] != "code_reused":
            return False
        rows = self.world.database.read(CODES_OF_SESSION, (row["id"], row["id"]))
        return any(self._presented_codes.get(code_hash, 0) > 1 for (code_hash,) in rows)

    # Answers.

    def before_refresh(self, process: Process, text: str) -> Before | None:
        """Take down what is committed when a refresh is asked for."""
        row = self.session_of(text)
        if row is None:
            return None
        version, _ = self.account(row["account_id"])
        steps, losses = self.clock_steps, self.losses
        return Before(text, self.generation(text), row, version, process.clock(), steps, losses)

    def refreshed(
        self, process: Process, before: Before | None, answer: Grant | RefreshRefused
    ) -> None:
        """Look at the answer to a refresh."""
        if before is None:
            return
        session_id = before.session["id"]
        now = self.session(session_id)
        ended = now is None or now["ended_at"] is not None
        too_old = self._is_too_old(before)
        refused = isinstance(answer, RefreshRefused)
        ahead = before.presented - before.session["generation"]
        how = answer.code if refused else GRANTED[(ahead > 0) - (ahead < 0)]
        self.world.ground.refreshes[how] += 1
        if isinstance(answer, RefreshRefused):
            if (too_old or answer.code == "reused") and not ended and answer.code != "expired":
                self.violate(REUSE_ENDS, f"it lives after the refusal ({answer.code})")
            return
        if before.session["ended_at"] is not None:
            self.violate(ENDED_STAYS, "a refresh that came after its end was granted")
        if before.session["expires_at"] <= before.clock and before.clock_steps == self.clock_steps:
            self.violate(ENDED_STAYS, "a refresh that came after its time was over was granted")
        idle_since = before.clock - SETTINGS.session_idle_lifetime * MICROSECONDS
        if before.session["rotated_at"] <= idle_since and before.clock_steps == self.clock_steps:
            self.violate(ENDED_STAYS, "a refresh that came after a long silence was granted")
        if too_old:
            self.violate(REUSE_ENDS, f"generation {before.presented} was granted a successor")
        generation = self.generation(answer.refresh_token)
        known = self._successors.setdefault((session_id, generation), answer.refresh_token)
        if generation != before.presented + 1 or known != answer.refresh_token:
            self.violate(ONE_SUCCESSOR, f"generation {before.presented} brought {generation}")
        if answer.version < before.account_version:
            self.violate(NEWEST, f"version {answer.version} after {before.account_version}")
        self.granted(process, answer)

    def _is_too_old(self, before: Before) -> bool:
        # What the database lost meanwhile it can't know: the token may be the newest again.
        if before.losses != self.losses:
            return False
        current = before.session["generation"]
        if before.presented < current - 1:
            return True
        late = before.clock - before.session["rotated_at"] > GRACE
        # A clock that was set meanwhile may take it for repeated in time.
        return before.presented == current - 1 and late and before.clock_steps == self.clock_steps

    def granted(self, process: Process, grant: Grant) -> None:
        """Take down the access token that goes with a session's grant."""
        claims = {"sid": grant.session_id, "sub": grant.account_id, "sub_ver": grant.version}
        claims["jti"] = f"token {len(self.tokens)}"
        expires = process.clock() / MICROSECONDS + SETTINGS.access_token_lifetime
        self.tokens.append({**claims, "exp": expires})

    def signed_out(self, text: str) -> None:
        """Look at a session whose end was answered."""
        row = self.session_of(text)
        if row is not None and row["ended_at"] is None:
            self.violate(ENDED_STAYS, "it lives after a sign-out that was answered")

    def ended(self, session_id: str) -> None:
        """Look at a session whose end was answered."""
        row = self.session(session_id)
        if row is not None and row["ended_at"] is None:
            self.violate(ENDED_STAYS, "it lives after an end that was answered")

    def refused(self, session_id: str, code: str) -> None:
        """Look at the refusal that somebody gets who has done nothing wrong."""
        row = self.session(session_id)
        if row is None and session_id in self.may_end:
            return
        if row is None:
            self.violate(NOT_SIGNED_OUT, f"session {session_id} is not there ({code})")
        elif code in ("ended", "reused"):
            if row["ended_at"] is None or not self._may_end(row):
                self.violate(NOT_SIGNED_OUT, f"session {session_id} was refused ({code})")
        elif code == "expired":
            now = self.world.unix() * MICROSECONDS + 120 * MICROSECONDS
            idle = SETTINGS.session_idle_lifetime * MICROSECONDS
            if now < min(row["expires_at"], row["rotated_at"] + idle):
                self.violate(NOT_SIGNED_OUT, f"session {session_id} had time left")
        else:
            self.violate(NOT_SIGNED_OUT, f"session {session_id} was refused ({code})")

    def presented_code(self, code: str) -> None:
        """Take down that a code came to some process."""
        self._presented_codes[hash_of_code(code)] = (
            self._presented_codes.get(hash_of_code(code), 0) + 1
        )

    def code_refused(self, code: str, reason: str) -> None:
        """Look at what became of the session of a code that was used before."""
        code_hash = hash_of_code(code)
        rows = self.world.database.read(SESSION_OF_CODE, (code_hash, code_hash))
        if reason == "used" and rows and rows[0][0] is not None:
            row = self.session(rows[0][0])
            if row is not None and row["ended_at"] is None:
                self.violate(ONCE, "the session of a code that was used twice lives")

    # Verifiers.

    def heard(self, verifier: Verifier, proof: float | None) -> None:
        """Look at a verifier that has taken in an event.

        Args:
            verifier: which.
            proof: what was revoked before this moment it must know, or None.
        """
        position = verifier.list.position
        for entry in self.revoked:
            told = position is not None and entry.seq <= position
            if told or (proof is not None and entry.at < proof):
                self._must_refuse(verifier, entry, KNOWN)

    def _must_refuse(self, verifier: Verifier, entry: Revoked, name: str) -> None:
        now = self.world.unix()
        for claims in self.tokens:
            if claims["exp"] <= now:
                continue
            if self.is_about(entry, claims):
                try:
                    verifier.list.check(claims)
                except InvalidToken:
                    continue
                self.violate(name, f"a token of entry {entry.seq} is let in")

    def is_about(self, entry: Revoked, claims: dict[str, Any]) -> bool:
        """Tell whether an entry refuses a token."""
        if entry.kind == "sub":
            return claims["sub"] == entry.value and claims["sub_ver"] < (entry.version or 0)
        return bool(claims[entry.kind] == entry.value)

    def settled(self) -> None:
        """Look at what is left when nothing happens any more."""
        if self.world.honest or any(process.is_busy for process in self.world.processes):
            self.violate(ANSWERED, "somebody waits at the end")
        for verifier in self.verifiers:
            newest = self.revoked[-1].seq if self.revoked else 0
            if self.world.processes and verifier.list.position != newest:
                where = verifier.list.position
                self.violate(ALL_HEAR, f"a verifier is at {where}, and the newest is {newest}")
            for entry in self.revoked:
                self._must_refuse(verifier, entry, ALL_HEAR)

    def violate(self, name: str, what: str) -> None:
        self.world.violate(name, what)

    def version(self) -> int:
        """Give how many commits there were."""
        return int(self.world.database.version)

    def account(self, account_id: str) -> tuple[int, int | None]:
        """Give an account's version, and since when it is disabled; one that is gone is."""
        row = self._rows["account"].get(("account", account_id))
        if row is None:
            return 0, 0
        return row[self._place("account", "version")], row[self._place("account", "disabled_at")]

    def _place(self, table: str, name: str) -> int:
        return int(self.world.database.tables[table].places[name])

    @property
    def _rows(self) -> dict[str, dict[Key, Any]]:
        """What is committed."""
        rows: dict[str, dict[Key, Any]] = self.world.database.rows
        return rows

    def names(self, table: str, row: Any) -> dict[str, Any] | None:
        """Give a row's values by the names of its columns."""
        if row is None:
            return None
        return dict(zip(self.world.database.tables[table].places, row, strict=True))


_OWN: Final[dict[str, Callable[..., None]]] = {
    "session": Facts._session_changed,
    "account": Facts._account_changed,
    "revocation": Facts._revocation_added,
    "authorization_code": Facts._code_changed,
    "factor": Facts._factor_changed,
    "recovery_code": Facts._factor_changed,
}
_PARTS: Final = (
    _OWN,
    *(
        module.CHECKS
        for module in (
            *(grants, lifecycle, keys, agents, passkeys, providers, mailboxes, merges),
            assertions,
        )
    ),
)
_CHECKS: Final = {
    table: [part[table] for part in _PARTS if table in part]
    for table in dict.fromkeys(table for part in _PARTS for table in part)
}
