"""The token debugger: a page that does all of its work in the browser, online or saved."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.pages.rendering import render
from carnet.server.service import Service

__all__ = ["explain_tokens", "save_debugger", "show_debugger"]

START = 'import "debugger/view.js";'


class SavedParts(NamedTuple):
    """What a saved page has in itself, and the policy that lets it use that and nothing else."""

    style: str
    import_map: str
    start: str
    policy: str


async def show_debugger(request: Request) -> Response:
    """Show the debugger; no token ever comes here."""
    service: Service = request.app.state.service
    issuer = service.settings.own_url
    keys_address = f"{urlsplit(issuer).path}/.well-known/jwks.json"
    return render(request, "debugger.html", issuer=issuer, keys_address=keys_address)


async def explain_tokens(request: Request) -> Response:
    """Show what JSON Web Tokens are, with tokens to try."""
    return render(request, "explained.html")


async def save_debugger(request: Request) -> Response:
    """Give the debugger as one file that works without a network, and can't use one."""
    disposition = {"Content-Disposition": 'attachment; filename="token-debugger.html"'}
    return render(
        request,
        "debugger_offline.html",
        headers=disposition,
        issuer="",
        keys_address="",
        parts=_saved_parts(),
    )


@cache
def _saved_parts() -> SavedParts:
    # A saved page can't import files beside it: browsers take each for a site of its own. So its
    # modules are data addresses, found by an import map under names without a path.
    static = resources.files("carnet.server.pages").joinpath("static")
    folder = static.joinpath("debugger")
    modules = {
        f"debugger/{entry.name}": "data:text/javascript;base64," + _packed(entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".js") and entry.name != "explained.js"
    }
    import_map = msgspec.json.encode({"imports": modules}).decode()
    sheets = (static.joinpath("carnet.css"), folder.joinpath("debugger.css"))
    style = "".join(sheet.read_text("utf-8") for sheet in sheets)
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; "
        f"script-src {_hash(import_map)} {_hash(START)} data:; base-uri 'none'; form-action 'none'"
    )
    return SavedParts(style, import_map, START, policy)


def _packed(module: str) -> str:
    named = re.sub(r'((?:from|import) )"\./', r'\1"debugger/', module)
    return base64.b64encode(named.encode()).decode()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
