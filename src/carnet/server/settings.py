"""The settings of the service, and what they must be together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from carnet.errors import ConfigurationError
from carnet.server.claim_names import unreleasable
from carnet.server.directory_settings import DirectorySettings, ScimSettings
from carnet.server.mail_addresses import read_mail_address
from carnet.server.networks import Networks
from carnet.server.provider_settings import ProviderName, ProviderSettings
from carnet.server.resource_urls import canonical_resource

__all__ = [
    "LOOPBACK",
    "Algorithm",
    "ClaimName",
    "ScopeRelease",
    "Settings",
    "TokenKind",
    "check_settings",
]

DAY = 86_400
LOOPBACK = {"127.0.0.1", "localhost", "::1"}

Algorithm = Literal["ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448", "RS256", "PS256"]
Seconds = Annotated[int, Meta(ge=1, le=10 * 365 * DAY)]
Colour = Annotated[str, Meta(pattern="^(|#[0-9a-fA-F]{6})$")]
HostName = Annotated[str, Meta(pattern=r"^[a-z0-9\-]+(\.[a-z0-9\-]+)*$", max_length=253)]
ScopeName = Annotated[str, Meta(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,256}$")]
ClaimName = Annotated[str, Meta(min_length=1, max_length=256)]
TokenKind = Literal["access_token", "id_token", "userinfo"]

RELEASES_NOTHING = frozenset(("openid", "offline_access"))


class ScopeRelease(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a scope releases of an account.

    Attributes:
        claims: the claims, as operators set them, or ``roles`` and ``preferred_username``.
        tokens: where they are released: in access tokens, in ID tokens, from UserInfo.
        words: what the page that asks for consent says that the client can do, such as "read your
            department"; by default it names the claims.
    """

    claims: Annotated[tuple[ClaimName, ...], Meta(min_length=1, max_length=64)]
    tokens: Annotated[tuple[TokenKind, ...], Meta(min_length=1)] = (
        *("access_token", "id_token", "userinfo"),
    )
    words: Annotated[str, Meta(max_length=256)] = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The service's settings; every duration in whole seconds.

    Attributes:
        data: the folder of the database, where it is SQLite, and the master key.
        master_key: the master key itself, 43 characters of base64url; by default it is in the file
            ``master.key`` of the data folder.
        host: the address to listen on.
        port: the TCP port to listen on.
        issuer: the service's own URL, as it stands in every token's ``iss``; by default the
            address that it listens on.
        audiences: the services that tokens may be for; the first is the default.
        access_token_lifetime: how long an access token is good for.
        refresh_grace: how long the refresh token before the current one still brings the same
            successor.
        session_idle_lifetime: how long a session lives without being refreshed.
        session_lifetime: how long a session lives at most.
        database: ``postgresql://…``; by default SQLite in the data folder.
        migrate: whether the database is brought to this version's shape at the start; otherwise
            ``carnet migrate`` does it, and a start without it is refused.
        signing_algorithms: a key of each is kept; the first signs unless ``audience_algorithms``
            says otherwise.
        audience_algorithms: the algorithm of the tokens for an audience that wants another.
        key_lifetime: how long a signing key signs.
        key_publish_lead: how long a signing key is published before it signs.
        scopes: the scopes that release claims of one's own, by their names, or that release other
            ones than usual.
        admin_role: the role of those who may see and end other people's sessions.
        second_factor_roles: the roles whose accounts must sign in with a second factor; one that
            has none adds it at the sign-in.
        remembered_browser_lifetime: how long somebody who wants that is not asked for a second
            factor with a browser, unless a role, a client or a request demands one; 0 is not at
            all.
        device_bound_sessions: whether browsers that can bind the session of somebody who has signed
            in to their device, so that a cookie that was copied is good for minutes.
        passkey_host: the host that passkeys are for, where it is not the issuer's: a domain that
            its host is below, or one that names the issuer among its ``related_origins``.
        related_origins: the origins that may use passkeys of this host, too, told at
            ``/.well-known/webauthn``.
        revocation_heartbeat: how often the revocation stream says that it is alive.
        private_hosts: the hosts that may stand at addresses which are not public, where the service
            asks others: for metadata documents of clients, for keys of clients and of trusted
            issuers, and for who has signed in with a provider.
        trusted_proxies: addresses and networks of proxies whose X-Forwarded-For is believed.
        stop_delay: how long the service takes new requests once it was told to stop, while
            ``/readyz`` says 503: until those who send them have noticed.
        stop_grace: how long what is in flight after that has to be finished.
        workers: how many processes serve.
        connections: how many connections each of them holds.
        revocation_streams: how many revocation streams each of them serves.
        revocation_streams_per_address: how many of those for one address.
        json_log: whether every line on standard error is JSON, from the first to the last: also
            the one that says that the service is ready, and the one that says why it can't start.
        audit_retention: how long entries of the audit log are kept; 0 is for ever.
        sign_up: whether people may make accounts for themselves.
        sign_up_email: whether they name an address for that, and choose the password by a link that
            is sent to it.
        sign_in_by_mail: whether people can sign in with a mailed code instead of the password.
        breached_passwords: a file of passwords that are refused, made by
            ``carnet passwords build-filter``; by default none but the common ones that are brought.
        breached_passwords_url: a service that is asked about each new password besides, by the
            first five digits of its SHA-1 hash, such as
            ``https://api.pwnedpasswords.com/range``; by default none is.
        account_deletion_pause: how long an account that its owner wants to be deleted can still be
            kept, by signing in; 0 deletes it at once.
        providers: the services that people may sign in with instead of a password, by a name of
            one's own.
        directories: those whose people sign in with the passwords that they have there (LDAP), by a
            name of one's own.
        scim: what a company's directory may keep here by SCIM 2.0; without it, nothing.
        client_registration: who may register a client without an administrator (RFC 7591): nobody
            (``off``), whoever holds an initial access token (``token``), or anybody (``open``).
        smtp_host: the mail server; "" is for a service that sends no mail.
        smtp_port: its TCP port; 0 is the usual one.
        smtp_security: how the connection is encrypted: by STARTTLS, by TLS from its beginning, or
            not at all. A certificate is always verified.
        smtp_username: whom to sign in to it as, or "".
        smtp_password: with which password, or "".
        mail_from: the sender, such as ``Acme <no-reply@example.com>``.
        mail_templates: a folder with templates that take the place of those of the same names.
        brand_name: what the pages call the service.
        brand_logo: an .svg or .png file for the pages.
        brand_ink_light: the colour of action on the pages, as #rrggbb.
        brand_ink_dark: the same for those who prefer the dark.
    """

    data: Annotated[str, Meta(min_length=1)] = "carnet-data"
    master_key: Annotated[str, Meta(pattern="^(|[A-Za-z0-9_-]{43})$")] = ""
    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8400
    issuer: str = ""
    audiences: Annotated[tuple[Annotated[str, Meta(min_length=1)], ...], Meta(min_length=1)] = (
        "default",
    )
    access_token_lifetime: Annotated[int, Meta(ge=1, le=DAY)] = 300
    refresh_grace: Annotated[int, Meta(ge=0, le=600)] = 30
    session_idle_lifetime: Seconds = 14 * DAY
    session_lifetime: Seconds = 90 * DAY
    database: Annotated[str, Meta(pattern="^(|postgres(ql)?://.*)$")] = ""
    migrate: bool = True
    signing_algorithms: Annotated[tuple[Algorithm, ...], Meta(min_length=1)] = ("ES256",)
    audience_algorithms: dict[str, Algorithm] = {}
    key_lifetime: Seconds = 30 * DAY
    key_publish_lead: Annotated[int, Meta(ge=300, le=30 * DAY)] = 3600
    scopes: dict[ScopeName, ScopeRelease] = {}
    admin_role: Annotated[str, Meta(min_length=1)] = "carnet:admin"
    second_factor_roles: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    remembered_browser_lifetime: Annotated[int, Meta(ge=0, le=365 * DAY)] = 30 * DAY
    device_bound_sessions: bool = False
    passkey_host: Annotated[str, Meta(pattern=r"^(|[a-z0-9\-]+(\.[a-z0-9\-]+)*)$")] = ""
    related_origins: tuple[
        Annotated[str, Meta(pattern=r"^https://[a-z0-9.\-]+(:[0-9]+)?$")], ...
    ] = ()
    revocation_heartbeat: Annotated[int, Meta(ge=1, le=60)] = 5
    private_hosts: tuple[HostName, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    stop_delay: Annotated[int, Meta(ge=0, le=3600)] = 0
    stop_grace: Annotated[int, Meta(ge=1, le=3600)] = 10
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    connections: Annotated[int, Meta(ge=10, le=100_000)] = 2000
    revocation_streams: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    revocation_streams_per_address: Annotated[int, Meta(ge=1, le=100_000)] = 500
    json_log: bool = False
    audit_retention: Annotated[int, Meta(ge=0, le=100 * 365 * DAY)] = 0
    sign_up: bool = False
    sign_up_email: bool = False
    sign_in_by_mail: bool = False
    breached_passwords: str = ""
    breached_passwords_url: Annotated[
        str,
        Meta(
            max_length=1024, pattern=r"^(|https://[a-z0-9.\-]+(:[0-9]+)?(/[A-Za-z0-9._~\-]+)*/?)$"
        ),
    ] = ""
    account_deletion_pause: Annotated[int, Meta(ge=0, le=365 * DAY)] = 7 * DAY
    providers: dict[ProviderName, ProviderSettings] = {}
    directories: Annotated[dict[ProviderName, DirectorySettings], Meta(max_length=8)] = {}
    scim: ScimSettings | None = None
    client_registration: Literal["off", "token", "open"] = "off"
    smtp_host: Annotated[str, Meta(max_length=253)] = ""
    smtp_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: Annotated[str, Meta(max_length=1024)] = ""
    smtp_password: Annotated[str, Meta(max_length=1024)] = ""
    mail_from: Annotated[str, Meta(max_length=320, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    mail_templates: str = ""
    brand_name: Annotated[str, Meta(min_length=1, max_length=60)] = "Carnet"
    brand_logo: str = ""
    brand_ink_light: Colour = ""
    brand_ink_dark: Colour = ""

    @property
    def own_url(self) -> str:
        """The issuer: as it was given, or else the address that the service listens on."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.issuer or f"http://{host}:{self.port}"

    @property
    def folder(self) -> Path:
        """The data folder, as a path."""
        return Path(self.data)


