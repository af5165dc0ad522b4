"""What an issuer says of itself (RFC 8414, OpenID Connect Discovery)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Final
from urllib.parse import urlsplit

from carnet.conform.findings import Check, Seen
from carnet.conform.probe import NotApplicable, Probe
from carnet.jose.algorithms import ALGORITHMS
from carnet.verifier.access import on_loopback

__all__ = ["CHECKS"]

REQUIRED: Final = ("issuer", "response_types_supported")
REQUIRED_BY_OPENID: Final = (
    *("authorization_endpoint", "jwks_uri", "subject_types_supported"),
    "id_token_signing_alg_values_supported",
)
BOOLEANS: Final = frozenset(
    (
        *("claims_parameter_supported", "request_parameter_supported"),
        *("request_uri_parameter_supported", "require_request_uri_registration"),
        *("authorization_response_iss_parameter_supported", "require_signed_request_object"),
        *("require_pushed_authorization_requests", "tls_client_certificate_bound_access_tokens"),
        *("backchannel_logout_supported", "backchannel_logout_session_supported"),
        *("frontchannel_logout_supported", "frontchannel_logout_session_supported"),
        "client_id_metadata_document_supported",
    )
)
LOGOUT: Final = ("backchannel_logout", "frontchannel_logout")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _offers(value: object) -> bool:
    # Extensions have booleans and objects there, too.
    are_texts = isinstance(value, list) and value != [] and all(map(_is_text, value))
    return are_texts or isinstance(value, bool | dict)


def _kind_of(name: str) -> tuple[Callable[[Any], bool], str] | None:
    """Say what a member's value has to be, by its name."""
    if name in BOOLEANS:
        return (lambda value: isinstance(value, bool)), "true or false"
    if name.endswith(("_endpoint", "_uri")) or name == "issuer":
        return _is_text, "an address"
    if name.endswith(("_supported", "_locales")):
        return _offers, "a list of texts with at least one"
    return None


async def issuer(probe: Probe) -> AsyncIterator[Seen]:
    """Compare the name in each document with the one that was given."""
    for address, reply in probe.documents.items():
        if reply.document.get("issuer") != probe.issuer:
            yield Seen(
                f"{address} names {reply.document.get('issuer')!r}",
                f"{probe.issuer!r}, character by character",
                "set the issuer's public address, with its scheme, port, path and slash",
            )


async def name(probe: Probe) -> AsyncIterator[Seen]:
    """Look at the form of the issuer's name."""
    parts = urlsplit(probe.issuer)
    if parts.scheme != "https" and not on_loopback(probe.issuer):
        yield Seen("an http:// address", "https://", "serve the issuer with TLS")
    if parts.query or parts.fragment or probe.issuer.endswith(("?", "#")):
        yield Seen("a query or a fragment", "neither", "take them out of the issuer's name")


async def media_type(probe: Probe) -> AsyncIterator[Seen]:
    """Look at how the documents are served."""
    for address, reply in probe.documents.items():
        if reply.media_type != "application/json":
            yield Seen(
                f"{address} has the Content-Type {reply.media_type or '(none)'}",
                "application/json",
                "send that header with the metadata",
            )


async def members(probe: Probe) -> AsyncIterator[Seen]:
    """Look for what has to be there."""
    for address, reply in probe.documents.items():
        said = reply.document
        wanted = list(REQUIRED)
        if address.endswith("/openid-configuration"):
            wanted += REQUIRED_BY_OPENID
        grants = said.get("grant_types_supported", ["authorization_code", "implicit"])
        if isinstance(grants, list) and set(grants) - {"implicit"}:
            wanted.append("token_endpoint")
        if isinstance(grants, list) and {"authorization_code", "implicit"} & set(map(str, grants)):
            wanted.append("authorization_endpoint")
        missing = sorted({one for one in wanted if one not in said})
        if missing:
            yield Seen(f"{address} lacks {', '.join(missing)}", "these members", "publish them")


