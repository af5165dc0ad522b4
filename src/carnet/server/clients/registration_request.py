"""What a client says of itself when nobody else registers it (RFC 7591 section 2).

Whoever sends it is unknown, so it says less than an administrator may:

    members                                            what becomes of them
    ─────────────────────────────────────────────────  ────────────────────────────────────────────
    those of ``TAKEN``                                 registered, under the rules for every client
    those of ``PAGES`` among them                      left out where they are on no web address
    ``grant_types``, ``response_types``                registered as far as there is such a grant
    ``application_type``                               compared with the redirect addresses
    those of ``REFUSED``                               an error that says what to do instead
    all others, ``first_party`` and the like, too      ignored, as section 2 demands
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from carnet.server.clients.addresses import BadAddress, check_web_address
from carnet.server.clients.clients import ClientMetadata, ClientRefused
from carnet.server.clients.configuration import with_members
from carnet.server.clients.metadata_checks import check_metadata
from carnet.server.clients.own_pages import PAGES

__all__ = ["application_type", "read_registration", "registered_members"]

TAKEN: Final[tuple[str, ...]] = (
    *("client_name", "redirect_uris", "scope", "jwks", "jwks_uri"),
    *("token_endpoint_auth_method", "dpop_bound_access_tokens"),
    *("require_pushed_authorization_requests", "require_signed_request_object"),
    *("id_token_signed_response_alg", "userinfo_signed_response_alg"),
    *("authorization_signed_response_alg", "subject_type", "sector_identifier_uri"),
    *PAGES,
    *("id_token_encrypted_response_alg", "id_token_encrypted_response_enc"),
)
REFUSED: Final = {
    # It would make the service send requests to wherever a stranger says.
    "backchannel_logout_uri": "only an administrator can register an address for sign-out notices",
}
# Nobody agrees to client_credentials: it takes an administrator.
GRANTS: Final = ("authorization_code", "refresh_token")
# What all that somebody registers may come to as JSON, and how many keys are loaded to check it.
MOST_BYTES: Final = 8 * 1024
MOST_KEYS: Final = 8


def read_registration(given: Mapping[str, Any]) -> ClientMetadata:
    """Read the metadata of a client that registers itself.

    Args:
        given: the members of the request.

    Raises:
        ClientRefused: ``invalid_redirect_uri`` or ``invalid_client_metadata``, naming the member
            at fault and what was expected.
    """
    # A member without a value counts as not given (RFC 7592 section 2.2).
    given = {name: value for name, value in given.items() if value is not None}
    for member, instead in REFUSED.items():
        if member in given:
            raise ClientRefused(f"{member} is not taken here: {instead}", member=member)
    members = {name: given[name] for name in TAKEN if name in given}
    for name in PAGES:
        if not _is_page(members.get(name)):
            members.pop(name, None)
    members["grant_types"] = _known(given, "grant_types", "authorization_code", GRANTS)
    _known(given, "response_types", "code", ("code",))
    try:
        metadata = with_members(ClientMetadata(), members)
        _check_size(metadata)
        check_metadata(metadata)
    except ClientRefused as error:
        if error.member != "redirect_uris":
            raise
        code = "invalid_redirect_uri"
        raise ClientRefused(str(error), code=code, member=error.member) from None
    if not metadata.client_name.isprintable():
        raise ClientRefused(
            "client_name has invisible characters, such as line breaks or marks that change the "
            "writing direction",
            member="client_name",
        )
    _check_application_type(given.get("application_type"), metadata)
    return metadata


def application_type(metadata: ClientMetadata) -> str:
    """Say what a client is by its addresses: ``web`` or ``native``."""
    is_web = all(address.startswith("https://") for address in metadata.redirect_uris)
    return "web" if is_web else "native"


def registered_members(metadata: ClientMetadata) -> dict[str, Any]:
    """Give everything that is registered of a client, for the answer to it (section 3.2.1)."""
    written = msgspec.to_builtins(metadata)
    # Not the defaults of members that mean nothing without others, and no null: clients take
    # either for a wrong type.
    known = {name: written[name] for name in TAKEN if written[name] not in (None, "", ())}
    if metadata.id_token_encrypted_response_alg is None:
        del known["id_token_encrypted_response_enc"]
    if metadata.subject_type == "public":
        del known["subject_type"]
    return {
        **known,
        "grant_types": metadata.grant_types,
        "response_types": ("code",),
        "application_type": application_type(metadata),
    }


def _is_page(address: Any) -> bool:
    """Tell whether a page can be shown; without one that can't, a client is no worse."""
    try:
        check_web_address(address if isinstance(address, str) else "")
    except BadAddress:
        return False
    return True


def _known(
    given: Mapping[str, Any], member: str, needed: str, known: tuple[str, ...]
) -> tuple[str, ...]:
    """Give those names of a member that mean something here; clients name more than they need."""
    names = given.get(member, (needed,))
    if not isinstance(names, list | tuple) or needed not in names:
        raise ClientRefused(f"{member} is a list with {needed} in it", member=member)
    return tuple(name for name in known if name in names)


def _check_size(metadata: ClientMetadata) -> None:
    keys = (metadata.jwks or {}).get("keys")
    if isinstance(keys, list) and len(keys) > MOST_KEYS:
        raise ClientRefused(f"jwks holds more than {MOST_KEYS} keys", member="jwks")
    if len(msgspec.json.encode(metadata)) > MOST_BYTES:
        raise ClientRefused(f"all members together are longer than {MOST_BYTES} bytes of JSON")


def _check_application_type(given: Any, metadata: ClientMetadata) -> None:
    """Hold a client that says what it is to that (OpenID Connect Registration section 2).

    One that says nothing is what its addresses make it: clients of the time before it was asked
    for register addresses on this device without a word.
    """
    if given not in (None, "web", "native"):
        raise ClientRefused("application_type must be web or native", member="application_type")
    if given == "web" and application_type(metadata) != "web":
        raise ClientRefused(
            "redirect_uris of the application_type web are https://…; an app on a person's device "
            "has the application_type native",
            code="invalid_redirect_uri",
            member="redirect_uris",
        )
