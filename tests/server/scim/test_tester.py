"""What scim2-tester, which is not ours, says of the service."""

import asyncio

import pytest

pytest.importorskip("scim2_tester")

from scim2_client import BaseSyncSCIMClient
from scim2_client.engines.asgi import ASGISCIMClient
from scim2_tester import Status, check_server
from tests.server.scim.conftest import ISSUER


class Client(BaseSyncSCIMClient):
    """Asks, from another thread, an application in the test's loop."""

    def __init__(self, inner, loop):
        super().__init__()
        self._inner, self._loop = inner, loop

    def _stays_under_base_url(self, endpoint):
        return self._inner._stays_under_base_url(endpoint)

    def _parse_json(self, response):
        return self._inner._parse_json(response)

    def request(self, method, url, **more):
        asking = self._inner.request(method, url, **more)
        return asyncio.run_coroutine_threadsafe(asking, self._loop).result()


def test_scim2_tester_finds_nothing_wrong(directory):
    async def scene(found):
        headers = {"Authorization": f"Bearer {found.token}"}
        inner = ASGISCIMClient(found.app, f"{ISSUER}/scim/v2", headers)
        client = Client(inner, asyncio.get_running_loop())
        return await asyncio.to_thread(check_server, client)

    results = directory(scene)
    wrong = [
        f"{one.status.name} {one.resource_type} {one.title}: {one.reason}"
        for one in results
        if one.status not in (Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE, Status.SKIPPED)
    ]
    assert wrong == []
    skipped = {one.title for one in results if one.status is Status.SKIPPED}
    # The service has no search over all kinds of resources at once.
    assert skipped == {"search_with_attributes"}
    assert len(results) > 100
