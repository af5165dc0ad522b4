"""The providers of the world: one row each of what has to be known to sign people in with them.

``as_of`` says when the row was last compared with what the provider publishes.

What two columns mean for safety. Without ``pkce`` and ``nonce``, a code that was stolen on its way
can be used in another browser until the provider has seen it once. And where ``address_is_proved``
is false, ``email`` is never taken into an account, whatever else the provider says of it: whoever
administers a tenant there can write anybody's address into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = ["KINDS", "TENANT", "TENANT_ID", "Kind"]

OPENID: Final = ("openid", "profile", "email")
ASK_AGAIN: Final[Mapping[str, str]] = {"prompt": "login", "max_age": "0"}
CHOOSE: Final[Mapping[str, str]] = {"prompt": "select_account"}
TENANT: Final = "{tenant}"
"""Stands in a row's issuer for the setting."""
TENANT_ID: Final = "{tenantid}"
"""Stands in the issuer of many tenants for the id of each, as Microsoft publishes it."""
PERSONAL: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of Microsoft's personal accounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is known of a provider.

    Attributes:
        as_of: the month in which it was compared with what the provider publishes.
        label: what people call it; "" for what has no name of its own.
        issuer: its issuer, ``{tenant}`` standing for the setting; "" where it has to be given.
        names: what may stand in ``iss`` besides.
        tenants: what stands in the issuer for a tenant's name that is no id.
        not_of: which tenants such a name does not stand for.
        own_keys: a tenant that has keys of its own among those of all.
        scopes: what is asked for unless the settings say otherwise.
        username: the claim that a new account's username is made of.
        again: what asks somebody to prove who they are although the provider knows them; with
            ``max_age``, the provider has to say when they did.
        pkce: whether it takes a code challenge (RFC 7636).
        nonce: whether its ID tokens carry the nonce.
        secret_in_body: whether the secret has to stand in the body, whatever its metadata say.
        signed_secret: whether the secret is a token that this service signs, as Apple has it.
        signed_for: whom a signed proof of this service is for.
        form_post: whether the answer comes as a form.
        address_is_proved: whether ``email_verified`` means that somebody reads that mailbox.
        offline: the scope that a refresh token needs, or "" where none does.
        offline_parameters: what else it needs.
        checked_every: how many seconds a refresh token is left alone after it was used.
        adapter: how it speaks.
    """

    as_of: str
    label: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    tenants: Mapping[str, str] = field(default_factory=dict)
    not_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    own_keys: str = ""
    scopes: tuple[str, ...] = OPENID
    username: str = "preferred_username"
    again: Mapping[str, str] = field(default_factory=lambda: ASK_AGAIN)
    pkce: bool = True
    nonce: bool = True
    secret_in_body: bool = False
    signed_secret: bool = False
    signed_for: Literal["issuer", "token_endpoint"] = "issuer"
    form_post: bool = False
    address_is_proved: bool = True
    offline: str = "offline_access"
    offline_parameters: Mapping[str, str] = field(default_factory=dict)
    checked_every: int = 900
    adapter: Literal["openid", "github"] = "openid"


KINDS: Final[Mapping[str, Kind]] = {
    # Any other issuer of OpenID Connect, another Carnet among them.
    "openid": Kind(as_of="2026-11"),
    # developers.google.com/identity/openid-connect. It asks nobody for the password again, and has
    # no name that a username could be made of.
    "google": Kind(
        as_of="2026-11",
        label="Google",
        issuer="https://accounts.google.com",
        names=("accounts.google.com",),
        again=CHOOSE,
        username="email",
        offline="",
        offline_parameters={"access_type": "offline"},
    ),
    # learn.microsoft.com/entra/identity-platform/id-token-claims-reference. ID tokens have no
    # auth_time unless an administrator there asks for it, and addresses are what a tenant likes.
    "microsoft": Kind(
        as_of="2026-11",
        label="Microsoft",
        issuer="https://login.microsoftonline.com/{tenant}/v2.0",
        tenants={"common": TENANT_ID, "organizations": TENANT_ID, "consumers": PERSONAL},
        not_of={"organizations": (PERSONAL,)},
        own_keys=PERSONAL,
        signed_for="token_endpoint",
        again={"prompt": "login"},
        address_is_proved=False,
    ),
    # developer.okta.com/docs/reference/api/oidc
    "okta": Kind(as_of="2026-11", label="Okta", signed_for="token_endpoint"),
    # auth0.com/docs/get-started/apis/scopes/openid-connect-scopes. With a slash at the end.
    "auth0": Kind(as_of="2026-11", label="Auth0", username="nickname"),
    # keycloak.org/securing-apps/oidc-layers
    "keycloak": Kind(as_of="2026-11", label="Keycloak"),
    # docs.gitlab.com/integration/openid_connect_provider
    "gitlab": Kind(
        as_of="2026-11",
        label="GitLab",
        issuer="https://gitlab.com",
        again={"prompt": "login"},
        offline="",
    ),
    # learn.microsoft.com/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2. It
    # refuses a code verifier of a client with a secret, and its ID tokens carry no nonce.
    "linkedin": Kind(
        as_of="2026-11",
        label="LinkedIn",
        issuer="https://www.linkedin.com/oauth",
        names=("https://www.linkedin.com",),
        again={},
        username="email",
        pkce=False,
        nonce=False,
        secret_in_body=True,
        offline="",
    ),
    # api.slack.com/authentication/sign-in-with-slack
    "slack": Kind(
        as_of="2026-11",
        label="Slack",
        issuer="https://slack.com",
        again={},
        username="name",
        secret_in_body=True,
        offline="",
    ),
    # developer.apple.com/documentation/signinwithapplerestapi. Asked for a name or an address, it
    # answers with a form. A refresh token may be used once a day.
    "apple": Kind(
        as_of="2026-11",
        label="Apple",
        issuer="https://appleid.apple.com",
        scopes=("openid", "email"),
        again={},
        username="",
        signed_secret=True,
        form_post=True,
        offline="",
        checked_every=86_400,
    ),
    # docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps: OAuth 2.0, and
    # who it is stands in its API.
    "github": Kind(
        as_of="2026-11",
        label="GitHub",
        issuer="https://github.com",
        scopes=("read:user", "user:email"),
        again=CHOOSE,
        adapter="github",
    ),
}
