"""What the settings say of a provider: another service that signs people in for this one."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = ["ClaimRule", "Place", "ProviderName", "ProviderSettings", "RoleRules"]

ProviderName = Annotated[str, Meta(pattern="^[a-z0-9](-?[a-z0-9])*$", max_length=32)]
Text = Annotated[str, Meta(min_length=1, max_length=512)]
Place = Annotated[str, Meta(min_length=1, max_length=256)]


class RoleRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which roles somebody has for what a claim says.

    Attributes:
        claim: where it stands: ``groups``, or ``realm_access.roles`` in an object; a name with
            ``/`` or ``:`` in it, as URLs are, is one name.
        values: the role for each value.
        prefix: a value that begins so gives the role that is named after it. The administrators'
            role is never given by it: that has to stand in ``values``.
        default: the roles of whoever gets none by the claim.
    """

    claim: Place = "groups"
    values: dict[Text, Text] = {}
    prefix: Annotated[str, Meta(max_length=256)] = ""
    default: tuple[Text, ...] = ()


class ClaimRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a claim of an account is.

    Attributes:
        claim: where it stands at the provider.
        values: what is written instead of a value; one that is not here stays as it is.
        default: what it is where the provider says nothing; None for no claim.
    """

    claim: Place
    values: dict[Text, Text] = {}
    default: str | None = None


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider that people may sign in with.

    Attributes:
        client_id: what the provider calls this service.
        kind: one that Carnet knows, such as ``google``, or ``openid`` for any other; by default
            the provider's name where that is one of them.
        issuer: the provider's URL, exactly as its tokens name it, where the kind does not say it.
        tenant: of Microsoft's, the id of the tenant, or ``common``, ``organizations`` or
            ``consumers`` for many.
        tenants: of those, the ids of the only ones whose people may sign in.
        client_secret_file: a file with the secret that the provider has given out, or
        client_key_file: a file with a private key, as a JWK or in PEM (``private_key_jwt``).
        key_id: what the provider calls that key, where it has given it out.
        team_id: of Apple's, the team that the key belongs to.
        label: what the button says; by default "Continue with" and the provider's name.
        scopes: what is asked for.
        domains: of addresses: whoever types one of these to sign in is led to this provider.
        provision: whether an account is made for whoever comes the first time (``create``), or
            only those are let in who have connected the provider with their account, or whom an
            administrator has linked (``linked-only``).
        link: how an account that is there gets connected: by its owner alone, from within
            (``from-within``), or also at a first sign-in, where the provider has proved an address
            that the account has proved here, and its owner then signs in to it
            (``verified-address``).
        acr_values: levels of which the provider is asked for one, and has to say that it was
            reached.
        second_factor_acr: levels of the provider's that count as a second factor.
        second_factor_amr: ways of signing in at the provider, such as ``mfa``, that do.
        trust_addresses: whether addresses count although the provider does not say that their owner
            has proved them: for a directory of your own.
        keep_refresh_token: whether the provider's refresh token is kept, encrypted, to see every
            quarter of an hour that the account is still there; where it is not, sessions end.
        required: what claims have to say: of each one value, or several of which one has to be
            there.
        roles: which roles people have for what the provider says.
        claims: the claims of accounts that the provider says, by their names here: where they
            stand there.
    """

    client_id: Text
    kind: Annotated[str, Meta(max_length=32)] = ""
    issuer: Annotated[str, Meta(max_length=2048)] = ""
    tenant: Annotated[
        str, Meta(pattern="^([0-9a-f-]*|common|organizations|consumers)$", max_length=36)
    ] = ""
    tenants: tuple[Annotated[str, Meta(pattern="^[0-9a-f-]{36}$")], ...] = ()
    client_secret_file: str = ""
    client_key_file: str = ""
    key_id: Annotated[str, Meta(max_length=128)] = ""
    team_id: Annotated[str, Meta(pattern="^[A-Z0-9]*$", max_length=32)] = ""
    label: Annotated[str, Meta(max_length=40)] = ""
    scopes: tuple[Annotated[str, Meta(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,256}$")], ...] = ()
    domains: tuple[Annotated[str, Meta(min_length=1, max_length=253)], ...] = ()
    provision: Literal["create", "linked-only"] = "linked-only"
    link: Literal["from-within", "verified-address"] = "from-within"
    acr_values: tuple[Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,256}$")], ...] = ()
    second_factor_acr: tuple[Text, ...] = ()
    second_factor_amr: tuple[Text, ...] = ()
    trust_addresses: bool = False
    keep_refresh_token: bool = False
    required: dict[Place, str | tuple[str, ...]] = {}
    roles: RoleRules | None = None
    claims: dict[Place, Place | ClaimRule] = {}
