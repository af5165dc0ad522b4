"""In tests passwords are hashed by Argon2id as everywhere, at a hundredth of the cost.

They sign in some ten thousand times, and the hash is made to be dear: it took a third of the
processor time of the whole run. What it costs outside of tests is held by
``server/accounts/test_passwords.py``.
"""

from __future__ import annotations

from carnet.server.accounts import passwords

REAL = {name: getattr(passwords, name) for name in ("TIME_COST", "MEMORY_KIB", "LANES")}


def lower():
    """Have all hashes of this process, and of its forks, made so from now on."""
    passwords.TIME_COST, passwords.MEMORY_KIB = 1, 64
