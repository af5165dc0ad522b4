"""A service with SCIM, and a directory that has a token for it, in one process."""

from __future__ import annotations

import httpx
import pytest

from carnet.server.app import build_app
from carnet.server.audit import OPERATOR
from carnet.server.directory_settings import ScimSettings

ISSUER = "https://auth.example"


class Directory:
    """What a company's directory sends.

    Attributes:
        service: the service.
        token: what the directory proves itself with.
        client: asks over HTTP.
    """

    def __init__(self, service, token):
        self.service, self.token, self.app = service, token, build_app(service)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url=f"{ISSUER}/scim/v2",
            headers={"Authorization": f"Bearer {token}"},
        )

    async def send(self, method, path, content=None, status=None, **more):
        kind = {"Content-Type": "application/scim+json"} if content is not None else {}
        headers = {**kind, **more.pop("headers", {})}
        answer = await self.client.request(method, path, json=content, headers=headers, **more)
        if status is not None:
            assert answer.status_code == status, answer.text
        return answer

    async def user(self, name="ada", /, **more):
        """Make a user, and give it."""
        return (await self.send("POST", "/Users", {"userName": name, **more}, 201)).json()

    async def group(self, name, /, *members, **more):
        """Make a group, and give it."""
        content = {"displayName": name, "members": [{"value": one} for one in members], **more}
        return (await self.send("POST", "/Groups", content, 201)).json()

    async def patch(self, resource, *operations, status=200, **more):
        path = resource["meta"]["location"].removeprefix(f"{ISSUER}/scim/v2")
        return (await self.send("PATCH", path, {"Operations": operations}, status, **more)).json()

    async def found(self, path, filter):
        """Give the names of what a filter lets through."""
        answer = await self.send("GET", path, params={"filter": filter}, status=200)
        return [one.get("userName") or one.get("displayName") for one in answer.json()["Resources"]]


@pytest.fixture
def directory(play):
    """Run a scene with a directory; what is given by name are settings of SCIM."""

    def run(scene, *, settings=None, **scim):
        async def opened(service, clock):
            _, token = await service.scim.tokens.create(OPERATOR, None)
            found = Directory(service, token)
            found.clock = clock
            return await scene(found)

        return play(
            opened,
            issuer=ISSUER,
            scim=ScimSettings(**scim),
            audiences=("orders",),
            **(settings or {}),
        )

    return run
