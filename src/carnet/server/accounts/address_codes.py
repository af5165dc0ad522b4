"""Codes that prove an address: typed by whoever reads the mail on another device.

A code is made of the link in the same mail, with a pepper: nothing else is kept of it, the database
alone does not tell it, and whatever ends the link ends the code. Of several links to an address,
the newest one's counts.
"""

from __future__ import annotations

import hmac
from typing import Final

from carnet.server.accounts.one_time_links import VERIFY, LinkRefused, OneTimeLinks
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.store import Transaction
from carnet.server.store import statements as sql

__all__ = ["AddressCodes", "shown_code"]

DIGITS: Final = 8
MAX_CODE: Final = 32


class AddressCodes:
    """The codes of the links that prove addresses.

    Args:
        links: the links.
        keys: of which the peppers make the codes.
    """

    def __init__(self, links: OneTimeLinks, keys: SigningKeys) -> None:
        self._links = links
        self._keys = keys

    def newest(self, account_id: str, normalized: str, now: int) -> Transaction[str]:
        """Give the code of the link that was made last, in the transaction in which it was.

        Args:
            account_id: for whom.
            normalized: the address, as it is looked up.
            now: microseconds since 1970.
        """
        for (secret_hash,) in (yield sql.NEWEST_LINK, (account_id, VERIFY, normalized, now)):
            return self._code(self._keys.peppers[self._keys.pepper_id], secret_hash)
        raise LinkRefused("there is no such link", code="link_unknown")

    def take(self, account_id: str, normalized: str, typed: str, now: int) -> Transaction[bool]:
        """Use a code, and its link with it, in the transaction of what it does.

        Returns:
            Whether it was that of the newest link that is still good.

        Raises:
            LinkRefused: if another has just used it.
        """
        code = "".join(typed[:MAX_CODE].split()).encode("utf-8", "surrogatepass")
        for (secret_hash,) in (yield sql.NEWEST_LINK, (account_id, VERIFY, normalized, now)):
            # A pepper may have been added since it was sent.
            made = [self._code(pepper, secret_hash) for pepper in self._keys.peppers.values()]
            if any(hmac.compare_digest(one.encode(), code) for one in made):
                yield from self._links.take_by_hash(VERIFY, secret_hash, now)
                return True
        return False

    def _code(self, pepper: bytes, secret_hash: bytes) -> str:
        key = hmac.digest(pepper, b"carnet address code", "sha256")
        number = int.from_bytes(hmac.digest(key, secret_hash, "sha256"), "big")
        return f"{number % 10**DIGITS:0{DIGITS}}"


def shown_code(code: str) -> str:
    """Write a code as people read it."""
    return f"{code[:4]} {code[4:]}"
