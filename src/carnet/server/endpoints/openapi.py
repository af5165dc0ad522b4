"""The OpenAPI description of the administration, made from the types that parse its requests."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from carnet import __version__
from carnet.server.endpoints.administration import Operation
from carnet.server.endpoints.operations import ALL_OPERATIONS
from carnet.server.service import Service
from carnet.server.web.requests import answer

__all__ = ["openapi"]

PUBLIC = {"Cache-Control": "public, max-age=300"}
_NAMED: Final = re.compile("{([a-z_]+)}")
REFERENCE = "#/components/schemas/{name}"

ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
    "required": ["error", "error_description"],
}


async def openapi(request: Request) -> Response:
    """Give the description (OpenAPI 3.1)."""
    service: Service = request.app.state.service
    return answer(_document(service.settings.own_url), headers=PUBLIC)


@cache
def _document(issuer: str) -> dict[str, Any]:
    operations = ALL_OPERATIONS
    types = {kind for one in operations for kind in (one.body, one.result) if kind is not None}
    named = sorted(types, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(named, ref_template=REFERENCE)
    for schema in schemas.values():
        # Of a docstring, the sentence; its attributes are for readers of the code.
        schema["description"] = schema.get("description", "").partition("\n")[0]
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Carnet: administration", "version": __version__},
        "servers": [{"url": issuer}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Error": ERROR},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token for this service, asked for with "
                    f"resource={issuer}, of an account that may administer it.",
                }
            },
        },
        "security": [{"token": []}],
    }


def _operation(one: Operation) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
        for name in one.query
    ]
    named = {"type": "string", "minLength": 1}
    parameters += [
        {"name": name, "in": "path", "required": True, "schema": named}
        for name in _NAMED.findall(one.path)
    ]
    success: dict[str, Any] = {"description": one.summary}
    if one.result is not None:
        success["content"] = _content(one.result.__name__)
    described: dict[str, Any] = {
        "operationId": one.work.__name__.removeprefix("_"),
        "summary": one.summary,
        "parameters": parameters,
        "responses": {
            str(one.status): success,
            "default": {"description": "It is refused.", "content": _content("Error")},
        },
    }
    if one.body is not None:
        described["requestBody"] = {"required": True, "content": _content(one.body.__name__)}
    return described


def _content(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REFERENCE.format(name=name)}}}
