"""The root of the command line: which commands there are, and how failures are told.

Exit statuses: 0 done; 1 the answer is no (a walk that went wrong, a token refused); 2 wrong use or
a setting, file or port that can't be used; 70 a fault of Carnet's own; 130 interrupted.
"""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from pathlib import Path

from carnet.errors import CarnetError

__all__ = ["main"]

COMMANDS = {
    "serve": ("carnet.cli.serve:serve", "Run the authentication service."),
    "user": ("carnet.cli.user:user", "Make, change and list the accounts of the service."),
    "client": (
        "carnet.cli.client:client",
        "Make, change and list the clients that ask for tokens.",
    ),
    "resource": ("carnet.cli.resource:resource", "Make and list what tokens are for."),
    "session": ("carnet.cli.session:session", "List and end people's sessions."),
    "keys": ("carnet.cli.keys:keys", "See to the signing keys and the master key."),
    "audit": ("carnet.cli.audit:audit", "Show what has happened."),
    "gate": ("carnet.cli.gate:gate", "Let a reverse proxy ask whether a request may pass."),
    "migrate-store": (
        "carnet.cli.migrate_store:migrate_store",
        "Move the data between SQLite and PostgreSQL.",
    ),
    "inspect": ("carnet.cli.inspect:inspect_token", "Show what a token says, unverified."),
    "verify": ("carnet.cli.verify:verify", "Check a token, and say which check failed."),
    "sign": ("carnet.cli.sign:sign", "Make a signed token."),
    "encrypt": ("carnet.cli.encrypt:encrypt", "Encrypt for whoever holds a private key."),
    "decrypt": ("carnet.cli.encrypt:decrypt", "Decrypt what was encrypted for a key."),
    "key": ("carnet.cli.key:key", "Make, convert and name keys."),
    "issuer": ("carnet.cli.issuer:issuer", "Say what a service needs to trust an issuer."),
    "revocations": ("carnet.cli.revocations:revocations", "Watch what an issuer revokes."),
    "completion": ("carnet.cli.completion:completion", "Print a shell's completions."),
    "demo": ("carnet.cli.demo.command:demo", "Run the whole system, with a narrated walk."),
}

EXTRAS = {
    "click": "cli",
    "httpx": "verifier",
    "fastapi": "fastapi",
    "starlette": "server",
    "uvicorn": "server",
    "apsw": "server",
    "argon2": "server",
    "jinja2": "server",
    "structlog": "server",
    "prometheus_client": "server",
    "asyncpg": "postgres",
}


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
        error.show()
        return 2
    # Its message may hold what was typed: only its kind and its place are told.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}"
    print(f"carnet: this is a fault of Carnet itself ({place}).", file=sys.stderr)
    print("Please report it with the command, without its tokens and keys.", file=sys.stderr)
    return 70


def _fail(message: str) -> int:
    print(f"carnet: {message}", file=sys.stderr)
    return 2


def load(target: str) -> object:
    """Import what a ``module:name`` names."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
