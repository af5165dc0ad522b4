"""The entry of the command line: it runs a command, and tells how it failed.

Exit statuses: 0 done; 1 the answer is no (a walk that went wrong, a token refused); 2 wrong use or
a setting, file or port that can't be used; 70 a bug in Carnet; 130 interrupted.
"""

from __future__ import annotations

import re
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from carnet.errors import CarnetError

if TYPE_CHECKING:
    from click.exceptions import ClickException

__all__ = ["main"]

EXTRAS = {
    "click": "cli",
    "httpx": "verifier",
    "fastapi": "fastapi",
    "starlette": "server",
    "uvicorn": "server",
    "apsw": "server",
    "argon2": "server",
    "aiosmtplib": "server",
    "babel": "server",
    "fido2": "server",
    "segno": "server",
    "jinja2": "server",
    "structlog": "server",
    "prometheus_client": "server",
    "asyncpg": "postgres",
    "mcp": "mcp",
}

_NO_COMMAND: Final = re.compile(r"No such command '(.+)'")


def main() -> None:
    """Run the command line, and end the process."""
    try:
        from carnet.cli.commands import root

        status = root(prog_name="carnet", standalone_mode=False)
    except CarnetError as error:
        status = _fail(str(error))
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            status = _click_status(error)
        else:
            wanted = sys.argv[1] if sys.argv[1:2] in (["demo"], ["gate"]) else extra
            status = _fail(
                f"this needs a part that is not installed: pip install 'carnet[{wanted}]'"
            )
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        # The reader of our output has gone, as `carnet … | head` does: nothing is wrong.
        sys.stderr.close()
        status = 0
    except Exception as error:
        status = _click_status(error)
    sys.exit(status if isinstance(status, int) else 0)


def _click_status(error: Exception) -> int:
    from click.exceptions import Abort, ClickException, Exit

    if isinstance(error, Exit):
        return error.exit_code
    if isinstance(error, Abort):
        return 130
    if isinstance(error, ClickException):
        return _fail(*_in_our_words(error))
    # Its message may hold what was typed: only its kind and its place are shown.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}"
    print(f"carnet: this is a bug in Carnet ({place}).", file=sys.stderr)
    print("Please report it with the command, without its tokens and keys.", file=sys.stderr)
    return 70


def _in_our_words(error: ClickException) -> list[str]:
    """Give what click says of wrong use as our own errors are written, and where to look."""
    from click import Group
    from click.exceptions import UsageError

    from carnet.cli.nearest import did_you_mean

    near = getattr(error, "possibilities", None)
    text = (error.message if near else error.format_message()).rstrip(".")
    context = error.ctx if isinstance(error, UsageError) else None
    if context is None:
        return [text]
    unknown = _NO_COMMAND.match(text)
    if unknown and isinstance(context.command, Group):
        text += did_you_mean(unknown[1], context.command.list_commands(context))
    elif near:
        text += f"; did you mean {near[0]}?"
    # Ours begin in the midst of a sentence.
    return [text[:1].lower() + text[1:], f"`{context.command_path} --help` says what it takes"]


def _fail(*lines: str) -> int:
    for line in lines:
        print(f"carnet: {line}", file=sys.stderr)
    return 2
