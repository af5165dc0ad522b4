"""Structured logs: one JSON object a line on standard error, never with a token or a password.

A traceback shows where it happened, and nothing of what the program held in its hands there: no
local variables, and the words of an error only where it is one of ours. Those of others quote what
they failed on.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

import structlog

from carnet.errors import CarnetError

__all__ = ["configure_log", "describe_error", "log_failure"]

MOST_FRAMES: Final = 50
MOST_ERRORS: Final = 20

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def describe_error(exc_info: _ExcInfo) -> list[dict[str, Any]]:
    """Describe an exception, those that it holds and those that caused it, without secrets."""
    described: list[dict[str, Any]] = []
    waiting = [exc_info[1]]
    seen: set[int] = set()
    while waiting and len(described) < MOST_ERRORS:
        error = waiting.pop(0)
        if id(error) in seen:
            continue
        seen.add(id(error))
        described.append(_describe(error))
        if isinstance(error, BaseExceptionGroup):
            waiting += error.exceptions
        cause = error.__cause__
        if cause is None and not error.__suppress_context__:
            cause = error.__context__
        if cause is not None:
            waiting.append(cause)
    return described


def _describe(error: BaseException) -> dict[str, Any]:
    # The last are the innermost. Only the places: a frame's locals may be secrets.
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    one: dict[str, Any] = {"type": type(error).__name__}
    if isinstance(error, CarnetError):
        one["message"] = str(error)
    one["frames"] = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    return one


def log_failure(scope: Mapping[str, Any], status: int, cause: BaseException | str) -> None:
    """Write down why a request is answered with a status from 500 on.

    Args:
        scope: of the request, as ASGI has it.
        status: of the answer.
        cause: the error, or what there is to say; of an error that is not ours, its kind alone.
    """
    if isinstance(cause, BaseException):
        cause = str(cause) if isinstance(cause, CarnetError) else type(cause).__name__
    at = getattr(scope.get("endpoint"), "__name__", "nothing").lstrip("_")
    structlog.get_logger().error("request_failed", at=at, status=status, reason=cause)


def configure_log() -> None:
    """Send to standard error, as JSON, what this process has to say.

    That is our own events and the warnings of the libraries and of Python, and also what nobody has
    caught: in this thread, in another one, in a task, or where Python can't raise anything.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.ExceptionRenderer(describe_error),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # The other factory writes the end of a line apart, where another process may come between.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(describe_error),
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    sys.unraisablehook = _log_unraisable


def _log_uncaught(
    kind: type[BaseException], error: BaseException, frames: TracebackType | None
) -> None:
    structlog.get_logger().critical("uncaught", exc_info=(kind, error, frames))


def _log_uncaught_in_thread(uncaught: threading.ExceptHookArgs) -> None:
    if uncaught.exc_value is not None:
        structlog.get_logger().error("uncaught_in_thread", exc_info=uncaught.exc_value)


def _log_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    structlog.get_logger().error("unraisable", exc_info=unraisable.exc_value)
