"""Authorization requests, and where they lead."""

from __future__ import annotations

import hashlib
import html
import re
import secrets
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urljoin, urlsplit

from carnet.conform.wire import Reply, origin
from carnet.jose.encoding import b64url_encode

__all__ = ["Landing", "PkcePair", "landing_of", "parameters_of", "state_and_nonce"]

_FORM: Final = re.compile(r'<form\b[^>]*\baction="([^"]*)"', re.IGNORECASE)
_INPUT: Final = re.compile(r"<input\b[^>]*>", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(r'\b(name|value)="([^"]*)"', re.IGNORECASE)


class PkcePair(NamedTuple):
    """What binds a code to whoever began (RFC 7636).

    Attributes:
        verifier: kept until the code is exchanged.
        challenge: its hash, which is sent before.
    """

    verifier: str
    challenge: str

    @classmethod
    def make(cls) -> PkcePair:
        """Make a new pair."""
        verifier = secrets.token_urlsafe(32)
        return cls(verifier, b64url_encode(hashlib.sha256(verifier.encode()).digest()))


class Landing(NamedTuple):
    """Where a request leads.

    Attributes:
        reply: what was answered.
        target: the address that the browser is sent to, or "" where it stays at the issuer's page.
        answer: the parameters that it brings there.
    """

    reply: Reply
    target: str
    answer: dict[str, str]

    def is_at(self, address: str) -> bool:
        """Tell whether the browser is sent to this very address, but for its parameters."""
        rest = self.target.removeprefix(address)
        return self.target.startswith(address) and rest[:1] in ("", "?", "&", "#")

    def leads_to(self, address: str) -> bool:
        """Tell whether the browser is sent to an address, or at least to its host."""
        if not self.target:
            return False
        at_issuer = origin(self.target) == origin(self.reply.url)
        return self.is_at(address) or (not at_issuer and origin(self.target) == origin(address))

    @property
    def told(self) -> str:
        """Where it leads, in words, without what the answer holds."""
        if not self.target:
            return f"a page, {self.reply.told}"
        error = self.answer.get("error")
        # What stands in the paths of an issuer's own pages can name a session.
        is_own = origin(self.target) == origin(self.reply.url)
        where = "a page of the issuer's" if is_own else re.split(r"[?#]", self.target)[0]
        return f"a redirect to {where}{f' with {error}' if error else ''}"


def landing_of(reply: Reply) -> Landing:
    """Tell where an answer leads: a redirect, or a form that a page posts (form_post)."""
    if reply.location:
        target = urljoin(reply.url, reply.location)
        # What a browser makes of such an address is not always what was written.
        target = reply.location if "://" in reply.location else target
        return Landing(reply, target, parameters_of(target))
    page = reply.body.decode("utf-8", "replace") if reply.media_type == "text/html" else ""
    form = _FORM.search(page)
    if form is not None and reply.status == 200:
        target, answer = html.unescape(form[1]), _inputs(page)
        if "://" in target and answer.keys() & {"code", "error", "response"}:
            return Landing(reply, target, answer)
    return Landing(reply, "", {})


def parameters_of(address: str) -> dict[str, str]:
    """Give the parameters in the query and the fragment of an address."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return {}
    return dict(parse_qsl(f"{parts.query}&{parts.fragment}", keep_blank_values=True))


def state_and_nonce() -> tuple[str, str]:
    """Make a ``state`` and a ``nonce``."""
    return secrets.token_urlsafe(16), secrets.token_urlsafe(16)


def _inputs(page: str) -> dict[str, str]:
    found = (dict(_ATTRIBUTE.findall(one)) for one in _INPUT.findall(page))
    return {
        html.unescape(one["name"]): html.unescape(one.get("value", ""))
        for one in found
        if "name" in one
    }