async def types(probe: Probe) -> AsyncIterator[Seen]:
    """Look at the kind of each value."""
    for address, reply in probe.documents.items():
        for member, value in reply.document.items():
            kind = _kind_of(member)
            if kind is not None and not kind[0](value):
                yield Seen(
                    f"{member} at {address} is {type(value).__name__}: {value!r}",
                    kind[1],
                    "write the member as its specification has it, or leave it out",
                )


async def agree(probe: Probe) -> AsyncIterator[Seen]:
    """Compare the two documents."""
    if len(probe.documents) < 2:
        raise NotApplicable("there is one document")
    one, other = (reply.document for reply in probe.documents.values())
    differing = sorted(
        member for member in one.keys() & other.keys() if one[member] != other[member]
    )
    if differing:
        yield Seen(
            f"the two documents differ in {', '.join(differing)}",
            "the same in both",
            "publish one set of members at both addresses",
        )


async def endpoints(probe: Probe) -> AsyncIterator[Seen]:
    """Look at the addresses."""
    for member, address in probe.metadata.items():
        if not member.endswith(("_endpoint", "jwks_uri")) or not isinstance(address, str):
            continue
        parts = urlsplit(address)
        loopback = on_loopback(probe.issuer) and on_loopback(address)
        if parts.scheme != "https" and not loopback:
            yield Seen(f"{member} is {address}", "an https address", "publish it with https")
        if parts.fragment:
            yield Seen(f"{member} is {address}", "no fragment", "take the fragment out")


async def pkce(probe: Probe) -> AsyncIterator[Seen]:
    """Look for PKCE."""
    probe.endpoint("authorization_endpoint")
    methods = probe.listed("code_challenge_methods_supported")
    if "S256" not in methods:
        yield Seen(
            f"code_challenge_methods_supported is {methods or 'missing'}",
            "S256 in it: clients find out by it that they are protected",
            "support PKCE with S256, and say so",
        )
    if "plain" in methods:
        yield Seen("code_challenge_methods_supported has plain", "S256 alone", "drop plain")


async def implicit(probe: Probe) -> AsyncIterator[Seen]:
    """Look for response types that give access tokens to whoever reads an address."""
    risky = [one for one in probe.listed("response_types_supported") if "token" in one.split()]
    if risky:
        yield Seen(
            f"response_types_supported has {', '.join(risky)}",
            "none with token",
            "let clients use the code flow with PKCE, and drop these",
        )


async def password(probe: Probe) -> AsyncIterator[Seen]:
    """Look for the grant that gives passwords to clients."""
    if "password" in probe.listed("grant_types_supported"):
        yield Seen(
            "grant_types_supported has password", "it is not there", "drop the password grant"
        )


async def algorithms(probe: Probe) -> AsyncIterator[Seen]:
    """Look for algorithms that must not be offered."""
    for member, value in probe.metadata.items():
        if member.endswith("endpoint_auth_signing_alg_values_supported") and "none" in str(value):
            yield Seen(f"{member} has none", "it is not there", "take none out")
    symmetric = [
        one
        for one in probe.listed("dpop_signing_alg_values_supported")
        if one == "none" or (one in ALGORITHMS and ALGORITHMS[one].kty == "oct")
    ]
    if symmetric:
        yield Seen(
            f"dpop_signing_alg_values_supported has {', '.join(symmetric)}",
            "signatures with a key pair alone",
            "take these out, and refuse such proofs",
        )


async def assertion_algorithms(probe: Probe) -> AsyncIterator[Seen]:
    """Look for what clients that sign have to know."""
    for prefix in ("token", "introspection", "revocation"):
        methods = probe.listed(f"{prefix}_endpoint_auth_methods_supported")
        member = f"{prefix}_endpoint_auth_signing_alg_values_supported"
        if {"private_key_jwt", "client_secret_jwt"} & set(methods) and member not in probe.metadata:
            yield Seen(
                f"clients may sign at the {prefix} endpoint, and {member} is missing",
                "the algorithms that they may sign with",
                f"publish {member}",
            )


