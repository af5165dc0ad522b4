"""The registry: what a client may ask for follows every change of it and of the resources."""

from tests.server.inside import change, register

from carnet.server.audit import OPERATOR
from carnet.server.clients.resources import ResourceMetadata


def test_what_a_client_may_ask_for_follows_the_resources(play):
    async def scene(service, _clock):
        registry = service.registry
        await register(service, "app")
        app, seen = registry.client("app"), []

        def look():
            offered = registry.permitted(app, "files", ["files:read", "files:write"])
            seen.append(("files" in registry.audiences_of(app), sorted(offered)))

        look()
        await registry.add_resource("files", ResourceMetadata(scopes=("files:read",)), OPERATOR)
        look()
        more = ResourceMetadata(scopes=("files:read", "files:write"))
        await registry.replace_resource("files", more, OPERATOR)
        look()
        await registry.remove_resource("files", OPERATOR)
        look()
        return seen

    assert play(scene) == [
        (False, []),
        (True, ["files:read"]),
        (True, ["files:read", "files:write"]),
        (False, []),
    ]


def test_what_a_client_may_ask_for_follows_its_own_metadata(play):
    async def scene(service, _clock):
        registry, seen = service.registry, []
        await register(service, "app", scope="orders:read orders:write")

        def look(client):
            asked = ["orders:read", "orders:write"]
            offered = registry.permitted(client, "orders", asked)
            seen.append((registry.audiences_of(client), sorted(offered)))

        before = registry.client("app")
        look(before)
        await change(service, "app", scope="orders:read", resources=("orders",))
        # A request that began before the change ends after it.
        look(before)
        look(registry.client("app"))
        return seen

    assert play(scene, audiences=("orders", "billing")) == [
        (("orders", "billing"), ["orders:read", "orders:write"]),
        (("orders", "billing"), ["orders:read", "orders:write"]),
        (("orders",), ["orders:read"]),
    ]
