"""Issuers: who is trusted, how their keys are found, and what their tokens look like.

A verifier takes addresses for issuers whose tokens are as RFC 9068 has them. Any other issuer is an
``Issuer``: a description that only holds data, checked when a verifier is made of it. What differs
between issuers, and what one service wants differently, are the same options; three places give
them, and the nearest one counts:

    1. the Issuer itself        Issuer("https://a.example", audience="orders")
    2. the verifier's options   AccessTokenVerifier([…], audience="orders", roles_claim="groups")
    3. the profile's row        Issuer.keycloak(…) knows that roles are in realm_access.roles

``claims`` and ``required`` are more than one value and add up: a check that somebody asked for is
never lost to another place. How the keys are found (``keys``, ``jwks_uri``, ``metadata``) is one
choice, taken whole from the nearest place.

A token chooses its issuer by its own, unverified ``iss``; that issuer's keys, and then its own
checks, decide. So no issuer can speak for another one, and each has its own audience, type,
algorithms and shape. ``TrustedIssuer`` is an Issuer at work; ``shapes`` reads the claims,
``access`` says how the addresses are reached, ``carnet.jwt.key_source`` what becomes of the keys.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Collection, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from carnet.errors import ConfigurationError
from carnet.jose.algorithms import AlgorithmName
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet
from carnet.jwt.claim_rules import Path as ClaimPath
from carnet.jwt.claim_rules import Where
from carnet.jwt.policy import Names
from carnet.verifier.issuer_profiles import PROFILES, Profile
from carnet.verifier.shapes import Accepts

__all__ = ["FINDING_KEYS", "OPTIONS", "Issuer", "Trusted"]

_TENANT: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
_PART: Final = re.compile(r"[A-Za-z0-9._~-]+")
_POOL: Final = re.compile(r"([a-z]{2}(?:-[a-z]+)+-[0-9]+)_[A-Za-z0-9]+")
_PERSONAL: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"

FINDING_KEYS: Final = ("keys", "jwks_uri", "metadata")
"""The options that say where the keys are: one choice."""


@dataclass(frozen=True, eq=False)
class Issuer:
    """An issuer whose tokens a service accepts.

    Args:
        name: what stands in its tokens as ``iss``; several names for one issuer; a template with
            claims in braces, ``https://login.microsoftonline.com/{tid}/v2.0``, checked against the
            claims; or a function of the claims that gives True.
        audience: this service's name, or names, in ``aud``; UNCHECKED where its tokens have none,
            and ``claims`` say whose they are.
        type: the tokens' ``typ``, or several; UNCHECKED for any.
        algorithms: binds keys that name no algorithm, and leaves out keys for other ones.
        roles_claim: where the roles are: ``realm_access.roles``, a list of places of which the
            first that is there counts, or a function of the claims.
        scope_claim: where the scopes are, likewise.
        client_id_claim: where the client is, likewise.
        claims: claims that must have this value, or one of these values.
        required: names of further claims that must be there.
        metadata: the address of its metadata, where that is not found by its name.
        jwks_uri: the address of its keys, where it publishes no metadata.
        keys: the keys themselves: a KeySet, a Key, a decoded JWK Set, or a Path to a file with one,
            which is read again like an address.
        headers: sent with requests to the addresses given here.
        bearer_file: a file with a token that is sent to those addresses, read anew each time.
        ca_file: PEM of the authorities that its TLS certificate may be of.
        ssl_context: for anything else about TLS; ``ssl.create_default_context()`` trusts whom the
            operating system trusts.
        insecure_http: allows http:// for the addresses given here, inside a private network.
        max_stale: seconds for which keys count that could not be fetched again; for ever unless
            given.
        leeway: seconds by which clocks may differ.
        decryption: private keys, for tokens that it encrypts to this service.
        revocations: ``best_effort``, ``required`` or ``off``, as for AccessTokenVerifier.

    Raises:
        ConfigurationError: if a profile's argument is not of its kind; everything else is told by
            the verifier that is made of it.
    """

    name: str | Collection[str] | Accepts
    _: KW_ONLY
    audience: Names | None = None
    type: Names | None = None
    algorithms: Collection[AlgorithmName] | None = None
    roles_claim: Where | None = None
    scope_claim: Where | None = None
    client_id_claim: Where | None = None
    claims: Mapping[ClaimPath, Any] | None = None
    required: Collection[str] | None = None
    metadata: str | None = None
    jwks_uri: str | None = None
    keys: KeySet | Key | Mapping[str, Any] | Path | None = None
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    bearer_file: str | Path | None = None
    ca_file: str | Path | None = None
    ssl_context: ssl.SSLContext | None = None
    insecure_http: bool | None = None
    max_stale: float | None = None
    leeway: float | None = None
    decryption: Key | KeySet | None = field(default=None, repr=False)
    revocations: Literal["off", "best_effort", "required"] | None = None
    profile: Profile | None = field(default=None, repr=False)

    @classmethod
    def entra(cls, tenant: str, **options: Any) -> Issuer:
        """Microsoft Entra ID: tokens of both versions.

        Args:
            tenant: the tenant's id, a GUID; or ``organizations``, ``consumers`` or ``common`` for
                an app of many tenants, where ``claims={"tid": [...]}`` names those that are meant.
            options: any of an Issuer's.
        """
        if tenant == "consumers":
            tenant = _PERSONAL
        if tenant in ("organizations", "common"):
            return _of("entra", {"tenant": "{tid}", "endpoint": tenant}, options)
        if not isinstance(tenant, str) or _TENANT.fullmatch(tenant.lower()) is None:
            raise ConfigurationError(
                "tenant must be a tenant's id, a GUID, or 'organizations', 'consumers' or "
                "'common': no token contains a tenant's domain"
            )
        return _of("entra", {"tenant": tenant.lower(), "endpoint": tenant.lower()}, options)

    @classmethod
    def auth0(cls, domain: str, **options: Any) -> Issuer:
        """Auth0: access tokens of both of its profiles; permissions count as roles.

        Args:
            domain: the tenant's, ``acme.eu.auth0.com``, or a custom one.
            options: any of an Issuer's.
        """
        return _of("auth0", {"domain": _domain(domain)}, options)

    @classmethod
    def okta(cls, domain: str, server: str = "default", **options: Any) -> Issuer:
        """Okta: access tokens of a custom authorization server; groups count as roles.

        Args:
            domain: ``acme.okta.com``.
            server: the authorization server's id.
            options: any of an Issuer's.
        """
        values = {"domain": _domain(domain), "server": _part(server, "server")}
        return _of("okta", values, options)

    @classmethod
    def cognito(cls, pool: str, client_id: str | Collection[str], **options: Any) -> Issuer:
        """Amazon Cognito: access tokens of a user pool; groups count as roles.

        Args:
            pool: the user pool's id, ``eu-central-1_AbCdEf123``.
            client_id: the app client, or clients, whose tokens are accepted: they have no ``aud``.
            options: any of an Issuer's.
        """
        found = _POOL.fullmatch(pool) if isinstance(pool, str) else None
        if found is None:
            raise ConfigurationError(
                "pool must be a user pool's id, such as 'eu-central-1_AbCdEf123'"
            )
        fixed: dict[ClaimPath, Any] = {"client_id": _some(client_id, "client_id")}
        return _of("cognito", {"pool": pool, "region": found[1]}, options, claims=fixed)

    @classmethod
    def keycloak(cls, url: str, realm: str, client: str | None = None, **options: Any) -> Issuer:
        """Keycloak: access tokens of a realm; its realm roles are the roles.

        Args:
            url: where Keycloak is, ``https://sso.example.com``, with ``/auth`` where it has that.
            realm: the realm's name.
            client: a client whose own roles are the roles instead.
            options: any of an Issuer's.
        """
        values = {"url": _url(url), "realm": _part(realm, "realm")}
        if client is not None:
            options.setdefault("roles_claim", ("resource_access", client, "roles"))
        return _of("keycloak", values, options)

    @classmethod
    def google(cls, client_id: str | Collection[str], **options: Any) -> Issuer:
        """Google: ID tokens of people, and of service accounts.

        Args:
            client_id: your client's id, or for service accounts the audience that they ask for.
            options: any of an Issuer's.
        """
        return _of("google", {}, options, audience=_some(client_id, "client_id"))

    @classmethod
    def firebase(cls, project: str, **options: Any) -> Issuer:
        """Firebase Authentication: ID tokens of a project.

        Args:
            project: the project's id.
            options: any of an Issuer's.
        """
        return _of("firebase", {"project": _part(project, "project")}, options, audience=project)

    @classmethod
    def github_actions(
        cls,
        repository: str | Collection[str] | None = None,
        owner: str | Collection[str] | None = None,
        **options: Any,
    ) -> Issuer:
        """GitHub Actions: tokens of workflows. Anyone's workflow gets one, so say whose.

        Args:
            repository: the repository, ``octo-org/orders``, or several.
            owner: or whoever's repositories.
            options: any of an Issuer's; ``claims`` may say more, such as ``environment``.
        """
        fixed = _whose({"repository": repository, "repository_owner": owner}, options)
        return _of("github_actions", {}, options, claims=fixed)

    @classmethod
    def gitlab(
        cls,
        url: str = "https://gitlab.com",
        project: str | Collection[str] | None = None,
        namespace: str | Collection[str] | None = None,
        **options: Any,
    ) -> Issuer:
        """GitLab: ID tokens of CI jobs. Anyone's job gets one, so say whose.

        Args:
            url: where GitLab is.
            project: the project's path, ``octo-group/orders``, or several.
            namespace: or the path of its group.
            options: any of an Issuer's; ``claims`` may say more, such as ``ref_protected``.
        """
        fixed = _whose({"project_path": project, "namespace_path": namespace}, options)
        return _of("gitlab", {"url": _url(url)}, options, claims=fixed)

    @classmethod
    def kubernetes(
        cls,
        issuer: str = "https://kubernetes.default.svc.cluster.local",
        server: str = "https://kubernetes.default.svc",
        **options: Any,
    ) -> Issuer:
        """A Kubernetes cluster, from inside: tokens of service accounts.

        Args:
            issuer: what stands in the tokens; managed clusters have an address of their own.
            server: where the API server is.
            options: any of an Issuer's; the pod's own token and authority are used unless given.
        """
        return _of(
            "kubernetes", {"issuer": _text(issuer, "issuer"), "server": _url(server)}, options
        )

    @classmethod
    def supabase(cls, ref: str, **options: Any) -> Issuer:
        """Supabase: tokens of a project's people; the database role is the one role.

        Args:
            ref: the project's reference.
            options: any of an Issuer's.
        """
        return _of("supabase", {"ref": _part(ref, "ref")}, options)

    @classmethod
    def clerk(cls, domain: str, origins: str | Collection[str], **options: Any) -> Issuer:
        """Clerk: session tokens; the role in the active organization is the one role.

        Args:
            domain: the Frontend API's, ``clerk.example.com``.
            origins: the origins whose pages may ask, ``https://app.example.com``, in ``azp``.
            options: any of an Issuer's.
        """
        fixed: dict[ClaimPath, Any] = {"azp": _some(origins, "origins")}
        return _of("clerk", {"domain": _domain(domain)}, options, claims=fixed)


Trusted = str | Issuer | Collection[str | Issuer]
"""Whom a verifier trusts: an address, an Issuer, or several."""

OPTIONS: Final = tuple(
    field.name for field in fields(Issuer) if field.name not in ("name", "profile")
)
"""The options that each issuer may have its own of."""


def _of(
    name: str,
    values: Mapping[str, str],
    options: dict[str, Any],
    audience: Names | None = None,
    claims: Mapping[ClaimPath, Any] | None = None,
) -> Issuer:
    """Make an Issuer of a profile's row."""
    from carnet.verifier.options import check_names

    check_names(options, OPTIONS, f"Issuer.{name}")
    profile = PROFILES[name]
    if audience is not None:
        options.setdefault("audience", audience)
    if claims:
        # Both hold: the same claim twice is checked twice.
        given = options.get("claims") or {}
        if not isinstance(given, Mapping):
            raise ConfigurationError("claims must map names to the values that they must have")
        twice = set(given) & set(claims)
        if twice:
            raise ConfigurationError(
                f"claims and an argument of Issuer.{name} both say what "
                f"{', '.join(map(str, twice))} is: say it once"
            )
        options["claims"] = {**claims, **given}
    filled = _filled(profile, values)
    return Issuer(filled.names, profile=filled, **options)


