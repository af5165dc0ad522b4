"""What a protected resource says of itself: who gives tokens for it, and for what (RFC 9728).

A ProtectedResource is what a service is configured with; its verifier makes a PublishedResource of
it, once: the document, the address where clients look for it, and what each challenge says of that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from carnet.errors import ConfigurationError
from carnet.jwt.dpop import ALGORITHMS_ACCEPTED
from carnet.verifier.access import check_address

__all__ = ["Answer", "ProtectedResource", "PublishedResource"]

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
METHODS: Final = "GET, HEAD, OPTIONS"
# Any page may read it: it holds nothing that is not for everybody.
FROM_ANYWHERE: Final = {"Access-Control-Allow-Origin": "*"}
PREFLIGHT: Final = {
    **FROM_ANYWHERE,
    "Access-Control-Allow-Methods": METHODS,
    # Authorization is none of the names that the asterisk stands for (Fetch standard).
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Max-Age": "86400",
}

# What needs no quoting anywhere: not in a header, nor in a framework's pattern of paths.
_PLAIN = re.compile(r"https?://[a-z0-9.:\[\]-]+(/[A-Za-z0-9._~!$&()*+,;=:@/-]*)?(\?[!$-\[\]-~]*)?")
_ADDRESS = re.compile(r"https?://[^/?#\s]\S*")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


@dataclass(frozen=True, slots=True)
class ProtectedResource:
    """A service as clients see it that have to find out by themselves where its tokens come from.

    Args:
        url: its address, exactly as clients know it, such as ``https://mcp.example.com/mcp``; it is
            also what its tokens are for (``aud``), where the verifier is given no audience.
        scopes_supported: scopes that a client should ask for to use it at all.
        name: for people, such as ``"The orders"``.
        documentation: the address of a page for developers.
        authorization_servers: the issuers that give tokens for it; the verifier's unless given.
    """

    url: str
    _: KW_ONLY
    scopes_supported: Collection[str] | None = None
    name: str | None = None
    documentation: str | None = None
    authorization_servers: Collection[str] | None = None

    @classmethod
    def of(cls, given: object) -> ProtectedResource | None:
        """Check what was given as the option ``resource``.

        Args:
            given: an address, a ProtectedResource, or None.

        Raises:
            ConfigurationError: saying what was expected.
        """
        if given is None:
            return None
        resource = cls(given) if isinstance(given, str) else given
        if not isinstance(resource, ProtectedResource):
            raise ConfigurationError(
                "resource must be this service's address, such as https://mcp.example.com/mcp, "
                "or a "
                "ProtectedResource"
            )
        resource._check()
        return resource

    def _check(self) -> None:
        try:
            check_address(self.url)
        except ConfigurationError:
            is_address = False
        else:
            is_address = _PLAIN.fullmatch(self.url) is not None
        if not is_address:
            raise ConfigurationError(
                "a resource's address must begin with https://, or with http:// and a loopback "
                "address, with the host in lower case, no percent signs in the path, and no "
                "fragment: https://mcp.example.com/mcp"
            )
        scopes = self.scopes_supported
        if scopes is not None and not _are_texts(scopes, _SCOPE):
            raise ConfigurationError(
                "scopes_supported must be a list of scopes, such as ['orders:read', 'orders:write']"
            )
        if self.name is not None and (not isinstance(self.name, str) or not self.name):
            raise ConfigurationError("a resource's name must be a text for people")
        if self.documentation is not None and not _are_texts([self.documentation], _ADDRESS):
            raise ConfigurationError("a resource's documentation must be the address of a page")
        servers = self.authorization_servers
        if servers is not None and not (servers and _are_texts(servers, _ADDRESS)):
            raise ConfigurationError(
                "authorization_servers must be a list of issuers, such as "
                "['https://auth.example.com']"
            )


class Answer(NamedTuple):
    """What is answered for the document's address."""

    status: int
    headers: dict[str, str]
    body: bytes


class PublishedResource:
    """The document, made once, and where it is.

    Args:
        resource: what is said of it.
        issuers: whose tokens its verifier accepts, exactly as in their tokens; None for one that
            has no single name.
        needs_proof: whether only tokens that are bound to a key are accepted (RFC 9449).

    Attributes:
        resource: the address of the resource.
        path: the path where clients look for the document (RFC 9728 section 3.1).
        url: the whole address of it, which challenges name.
        document: the JSON text.
        scope: the scopes that it supports, with spaces between them; "" where they are not said.
        schemes: how a token may be sent, with what a challenge of that scheme says besides.

    Raises:
        ConfigurationError: if there is no issuer that clients could go to.
    """

    def __init__(
        self,
        resource: ProtectedResource,
        issuers: Sequence[str | None],
        needs_proof: bool = False,
    ) -> None:
        servers = resource.authorization_servers or issuers
        if not all(isinstance(one, str) and _ADDRESS.fullmatch(one) for one in servers):
            raise ConfigurationError(
                "an issuer that is a template, a function or no address tells clients nothing: "
                "give resource=ProtectedResource(…, authorization_servers=['https://…'])"
            )
        parts = urlsplit(resource.url)
        self.resource = resource.url
        self.path = WELL_KNOWN + (parts.path if parts.path != "/" else "")
        query = f"?{parts.query}" if parts.query else ""
        self.url = f"{parts.scheme}://{parts.netloc}{self.path}{query}"
        algorithms = list(ALGORITHMS_ACCEPTED)
        # RFC 9728 section 2; what is not said is left away.
        said = {
            "resource": resource.url,
            "authorization_servers": list(servers),
            "scopes_supported": _listed(resource.scopes_supported),
            "bearer_methods_supported": ["header"],
            "resource_name": resource.name,
            "resource_documentation": resource.documentation,
            "dpop_signing_alg_values_supported": algorithms if needs_proof else None,
            "dpop_bound_access_tokens_required": needs_proof or None,
        }
        self.document = json.dumps(
            {name: value for name, value in said.items() if value is not None}
        ).encode()
        self.scope = " ".join(resource.scopes_supported or ())
        self.schemes = {"Bearer": ""}
        if needs_proof:
            # Beside Bearer, by which clients that don't know it find the document.
            self.schemes["DPoP"] = f'algs="{" ".join(algorithms)}"'

    def answer(self, method: str) -> Answer:
        """Answer a request for the document.

        Args:
            method: the request's.
        """
        if method == "OPTIONS":
            return Answer(204, dict(PREFLIGHT), b"")
        if method not in ("GET", "HEAD"):
            headers = {**FROM_ANYWHERE, "Allow": METHODS, "Content-Length": "0"}
            return Answer(405, headers, b"")
        headers = {
            **FROM_ANYWHERE,
            "Cache-Control": "public, max-age=300",
            "Content-Type": "application/json",
            "Content-Length": str(len(self.document)),
        }
        return Answer(200, headers, b"" if method == "HEAD" else self.document)


def _are_texts(given: object, pattern: re.Pattern[str]) -> bool:
    return (
        isinstance(given, Collection)
        and not isinstance(given, str | bytes)
        and all(isinstance(one, str) and pattern.fullmatch(one) for one in given)
    )


def _listed(given: Collection[str] | None) -> list[str] | None:
    return None if given is None else list(given)
