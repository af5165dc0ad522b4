"""The providers that people may sign in with, and what they say of whom."""

from __future__ import annotations

from collections.abc import Mapping

from carnet.server.clients.fetched_keys import FetchedKeys
from carnet.server.clock import Clock
from carnet.server.mail_addresses import read_mail_address
from carnet.server.public_fetch import Resolve
from carnet.server.settings import Settings
from carnet.server.upstream.calls import Calls
from carnet.server.upstream.directories import Directories
from carnet.server.upstream.github import GitHubProvider
from carnet.server.upstream.openid import OpenIdProvider
from carnet.server.upstream.provider import Asserted, Provider
from carnet.server.upstream.setting_up import read_providers

__all__ = ["Speaks", "Upstream"]

Speaks = OpenIdProvider | GitHubProvider
"""How one of them is spoken to."""


class Upstream:
    """The providers.

    Args:
        settings: which there are.
        fetched_keys: gives the keys of those that sign ID tokens.
        clock: gives the microseconds since 1970.
        resolve: gives the addresses of a name; by default as the system does.

    Attributes:
        providers: by the names that the settings give them, in their order.
        domains: of addresses, and whom they lead to.
        directories: those that are asked who somebody is, where a provider would say it.

    Raises:
        ConfigurationError: naming the provider, the member and what was expected.
    """

    def __init__(
        self,
        settings: Settings,
        fetched_keys: FetchedKeys,
        clock: Clock,
        resolve: Resolve | None = None,
    ) -> None:
        self.providers: Mapping[str, Provider] = read_providers(settings)
        self.domains: Mapping[str, Provider] = {
            domain: one for one in self.providers.values() for domain in one.settings.domains
        }
        self.directories = Directories(settings, clock)
        self._scim = settings.scim
        self._speaking: dict[str, Speaks] = {}
        for name, provider in self.providers.items():
            calls = Calls(settings, resolve)
            self._speaking[name] = (
                GitHubProvider(provider, calls)
                if provider.kind.adapter == "github"
                else OpenIdProvider(provider, calls, fetched_keys, clock)
            )

    def speaking(self, provider: Provider) -> Speaks:
        """Give what speaks to a provider."""
        return self._speaking[provider.name]

    def by_issuer(self, issuer: str) -> Provider | None:
        """Give the provider with which an issuer's people can sign in, or None."""
        return next((one for one in self.providers.values() if one.lets_in(issuer)), None)

    def by_address(self, typed: str) -> Provider | None:
        """Give the provider that somebody's address leads to, or None; nobody is looked up."""
        address = read_mail_address(typed)
        domain = "" if address is None else address.normalized.rpartition("@")[2]
        return self.domains.get(domain)

    def label_of(self, issuer: str) -> str:
        """Give what people call a provider or a directory, or "" where there is none such."""
        provider = self.by_issuer(issuer)
        return self.directories.labels.get(issuer, "") if provider is None else provider.label

    def external_id(self, said: Asserted) -> str | None:
        """Give what the directory that keeps accounts here by SCIM calls somebody, or None."""
        rules, provider = self._scim, self.by_issuer(said.issuer)
        if rules is None or provider is None or provider.name != rules.provider:
            return None
        if provider.issuer != said.issuer:
            return None
        found = said.subject if rules.provider_claim == "sub" else said.claims.get("oid")
        return found if isinstance(found, str) and found else None

    def check_secrets(self) -> None:
        """Read what this service proves itself with.

        Raises:
            ConfigurationError: naming the provider and the file that can't be used.
        """
        for provider in self.providers.values():
            if not provider.secret:
                _ = provider.key
        self.directories.check_secrets()

    def close(self) -> None:
        """End what is under way."""
        for one in self._speaking.values():
            one.close()
        self.directories.close()
