"""Style sheets, modules and pictures: read once, named by their content, cached for good."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.pages import brand
from carnet.server.service import Service

__all__ = ["serve_static", "static_url"]

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
FOR_GOOD = "public, max-age=31536000, immutable"
ASK_AGAIN = "public, no-cache"


class StaticFile(NamedTuple):
    """A file as it is served."""

    content: bytes
    media_type: str
    version: str


def static_url(service: Service, name: str) -> str:
    """Give the address of a static file, which changes when the file does."""
    return f"/static/{name}?v={_find(service, name).version}"


async def serve_static(request: Request) -> Response:
    """Give a static file; for good where its version is asked for, else with an ETag."""
    service: Service = request.app.state.service
    try:
        found = _find(service, request.path_params["name"])
    except KeyError:
        raise HTTPException(404) from None
    tag = f'"{found.version}"'
    headers = {
        "Cache-Control": FOR_GOOD if request.query_params.get("v") == found.version else ASK_AGAIN,
        "ETag": tag,
        "X-Content-Type-Options": "nosniff",
        # A picture opened by itself is a document: it runs nothing.
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    }
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=found.media_type)


def _find(service: Service, name: str) -> StaticFile:
    made = brand.files(service.settings)
    if name in made:
        suffix, content = made[name]
        return _file(content, suffix)
    return _files()[name]


@cache
def _files() -> dict[str, StaticFile]:
    folder = resources.files("carnet.server.pages").joinpath("static")
    entries = {entry.name: entry for entry in folder.iterdir()}
    parts = entries.pop("debugger")
    entries.update((f"debugger/{entry.name}", entry) for entry in parts.iterdir())
    return {
        name: _file(entry.read_bytes(), "." + name.rpartition(".")[2])
        for name, entry in entries.items()
        if entry.is_file()
    }


@cache
def _file(content: bytes, suffix: str) -> StaticFile:
    return StaticFile(content, MEDIA_TYPES[suffix], hashlib.sha256(content).hexdigest()[:16])
