"""SCIM 2.0 over HTTP (RFC 7644): ``/scim/v2``, for a directory that has a token for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from carnet.errors import InvalidToken
from carnet.jose.encoding import json_decode, json_encode
from carnet.server.audit import Origin
from carnet.server.clock import SECOND
from carnet.server.scim.filters import read_filter
from carnet.server.scim.groups import ScimGroups
from carnet.server.scim.patches import patched
from carnet.server.scim.refusals import ScimRefused
from carnet.server.scim.resources import Resource, Selection, read_content, schemas_of
from carnet.server.scim.schemas import ENTERPRISE, GROUP, SCHEMAS, USER, schema_document
from carnet.server.scim.users import ScimUsers
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.requests import NO_STORE, RequestRefused, header_values, read_body

__all__ = ["SCIM_ROUTES"]

BASE: Final = "/scim/v2"
MEDIA_TYPE: Final = "application/scim+json"
MAX_BODY: Final = 1024 * 1024
MOST_LISTED: Final = 200
USUALLY_LISTED: Final = 100
MOST_WITH_MEMBERS: Final = 10
"""How many groups are listed at once where each is told with its members."""
LAST_MOMENT: Final = 253_402_300_799 * SECOND

_MESSAGES: Final = "urn:ietf:params:scim:api:messages:2.0"
_CORE: Final = "urn:ietf:params:scim:schemas:core:2.0"


class Asked(NamedTuple):
    """A request of a directory's.

    Attributes:
        service: the service.
        request: the request.
        origin: which directory asks, and from where.
    """

    service: Service
    request: Request
    origin: Origin

    @property
    def base(self) -> str:
        """The address that everything here stands below."""
        return f"{self.service.settings.own_url}{BASE}"

    @property
    def name(self) -> str:
        """What the last part of the address names."""
        return str(self.request.path_params["name"])

    @property
    def selection(self) -> Selection:
        """Which attributes are asked for."""
        query = self.request.query_params
        return Selection(query.get("attributes", ""), query.get("excludedAttributes", ""))

    @property
    def version(self) -> str | None:
        """What the client thinks that it changes (RFC 7644 section 3.14)."""
        values = header_values(self.request, b"if-match")
        return values[0] if values else None


Work = Callable[[Asked], Awaitable[Response]]


def _answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        json_encode(content), status, {**NO_STORE, **(headers or {})}, media_type=MEDIA_TYPE
    )


def _error(
    status: int, text: str, scim_type: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    content = {"schemas": [f"{_MESSAGES}:Error"], "status": str(status), "detail": text}
    if scim_type is not None:
        content["scimType"] = scim_type
    return _answer(content, status, headers)


def _endpoint(name: str, methods: Mapping[str, Work]) -> Callable[[Request], Awaitable[Response]]:
    """Make an endpoint: nothing is done, and no body read, before the directory is known."""

    async def endpoint(request: Request) -> Response:
        service: Service = request.app.state.service
        if service.settings.scim is None:
            raise HTTPException(404)
        try:
            token_id = await _token_id(service, request)
            work = methods.get("GET" if request.method == "HEAD" else request.method)
            if work is None:
                allowed = {"Allow": ", ".join(methods)}
                return _error(405, f"use {' or '.join(methods)} here", headers=allowed)
            return await work(Asked(service, request, origin_of(request, f"scim:{token_id}")))
        except ScimRefused as error:
            return _error(error.status, str(error), error.scim_type)
        except RequestRefused as error:
            syntax = "invalidSyntax" if error.status == 400 else None
            return _error(error.status, str(error), syntax, error.headers)

    # The figures of Prometheus name endpoints by this.
    endpoint.__name__ = name
    return endpoint


async def _token_id(service: Service, request: Request) -> str:
    values = header_values(request, b"authorization")
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    found = await service.scim.tokens.good(token.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        challenge = 'Bearer error="invalid_token"' if values else "Bearer"
        raise RequestRefused(
            "invalid_token",
            "send a token of `carnet scim token create` as 'Authorization: Bearer <token>'",
            401,
            {"WWW-Authenticate": challenge},
        )
    return found


async def _body(asked: Asked) -> dict[str, Any]:
    body = await read_body(asked.request, MEDIA_TYPE, "application/json", most=MAX_BODY)
    try:
        return json_decode(body, "the body")
    except InvalidToken:
        raise ScimRefused(
            "the body is not a JSON object with each name once", code="invalidSyntax"
        ) from None


# Users and groups.


class _Kind(NamedTuple):
    """A kind of resource.

    Attributes:
        name: of one.
        path: of all.
        parts: gives what keeps them.
        document: writes what is told of one besides what all have in common.
    """

    name: str
    path: str
    parts: Callable[[Service], ScimUsers | ScimGroups]
    document: Callable[[Asked, Resource, Selection], Awaitable[dict[str, Any]]]


async def _of_user(asked: Asked, user: Resource, selection: Selection) -> dict[str, Any]:
    if not selection.has("groups"):
        return user.content
    groups = [
        {"value": group_id, "$ref": f"{asked.base}/Groups/{group_id}", "display": name}
        for group_id, name in await asked.service.scim.users.groups_of(user.id)
    ]
    return {**user.content, **({"groups": groups} if groups else {})}


async def _of_group(asked: Asked, group: Resource, selection: Selection) -> dict[str, Any]:
    content = dict(group.content)
    members = content.pop("members", [])
    if members and selection.has("members"):
        content["members"] = [
            {
                "value": one["value"],
                "$ref": f"{asked.base}/Users/{one['value']}",
                "type": "User",
            }
            for one in members
        ]
    return content


_USERS: Final = _Kind("User", "Users", lambda service: service.scim.users, _of_user)
_GROUPS: Final = _Kind("Group", "Groups", lambda service: service.scim.groups, _of_group)


async def _told(
    asked: Asked, kind: _Kind, resource: Resource, selection: Selection
) -> dict[str, Any]:
    schema = kind.parts(asked.service).schema
    content = await kind.document(asked, resource, selection)
    return selection.of(
        {
            "schemas": schemas_of(schema, content),
            "id": resource.id,
            **content,
            "meta": {
                "resourceType": kind.name,
                "created": _moment(resource.created_at),
                "lastModified": _moment(resource.changed_at),
                "location": _location(asked, kind, resource),
                "version": resource.version,
            },
        }
    )


async def _shown(asked: Asked, kind: _Kind, resource: Resource, status: int = 200) -> Response:
    location = _location(asked, kind, resource)
    headers = {"ETag": resource.version, "Location": location, "Content-Location": location}
    document = await _told(asked, kind, resource, asked.selection)
    return _answer(document, status, headers)


def _location(asked: Asked, kind: _Kind, resource: Resource) -> str:
    return f"{asked.base}/{kind.path}/{resource.id}"


def _moment(at: int) -> str:
    # Of a row that was damaged, too, so that it hides no other.
    within = min(max(at, 0), LAST_MOMENT)
    return datetime.fromtimestamp(within / SECOND, UTC).isoformat().replace("+00:00", "Z")


def _of_all(kind: _Kind) -> dict[str, Work]:
    async def list_all(asked: Asked) -> Response:
        query, selection = asked.request.query_params, asked.selection
        parts = kind.parts(asked.service)
        first = max(_number(query.get("startIndex"), 1), 1)
        most = MOST_LISTED
        if kind is _GROUPS and selection.has("members"):
            most = MOST_WITH_MEMBERS
        count = min(max(_number(query.get("count"), USUALLY_LISTED), 0), most)
        if query.get("filter"):
            found = await parts.search(read_filter(query["filter"], parts.schema))
            total, page = len(found), found[first - 1 : first - 1 + count]
        else:
            page, total = await parts.page(first - 1, count)
        if isinstance(parts, ScimGroups) and selection.has("members"):
            page = [await parts.with_members(one) for one in page]
        listed = [await _told(asked, kind, one, selection) for one in page]
        return _answer(_list(listed, total, first))

    async def create(asked: Asked) -> Response:
        parts = kind.parts(asked.service)
        content = read_content(await _body(asked), parts.schema)
        return await _shown(asked, kind, await parts.create(content, asked.origin), 201)

    return {"GET": list_all, "POST": create}


def _of_one(kind: _Kind) -> dict[str, Work]:
    async def show(asked: Asked) -> Response:
        return await _shown(asked, kind, await kind.parts(asked.service).find(asked.name))

    async def replace(asked: Asked) -> Response:
        parts = kind.parts(asked.service)
        content = read_content(await _body(asked), parts.schema)
        changed = await parts.change(asked.name, lambda _: content, asked.version, asked.origin)
        return await _shown(asked, kind, changed)

    async def patch(asked: Asked) -> Response:
        parts, body = kind.parts(asked.service), await _body(asked)
        changed = await parts.change(
            asked.name,
            lambda before: patched(before, body, parts.schema),
            asked.version,
            asked.origin,
        )
        return await _shown(asked, kind, changed)

    async def delete(asked: Asked) -> Response:
        await kind.parts(asked.service).delete(asked.name, asked.version, asked.origin)
        return Response(status_code=204, headers=NO_STORE)

    return {"GET": show, "PUT": replace, "PATCH": patch, "DELETE": delete}


def _list(listed: list[dict[str, Any]], total: int, first: int = 1) -> dict[str, Any]:
    return {
        "schemas": [f"{_MESSAGES}:ListResponse"],
        "totalResults": total,
        "startIndex": first,
        "itemsPerPage": len(listed),
        "Resources": listed,
    }


def _number(text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    if len(text) > 10 or not text.lstrip("-").isdecimal() or not text.isascii():
        raise ScimRefused("startIndex and count must be whole numbers")
    return int(text)


# What the service says of itself (RFC 7643 sections 5 to 7).


async def _configuration(asked: Asked) -> Response:
    not_supported = {"supported": False}
    return _answer(
        {
            "schemas": [f"{_CORE}:ServiceProviderConfig"],
            "patch": {"supported": True},
            "bulk": {**not_supported, "maxOperations": 0, "maxPayloadSize": 0},
            "filter": {"supported": True, "maxResults": MOST_LISTED},
            "changePassword": not_supported,
            "sort": not_supported,
            "etag": {"supported": True},
            "authenticationSchemes": [
                {
                    "type": "oauthbearertoken",
                    "name": "Bearer token",
                    "description": "A token of `carnet scim token create`",
                    "specUri": "https://www.rfc-editor.org/info/rfc6750",
                    "primary": True,
                }
            ],
            "meta": {
                "resourceType": "ServiceProviderConfig",
                "location": f"{asked.base}/ServiceProviderConfig",
            },
        }
    )


def _types(asked: Asked) -> dict[str, dict[str, Any]]:
    return {
        kind.name: {
            "schemas": [f"{_CORE}:ResourceType"],
            "id": kind.name,
            "name": kind.name,
            "endpoint": f"/{kind.path}",
            "description": schema.text,
            "schema": schema.id,
            "schemaExtensions": [{"schema": urn, "required": False} for urn in extensions],
            "meta": {
                "resourceType": "ResourceType",
                "location": f"{asked.base}/ResourceTypes/{kind.name}",
            },
        }
        for kind, schema, extensions in ((_USERS, USER, (ENTERPRISE,)), (_GROUPS, GROUP, ()))
    }


def _schemas(asked: Asked) -> dict[str, dict[str, Any]]:
    return {urn: schema_document(schema, asked.base) for urn, schema in SCHEMAS.items()}


def _published(documents: Callable[[Asked], dict[str, dict[str, Any]]]) -> tuple[Work, Work]:
    """Make what lists documents, and what shows one of them."""

    async def list_all(asked: Asked) -> Response:
        if asked.request.query_params.get("filter"):
            # RFC 7644 section 4.
            return _error(403, "what the service says of itself can't be filtered")
        found = list(documents(asked).values())
        return _answer(_list(found, len(found)))

    async def show(asked: Asked) -> Response:
        found = documents(asked).get(asked.name)
        if found is None:
            raise ScimRefused(f"there is no {asked.name}", code="notFound")
        return _answer(found)

    return list_all, show


async def _not_offered(_asked: Asked) -> Response:
    raise ScimRefused("the service does not offer this", code="notImplemented")


async def _nothing(_asked: Asked) -> Response:
    raise ScimRefused("there is nothing at this address", code="notFound")


_LIST_TYPES, _SHOW_TYPE = _published(_types)
_LIST_SCHEMAS, _SHOW_SCHEMA = _published(_schemas)
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")

_PLACES: Final[dict[str, Mapping[str, Work]]] = {
    "/ServiceProviderConfig": {"GET": _configuration},
    "/ResourceTypes": {"GET": _LIST_TYPES},
    "/ResourceTypes/{name}": {"GET": _SHOW_TYPE},
    "/Schemas": {"GET": _LIST_SCHEMAS},
    "/Schemas/{name}": {"GET": _SHOW_SCHEMA},
    # RFC 7644 sections 3.4.3, 3.7 and 3.11: nobody has to offer these.
    **{
        path: dict.fromkeys(_METHODS, _not_offered)
        for path in ("/Me", "/Bulk", "/.search", "/Users/.search", "/Groups/.search")
    },
    "/Users": _of_all(_USERS),
    "/Users/{name}": _of_one(_USERS),
    "/Groups": _of_all(_GROUPS),
    "/Groups/{name}": _of_one(_GROUPS),
    "/{rest:path}": dict.fromkeys(_METHODS, _nothing),
}

SCIM_ROUTES: Final = [
    Route(f"{BASE}{path}", _endpoint("scim", methods), methods=_METHODS)
    for path, methods in _PLACES.items()
]
