"""What the settings say of a company's directory: it is asked by LDAP, or writes here by SCIM."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from carnet.server.provider_settings import ClaimRule, Place, ProviderName, RoleRules

__all__ = ["DirectorySettings", "ScimSettings"]

Text = Annotated[str, Meta(min_length=1, max_length=1024)]
Url = Annotated[str, Meta(pattern=r"^ldaps?://(\[[0-9a-f:]+\]|[A-Za-z0-9.\-]+)(:[0-9]{1,5})?/?$")]


class DirectorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A directory whose people sign in with the password that they have there (LDAP).

    Attributes:
        urls: its servers, ``ldaps://dc1.example.com``; the next one is asked where one does not
            answer. ``ldap://`` is encrypted by StartTLS.
        base: below which people and groups are looked for, such as ``dc=example,dc=com``.
        bind_dn: whom this service signs in as to look for them; "" is for nobody.
        bind_password_file: a file with the password for that.
        user_filter: finds somebody by the name that was typed, which stands for ``{username}``.
        group_filter: finds somebody's groups, ``{dn}`` standing for the person and ``{username}``
            for the name; by default those count that the person's ``memberOf`` names.
        ca_file: the certificates that may have signed the servers', by default those that the
            system trusts.
        start_tls: whether ``ldap://`` is encrypted; only on this machine it need not be.
        timeout: how many seconds a server may take for each answer.
        connections: to how many people's sign-ins the directory is asked at the same time.
        label: what people call the directory; by default its name here.
        provision: whether an account is made for whoever comes the first time (``create``), or
            only those are let in whom an administrator has linked (``linked-only``).
        trust_addresses: whether the directory's addresses count as proved.
        required: what has to stand at some places of a person: of each one value, or several of
            which one has to be there.
        roles: which roles people have for what the directory says; ``groups`` are the DNs of their
            groups, ``group_names`` the names alone.
        claims: the claims of accounts, by their names here: the attributes in the directory.
    """

    urls: Annotated[tuple[Url, ...], Meta(min_length=1, max_length=4)]
    base: Text
    bind_dn: Annotated[str, Meta(max_length=1024)] = ""
    bind_password_file: str = ""
    user_filter: Text = "(uid={username})"
    group_filter: Annotated[str, Meta(max_length=1024)] = ""
    ca_file: str = ""
    start_tls: bool = True
    timeout: Annotated[int, Meta(ge=1, le=30)] = 5
    connections: Annotated[int, Meta(ge=1, le=32)] = 4
    label: Annotated[str, Meta(max_length=40)] = ""
    provision: Literal["create", "linked-only"] = "create"
    trust_addresses: bool = False
    required: dict[Place, str | tuple[str, ...]] = {}
    roles: RoleRules | None = None
    claims: dict[Place, Place | ClaimRule] = {}


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
