"""The documented import path of :mod:`carnet.verifier.adapters.fastapi`."""

from carnet.verifier.adapters.fastapi import Bearer, BearerRefused

__all__ = ["Bearer", "BearerRefused"]
