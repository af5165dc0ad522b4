"""The documented import path of :mod:`carnet.verifier.adapters.asgi`."""

from carnet.verifier.adapters.asgi import (
    CLOSED,
    BearerMiddleware,
    answer,
    authorization,
    can_be_denied,
    is_preflight,
    pass_preflight,
    presented,
)

__all__ = [
    "CLOSED",
    "BearerMiddleware",
    "answer",
    "authorization",
    "can_be_denied",
    "is_preflight",
    "pass_preflight",
    "presented",
]
