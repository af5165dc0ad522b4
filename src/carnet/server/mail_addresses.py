"""E-mail addresses: which ones are taken, and the one form under which each is looked up.

The part before the ``@`` is letters, digits and signs of ASCII: everything else there is rare,
many mail servers can't send to it, and letters that look alike would let one address pass for
another. Neither quotes nor line ends are taken, so that an address can't add a header to a mail.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["MAX_ADDRESS", "MailAddress", "read_mail_address"]

MAX_ADDRESS: Final = 254
"""RFC 5321 section 4.5.3.1.3, without the angle brackets."""

_MAX_LOCAL: Final = 64
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(\.{_LABEL})+")


class MailAddress(NamedTuple):
    """An address.

    Attributes:
        typed: as its owner writes it.
        deliverable: as a mail server takes it: a domain of other letters is written in ASCII.
        normalized: by which it is looked up; case makes no difference.
    """

    typed: str
    deliverable: str
    normalized: str


def read_mail_address(text: str) -> MailAddress | None:
    """Read what somebody has typed; None is for what can't be an address."""
    typed = text.strip()
    if len(typed) > MAX_ADDRESS:
        return None
    local, _, domain = typed.rpartition("@")
    domain = _ascii_domain(domain)
    if len(local) > _MAX_LOCAL or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        return None
    deliverable = f"{local}@{domain}"
    if len(deliverable) > MAX_ADDRESS:
        return None
    return MailAddress(typed, deliverable, deliverable.lower())


def _ascii_domain(domain: str) -> str:
    """Write a domain in ASCII and small letters, "" where it is none."""
    if domain.isascii():
        return domain.lower()
    import idna

    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return ""
