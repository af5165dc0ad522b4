"""Files that hold secrets, and who may read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

__all__ = ["HOW_TO_HIDE", "is_exposed"]

HOW_TO_HIDE: Final = "run: chmod 600 {}, or mount it with defaultMode 0440"
"""What to do about a file that too many can read."""


def is_exposed(path: Path) -> bool:
    """Tell whether others than this service can read a file, or its group change it.

    The group may read a file that is another user's: so Kubernetes (``fsGroup``) and systemd
    (``LoadCredential=``) hand secrets to a service that is not root.

    Raises:
        OSError: if the file can't be looked at.
    """
    status = path.stat()
    allowed = stat.S_IRWXU
    if status.st_uid != os.geteuid():
        allowed |= stat.S_IRGRP
    return bool(stat.S_IMODE(status.st_mode) & ~allowed & 0o077)
