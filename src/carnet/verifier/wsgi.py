"""The documented import path of :mod:`carnet.verifier.adapters.wsgi`."""

from carnet.verifier.adapters.wsgi import (
    BearerMiddleware,
    authorization,
    is_preflight,
    presented,
)

__all__ = ["BearerMiddleware", "authorization", "is_preflight", "presented"]
