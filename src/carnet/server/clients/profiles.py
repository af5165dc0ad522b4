"""The profiles of FAPI 2.0 that a client may be held to: all that each demands, in one table.

    what                                      fapi2                  fapi2-message-signing
    ────────────────────────────────────────  ─────────────────────  ────────────────────────────
    members of the metadata that are so,      ``switched``           and signed requests
    whatever else is said
    how it proves who it is                   private_key_jwt; ``aud`` is the issuer, as one text
    what signs assertions, requests, proofs,  PS256, ES256, Ed25519  the same
    ID tokens, answers, access tokens
    grants                                    ``GRANTS``             the same
    redirect addresses                        https, and named in each request
    signed requests                           with ``nbf`` and ``exp``, good for an hour at most
    refresh tokens                            stay the same          the same
    answers                                   as it asks             signed (JARM)

Security Profile sections 5.3.2 and 5.4, Message Signing sections 5.3 and 5.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from carnet.jose.encoding import json_encode
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet

if TYPE_CHECKING:
    from carnet.server.clients.clients import ClientMetadata

__all__ = [
    "ALGORITHMS",
    "LONGEST_REQUEST",
    "PROFILES",
    "ProfileName",
    "contradicted",
    "may_sign",
    "signing_keys",
    "switched_by",
    "wrong_in_profile",
]

ProfileName = Literal["fapi2", "fapi2-message-signing"]

LONGEST_REQUEST: Final = 3600
"""For how many seconds a signed request may be good, and how old it may be."""

ALGORITHMS: Final = ("ES256", "PS256", "Ed25519", "EdDSA")
"""What may sign (Security Profile section 5.4); the first where nothing was chosen."""
GRANTS: Final = ("authorization_code", "refresh_token", "client_credentials")
# Members that say what something is signed with.
SIGNATURES: Final = (
    *("id_token_signed_response_alg", "authorization_signed_response_alg"),
    "introspection_signed_response_alg",
)
USUAL_METHOD: Final = "client_secret_basic"
METHOD: Final = "private_key_jwt"


class Profile(NamedTuple):
    """What a profile demands beside what both demand.

    Attributes:
        switched: members of a client's metadata with the values that they have in any case.
        signs_answers: whether the authorization endpoint answers by JWT alone (JARM).
    """

    switched: Mapping[str, Any]
    signs_answers: bool = False


_SWITCHED: Final = {
    "dpop_bound_access_tokens": True,
    "require_pushed_authorization_requests": True,
    "require_pkce": True,
    "require_nonce": True,
}
PROFILES: Final[Mapping[ProfileName, Profile]] = {
    "fapi2": Profile(_SWITCHED),
    "fapi2-message-signing": Profile(
        {**_SWITCHED, "require_signed_request_object": True}, signs_answers=True
    ),
}


def switched_by(metadata: ClientMetadata) -> dict[str, Any]:
    """Give the members that a client's profile switches, with their values."""
    if metadata.profile is None:
        return {}
    members = dict(PROFILES[metadata.profile].switched)
    if metadata.token_endpoint_auth_method == USUAL_METHOD:
        members["token_endpoint_auth_method"] = METHOD
    # What was chosen is looked at in ``wrong_in_profile``.
    unset = (name for name in SIGNATURES if getattr(metadata, name) is None)
    return members | dict.fromkeys(unset, ALGORITHMS[0])


def contradicted(profile: ProfileName, members: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give each member that somebody wants otherwise than a profile switches it, and why not.

    Args:
        profile: which.
        members: what is wanted, as JSON holds it.
    """
    switched = {**PROFILES[profile].switched, "token_endpoint_auth_method": METHOD}
    for name, value in switched.items():
        if members.get(name, value) != value:
            yield name, f"{name} is {json_encode(value).decode()} with the profile {profile}"


def wrong_in_profile(metadata: ClientMetadata, keys: KeySet) -> Iterator[tuple[str, str]]:
    """Give each member of a client's metadata that its profile does not allow, and why.

    Args:
        metadata: the client's.
        keys: those that stand in them.
    """
    name = metadata.profile
    if name is None:
        return
    method = metadata.token_endpoint_auth_method
    if method != METHOD:
        yield (
            "token_endpoint_auth_method",
            f"a client with the profile {name} proves who it is with {METHOD}, not with {method}",
        )
    beyond = [grant for grant in metadata.grant_types if grant not in GRANTS]
    if beyond:
        yield (
            "grant_types",
            f"a client with the profile {name} may not use {', '.join(beyond)}, but only "
            f"{', '.join(GRANTS)}",
        )
    for address in metadata.redirect_uris:
        if not address.startswith("https://"):
            yield (
                "redirect_uris",
                f"the redirect_uris of a client with the profile {name} are https://…, not "
                f"{address}",
            )
    if metadata.plain_http:
        yield "plain_http", f"a client with the profile {name} can't have plain_http"
    for member in SIGNATURES:
        if getattr(metadata, member) not in ALGORITHMS:
            yield (
                member,
                f"{member} of a client with the profile {name} is one of {', '.join(ALGORITHMS)}",
            )
    for key in keys:
        if key.algorithm.use == "sig" and not may_sign(key):
            yield (
                "jwks",
                f"jwks holds a key for {key.alg}; those of a client with the profile {name} are "
                f"for {', '.join(ALGORITHMS)}",
            )


def may_sign(key: Key) -> bool:
    """Tell whether a profile takes what a key has signed."""
    # A key for EdDSA may be of the other curve.
    return key.alg in ALGORITHMS and key.to_jwk().get("crv") != "Ed448"


def signing_keys(metadata: ClientMetadata, keys: KeySet) -> KeySet:
    """Give those of a client's keys with which it may sign; without a profile all of them."""
    return keys if metadata.profile is None else KeySet(key for key in keys if may_sign(key))
