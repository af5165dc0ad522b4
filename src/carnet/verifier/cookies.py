"""The documented import path of :mod:`carnet.verifier.cookie_mode.sessions`."""

from carnet.verifier.cookie_mode.sessions import CookieSessions

__all__ = ["CookieSessions"]
