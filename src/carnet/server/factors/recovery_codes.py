"""Recovery codes: what lets somebody in once who has lost the other factors."""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Final

__all__ = ["COUNT", "hide", "new_code", "read_code"]

COUNT: Final = 10

# No letter and no digit that looks like another; 16 of 30 are 78 bits.
_LETTERS: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE: Final = re.compile(f"[{_LETTERS}]{{16}}")
_MAX_TYPED: Final = 64


def new_code() -> str:
    """Make a code, as people read it."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


def read_code(typed: str) -> str | None:
    """Read what somebody has typed, in capitals or not; None is for what can't be a code."""
    code = re.sub(r"[\s\-]", "", typed[:_MAX_TYPED]).upper()
    return code if _CODE.fullmatch(code) else None


def hide(pepper: bytes, account_id: str, code: str) -> bytes:
    """Hash a code as the database knows it: useless for another account, or without the pepper."""
    key = hmac.digest(pepper, b"carnet recovery code", "sha256")
    return hmac.digest(key, f"{account_id} {code}".encode(), "sha256")