async def rs256(probe: Probe) -> AsyncIterator[Seen]:
    """Look for the algorithm that every client of OpenID Connect knows."""
    if "id_token_signing_alg_values_supported" not in probe.metadata:
        raise NotApplicable("it is no OpenID provider")
    found = probe.listed("id_token_signing_alg_values_supported")
    if "RS256" not in found:
        yield Seen(
            f"id_token_signing_alg_values_supported is {', '.join(found)}",
            "RS256 among them",
            "offer RS256 to clients that ask for nothing else",
        )


async def response_issuer(probe: Probe) -> AsyncIterator[Seen]:
    """Look for what protects clients of several issuers."""
    probe.endpoint("authorization_endpoint")
    if probe.metadata.get("authorization_response_iss_parameter_supported") is not True:
        yield Seen(
            "authorization_response_iss_parameter_supported is not true",
            "every answer names the issuer in iss: a client of several can be misled otherwise",
            "add iss to the answers of the authorization endpoint, and say so",
        )


async def logout(probe: Probe) -> AsyncIterator[Seen]:
    """Look at what is said of the ways to sign out."""
    for way in LOGOUT:
        sessions, supported = f"{way}_session_supported", f"{way}_supported"
        if probe.metadata.get(sessions) is True and probe.metadata.get(supported) is not True:
            yield Seen(
                f"{sessions} is true, {supported} is not",
                "the second where the first is",
                f"publish {supported}, or take {sessions} out",
            )


async def cors(probe: Probe) -> AsyncIterator[Seen]:
    """Look whether pages of other origins may read the metadata."""
    for address, reply in probe.documents.items():
        if reply.header("access-control-allow-origin") not in ("*", "https://conform.example"):
            yield Seen(
                f"{address} has no Access-Control-Allow-Origin",
                "a page of any origin may read it: apps in browsers need to",
                "send Access-Control-Allow-Origin: * with the metadata and the keys",
            )


_8414: Final = "RFC 8414"
_9700: Final = "RFC 9700"
_LOGOUT: Final = "OpenID Connect Back-Channel Logout 1.0"
_OIDC: Final = "OpenID Connect Discovery 1.0"

CHECKS: Final = (
    Check(
        "discovery.issuer", "The metadata names the issuer", _8414, "3.3", "must", "nothing", issuer
    ),
    Check("discovery.name", "The issuer is an https address", _8414, "2", "must", "nothing", name),
    Check(
        *("discovery.media_type", "The metadata is served as JSON", _8414, "3.2"),
        *("must", "nothing", media_type),
    ),
    Check(
        *("discovery.members", "Required members are present", _8414, "2"),
        *("must", "nothing", members),
    ),
    Check(
        "discovery.types", "Each value has the right type", _8414, "3.2", "must", "nothing", types
    ),
    Check(
        "discovery.agree", "Both metadata documents agree", _8414, "5", "should", "nothing", agree
    ),
    Check(
        *("discovery.endpoints", "Endpoints have https addresses", "RFC 6749", "3.1, 3.2"),
        *("must", "nothing", endpoints),
    ),
    Check("discovery.pkce", "PKCE with S256 is offered", _9700, "2.1.1", "should", "nothing", pkce),
    Check(
        *("discovery.implicit", "No access token in an address", _9700, "2.1.2"),
        *("should", "nothing", implicit),
    ),
    Check(
        *("discovery.password", "The password grant is not offered", _9700, "2.4"),
        *("must", "nothing", password),
    ),
    Check(
        *("discovery.algorithms", "The algorithm none is not offered", _8414, "2"),
        *("must", "nothing", algorithms),
    ),
    Check(
        *("discovery.assertion_algorithms", "Signing algorithms are published", _8414, "2"),
        *("must", "nothing", assertion_algorithms),
    ),
    Check("discovery.rs256", "RS256 is offered", _OIDC, "3", "must", "nothing", rs256),
    Check(
        *("discovery.response_issuer", "Responses name the issuer", "RFC 9207", "2.3, 3"),
        *("should", "nothing", response_issuer),
    ),
    Check(
        *("discovery.logout", "Logout metadata is consistent", _LOGOUT, "2.1"),
        *("must", "nothing", logout),
    ),
    Check("discovery.cors", "Pages may read the metadata", _9700, "2.6", "note", "nothing", cors),
)
