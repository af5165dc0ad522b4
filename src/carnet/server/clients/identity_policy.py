"""Which clients may carry a person's identity from one authorization server to another.

Both directions of the Identity Assertion JWT Authorization Grant (ID-JAG) are a client's own:
``identity_assertions`` says where it may carry the identity of people who have signed in here, and
``identity_issuers`` whose assertions it may present here. Both are empty unless somebody fills
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from carnet.server.clients.addresses import BadAddress, check_web_address

if TYPE_CHECKING:
    from carnet.server.clients.clients import ClientMetadata

__all__ = ["IdentityAssertionRule", "wrong_in_identity_policy"]

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")

Text = Annotated[str, Meta(min_length=1, max_length=2048)]


class IdentityAssertionRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client may ask for at one other authorization server in a person's name.

    Attributes:
        client_id: the name under which that authorization server knows the client.
        resources: what it may ask for there; the first is its default.
        scopes: the scopes that it may ask for there.
        roles: the roles of which a person needs one; empty is everybody.
    """

    client_id: Text
    resources: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=64)]
    scopes: Annotated[tuple[Text, ...], Meta(max_length=64)] = ()
    roles: Annotated[tuple[Text, ...], Meta(max_length=64)] = ()


def wrong_in_identity_policy(
    metadata: ClientMetadata, grants: tuple[str, str]
) -> Iterator[tuple[str, str]]:
    """Find what makes no sense: the member at fault, and what was expected.

    Args:
        metadata: the client's.
        grants: those that the two members need: token exchange, and the jwt-bearer grant.
    """
    check = partial(check_web_address, plain_http=metadata.plain_http)
    members = {
        "identity_assertions": tuple(metadata.identity_assertions),
        "identity_issuers": metadata.identity_issuers,
    }
    for (member, issuers), grant in zip(members.items(), grants, strict=True):
        if issuers and grant not in metadata.grant_types:
            yield member, f"{member} needs the grant {grant}"
        if issuers and metadata.is_public:
            yield (
                "token_endpoint_auth_method",
                f"{member} needs a token_endpoint_auth_method other than none: a public client "
                "can't prove who presents a person's identity",
            )
        for issuer in issuers:
            try:
                check(issuer)
            except BadAddress as error:
                yield member, f"{member} names an authorization server by its issuer: {error}"
            if "?" in issuer:
                yield member, f"{member} names an issuer, which has no query (RFC 8414 section 2)"
    for rule in metadata.identity_assertions.values():
        if not all(_SCOPE.fullmatch(name) for name in rule.scopes):
            yield "identity_assertions", "identity_assertions has scopes without spaces and quotes"
        if not all(_SCOPE.fullmatch(name) for name in rule.resources):
            yield "identity_assertions", "identity_assertions has resources without spaces"
    if metadata.identity_issuers and not metadata.resources:
        yield (
            "resources",
            "with identity_issuers, resources names what the client may ask tokens for: people "
            "are not asked for consent",
        )