def _filled(profile: Profile, values: Mapping[str, str]) -> Profile:
    from dataclasses import replace

    def fill(text: str | None) -> str | None:
        return None if text is None else text.format_map(values)

    return replace(
        profile,
        names=tuple(name.format_map(values) for name in profile.names),
        metadata=fill(profile.metadata),
        jwks_uri=fill(profile.jwks_uri),
    )


def _whose(given: Mapping[str, Any], options: Mapping[str, Any]) -> dict[ClaimPath, Any]:
    fixed: dict[ClaimPath, Any] = {
        name: _some(value, name) for name, value in given.items() if value is not None
    }
    if not fixed and not options.get("claims"):
        raise ConfigurationError(
            f"say whose tokens are accepted, by claims or by {' or '.join(given)}: anyone gets a "
            "token of this issuer for any audience"
        )
    return fixed


def _some(value: object, what: str) -> list[str]:
    found = [value] if isinstance(value, str) else value
    if (
        not isinstance(found, Collection)
        or isinstance(found, bytes | Mapping)
        or not found
        or not all(isinstance(item, str) and item for item in found)
    ):
        raise ConfigurationError(f"{what} must be a text, or a list of texts")
    return list(found)


def _matching(pattern: re.Pattern[str], value: object, what: str, example: str) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise ConfigurationError(f"{what} is like {example!r}")
    return value


def _domain(value: object) -> str:
    return _matching(_DOMAIN, value, "domain, without https:// and slashes,", "acme.example.com")


def _part(value: object, what: str) -> str:
    return _matching(_PART, value, f"{what}, as it stands in the address,", "orders-1")


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value or "{" in value or "}" in value:
        raise ConfigurationError(f"{what} must be a text, as it is in the tokens")
    return value


def _url(value: object) -> str:
    text = _text(value, "url")
    if not text.startswith(("https://", "http://")):
        raise ConfigurationError("url must begin with https://")
    return text.rstrip("/")
