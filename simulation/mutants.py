"""Faults that are put into the service for a while, to see whether the simulation finds them.

A mutant is one text of a statement or of a function, and what stands there instead. Many of them
take out what was put in after a race was found by hand. The sources on the disk stay as they are:
the changed text is compiled in this process, and its functions take the place of the real ones.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any, Final, NamedTuple

from carnet.server.store import statements

SERVER: Final = "carnet.server."
SESSIONS: Final = SERVER + "sessions.sessions"
ENDING: Final = SERVER + "sessions.session_ending"
ACCOUNTS: Final = SERVER + "accounts.accounts"
CODES: Final = SERVER + "oauth.authorization_codes"
FACTORS: Final = SERVER + "factors.factors"
STREAM: Final = SERVER + "revocations.stream"
AGENTS: Final = SERVER + "sessions.agents"
IDENTITIES: Final = SERVER + "sessions.identities"
ASSERTIONS: Final = SERVER + "endpoints.token.grants.accept_identity_assertion"
PASSKEY_SIGN_IN: Final = SERVER + "web.passkey_sign_in"
SESSION_BEGIN: Final = SERVER + "web.session_begin"
PEOPLE: Final = SERVER + "upstream.people"
MAILED_CODES: Final = SERVER + "accounts.mailed_codes"
ADDRESS_CODES: Final = SERVER + "accounts.address_codes"
ADDRESSES: Final = SERVER + "accounts.email_addresses"
RECOVERY: Final = SERVER + "accounts.recovery"
REVOCATIONS: Final = SERVER + "revocations.revocations"
COUNTERS: Final = SERVER + "store.counters"
CONSENTS: Final = SERVER + "clients.consents"
DEVICES: Final = SERVER + "oauth.device_codes"
LINKS: Final = SERVER + "accounts.one_time_links"
DELETION: Final = SERVER + "accounts.deletion"
MERGING: Final = SERVER + "accounts.merging"
STAGES: Final = SERVER + "keys.stages"
KEYS: Final = SERVER + "keys.signing_keys"
LIST: Final = "carnet.verifier.revocations"
TRUSTED: Final = "carnet.verifier.trusted_issuer"
FOLLOWER: Final = "carnet.verifier.follower"


class Mutant(NamedTuple):
    """A fault.

    Attributes:
        name: what is wrong with it.
        where: a module, or a statement's name.
        old: the text that is there.
        new: the text that takes its place.
        seeds: within how many seeds of an engine it is found.
        survives: why it is not found, or "" where it must be.
        about: the subject, of `subjects`, of the histories that it is looked for in; "" is for all.
    """

    name: str
    where: str
    old: str
    new: str
    seeds: int = 1000
    survives: str = ""
    about: str = ""


MUTANTS: Final = (
    # Rotation.
    Mutant(
        "a generation rotates more than once",
        "ROTATE",
        "AND generation = $4 AND",
        "AND $4 = $4 AND",
    ),
    Mutant(
        "an ended session rotates",
        "ROTATE",
        "AND ended_at IS NULL\n  AND expires_at",
        "AND expires_at",
    ),
    Mutant(
        "an ended session gives the successor again",
        SESSIONS,
        "if row.ended_at is not None:",
        "if False:",
    ),
    Mutant(
        "no grace: whose answer was lost is signed out",
        SESSIONS,
        "retried = now - row.rotated_at <= self._grace or bool(thumbprint)",
        "retried = bool(thumbprint)",
    ),
    Mutant(
        "a grace without end",
        SESSIONS,
        "retried = now - row.rotated_at <= self._grace or bool(thumbprint)",
        "retried = True",
        about="THEFT",
    ),
    Mutant(
        "a grace for every token of the past",
        SESSIONS,
        "if token.generation == row.generation - 1 and retried:",
        "if token.generation < row.generation and retried:",
        about="THEFT",
    ),
    Mutant(
        "reuse is refused, and the thief stays",
        SESSIONS,
        'await self.end(row.session_id, "reused", origin)',
        "pass",
        about="THEFT",
    ),
    Mutant(
        "a retry within the grace makes a successor of its own",
        SESSIONS,
        "        await self._check_retried(token, row, now, origin, key_thumbprint)\n"
        "        return self._grant(row, token.at(row.generation))",
        "        await self._check_retried(token, row, now, origin, key_thumbprint)\n"
        "        return self._grant(row, token.at(row.generation + 1))",
    ),
    Mutant(
        "a session whose rotation the database lost is taken for stolen",
        SESSIONS,
        "        if token.generation >= row.generation:\n            if not",
        "        if token.generation > row.generation:\n"
        '            await self.end(row.session_id, "reused", origin)\n'
        '            raise RefreshRefused("the token was issued in the future", code="reused")\n'
        "        if token.generation == row.generation:\n            if not",
        about="ROTATIONS",
    ),
    Mutant(
        "healing wakes an ended session", "HEAL", " AND ended_at IS NULL", "", about="ROTATIONS"
    ),
    Mutant(
        "healing goes back",
        "HEAL",
        "generation < $1",
        "generation <> $1 + 100",
        survives="it takes a failover, two tabs, and a thief who copies and uses the token that "
        "one of them has healed before the other one is through: no seed so far has all of it",
        about="ROTATIONS",
    ),
    Mutant(
        "healing that comes too late is not looked at again",
        SESSIONS,
        "if not await self._heal(token, row, now, origin):",
        "if await self._heal(token, row, now, origin) is None:",
        survives="whoever was faster has healed it to the same generation, and an end at this very "
        "moment is an answer that could have been given before it",
        about="ROTATIONS",
    ),
    # Ending.
    Mutant(
        "a session that has ended ends again",
        "END_SESSION",
        "id = $3 AND ended_at IS NULL",
        "id = $3",
    ),
    Mutant(
        "an end that no verifier hears of",
        ENDING,
        "yield from self._revocations.revoke_session(session_id)",
        "yield from ()",
    ),
    Mutant(
        "what was granted in a browser's session lives on",
        ENDING,
        "if client_id == BROWSER:",
        "if False:",
    ),
    Mutant(
        "signing out everywhere looks for sessions before it locks the account",
        ENDING,
        "            versions = yield sql.RAISE_VERSION, (account_id,)\n"
        "            ended = yield sql.END_SESSIONS_OF_ACCOUNT, (now, reason, account_id, keep)\n",
        "            ended = yield sql.END_SESSIONS_OF_ACCOUNT, (now, reason, account_id, keep)\n"
        "            versions = yield sql.RAISE_VERSION, (account_id,)\n",
    ),
    Mutant(
        "signing out everywhere tells no verifier",
        ENDING,
        "yield from self._revocations.revoke_older_versions(account_id, version)",
        "yield from ()",
    ),
    Mutant(
        "signing out everywhere ends the session that is kept",
        "END_SESSIONS_OF_ACCOUNT",
        "AND id <> $4",
        "AND $4 = $4",
    ),
    # Beginning.
    Mutant(
        "a session begins while its account is disabled",
        SESSIONS,
        "            if not (yield sql.HOLD_ACCOUNT, (account.id, account.version)):\n"
        "                return False\n"
        "            if not (yield from _is_known",
        "            if not (yield from _is_known",
        about="ACCOUNTS",
    ),
    Mutant(
        "a session begins in a browser's session that ends",
        SESSIONS,
        "if new.login_id is not None and not (yield sql.HOLD_LOGIN, (new.login_id,)):",
        "if False:",
        about="GRANTS",
    ),
    Mutant(
        "a browser's session is looked at and not held",
        "HOLD_LOGIN",
        "UPDATE session SET login_id = login_id WHERE id = $1 AND ended_at IS NULL\nRETURNING id",
        "SELECT id FROM session WHERE id = $1 AND ended_at IS NULL",
        about="GRANTS",
    ),
    Mutant(
        "an account is looked at and not held",
        "HOLD_ACCOUNT",
        "UPDATE account SET version = version, unfinished_until = NULL\n"
        "WHERE id = $1 AND version = $2 AND disabled_at IS NULL AND delete_at IS NULL\n"
        "RETURNING id",
        "SELECT id FROM account WHERE id = $1 AND version = $2 AND disabled_at IS NULL "
        "AND delete_at IS NULL",
        about="ACCOUNTS",
    ),
    Mutant(
        "an account is held at whatever version it is",
        "HOLD_ACCOUNT",
        "AND version = $2",
        "AND $2 = $2",
        about="FACTORS",
    ),
    Mutant(
        "a session is added whatever version the account has",
        "ADD_SESSION",
        " AND disabled_at IS NULL AND version = $20",
        " AND $20 = $20",
        survives="HOLD_ACCOUNT has asked for it in the same transaction, and holds it",
        about="ACCOUNTS",
    ),
    Mutant(
        "a disabled account signs in",
        ACCOUNTS,
        "if account.disabled:",
        "if False:",
        survives="HOLD_ACCOUNT refuses it too: this one is for the audit log's reason",
        about="ACCOUNTS",
    ),
    # Accounts.
    Mutant(
        "disabling leaves sessions",
        ACCOUNTS,
        'yield sql.END_SESSIONS_OF_ACCOUNT, (now, "account_disabled", account_id, "")',
        "pass",
        about="ACCOUNTS",
    ),
    Mutant(
        "disabling tells no verifier",
        ACCOUNTS,
        "            yield from self._revocations.revoke_older_versions(account_id, version)\n"
        "            yield from record(now, Event.ACCOUNT_DISABLED",
        "            yield from record(now, Event.ACCOUNT_DISABLED",
        about="ACCOUNTS",
    ),
    Mutant(
        "a new password leaves sessions",
        ACCOUNTS,
        'yield sql.END_SESSIONS_OF_ACCOUNT, (now, "password_changed", account_id, kept)',
        "pass",
        about="ACCOUNTS",
    ),
    Mutant(
        "other roles leave older tokens good",
        ACCOUNTS,
        "                    yield from self._revocations.revoke_older_versions("
        "account_id, version)\n"
        "                    yield from record(now, event",
        "                    yield from record(now, event",
        about="ACCOUNTS",
    ),
    Mutant(
        "other roles leave the version as it is",
        "SET_ROLES",
        "roles = $1, version = version + 1",
        "roles = $1",
        about="ACCOUNTS",
    ),
    Mutant(
        "a change of the password undoes a reset",
        "CHANGE_PASSWORD",
        "AND password_hash = $3 AND version = $4",
        "AND $3 = $3 AND $4 = $4",
        about="PASSWORDS",
    ),
    Mutant(
        "a change of the password comes from a session that has ended",
        "CHANGE_PASSWORD",
        "AND ended_at IS NULL AND expires_at > $6",
        "AND expires_at > $6",
        about="PASSWORDS",
    ),
    Mutant(
        "a change of the password does not hold the session that asks",
        ACCOUNTS,
        "            yield sql.HOLD_LOGIN, (session_id,)\n",
        "",
        about="PASSWORDS",
    ),
    Mutant(
        "a change of the password does not hold the account",
        ACCOUNTS,
        "            yield sql.HOLD_ACCOUNT, (account.id, account.version)\n"
        "            yield sql.HOLD_LOGIN",
        "            yield sql.HOLD_LOGIN",
        survives="CHANGE_PASSWORD decides by the account's own row, which it looks at again after "
        "it has waited; holding it first keeps everybody's order of locks the same",
        about="PASSWORDS",
    ),
    # Codes.
    Mutant(
        "a code begins two sessions", "TAKE_CODE", " AND session_id IS NULL", "", about="GRANTS"
    ),
    Mutant(
        "a code's second use ends nothing",
        CODES,
        'await self._sessions.end(session_id, "code_reused", origin)',
        "pass",
        about="GRANTS",
    ),
    Mutant(
        "a code's second use is judged by the code alone",
        CODES,
        "if presented.session_id is not None:",
        "if False:",
        survives="TAKE_CODE finds it taken, and what is read again then ends the session",
        about="GRANTS",
    ),
    Mutant(
        "a browser's session that has ended grants",
        "LOGIN_BY_SECRET",
        " AND ended_at IS NULL",
        "",
        survives="the code that it brings is good for nothing: HOLD_LOGIN refuses it",
        about="GRANTS",
    ),
    # Factors.
    Mutant(
        "an app's code is used twice",
        "USE_FACTOR",
        "counter < $1 OR",
        "counter <= $1 OR",
        about="FACTORS",
    ),
    Mutant(
        "a recovery code is used twice",
        "TAKE_RECOVERY_CODE",
        "DELETE FROM recovery_code WHERE account_id = $1 AND code_hash = $2\nRETURNING account_id",
        "SELECT account_id FROM recovery_code WHERE account_id = $1 AND code_hash = $2",
        about="FACTORS",
    ),
    Mutant(
        "a factor in flight outlives a reset",
        FACTORS,
        "            if not (yield sql.HOLD_ACCOUNT, (account.id, account.version)):\n"
        "                raise _account_changed()\n"
        "            known = yield",
        "            known = yield",
        about="FACTORS",
    ),
    Mutant(
        "recovery codes in flight outlive a reset",
        FACTORS,
        "            if not (yield sql.HOLD_ACCOUNT, (account.id, account.version)):\n"
        "                raise _account_changed()\n"
        "            yield sql.REMOVE_RECOVERY_CODES",
        "            yield sql.REMOVE_RECOVERY_CODES",
        about="FACTORS",
    ),
    Mutant(
        "a reset of the factors leaves recovery codes",
        FACTORS,
        "            yield sql.REMOVE_RECOVERY_CODES, (account_id,)\n",
        "            pass\n",
        about="FACTORS",
    ),
    Mutant(
        "a reset of the factors leaves sessions",
        FACTORS,
        'yield sql.END_SESSIONS_OF_ACCOUNT, (now, "factor_removed", account_id, kept)',
        "pass",
        about="FACTORS",
    ),
    Mutant(
        "a reset of the factors leaves tokens",
        FACTORS,
        "yield from self._revocations.revoke_older_versions(account_id, version)",
        "yield from ()",
        about="FACTORS",
    ),
    # Revocations and their stream.
    Mutant(
        "numbers are counted, and not taken",
        "NEXT_NUMBER",
        "UPDATE counter SET value = value + 1 WHERE name = $1\nRETURNING value",
        "SELECT value + 1 FROM counter WHERE name = $1",
        about="FOLLOWED",
    ),
    Mutant(
        "an event claims to be as new as its signature",
        STREAM,
        '"iat": at // SECOND',
        '"iat": self._clock() // SECOND',
        about="FOLLOWED",
    ),
    Mutant(
        "the counters' moment is taken after they were read",
        STREAM,
        '        self._advance(counters["revocation"], began, at)',
        '        self._advance(counters["revocation"], time.monotonic(), self._clock())',
        survives="it takes a slow read of the counters, with a commit and more than a second in "
        "it, and an event before the next read: no seed so far has all of it",
        about="FOLLOWED",
    ),
    Mutant(
        "a heartbeat without the database",
        STREAM,
        "elif loop.time() >= due and self._has_read():\n"
        "                    yield self._heartbeat_at(position)",
        "elif loop.time() >= due:\n"
        '                    yield self._event("heartbeat", position, position, [], self._clock())',
        about="FOLLOWED",
    ),
    Mutant(
        "a slow read of the counters undoes a fast one",
        STREAM,
        "if began < self._read_began:",
        "if False:",
        survives="the position goes back, which is taken for a restored database: each reader gets "
        "a snapshot, and knows all",
        about="FOLLOWED",
    ),
    Mutant(
        "the stream begins one too late",
        STREAM,
        "page = await self._page(position)\n        if len",
        "page = await self._page(position + 1)\n        if len",
        about="FOLLOWED",
    ),
    Mutant(
        "a snapshot says a newer position than it was read for",
        STREAM,
        "entries = _readable(page, seq)\n            yield",
        "entries = _readable(page, seq - 1)\n            yield",
        about="FOLLOWED",
    ),
    Mutant(
        "a verifier does not notice that it has missed an event",
        LIST,
        "elif self.position is None or prev != self.position:",
        "elif self.position is None:",
        survives="an event that is lost ends the connection, and the next one begins at the "
        "position: the check is for a stream that is out of order, which TCP never gives",
        about="FOLLOWED",
    ),
    Mutant(
        "a verifier takes the position before the entries",
        LIST,
        "            for entry in entries:\n"
        "                self._parts[-1].add(entry)\n"
        '            complete = event.get("more") is not True',
        '            complete = event.get("more") is not True',
        about="FOLLOWED",
    ),
    Mutant(
        "a verifier lets in what is older than the account",
        LIST,
        'if version is not None and version < part.versions.get(get("sub", ""), 0):',
        "if False:",
        about="FOLLOWED",
    ),
    Mutant(
        "a verifier forgets an account's newest version",
        LIST,
        "self.versions[value] = max(version, self.versions.get(value, 0))",
        "self.versions.setdefault(value, version)",
        about="FOLLOWED",
    ),
    Mutant(
        "a verifier drops what it needs too early",
        LIST,
        "elif now - self._turned_at >= (self._kept or KEPT):",
        "elif now - self._turned_at >= 2:",
        survives="it takes three revocations some seconds apart, each told by itself, while a "
        "token of the first one lives: no seed so far has all of it",
        about="FOLLOWED",
    ),
    # Lifetimes.
    Mutant(
        "a session rotates after its time",
        "ROTATE",
        "AND expires_at > $1 AND rotated_at",
        "AND rotated_at",
        survives="it takes a session that is refreshed again and again for more than an hour: no "
        "history so far is as long",
    ),
    Mutant(
        "a session rotates after a long silence",
        "ROTATE",
        "AND rotated_at > $5 AND",
        "AND $5 = $5 AND",
    ),
    # Consents.
    Mutant(
        "a consent is looked at and not held",
        "HOLD_CONSENT",
        "UPDATE consent SET scope = scope WHERE account_id = $1 AND client_id = $2 "
        "AND resource = $3\nRETURNING scope",
        "SELECT scope FROM consent WHERE account_id = $1 AND client_id = $2 AND resource = $3",
        survives="whoever takes it back waits for the account, which whoever exchanges a code "
        "holds by then",
        about="CONSENTS",
    ),
    Mutant(
        "a withdrawal leaves sessions",
        CONSENTS,
        "            yield from self._sessions.ending_with_client(\n"
        '                account_id, client_id, "application_disconnected", now, origin\n'
        "            )\n",
        "",
        about="CONSENTS",
    ),
    Mutant(
        "a consent to less is enough",
        CONSENTS,
        "return any(set(scope.split()) <= one for one in granted)",
        "return bool(granted)",
        about="CONSENTS",
    ),
    Mutant(
        "a code needs no consent any more when it is exchanged",
        CODES,
        "allowed = yield from hold_consent(account.id, client, request.audience, request.scope)",
        "allowed = True",
        about="CONSENTS",
    ),
    Mutant(
        "the end of an application's sessions is told to no verifier",
        ENDING,
        "        for (session_id,) in ended:\n"
        "            yield from self.revoking(session_id, account_id, reason, now, origin)\n"
        "        return len(ended)\n\n    def _ending",
        "        return len(ended)\n\n    def _ending",
        about="CONSENTS",
    ),
    # Devices.
    Mutant(
        "a device's code begins two sessions",
        "TAKE_DEVICE_CODE",
        " AND session_id IS NULL",
        "",
        about="DEVICES",
    ),
    Mutant(
        "a device is decided about twice",
        "DECIDE_DEVICE_CODE",
        "AND decision IS NULL AND",
        "AND",
        about="DEVICES",
    ),
    Mutant(
        "a device's code needs no consent any more",
        DEVICES,
        "allowed = yield from hold_consent(account.id, client, request.audience, request.scope)",
        "allowed = True",
        about="DEVICES",
    ),
    Mutant(
        "the second use of a device's code ends nothing",
        DEVICES,
        'await self._sessions.end(row.session_id, "code_reused", origin)',
        "pass",
        about="DEVICES",
    ),
    Mutant(
        "an allowed device outlives another password",
        DEVICES,
        "if row.session_id is None and row.account_version != account.version:",
        "if False:",
        about="DEVICES",
    ),
    Mutant(
        "a device that was denied is let through by the reading",
        DEVICES,
        'if row.decision != "allowed":',
        "if False:",
        survives="TAKE_DEVICE_CODE takes what was allowed alone",
        about="DEVICES",
    ),
    Mutant(
        "a device that was denied is let through by the statement",
        "TAKE_DEVICE_CODE",
        "AND decision = 'allowed' AND",
        "AND",
        survives="whoever was denied was told so when the code was read, and no decision changes",
        about="DEVICES",
    ),
    # Links.
    Mutant("a link is used twice", "TAKE_LINK", "AND used_at IS NULL AND", "AND", about="LINKS"),
    Mutant(
        "a link that was used is looked at once",
        LINKS,
        "if row.used_at is not None:",
        "if False:",
        survives="TAKE_LINK takes what was not used alone; this one is for the words on the page",
        about="LINKS",
    ),
    Mutant(
        "another password leaves links",
        ACCOUNTS,
        "        yield sql.VOID_LINKS, (voided(now), account_id, NOT_ME)\n"
        '        yield sql.END_SESSIONS_OF_ACCOUNT, (now, "password_changed"',
        '        yield sql.END_SESSIONS_OF_ACCOUNT, (now, "password_changed"',
        about="LINKS",
    ),
    Mutant(
        "disabling leaves links",
        ACCOUNTS,
        "            yield sql.VOID_LINKS, (voided(now), account_id, NOT_ME)\n"
        '            yield sql.END_SESSIONS_OF_ACCOUNT, (now, "account_disabled"',
        '            yield sql.END_SESSIONS_OF_ACCOUNT, (now, "account_disabled"',
        about="LINKS",
    ),
    Mutant(
        "a link is over by the clock of whoever has voided it",
        LINKS,
        "return now - CLOCKS_DIFFER",
        "return now",
        about="LINKS",
    ),
    # Deletions.
    Mutant(
        "who leaves keeps sessions",
        DELETION,
        '        yield sql.END_SESSIONS_OF_ACCOUNT, (now, reason, account_id, "")\n',
        "",
        about="DELETIONS",
    ),
    Mutant(
        "that somebody leaves is told to no verifier",
        DELETION,
        "yield from self._revocations.revoke_older_versions(account_id, version)",
        "yield from ()",
        about="DELETIONS",
    ),
    Mutant(
        "a session begins while its owner leaves",
        "HOLD_ACCOUNT",
        " AND delete_at IS NULL",
        "",
        about="DELETIONS",
    ),
    Mutant(
        "an account that is kept meanwhile is deleted",
        "EMPTY_ACCOUNT",
        "COALESCE(delete_at, $3) BETWEEN 1 AND $4",
        "(COALESCE(delete_at, $3) BETWEEN 1 AND $4 OR delete_at IS NULL)",
        about="LEAVERS",
    ),
    Mutant(
        "a code that is gone when it is exchanged is an error of the service",
        CODES,
        'raise CodeRefused("the code is unknown", code="unknown")',
        'raise LookupError("the code is unknown")',
        about="DELETIONS",
    ),
    # Keys.
    Mutant(
        "a key signs as soon as it is made",
        STAGES,
        "return max(now + lead, newest.signs_from + lifetime)",
        "return now",
        about="KEYS",
    ),
    Mutant(
        "a key signs from the moment of its making",
        STAGES,
        "if key.signs_from <= now] or",
        "if key.created_at <= now] or",
        about="KEYS",
    ),
    Mutant(
        "an administrator's key signs at once",
        KEYS,
        "0 if at_once else self._lead",
        "0",
        about="KEYS",
    ),
    Mutant(
        "a retired key is gone at once",
        STAGES,
        "over = max(successor, key.signs_from) + kept <= now",
        "over = max(successor, key.signs_from) <= now",
        about="KEYS",
    ),
    Mutant(
        "a key is retired when the next one is made",
        STAGES,
        "successor = min(other.signs_from for",
        "successor = min(other.created_at for",
        about="KEYS",
    ),
    Mutant(
        "nothing but the signing key is published",
        KEYS,
        "if stage is not Stage.REMOVED)\n        self.published",
        "if stage is Stage.SIGNING)\n        self.published",
        about="KEYS",
    ),
    Mutant(
        "the keys of another process are not taken over",
        KEYS,
        "        await self._take_over()\n\n    async def rotate",
        "\n    async def rotate",
        about="KEYS",
    ),
    Mutant(
        "two processes make the next key",
        KEYS,
        "elif not (yield sql.NEXT_NUMBER_AFTER, (COUNTER, counter)):\n                return",
        "else:\n                yield from next_number(COUNTER)",
        survives="both keys are published for long enough, and one of them signs: there is one "
        "more key than was needed",
        about="KEYS",
    ),
    # Keys that are retired, or begin at once.
    Mutant(
        "a retired key goes on signing",
        STAGES,
        "not_retired = [key for key in own if key.retired_at is None]",
        "not_retired = own",
        about="COMPROMISES",
    ),
    Mutant(
        "a retired key stays published",
        STAGES,
        "found[key.kid] = Stage.REMOVED\n            elif key.signs_from",
        "found[key.kid] = Stage.RETIRED\n            elif key.signs_from",
        about="COMPROMISES",
    ),
    Mutant(
        "whoever retires a key goes on with it",
        KEYS,
        "        await self._take_over()\n        if not has_key",
        "        if not has_key",
        about="COMPROMISES",
    ),
    Mutant(
        "nothing takes the place of a retired key",
        KEYS,
        "return (yield from self._adding(new, now, now, origin))",
        "return True",
        about="COMPROMISES",
    ),
    Mutant(
        "of two keys that are retired at once, neither waits for the other",
        KEYS,
        "            yield from next_number(COUNTER)\n"
        "            if not (yield sql.RETIRE_SIGNING_KEY",
        "            if not (yield sql.RETIRE_SIGNING_KEY",
        seeds=3000,
        about="COMPROMISES",
    ),
    Mutant(
        "a key that is to begin at once waits",
        KEYS,
        "0 if at_once else self._lead",
        "self._lead",
        about="COMPROMISES",
    ),
    # Programs that act for people.
    Mutant(
        "a program's session begins while the one above it ends",
        AGENTS,
        "            if not (yield sql.HOLD_LOGIN, (asked.session_id,)):\n"
        "                return None\n",
        "",
        about="AGENTS",
    ),
    Mutant(
        "a program's session begins while the account changes",
        AGENTS,
        "            if not (yield sql.HOLD_ACCOUNT, (account_id, asked.account_version)):\n"
        "                return None\n",
        "",
        about="AGENTS",
    ),
    Mutant(
        "programs go on with what has ended",
        ENDING,
        "ended = yield sql.END_AGENTS_OF_SESSION, (now, session_id)",
        "ended = ()",
        about="AGENTS",
    ),
    Mutant(
        "of a chain of programs the first alone ends",
        ENDING,
        'yield from self.revoking(agent_id, account_id, "ended_with_parent", now, origin)',
        "yield from self._revocations.revoke_session(agent_id)",
        about="AGENTS",
    ),
    Mutant(
        "the programs of a revoked token go on",
        ENDING,
        "                yield from self._ending_agents(session_id, now, origin)\n"
        "            yield from self._revocations.revoke_token",
        "            yield from self._revocations.revoke_token",
        about="AGENTS",
    ),
    Mutant(
        "a revoked token is exchanged",
        "EXCHANGEABLE",
        "AND kind = 'jti')",
        "AND kind = 'none')",
        about="AGENTS",
    ),
    Mutant(
        "a program that was stopped begins anew",
        "EXCHANGEABLE",
        "AND stopped.ended_reason = 'stopped'",
        "AND stopped.ended_reason = 'never'",
        about="AGENTS",
    ),
    Mutant(
        "a program is stopped by the clock of whoever has stopped it",
        "STOP_AGENT",
        "> $1 THEN MAX(authenticated_at) ELSE $1 END",
        "> $1 THEN $1 ELSE $1 END",
        about="AGENTS",
    ),
    Mutant(
        "a stop does not wait for an exchange",
        AGENTS,
        "            yield sql.SETTLE_ACCOUNT, (account_id,)\n            values = (now, now",
        "            values = (now, now",
        survives="it takes the whole of a stop between two statements of an exchange of another "
        "session's token: no seed so far has all of it",
        about="AGENTS",
    ),
    Mutant(
        "a stop leaves what other programs do with its tokens",
        AGENTS,
        'yield from self._ending.revoking(session_id, account_id, "stopped", now, origin)',
        "yield from self._ending._revocations.revoke_session(session_id)",
        about="AGENTS",
    ),
    Mutant(
        "of two scopes that a program is given at once one is not shown",
        "TOUCH_AGENT",
        "AND scope = $5 AND",
        "AND $5 = $5 AND",
        about="AGENTS",
    ),
    Mutant(
        "what a program asks for while it begins is not shown",
        AGENTS,
        "        if row.agent_used_at is not None and",
        "        elif row.agent_used_at is not None and",
        about="AGENTS",
    ),
    # Passkeys.
    Mutant(
        "a challenge signs in twice",
        PASSKEY_SIGN_IN,
        "        await _use_up(service, challenge, found.account_id)\n",
        "",
        about="PASSKEYS",
    ),
    Mutant(
        "a passkey whose counter has not risen signs in",
        FACTORS,
        "if not await self._store.write(sql.USE_FACTOR, *used):",
        "if await self._store.write(sql.USE_FACTOR, *used) is None:",
        about="PASSKEYS",
    ),
    Mutant(
        "a passkey is added to the account as it was",
        FACTORS,
        "            if not (yield sql.HOLD_ACCOUNT, (account.id, account.version)):\n"
        "                raise _account_changed()\n"
        "            known = yield",
        "            known = yield",
        about="PASSKEYS",
    ),
    Mutant(
        "the last passkey of an account goes",
        FACTORS,
        "if not any(ways):",
        "if False:",
        about="PASSKEYS",
    ),
    Mutant(
        "who removes a passkey does not wait for whoever removes another way in",
        FACTORS,
        "            yield sql.SETTLE_ACCOUNT, (account.id,)\n"
        "            if session_id is not None",
        "            if session_id is not None",
        about="PASSKEYS",
    ),
    Mutant(
        "a removed passkey leaves sessions",
        FACTORS,
        '                yield from self._gone(account.id, session_id or "", now)\n',
        "",
        about="PASSKEYS",
    ),
    Mutant(
        "the last provider of an account goes",
        PEOPLE,
        "if not (ways.passwords or ways.passkeys or usable):",
        "if False:",
        about="PASSKEYS",
    ),
    # Providers.
    Mutant(
        "who comes from a provider while it signs them out stays",
        SESSION_BEGIN,
        "    await check_at_provider(service, signed_in.identified, grant.session_id, origin)\n",
        "",
        about="PROVIDERS",
    ),
    Mutant(
        "a provider's logout ends nothing",
        PEOPLE,
        "yield from self._ending.revoking_with_granted(ended, reason, now, origin)",
        "yield from ()",
        about="PROVIDERS",
    ),
    Mutant(
        "a session begins with a provider that was disconnected",
        SESSIONS,
        "            if not (yield from _is_known(new.identified, account.id)):\n"
        "                return False\n",
        "",
        about="PROVIDERS",
    ),
    Mutant(
        "what began with a provider lives on without it",
        IDENTITIES,
        "rows = yield sql.END_SESSIONS_OF_IDENTITY, (now, reason, account_id, issuer, keep)",
        "rows = ()",
        about="PROVIDERS",
    ),
    Mutant(
        "who disconnects a provider does not wait for whoever comes from it",
        IDENTITIES,
        "            yield sql.SETTLE_ACCOUNT, (account_id,)\n"
        "            if [(account_id,)] != (yield",
        "            if [(account_id,)] != (yield",
        survives="it takes the whole of a disconnecting between two statements of a sign-in: no "
        "seed so far has all of it",
        about="PROVIDERS",
    ),
    Mutant(
        "a provider is connected by a session that has ended",
        PEOPLE,
        "if not is_held or not (yield sql.HOLD_LOGIN, (session_id,)):",
        "if not is_held:",
        about="PROVIDERS",
    ),
    # Mail.
    Mutant(
        "what was mailed to an address lets in without it",
        LINKS,
        "if link.address and purpose in (RESET, CODE):",
        "if False:",
        about="MAIL",
    ),
    Mutant(
        "a mailed code lets in to whatever the account is by then",
        MAILED_CODES,
        "return await self._store.transact(work)\n        except",
        "found = await self._store.transact(work)\n"
        "            rows = found and await self._store.read(sql.ACCOUNT_BY_ID, found.id)\n"
        "            return account_of(rows[0]) if rows else None\n        except",
        survives="it takes the whole of a reset between two steps of a sign-in by it: no seed "
        "so far has all of it",
        about="MAIL",
    ),
    Mutant(
        "an address is proved by any code",
        ADDRESS_CODES,
        "yield from self._links.take_by_hash(VERIFY, secret_hash, now)\n",
        "pass\n",
        about="MAIL",
    ),
    Mutant(
        "an account that proves its first address has none that is the first",
        ADDRESSES,
        "if not any(sql.AddressRow(*row).is_primary for row in rows):",
        "if False:",
        about="MAIL",
    ),
    Mutant(
        "an account that removes its first address has none that is the first",
        ADDRESSES,
        "if is_primary and left:",
        "if False:",
        about="MAIL",
    ),
    Mutant(
        "who says that it was somebody else leaves sessions",
        RECOVERY,
        'yield from self._accounts.setting_password(account_id, "", own, now, tell=False)',
        'yield sql.SET_PASSWORD, ("", account_id)',
        about="MAIL",
    ),
    # Accounts that are renamed or merged.
    Mutant(
        "another name leaves the version as it is",
        "RENAME_ACCOUNT",
        "skeleton = $2, version = version + 1",
        "skeleton = $2",
        about="RENAMES",
    ),
    Mutant(
        "another name is told to no verifier",
        ACCOUNTS,
        "                yield from self._revocations.revoke_older_versions("
        "account_id, version)\n"
        '                about = {"account_id": account_id, "reason": f"{row.username}',
        '                about = {"account_id": account_id, "reason": f"{row.username}',
        about="RENAMES",
    ),
    Mutant(
        "a name that is another account's is an error of the database",
        ACCOUNTS,
        "                if other.id != account_id:\n                    raise",
        "                if False:\n                    raise",
        about="RENAMES",
    ),
    Mutant(
        "a name that was given away lets in on",
        "ACCOUNT_BY_USERNAME",
        "WHERE username = $1",
        "WHERE (username = $1 OR id IN "
        "(SELECT account_id FROM audit WHERE reason LIKE $1 || ' %'))",
        about="RENAMES",
    ),
    Mutant(
        "another name is told, and not had",
        "RENAME_ACCOUNT",
        "SET username = $1",
        "SET username = CASE WHEN $1 = '' THEN $1 ELSE username END",
        about="RENAMES",
    ),
    Mutant(
        "a merge does what has changed since it was shown",
        MERGING,
        "if found.digest != digest:",
        "if False:",
        about="MERGES",
    ),
    Mutant(
        "a merge does not hold the accounts",
        MERGING,
        "yield sql.SETTLE_ACCOUNT, (one,)",
        "yield sql.ACCOUNT_BY_ID, (one,)",
        about="MERGES",
    ),
    Mutant(
        "a consent comes between what a merge has shown and what it moves",
        CONSENTS,
        "            yield sql.SETTLE_ACCOUNT, (account_id,)\n            before",
        "            before",
        seeds=3000,
        about="MERGES",
    ),
    Mutant(
        "a merge leaves the account that goes",
        MERGING,
        "yield from self._deletions.deleting(account_id, now, origin, MERGED)",
        "pass",
        about="MERGES",
    ),
    Mutant(
        "whoever may not sign in is merged",
        MERGING,
        "if account.disabled or account.delete_at is not None:",
        "if False:",
        about="MERGES",
    ),
    Mutant(
        "claims of an address move, and are taken for proved",
        "MOVE_ADDRESSES",
        "account_id = $3 AND verified_at IS NOT NULL",
        "account_id = $3",
        about="MERGES",
    ),
    Mutant(
        "of the addresses that have moved none is the first",
        MERGING,
        "if moved and not own:",
        "if False:",
        about="MERGES",
    ),
    Mutant(
        "a merge takes passkeys and apps along",
        MERGING,
        "        own = yield from self._proved(into_id)\n",
        "        own = yield from self._proved(into_id)\n"
        '        yield "UPDATE factor SET account_id = $1 WHERE account_id = $2", '
        "(into_id, account_id)\n",
        about="MERGES",
    ),
    Mutant(
        "a merge signs out whoever has the account that stays",
        MERGING,
        "yield from self._deletions.deleting(account_id, now, origin, MERGED)",
        "yield from self._deletions.deleting(account_id, now, origin, MERGED)\n"
        '            yield sql.END_SESSIONS_OF_ACCOUNT, (now, MERGED, into_id, "")',
        about="MERGES",
    ),
    Mutant(
        "links to the account that goes are left",
        DELETION,
        "for statement in sql.FORGET_ACCOUNT:",
        'for statement in (one for one in sql.FORGET_ACCOUNT if "one_time_link" not in one):',
        about="MERGES",
    ),
    Mutant(
        "a merge tells no verifier",
        DELETION,
        "yield from self._revocations.revoke_older_versions(account_id, version)",
        "yield from ()",
        about="MERGES",
    ),
    # What other issuers assert.
    Mutant(
        "an assertion is used twice",
        ASSERTIONS,
        "    await _use_once(service, claims)\n    signed_in",
        "    signed_in",
        about="ASSERTIONS",
    ),
    Mutant(
        "who unlinks does not wait for whoever presents an assertion",
        IDENTITIES,
        "            yield sql.SETTLE_ACCOUNT, (account_id,)\n"
        "            if [(account_id,)] != (yield",
        "            if [(account_id,)] != (yield",
        about="ASSERTIONS",
    ),
    Mutant(
        "a subject that is another account's meanwhile lets in to the first one",
        IDENTITIES,
        "            if row.account_id != account.id:",
        "            if False:",
        about="ASSERTIONS",
    ),
    Mutant(
        "an issuer begins a session while the account changes",
        IDENTITIES,
        "            if not (yield sql.HOLD_ACCOUNT, (account.id, account.version)):\n"
        "                raise IdentityRefused",
        "            if False:\n                raise IdentityRefused",
        about="ASSERTIONS",
    ),
    Mutant(
        "what an issuer carries lives on without the link",
        IDENTITIES,
        "rows = yield sql.END_SESSIONS_OF_IDENTITY, (now, reason, account_id, issuer, keep)",
        "rows = ()",
        about="ASSERTIONS",
    ),
    Mutant(
        "what has ended comes back with the next assertion",
        IDENTITIES,
        "if row.ended_at is not None and row.ended_at >= moment:",
        "if False:",
        about="ASSERTIONS",
    ),
    Mutant(
        "a sign-in elsewhere has ended by the clock of whoever has ended it",
        "SIGN_IN_ELSEWHERE",
        "WHEN before.authenticated_at > before.ended_at",
        "WHEN 1 = 0",
        seeds=3000,
        about="ASSERTIONS",
    ),
    Mutant(
        "a sign-in that is ahead of a process's clock is one of this moment",
        IDENTITIES,
        "moment = min(authenticated_at, now + CLOCKS_DIFFER)",
        "moment = min(authenticated_at, now)",
        seeds=6000,
        about="ASSERTIONS",
    ),
    Mutant(
        "a disabled account is let in by an issuer",
        IDENTITIES,
        "if row.disabled_at is not None:",
        "if False:",
        survives="HOLD_ACCOUNT and EXCHANGEABLE refuse it too: this one is for the reason in the "
        "log",
        about="ASSERTIONS",
    ),
    # Verifiers that require fresh revocations.
    Mutant(
        "a verifier that requires news lets in without",
        TRUSTED,
        "if not self._is_recent(age):",
        "if False:",
        about="FRESHNESS",
    ),
    Mutant(
        "a verifier that has never heard of the issuer lets in",
        TRUSTED,
        "(age is not None and age <= max_age)",
        "(age is None or age <= max_age)",
        about="FRESHNESS",
    ),
    Mutant(
        "a verifier takes a token that is revoked where its news are fresh",
        TRUSTED,
        "                self._require_news(follower)\n            follower.list.check(said)",
        "                self._require_news(follower)\n"
        "            else:\n                follower.list.check(said)",
        about="FRESHNESS",
    ),
    Mutant(
        "what is known is as old as its arrival",
        LIST,
        "return max(now - self.heard_at, unix - self.signed_at - self._leeway)",
        "return now - self.heard_at",
        about="FRESHNESS",
    ),
    Mutant(
        "what is known is as old as the clock says",
        LIST,
        "return max(now - self.heard_at, unix - self.signed_at - self._leeway)",
        "return unix - self.signed_at - self._leeway",
        about="FRESHNESS",
    ),
    Mutant(
        "the leeway counts twice",
        LIST,
        "return max(now - self.heard_at, unix - self.signed_at - self._leeway)",
        "return max(now - self.heard_at, unix - self.signed_at - 4 * self._leeway)",
        about="FRESHNESS",
    ),
    Mutant(
        "an event proves the moment at which it comes",
        LIST,
        "            self.position = seq\n            self._confirm(iat, now, unix)",
        "            self._confirm(int(unix), now, unix)\n            self.position = seq",
        about="FRESHNESS",
    ),
    Mutant(
        "a heartbeat says that it is of the moment of its signature",
        STREAM,
        'event = self._event("heartbeat", position, position, [], self._read_at)',
        'event = self._event("heartbeat", position, position, [], self._clock())',
        about="FRESHNESS",
    ),
    Mutant(
        "what is known never grows old",
        FOLLOWER,
        "return self.list.age(time.monotonic(), self._clock())",
        "return self.list.age(self.list.heard_at or 0.0, self.list.signed_at or 0.0)",
        about="FRESHNESS",
    ),
)


@contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """Let the service have a fault for a while.

    Raises:
        LookupError: if the text is not there, or more than once: the table is to be mended.
    """
    undo = _change_statement(mutant) if mutant.where.isupper() else _change_module(mutant)
    try:
        yield
    finally:
        for place, name, value in undo:
            setattr(place, name, value)


def _replaced(mutant: Mutant, text: str) -> str:
    count = text.count(mutant.old)
    if count != 1:
        raise LookupError(f"{mutant.where}: {mutant.name}: its text is there {count} times")
    return text.replace(mutant.old, mutant.new)


def _change_statement(mutant: Mutant) -> list[tuple[Any, str, Any]]:
    before = getattr(statements, mutant.where)
    after = _replaced(mutant, before)
    if before in statements.GROUPED:
        statements.GROUPED[after] = statements.GROUPED[before]
    from carnet.server.store import counters

    places: list[Any] = [statements]
    if hasattr(counters, mutant.where):
        places.append(counters)
    for place in places:
        setattr(place, mutant.where, after)
    return [(place, mutant.where, before) for place in places]


def _where(name: str, real: Any) -> list[ModuleType]:
    """Give the modules of the service that know a function: its own, and those that import it."""
    loaded = [one for key, one in sys.modules.items() if key.startswith("carnet.")]
    return [module for module in loaded if vars(module).get(name) is real]


def _change_module(mutant: Mutant) -> list[tuple[Any, str, Any]]:
    """Compile a module's changed text, and put its functions in the place of the real ones."""
    module = importlib.import_module(mutant.where)
    changed = ModuleType(module.__name__)
    changed.__file__ = module.__file__
    code = compile(_replaced(mutant, inspect.getsource(module)), module.__file__ or "", "exec")
    exec(code, changed.__dict__)
    undo: list[tuple[Any, str, Any]] = []
    for name, made in list(vars(changed).items()):
        real = vars(module).get(name)
        if isinstance(made, type) and made.__module__ == module.__name__:
            for member, value in list(vars(made).items()):
                # __init__ knows its own class.
                if isinstance(value, FunctionType) and not member.startswith("__"):
                    undo.append((real, member, vars(real)[member]))
                    setattr(real, member, value)
            # What the changed functions make and raise is what everybody else knows.
            setattr(changed, name, real)
        elif isinstance(made, FunctionType) and made.__module__ == module.__name__:
            for place in _where(name, real):
                undo.append((place, name, real))
                setattr(place, name, made)
    # The world's time and chance.
    for name in ("time", "secrets", "_log"):
        if hasattr(module, name):
            setattr(changed, name, getattr(module, name))
    return undo
