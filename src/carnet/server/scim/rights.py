"""What an account has of the directory: roles by its groups, claims by what it is called there.

Both stand with an identity of the account's, of the issuer ``scim``, as those that providers give
stand with theirs: what an administrator has given besides is left alone, what the directory takes
back goes, and older tokens are stale at once.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from carnet.errors import ConfigurationError
from carnet.server.accounts.account_record import AccountRefused
from carnet.server.audit import Origin
from carnet.server.directory_settings import ScimSettings
from carnet.server.revocations.revocations import Revocations
from carnet.server.scim.refusals import ScimRefused
from carnet.server.scim.schemas import ENTERPRISE
from carnet.server.sessions.identity_rights import Rights, replace_rights
from carnet.server.settings import Settings
from carnet.server.store import Transaction
from carnet.server.store import statements as sql
from carnet.server.upstream.kinds import KINDS
from carnet.server.upstream.mapping import check_mapping, map_claims

__all__ = ["ISSUER", "Entitlements"]

ISSUER: Final = "scim"
"""Stands where other identities have a URL, so that no provider's can be the same."""


class Entitlements:
    """Gives accounts what the directory says.

    Args:
        revocations: makes older tokens stale.
        settings: the rules.

    Raises:
        ConfigurationError: if the rules are wrong.
    """

    def __init__(self, revocations: Revocations, settings: Settings) -> None:
        self._revocations = revocations
        self._rules = settings.scim or ScimSettings()
        self._admin_role = settings.admin_role
        check_mapping(self._rules, (), _wrong)
        if self._rules.provider and self._rules.provider not in settings.providers:
            raise _wrong("provider", "it is one of the setting providers")

    def settling(self, account_id: str, now: int, origin: Origin) -> Transaction[None]:
        """Give an account what it is to have now, in the transaction that has changed that.

        Args:
            account_id: whose.
            now: microseconds since 1970.
            origin: who asked.

        Raises:
            ScimRefused: if the account can't hold it.
        """
        # Whoever changes another group of the account's waits here, and then sees this change.
        yield sql.SETTLE_ACCOUNT, (account_id,)
        rows = yield sql.SCIM_USER, (account_id,)
        for row in [sql.ScimUserRow(*one) for one in rows]:
            groups = yield sql.SCIM_GROUPS_OF_ACCOUNT, (account_id,)
            said = _said(msgspec.json.decode(row.content), [name for _, name in groups])
            mapped = map_claims(self._rules, KINDS["openid"], said, self._admin_role)
            yield sql.ADD_IDENTITY, (ISSUER, account_id, now, account_id)
            rights = Rights(mapped.roles, mapped.claims)
            try:
                yield from replace_rights(
                    self._revocations, ISSUER, account_id, rights, now, origin
                )
            except AccountRefused as error:
                raise ScimRefused(f"the account can't hold what it would have: {error}") from None


def _said(content: dict[str, Any], groups: list[str]) -> dict[str, Any]:
    """Give what the rules are applied to: the user of SCIM, and its groups by their names."""
    emails = [one for one in content.get("emails", ()) if one.get("value")]
    emails.sort(key=lambda one: not one.get("primary"))
    email = {"email": emails[0]["value"]} if emails else {}
    return {**content, "enterprise": content.get(ENTERPRISE, {}), **email, "groups": groups}


def _wrong(member: str, text: str) -> ConfigurationError:
    return ConfigurationError(f"the setting scim: {member}: {text}")
