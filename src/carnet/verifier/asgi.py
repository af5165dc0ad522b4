"""The documented import path of :mod:`carnet.verifier.adapters.asgi`."""

from carnet.verifier.adapters.asgi import BearerMiddleware, answer, authorization, presented

__all__ = ["BearerMiddleware", "answer", "authorization", "presented"]
