"""Reading the providers of the settings: what can't work is refused at the start."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from carnet.errors import ConfigurationError
from carnet.server.clients.addresses import BadAddress, check_web_address
from carnet.server.mail_addresses import read_mail_address
from carnet.server.settings import Settings
from carnet.server.upstream.kinds import KINDS, TENANT
from carnet.server.upstream.mapping import check_mapping
from carnet.server.upstream.provider import Provider

__all__ = ["read_providers"]

A_TENANT: Final = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"


def read_providers(settings: Settings) -> dict[str, Provider]:
    """Give the providers of the settings, by name; no secret is read yet.

    Raises:
        ConfigurationError: naming the provider, the member and what was expected.
    """
    found: dict[str, Provider] = {}
    for name, given in settings.providers.items():
        kind = given.kind or (name if name in KINDS else "openid")
        row = KINDS.get(kind)
        if row is None:
            raise ConfigurationError(
                f"the setting providers: {name}.kind is one of {', '.join(sorted(KINDS))}"
            )
        tenant = row.tenants.get(given.tenant, given.tenant)
        issuer = (given.issuer or row.issuer).replace(TENANT, tenant)
        provider = Provider(name, row, given, issuer)
        _check(provider, settings)
        for other in found.values():
            if issuer == other.issuer or other.lets_in(issuer) or provider.lets_in(other.issuer):
                raise provider.wrong("issuer", "another provider has the same one")
            if not set(given.domains).isdisjoint(other.settings.domains):
                raise provider.wrong("domains", "another provider has one of them")
        found[name] = provider
    return found


def _check(provider: Provider, settings: Settings) -> None:
    given, row = provider.settings, provider.kind
    try:
        check_web_address(provider.published_at)
        if urlsplit(provider.published_at).scheme != "https" or "?" in provider.issuer:
            raise BadAddress("an https URL without a query")
    except BadAddress as error:
        raise provider.wrong("issuer", f"it is {error}") from None
    if provider.issuer == settings.own_url:
        raise provider.wrong("issuer", "it is another service's, not this one's")
    if TENANT in (given.issuer or row.issuer):
        _check_tenant(provider)
    if given.tenants and not provider.has_tenants:
        raise provider.wrong("tenants", "it is for a tenant that stands for many")
    if given.trust_addresses and provider.has_tenants and not given.tenants:
        raise provider.wrong(
            "trust_addresses", "any tenant of the world can write any address: name your `tenants`"
        )
    if given.client_secret_file and given.client_key_file:
        raise provider.wrong("client_key_file", "give it or client_secret_file, not both")
    if row.signed_secret and not (given.client_key_file and given.team_id):
        raise provider.wrong("client_key_file", "give it and team_id, as Apple has given them")
    if row.adapter == "github" and not given.client_secret_file:
        raise provider.wrong("client_secret_file", "it needs one")
    if row.adapter == "github" and given.keep_refresh_token:
        raise provider.wrong("keep_refresh_token", "it gives none")
    if row.adapter == "openid" and "openid" not in provider.scopes:
        raise provider.wrong("scopes", "openid has to be among them")
    if given.link == "verified-address" and not (row.address_is_proved or given.trust_addresses):
        raise provider.wrong("link", "nobody has proved the addresses that it tells of")
    for domain in given.domains:
        address = read_mail_address(f"a@{domain}")
        if address is None or address.normalized != f"a@{domain}":
            told = f"{domain} is no domain in small letters, such as example.com"
            raise provider.wrong("domains", told)
    check_mapping(given, given.required, provider.wrong)


def _check_tenant(provider: Provider) -> None:
    tenant, names = provider.settings.tenant, provider.kind.tenants
    if tenant not in names and len(tenant) != len(A_TENANT):
        told = f"it is the tenant's id, such as {A_TENANT}, or one of {', '.join(names)}"
        raise provider.wrong("tenant", told)
