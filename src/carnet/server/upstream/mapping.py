"""What a provider's claims mean here: who can sign in, with which roles, claims and username."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from carnet.errors import ConfigurationError
from carnet.jwt.claim_rules import reader, steps
from carnet.server.accounts.account_record import AccountRefused, roles_text
from carnet.server.accounts.usernames import canonical_username, is_acceptable
from carnet.server.claim_names import RESERVED_CLAIMS
from carnet.server.mail_addresses import read_mail_address
from carnet.server.provider_settings import ClaimRule, ProviderSettings, RoleRules
from carnet.server.upstream.kinds import Kind

__all__ = [
    "Mapped",
    "MappingRules",
    "address_to_link",
    "check_mapping",
    "is_let_in",
    "map_claims",
    "proves_second_factor",
    "username_of",
]

# Of an account that sits in many groups, no more roles than a token can carry.
MOST_ROLES: Final = 100


class MappingRules(Protocol):
    """What the settings say of claims: of a provider, a directory, or SCIM."""

    @property
    def trust_addresses(self) -> bool:
        """Whether addresses count although nobody says that their owner has proved them."""

    @property
    def roles(self) -> RoleRules | None:
        """Which roles people have for what is said."""

    @property
    def claims(self) -> Mapping[str, str | ClaimRule]:
        """The claims of accounts, by their names here: where they stand."""


class Demanding(Protocol):
    """What the settings demand of claims."""

    @property
    def required(self) -> Mapping[str, str | tuple[str, ...]]:
        """What claims have to say."""


class Mapped(NamedTuple):
    """What somebody has of a provider.

    Attributes:
        roles: names of roles, sorted.
        claims: more claims for the account's tokens.
    """

    roles: tuple[str, ...]
    claims: dict[str, Any]


def map_claims(
    settings: MappingRules, kind: Kind, claims: Mapping[str, Any], admin_role: str
) -> Mapped:
    """Give the roles and claims of somebody.

    Args:
        settings: the rules.
        kind: the provider's row.
        claims: what the provider says.
        admin_role: the administrators' role, which no prefix gives.
    """
    roles = () if settings.roles is None else _roles(settings.roles, claims, admin_role)
    return Mapped(roles, dict(_claims(settings, kind, claims)))


def check_mapping(
    rules: MappingRules, required: Iterable[str], wrong: Callable[[str, str], ConfigurationError]
) -> None:
    """Check rules.

    Args:
        rules: the rules.
        required: where what is demanded stands.
        wrong: makes the error for one of them, of the setting's member and what was expected.

    Raises:
        ConfigurationError: made by ``wrong``.
    """
    places = [("required", place) for place in required]
    for name, rule in rules.claims.items():
        if name in RESERVED_CLAIMS or name == "email_verified":
            raise wrong(f"claims.{name}", "the service itself sets it")
        places.append(("claims", rule.claim if isinstance(rule, ClaimRule) else rule))
    if rules.roles is not None:
        places.append(("roles", rules.roles.claim))
        try:
            roles_text([*rules.roles.values.values(), *rules.roles.default])
        except AccountRefused as error:
            raise wrong("roles", str(error)) from None
    for member, place in places:
        try:
            steps(place, place)
        except ConfigurationError as error:
            raise wrong(member, str(error)) from None


def is_let_in(settings: Demanding, claims: Mapping[str, Any]) -> bool:
    """Tell whether somebody's claims say what they have to."""
    for place, wanted in settings.required.items():
        allowed = (wanted,) if isinstance(wanted, str) else wanted
        if not set(_texts(claims, place)).intersection(allowed):
            return False
    return True


def proves_second_factor(settings: ProviderSettings, claims: Mapping[str, Any]) -> bool:
    """Tell whether somebody has proved a second factor at the provider, as far as that counts."""
    if set(_texts(claims, "acr")).intersection(settings.second_factor_acr):
        return True
    return bool(set(_texts(claims, "amr")).intersection(settings.second_factor_amr))


def username_of(kind: Kind, claims: Mapping[str, Any]) -> str:
    """Give the username that somebody's new account might have, or "" where there is none.

    Of what looks like an address only the first half is taken: nobody gets a username that is
    somebody else's address.
    """
    said = claims.get(kind.username) if kind.username else None
    if not isinstance(said, str):
        return ""
    name = canonical_username("-".join(said.partition("@")[0].split()))
    return name if is_acceptable(name) else ""


def address_to_link(settings: ProviderSettings, kind: Kind, claims: Mapping[str, Any]) -> str:
    """Give the address by which an account may be looked for that its owner then proves, or ""."""
    if settings.link != "verified-address" or not _is_address_proved(settings, kind, claims):
        return ""
    said = claims.get("email")
    address = read_mail_address(said) if isinstance(said, str) else None
    return "" if address is None else address.normalized


def _roles(rules: RoleRules, claims: Mapping[str, Any], admin_role: str) -> tuple[str, ...]:
    found = set()
    for text in _texts(claims, rules.claim):
        if text in rules.values:
            found.add(rules.values[text])
        elif rules.prefix and text.startswith(rules.prefix):
            role = text.removeprefix(rules.prefix)
            if _is_role(role) and role != admin_role:
                found.add(role)
    return tuple(sorted(found or rules.default)[:MOST_ROLES])


def _is_role(text: str) -> bool:
    return bool(text) and text.isprintable() and " " not in text and len(text) <= 256


def _claims(settings: MappingRules, kind: Kind, claims: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found = []
    proved = _is_address_proved(settings, kind, claims)
    for name, rule in settings.claims.items():
        given = rule if isinstance(rule, ClaimRule) else ClaimRule(claim=rule)
        if "email" in (name, given.claim) and not proved:
            # Whoever reads it downstream takes it for theirs.
            continue
        value = reader(given.claim, "claims")(claims)
        if isinstance(value, str):
            value = given.values.get(value, value)
        if value is None:
            value = given.default
        if value is not None and name not in RESERVED_CLAIMS:
            found.append((name, value))
    if proved and any(name == "email" for name, _ in found):
        found.append(("email_verified", True))
    return found


def _is_address_proved(settings: MappingRules, kind: Kind, claims: Mapping[str, Any]) -> bool:
    verified = claims.get("email_verified")
    # Apple's is a text.
    says_so = verified is True or verified == "true"
    return settings.trust_addresses or (kind.address_is_proved and says_so)


def _texts(claims: Mapping[str, Any], place: str) -> list[str]:
    """Give the texts that stand at a place: one, or those of a list, whatever else is in it."""
    value = reader(place, "claims")(claims)
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str)]
