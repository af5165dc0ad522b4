"""Factors: what an account signs in with besides its password, and what happens to them.

Whoever has one is asked for it after the password. Recovery codes stand in for the others where
these are lost, and are there only beside one.

    kind            proves (RFC 8176)       once, because
    ──────────────  ──────────────────────  ──────────────────────────────────────────────────────
    totp            otp, mfa                the time step of the last code only rises
    recovery code   mfa                     it is not there any more after its use
    passkey         pop, user, mfa          the challenge is used up, and its counter only rises

A factor that goes takes with it what was reached by it: the other sessions of the account end, as
they do with a password.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec
import structlog

from carnet.errors import ServerError
from carnet.server.accounts.account_record import Account
from carnet.server.accounts.notices import Notices
from carnet.server.audit import Event, Origin, record
from carnet.server.clock import SECOND, Clock
from carnet.server.factors import totp
from carnet.server.factors.factor_record import (
    MAX_NAME,
    MOST_FACTORS,
    Factor,
    FactorRefused,
    FoundPasskey,
)
from carnet.server.factors.levels import WITH_CODE, WITH_RECOVERY_CODE
from carnet.server.factors.passkeys import PasskeyDetails, PasskeyRefused, Passkeys
from carnet.server.factors.recovery_codes import COUNT, hide, new_code, read_code
from carnet.server.identifiers import new_identifier
from carnet.server.keys.sealed_secrets import open_secret, seal_secret
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.languages import gettext, marked
from carnet.server.revocations.revocations import Revocations
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["KIND_NAMES", "Factor", "FactorRefused", "Factors"]

KIND_NAMES: Final = {"passkey": marked("Passkey"), "totp": marked("Authenticator app")}

_MAX_TYPED: Final = 64

_log = structlog.get_logger()


class Factors:
    """The factors of all accounts.

    Args:
        store: where they are kept.
        keys: of which the peppers hide what they hold.
        revocations: makes older tokens stale where a factor goes.
        passkeys: reads what browsers answer.
        notices: tells people of what is added and removed.
        clock: gives the microseconds since 1970.

    Attributes:
        passkeys: the same.
    """

    def __init__(
        self,
        store: Store,
        keys: SigningKeys,
        revocations: Revocations,
        passkeys: Passkeys,
        notices: Notices,
        clock: Clock,
    ) -> None:
        self.passkeys = passkeys
        self._store = store
        self._keys = keys
        self._revocations = revocations
        self._notices = notices
        self._clock = clock

    async def of_account(self, account_id: str) -> list[Factor]:
        """Give the factors of an account, the oldest first."""
        return [
            Factor(row.id, row.kind, row.name, row.created_at, row.used_at)
            for row in await self._rows(account_id)
        ]

    async def kinds(self, account_id: str) -> tuple[str, ...]:
        """Give the kinds of factors that an account has; none is for a password alone."""
        return tuple(sorted({row.kind for row in await self._rows(account_id)}))

    async def recovery_codes_left(self, account_id: str) -> int:
        """Give how many recovery codes an account has not used yet."""
        [(count,)] = await self._store.read(sql.RECOVERY_CODES_LEFT, account_id)
        return int(count)

    async def add_totp(
        self,
        account: Account,
        factor_id: str,
        secret: bytes,
        code: str,
        name: str,
        origin: Origin,
        *,
        first: bool = False,
    ) -> None:
        """Add an authenticator app, which proves by a code that it has the secret.

        Args:
            account: whose.
            factor_id: chosen with the secret, so that a form that is sent twice adds it once.
            secret: the secret.
            code: as it was typed.
            name: as it was typed, or "".
            origin: who asked.
            first: whether nothing but the password was proved: then the account must have none yet.

        Raises:
            FactorRefused: saying what was expected.
        """
        step = totp.matching_step(secret, "".join(code.split()), self._clock() // SECOND)
        if step is None:
            raise FactorRefused(
                "this is not the code that the app shows now; if it happens again, compare the "
                "clocks of both devices",
                code="code_wrong",
            )
        row = sql.AddFactor(
            id=factor_id,
            account_id=account.id,
            kind="totp",
            name=name,
            credential_id=None,
            secret=seal_secret(self._keys, secret, _row(account.id, factor_id)),
            # The code that proves it is used by that.
            counter=step,
            details="",
            now=self._clock(),
        )
        await self._add(account, row, origin, first=first)

    async def check_code(self, account: Account, typed: str, origin: Origin) -> str | None:
        """Take a code of an app or a recovery code, as the second step after a password.

        Returns:
            What is reached with it, as ``amr`` says it; None where the code is none of the
            account's, or was used before.
        """
        code = "".join(typed[:_MAX_TYPED].split())
        if len(code) == totp.DIGITS:
            return await self._check_totp(account, code)
        recovery_code = read_code(typed)
        if recovery_code is None:
            return None
        now = self._clock()

        def work() -> Transaction[bool]:
            for pepper in self._keys.peppers.values():
                hidden = hide(pepper, account.id, recovery_code)
                if (yield sql.TAKE_RECOVERY_CODE, (account.id, hidden)):
                    about = {"account_id": account.id}
                    yield from record(now, Event.RECOVERY_CODE_USED, origin, **about)
                    return True
            return False

        return WITH_RECOVERY_CODE if await self._store.transact(work) else None

    async def credential_ids(self, account_id: str) -> list[bytes]:
        """Give the credentials of the passkeys that an account has."""
        rows = await self._rows(account_id)
        return [row.credential_id for row in rows if row.credential_id is not None]

    async def add_passkey(
        self, account: Account, answer: str, challenge: bytes, name: str, origin: Origin
    ) -> None:
        """Add the passkey that a browser has made; sent twice, it is added once.

        Raises:
            PasskeyRefused: if it is not good, or somebody's already.
            FactorRefused: saying what was expected.
        """
        made = self.passkeys.read_new(answer, challenge)
        row = sql.AddFactor(
            id=new_identifier(),
            account_id=account.id,
            kind="passkey",
            name=name,
            credential_id=made.credential_id,
            secret=made.credential,
            counter=made.counter,
            details=msgspec.json.encode(made.details).decode(),
            now=self._clock(),
        )
        if not await self._add(account, row, origin, first=False):
            found = await self._store.read(sql.FACTOR_BY_CREDENTIAL, made.credential_id)
            if not found or sql.FactorRow(*found[0]).account_id != account.id:
                raise PasskeyRefused("the credential belongs to another account")

    async def check_passkey(self, answer: str, challenge: bytes, *, is_alone: bool) -> FoundPasskey:
        """Find the passkey that has signed, and check what it has; nothing is written.

        Args:
            answer: the browser's.
            challenge: what it was asked with.
            is_alone: whether nothing else is asked for.

        Raises:
            PasskeyRefused: if it is not good.
        """
        credential_id = self.passkeys.credential_id_of(answer)
        found = await self._store.read(sql.FACTOR_BY_CREDENTIAL, credential_id)
        if not found:
            raise PasskeyRefused("the credential is unknown")
        row = sql.FactorRow(*found[0])
        try:
            details = msgspec.json.decode(row.details, type=PasskeyDetails)
        except msgspec.MsgspecError:
            _log.error("row_unreadable", kind="factor", name=row.id, reason="details")
            raise PasskeyRefused("its row can't be read") from None
        try:
            assertion = self.passkeys.check(
                *(answer, challenge, bytes(row.secret), details, row.account_id), is_alone=is_alone
            )
        except PasskeyRefused as error:
            raise PasskeyRefused(str(error), row.account_id) from None
        return FoundPasskey(row.id, row.account_id, assertion)

    async def use_passkey(self, found: FoundPasskey) -> None:
        """Write down that a passkey was used.

        Raises:
            PasskeyRefused: if its counter has not risen: there may be two of it.
        """
        counter, details, _ = found.assertion
        kept = msgspec.json.encode(details).decode()
        used = counter, self._clock(), kept, found.id
        if not await self._store.write(sql.USE_FACTOR, *used):
            text = "its counter has not risen: the passkey may have been copied"
            raise PasskeyRefused(text, found.account_id)

    async def make_recovery_codes(self, account: Account, origin: Origin) -> list[str]:
        """Make the recovery codes of an account anew; those before are no good any more."""
        codes = [new_code() for _ in range(COUNT)]
        pepper, now = self._keys.peppers[self._keys.pepper_id], self._clock()
        hidden = [hide(pepper, account.id, read_code(code) or "") for code in codes]

        def work() -> Transaction[None]:
            if not (yield sql.HOLD_ACCOUNT, (account.id, account.version)):
                raise _account_changed()
            yield sql.REMOVE_RECOVERY_CODES, (account.id,)
            for one in hidden:
                yield sql.ADD_RECOVERY_CODE, (one, account.id)
            yield from record(now, Event.RECOVERY_CODES_MADE, origin, account_id=account.id)
            yield from self._notices.tell(account.id, "recovery_codes", now, origin)

        await self._store.transact(work)
        return codes

    async def rename(self, account_id: str, factor_id: str, name: str, origin: Origin) -> bool:
        """Call a factor something else, and tell whether it is there.

        Raises:
            FactorRefused: ``name_invalid``.
        """
        checked = _checked_name(name)
        now = self._clock()

        def work() -> Transaction[bool]:
            for (kind,) in (yield sql.RENAME_FACTOR, (checked, factor_id, account_id)):
                about = {"account_id": account_id, "reason": kind}
                yield from record(now, Event.FACTOR_RENAMED, origin, **about)
                return True
            return False

        return await self._store.transact(work)

    async def remove(
        self, account: Account, factor_id: str, session_id: str | None, origin: Origin
    ) -> bool:
        """Remove a factor; every session ends but the one of its owner's that asked.

        Args:
            account: whose.
            factor_id: which.
            session_id: of the session that asked, which lives on; None for an administrator.
            origin: who asked.

        Returns:
            Whether it was there.

        Raises:
            FactorRefused: ``account_changed``, or ``last_way_in``.
        """
        now = self._clock()

        def work() -> Transaction[bool]:
            # Two that remove the last two factors at once are one after the other.
            yield sql.SETTLE_ACCOUNT, (account.id,)
            if session_id is not None and not (yield sql.HOLD_LOGIN, (session_id,)):
                raise _account_changed()
            for (kind,) in (yield sql.REMOVE_FACTOR, (factor_id, account.id)):
                about = {"account_id": account.id, "reason": kind}
                yield from record(now, Event.FACTOR_REMOVED, origin, **about)
                yield from self._gone(account.id, session_id or "", now)
                for ways in (yield sql.WAYS_IN, (account.id,)):
                    if not any(ways):
                        raise FactorRefused(
                            "it is the only way to sign in to your account: set a password, or "
                            "connect another account first",
                            code="last_way_in",
                        )
                told = (
                    "factor_removed",
                    now,
                    origin,
                    partial(gettext, KIND_NAMES.get(kind) or str(kind)),
                )
                yield from self._notices.tell(account.id, *told)
                return True
            return False

        return await self._store.transact(work)

    async def reset(self, account_id: str, origin: Origin) -> int:
        """Remove all factors and recovery codes of an account, and end its sessions.

        Returns:
            How many factors there were.
        """
        now = self._clock()

        def work() -> Transaction[int]:
            yield sql.SETTLE_ACCOUNT, (account_id,)
            removed = yield sql.REMOVE_FACTORS, (account_id,)
            if removed:
                yield from self._gone(account_id, "", now)
                kinds = " ".join(sorted(kind for (kind,) in removed))
                about = {"account_id": account_id, "reason": kinds}
                yield from record(now, Event.FACTORS_RESET, origin, **about)
                yield from self._notices.tell(account_id, "factors_reset", now, origin)
            return len(removed)

        return await self._store.transact(work)

    def _gone(self, account_id: str, kept: str, now: int) -> Transaction[None]:
        """End what a factor that was removed has reached; without factors, no recovery codes."""
        if not (yield sql.FACTORS_OF_ACCOUNT, (account_id,)):
            yield sql.REMOVE_RECOVERY_CODES, (account_id,)
        yield sql.END_SESSIONS_OF_ACCOUNT, (now, "factor_removed", account_id, kept)
        yield sql.FORGET_BROWSERS, (account_id,)
        for (version,) in (yield sql.RAISE_VERSION, (account_id,)):
            yield from self._revocations.revoke_older_versions(account_id, version)

    async def _add(
        self, account: Account, row: sql.AddFactor, origin: Origin, *, first: bool
    ) -> bool:
        """Add a factor, and tell whether it was not there already."""
        name = _checked_name(row.name.strip() or gettext(KIND_NAMES[row.kind]))

        def work() -> Transaction[bool]:
            if not (yield sql.HOLD_ACCOUNT, (account.id, account.version)):
                raise _account_changed()
            known = yield sql.FACTORS_OF_ACCOUNT, (account.id,)
            if known and first:
                # Whoever knows the password alone would get around the others.
                raise _account_changed()
            if len(known) >= MOST_FACTORS:
                raise FactorRefused(
                    f"an account can have at most {MOST_FACTORS} of them; remove one first",
                    code="too_many_factors",
                )
            if not (yield sql.ADD_FACTOR, row._replace(name=name)):
                return False
            about = {"account_id": account.id, "reason": row.kind}
            yield from record(row.now, Event.FACTOR_ADDED, origin, **about)
            told = "factor_added", row.now, origin, partial(gettext, KIND_NAMES[row.kind])
            yield from self._notices.tell(account.id, *told)
            return True

        return await self._store.transact(work)

    async def _check_totp(self, account: Account, code: str) -> str | None:
        now = self._clock()
        for row in await self._rows(account.id):
            if row.kind != "totp":
                continue
            try:
                secret = open_secret(self._keys, row.secret, _row(row.account_id, row.id))
            except ServerError as error:
                # The others are good, and so are recovery codes.
                _log.error("row_unreadable", kind="factor", name=row.id, reason=error.code)
                continue
            step = totp.matching_step(secret, code, now // SECOND)
            if step is not None and await self._use(row, step, now):
                return WITH_CODE
        return None

    async def _use(self, row: sql.FactorRow, counter: int, now: int) -> bool:
        return bool(await self._store.write(sql.USE_FACTOR, counter, now, row.details, row.id))

    async def _rows(self, account_id: str) -> list[sql.FactorRow]:
        rows = await self._store.read(sql.FACTORS_OF_ACCOUNT, account_id)
        return [sql.FactorRow(*row) for row in rows]


def _row(account_id: str, factor_id: str) -> str:
    return f"{account_id} {factor_id}"


def _checked_name(typed: str) -> str:
    name = typed.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise FactorRefused(
            f"a name must have visible characters, and at most {MAX_NAME}", code="name_invalid"
        )
    return name


def _account_changed() -> FactorRefused:
    return FactorRefused(
        "the account was changed at the same moment, or this session has ended, and nothing was "
        "done; sign in again, then try again",
        code="account_changed",
    )