def check_settings(settings: Settings) -> None:
    """Check that settings make sense together.

    Raises:
        ConfigurationError: naming the setting and what was expected.
    """
    parts = urlsplit(settings.own_url)
    if (
        parts.scheme not in ("https", "http")
        or not parts.hostname
        or parts.query
        or parts.fragment
        or settings.own_url.endswith("/")
    ):
        raise ConfigurationError(
            "the setting issuer must be a URL such as https://auth.example.com, without query, "
            "fragment or a slash at the end (RFC 8414 section 2)"
        )
    if not settings.issuer and settings.host not in LOOPBACK:
        raise ConfigurationError(
            "a service that other machines can reach needs the setting issuer: the URL at which "
            "they reach it, such as https://auth.example.com"
        )
    try:
        Networks(settings.trusted_proxies)
    except ValueError as error:
        raise ConfigurationError(f"the setting trusted_proxies: {error}") from None
    if settings.session_idle_lifetime > settings.session_lifetime:
        raise ConfigurationError(
            "the setting session_idle_lifetime can't be longer than session_lifetime"
        )
    if settings.revocation_streams > settings.connections:
        raise ConfigurationError(
            "the setting revocation_streams can't be larger than connections: a stream takes one"
        )
    if settings.key_publish_lead >= settings.key_lifetime:
        raise ConfigurationError("the setting key_publish_lead must be shorter than key_lifetime")
    _check_mail(settings)
    try:
        urlsplit(settings.breached_passwords_url).port  # noqa: B018 - it is checked when it is read
    except ValueError:
        raise ConfigurationError(
            "the setting breached_passwords_url names a port that there is not"
        ) from None
    spellings = {canonical_resource(audience) for audience in settings.audiences}
    if len(spellings) < len(set(settings.audiences)):
        raise ConfigurationError("the setting audiences names one URL in two spellings")
    if canonical_resource(settings.own_url) in spellings:
        raise ConfigurationError(
            "the setting audiences can't name the issuer: tokens for that are for the service's "
            "own API"
        )
    for name, release in settings.scopes.items():
        into_access_tokens = "access_token" in release.tokens
        wrong = unreleasable(release.claims, into_access_tokens=into_access_tokens)
        if name in RELEASES_NOTHING or wrong:
            refused = f"the claims {', '.join(wrong)}" if wrong else "claims"
            place = " into an access token" if wrong and into_access_tokens else ""
            raise ConfigurationError(
                f"the setting scopes: the scope {name} can't release {refused}{place}"
            )
    for audience, alg in settings.audience_algorithms.items():
        if audience not in settings.audiences or alg not in settings.signing_algorithms:
            raise ConfigurationError(
                "the setting audience_algorithms gives an audience of the setting audiences one of "
                "the setting signing_algorithms"
            )


def _check_mail(settings: Settings) -> None:
    if not settings.smtp_host:
        for name in ("sign_up_email", "sign_in_by_mail"):
            if getattr(settings, name):
                raise ConfigurationError(f"the setting {name} needs the setting smtp_host")
        return
    from email.utils import parseaddr

    if read_mail_address(parseaddr(settings.mail_from)[1]) is None:
        raise ConfigurationError(
            "the setting mail_from must be the sender's address, such as "
            "'Acme <no-reply@example.com>'"
        )
    if (
        settings.smtp_password
        and settings.smtp_security == "none"
        and settings.smtp_host not in LOOPBACK
    ):
        raise ConfigurationError(
            "the setting smtp_security can't be none where there is an smtp_password: anyone on "
            "the way could read it"
        )
