"""What a company's directory keeps here by SCIM 2.0: users and groups, and how it proves itself."""

from __future__ import annotations

from carnet.server.accounts.accounts import Accounts
from carnet.server.accounts.deletion import Deletions
from carnet.server.clock import Clock
from carnet.server.revocations.revocations import Revocations
from carnet.server.scim.groups import ScimGroups
from carnet.server.scim.rights import Entitlements
from carnet.server.scim.tokens import ScimTokens
from carnet.server.scim.users import ScimUsers
from carnet.server.settings import Settings
from carnet.server.store import Store

__all__ = ["Scim"]


class Scim:
    """The parts of SCIM.

    Args:
        store: where everything is kept.
        accounts: makes the accounts.
        deletions: deletes them.
        revocations: makes older tokens stale.
        settings: the rules.
        clock: gives the microseconds since 1970.

    Attributes:
        users: the accounts that the directory keeps.
        groups: their groups.
        tokens: what the directory proves itself with.

    Raises:
        ConfigurationError: if the rules are wrong.
    """

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        deletions: Deletions,
        revocations: Revocations,
        settings: Settings,
        clock: Clock,
    ) -> None:
        entitlements = Entitlements(revocations, settings)
        self.users = ScimUsers(store, accounts, deletions, entitlements, clock)
        self.groups = ScimGroups(store, entitlements, clock)
        self.tokens = ScimTokens(store, clock)
