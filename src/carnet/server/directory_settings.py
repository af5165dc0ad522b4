"""What the settings say of a company's directory: one that provisions accounts here by SCIM."""

from __future__ import annotations

from typing import Literal

import msgspec

from carnet.server.provider_settings import ClaimRule, Place, ProviderName, RoleRules

__all__ = ["ScimSettings"]


class ScimSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a directory may keep here by SCIM 2.0.

    Attributes:
        roles: which roles people have for the names of their groups.
        claims: the claims of accounts, by their names here: where they stand in the user of SCIM,
            such as ``displayName`` or ``enterprise.department``.
        trust_addresses: whether the directory's addresses count as proved.
        provider: the provider with which these people sign in, so that whoever comes from it is
            the account that the directory has made for them.
        provider_claim: the provider's claim that says what the directory calls them, their
            ``externalId``: ``sub`` at Okta, ``oid`` at Microsoft.
    """

    roles: RoleRules | None = None
    claims: dict[Place, Place | ClaimRule] = {}
    trust_addresses: bool = False
    provider: ProviderName | Literal[""] = ""
    provider_claim: Literal["sub", "oid"] = "sub"
