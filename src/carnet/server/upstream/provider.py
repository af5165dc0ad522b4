"""A provider as it is set up: its row, its settings, and how this service proves itself there."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote_plus

from carnet.errors import CarnetError, ConfigurationError, InvalidKey
from carnet.jose.algorithms import ALGORITHMS
from carnet.jose.key import Key
from carnet.jwt.claim_rules import steps
from carnet.jwt.signer import Signer
from carnet.server.clock import SECOND, Clock
from carnet.server.identifiers import new_identifier
from carnet.server.provider_settings import ClaimRule, ProviderSettings
from carnet.server.secret_files import HOW_TO_HIDE, is_exposed
from carnet.server.upstream.kinds import TENANT_ID, Kind

__all__ = ["Asked", "Asserted", "Proof", "Provider", "TokenRefused", "UpstreamRefused"]

MOST_SECRET: Final = 16 * 1024
ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS: Final = 60

_TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class UpstreamRefused(CarnetError):
    """Somebody can't be signed in by a provider; the message is for operators alone.

    Codes: ``unavailable``, ``answer_wrong``, ``refused_there``, ``not_begun_here``,
    ``not_asked_again``, ``level_not_reached``, ``not_let_in``, ``not_linked``,
    ``account_disabled``, ``identity_taken``, ``last_way_in``, ``account_changed``,
    ``claims_unusable``, ``too_long``, ``address_of_another``.
    """

    code = "answer_wrong"


class TokenRefused(UpstreamRefused):
    """A provider has refused a token.

    Args:
        message: for operators.
        error: the provider's error code, or "".
    """

    def __init__(self, message: str, error: str) -> None:
        super().__init__(message, code="answer_wrong")
        self.error = error


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
        login_hint: the address that was typed here, or "".
    """

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    again: bool
    max_age: int | None
    since: int
    login_hint: str = ""


class Asserted(NamedTuple):
    """What a provider says of somebody who has signed in there.

    Attributes:
        issuer: who says so.
        subject: of whom: together with the issuer, this is who it is, and nothing else is.
        claims: what else it says.
        authenticated_at: when they signed in there, in microseconds since 1970, or None.
        session_id: the provider's ``sid``, or None.
        refresh_token: the one to be kept, or "".
    """

    issuer: str
    subject: str
    claims: Mapping[str, Any]
    authenticated_at: int | None = None
    session_id: str | None = None
    refresh_token: str = ""


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
        issuer: who it is; of many tenants, with ``{tenantid}`` where each one's id stands.
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
        asked = self.settings.scopes or self.kind.scopes
        wants_more = self.settings.keep_refresh_token and self.kind.offline not in ("", *asked)
        return (*asked, self.kind.offline) if wants_more else asked

    @property
    def names(self) -> tuple[str, ...]:
        """What may stand in ``iss``, where it is no provider of many tenants."""
        return (self.issuer, *self.kind.names)

    @property
    def has_tenants(self) -> bool:
        """Whether each of many tenants has an issuer of its own here."""
        return TENANT_ID in self.issuer

    @property
    def published_at(self) -> str:
        """Below which address its metadata are."""
        return self.issuer.replace(TENANT_ID, self.settings.tenant)

    def issuer_of(self, claims: Mapping[str, Any]) -> str:
        """Give the issuer that claims are of: with the tenant that they name, or "" for none."""
        if not self.has_tenants:
            return self.issuer if claims.get("iss") in self.names else ""
        tenant = claims.get("tid")
        if not isinstance(tenant, str) or _TENANT.fullmatch(tenant) is None:
            return ""
        issuer = self.issuer.replace(TENANT_ID, tenant)
        return issuer if claims.get("iss") == issuer else ""

    def lets_in(self, issuer: str) -> bool:
        """Tell whether whom an issuer knows can sign in with this provider."""
        if not self.has_tenants:
            return issuer in self.names
        before, _, after = self.issuer.partition(TENANT_ID)
        tenant = issuer.removeprefix(before).removesuffix(after)
        if issuer != f"{before}{tenant}{after}" or _TENANT.fullmatch(tenant) is None:
            return False
        if self.settings.tenants:
            return tenant in self.settings.tenants
        return tenant not in self.kind.not_of.get(self.settings.tenant, ())

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
        if given.link == "verified-address":
            found.add("email")
        if "email" in found:
            found.add("email_verified")
        if given.provision == "create" and self.kind.username:
            found.add(self.kind.username)
        return frozenset(found)

    @property
    def has_proof(self) -> bool:
        """Whether this service proves there who it is."""
        return bool(self.settings.client_secret_file or self.settings.client_key_file)

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
