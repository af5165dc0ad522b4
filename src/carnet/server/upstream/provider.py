"""A provider as it is set up: its row, its settings, and how this service proves itself there."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote_plus, urlsplit

from carnet.errors import CarnetError, ConfigurationError, InvalidKey
from carnet.jose.algorithms import ALGORITHMS
from carnet.jose.key import Key
from carnet.jwt.claim_rules import steps
from carnet.jwt.signer import Signer
from carnet.server.accounts.account_record import AccountRefused, roles_text
from carnet.server.claim_names import RESERVED_CLAIMS
from carnet.server.clients.addresses import BadAddress, check_web_address
from carnet.server.clock import SECOND, Clock
from carnet.server.identifiers import new_identifier
from carnet.server.provider_settings import ClaimRule, ProviderSettings
from carnet.server.secret_files import HOW_TO_HIDE, is_exposed
from carnet.server.settings import Settings
from carnet.server.upstream.kinds import KINDS, Kind

__all__ = ["Asked", "Asserted", "Proof", "Provider", "UpstreamRefused", "read_providers"]

MOST_SECRET: Final = 16 * 1024
ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS: Final = 60


class UpstreamRefused(CarnetError):
    """Somebody can't be signed in by a provider; the message is for operators alone.

    Codes: ``unavailable``, ``answer_wrong``, ``refused_there``, ``not_begun_here``,
    ``not_asked_again``, ``level_not_reached``, ``not_let_in``, ``not_linked``,
    ``account_disabled``, ``identity_taken``, ``last_way_in``, ``account_changed``,
    ``claims_unusable``, ``too_long``.
    """

    code = "answer_wrong"


class Asked(NamedTuple):
    """What a browser is sent to a provider with.

    Attributes:
        state: comes back with the answer.
        nonce: comes back in the ID token.
        verifier: proves to the provider that whoever has the code has asked for it (RFC 7636).
        redirect_uri: where the answer goes.
        again: whether the person is to prove again who they are.
        max_age: how many seconds ago they may have done so, or None.
        since: when this began, in microseconds since 1970.
    """

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    again: bool
    max_age: int | None
    since: int


class Asserted(NamedTuple):
    """What a provider says of somebody who has signed in there.

    Attributes:
        issuer: who says so.
        subject: of whom: together with the issuer, this is who it is, and nothing else is.
        claims: what else it says.
        authenticated_at: when they signed in there, in microseconds since 1970, or None.
        session_id: the provider's ``sid``, or None.
    """

    issuer: str
    subject: str
    claims: Mapping[str, Any]
    authenticated_at: int | None = None
    session_id: str | None = None


class Proof(NamedTuple):
    """How this service proves itself at a token endpoint.

    Attributes:
        headers: of the request.
        form: more parameters.
    """

    headers: dict[str, str]
    form: dict[str, str]


@dataclass(frozen=True)
class Provider:
    """A provider.

    Attributes:
        name: what the settings call it.
        kind: its row.
        settings: what they say of it.
        issuer: who it is.
    """

    name: str
    kind: Kind
    settings: ProviderSettings
    issuer: str

    @property
    def label(self) -> str:
        """What people call it."""
        return self.settings.label or self.kind.label or self.name.capitalize()

    @property
    def scopes(self) -> tuple[str, ...]:
        """What is asked for."""
        return self.settings.scopes or self.kind.scopes

    @property
    def names(self) -> tuple[str, ...]:
        """What may stand in ``iss``."""
        return (self.issuer, *self.kind.names)

    @cached_property
    def wanted(self) -> frozenset[str]:
        """The claims that something here depends on, those in objects by their objects' names."""
        given, rules = self.settings, self.settings.roles
        places = [
            *given.required,
            *(() if rules is None else (rules.claim,)),
            *(one.claim if isinstance(one, ClaimRule) else one for one in given.claims.values()),
        ]
        found = {steps(place, "claims")[0] for place in places}
        if "email" in found:
            found.add("email_verified")
        if given.provision == "create" and self.kind.username:
            found.add(self.kind.username)
        return frozenset(found)

    def prove(self, token_endpoint: str, methods: Any, clock: Clock) -> Proof:
        """Prove that it is this service that asks.

        Args:
            token_endpoint: where that is sent.
            methods: what the provider takes, by its metadata.
            clock: gives the microseconds since 1970.
        """
        client_id = self.settings.client_id
        if self.kind.signed_secret:
            secret = self._signed("https://appleid.apple.com", self.settings.team_id, clock)
            return Proof({}, {"client_id": client_id, "client_secret": secret})
        if self.key is not None:
            is_for_issuer = self.kind.signed_for == "issuer"
            audience = self.issuer if is_for_issuer else token_endpoint
            assertion = self._signed(audience, client_id, clock)
            form = {"client_assertion": assertion, "client_assertion_type": ASSERTION}
            return Proof({}, {"client_id": client_id, **form})
        if not self.secret:
            return Proof({}, {"client_id": client_id})
        # RFC 6749 section 2.3.1: who says nothing takes it in the header.
        offered = methods if isinstance(methods, list) else ["client_secret_basic"]
        if self.kind.secret_in_body or "client_secret_basic" not in offered:
            return Proof({}, {"client_id": client_id, "client_secret": self.secret})
        pair = f"{quote_plus(client_id)}:{quote_plus(self.secret)}".encode()
        return Proof({"Authorization": f"Basic {b64encode(pair).decode()}"}, {})

    @cached_property
    def secret(self) -> str:
        """The secret that the provider has given out, or "".

        Raises:
            ConfigurationError: if it can't be read.
        """
        file = self.settings.client_secret_file
        return self._read("client_secret_file", file).strip() if file else ""

    @cached_property
    def key(self) -> Key | None:
        """The key that this service signs with, or None.

        Raises:
            ConfigurationError: if it can't be read.
        """
        file = self.settings.client_key_file
        if not file:
            return None
        text = self._read("client_key_file", file)
        kid = self.settings.key_id or None
        try:
            is_jwk = text.lstrip().startswith("{")
            key = Key.from_jwk(text) if is_jwk else Key.from_pem(text, kid=kid)
        except InvalidKey as error:
            raise self.wrong("client_key_file", f"{file} holds no key: {error}") from None
        if not key.is_private or ALGORITHMS[key.alg].use != "sig":
            raise self.wrong("client_key_file", f"{file} holds no private key for signatures")
        return key

    def wrong(self, member: str, text: str) -> ConfigurationError:
        """Make the error for a setting of this provider."""
        return ConfigurationError(f"the setting providers: {self.name}.{member}: {text}")

    def _signed(self, audience: str, issuer: str, clock: Clock) -> str:
        if self.key is None:
            raise self.wrong("client_key_file", "it needs the key that it has given out")
        signer = Signer(
            self.key,
            issuer=issuer,
            audience=audience,
            lifetime=ASSERTION_SECONDS,
            clock=lambda: clock() / SECOND,
        )
        return signer.sign({"sub": self.settings.client_id, "jti": new_identifier()})

    def _read(self, member: str, file: str) -> str:
        path = Path(file)
        try:
            if is_exposed(path):
                raise self.wrong(member, f"other users can read {file}; {HOW_TO_HIDE.format(file)}")
            with path.open("r", encoding="utf-8") as opened:
                found = opened.read(MOST_SECRET)
        except OSError as error:
            raise self.wrong(member, f"can't read {file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise self.wrong(member, f"{file} is not text") from None
        if not found.strip():
            raise self.wrong(member, f"{file} is empty")
        return found


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
        issuer = given.issuer or row.issuer.format(tenant=given.tenant)
        provider = Provider(name, row, given, issuer)
        _check(provider, settings)
        if any(issuer == other.issuer for other in found.values()):
            raise provider.wrong("issuer", "another provider has the same one")
        found[name] = provider
    return found


def _check(provider: Provider, settings: Settings) -> None:
    given, row = provider.settings, provider.kind
    try:
        check_web_address(provider.issuer)
        if urlsplit(provider.issuer).scheme != "https" or "?" in provider.issuer:
            raise BadAddress("an https URL without a query")
    except BadAddress as error:
        raise provider.wrong("issuer", f"it is {error}") from None
    if provider.issuer == settings.own_url:
        raise provider.wrong("issuer", "it is another service's, not this one's")
    if "{tenant}" in row.issuer and not given.issuer and len(given.tenant) != 36:
        raise provider.wrong(
            "tenant", "it is the tenant's id, such as 8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
        )
    if given.client_secret_file and given.client_key_file:
        raise provider.wrong("client_key_file", "give it or client_secret_file, not both")
    if row.signed_secret and not (given.client_key_file and given.team_id):
        raise provider.wrong("client_key_file", "give it and team_id, as Apple has given them")
    if row.adapter == "github" and not given.client_secret_file:
        raise provider.wrong("client_secret_file", "it needs one")
    if row.adapter == "openid" and "openid" not in provider.scopes:
        raise provider.wrong("scopes", "openid has to be among them")
    _check_mapping(provider)


def _check_mapping(provider: Provider) -> None:
    given, rules = provider.settings, provider.settings.roles
    places = [("required", place) for place in given.required]
    for name, rule in given.claims.items():
        if name in RESERVED_CLAIMS or name == "email_verified":
            raise provider.wrong(f"claims.{name}", "the service itself sets it")
        places.append(("claims", rule.claim if isinstance(rule, ClaimRule) else rule))
    if rules is not None:
        places.append(("roles", rules.claim))
        try:
            roles_text([*rules.values.values(), *rules.default])
        except AccountRefused as error:
            raise provider.wrong("roles", str(error)) from None
    for member, place in places:
        try:
            steps(place, place)
        except ConfigurationError as error:
            raise provider.wrong(member, str(error)) from None
