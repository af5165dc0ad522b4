"""A client's secret is changed while the client runs: for a time it has two."""

import hmac

import httpx
import msgspec
import pytest

from carnet.server.app import build_app
from carnet.server.audit import OPERATOR, newest
from carnet.server.clients.clients import ClientMetadata, ClientRefused
from carnet.server.service import open_service
from carnet.server.web import client_authentication

DAY = 86_400
JOB = ClientMetadata(grant_types=("client_credentials",))


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_store")


async def statuses(service, client_id, *secrets):
    """Give how the token endpoint answers each of these secrets."""
    transport = httpx.ASGITransport(build_app(service))
    form = {"grant_type": "client_credentials"}
    async with httpx.AsyncClient(transport=transport, base_url="http://carnet") as client:
        return [
            (await client.post("/token", data=form, auth=(client_id, secret))).status_code
            for secret in secrets
        ]


def test_the_secret_until_now_stops_at_once_where_nothing_else_is_said(play):
    async def scene(service, _clock):
        _, first = await service.registry.add_client(JOB, OPERATOR, "job")
        second = await service.registry.new_secret("job", OPERATOR)
        return await statuses(service, "job", first, second)

    assert play(scene) == [401, 200]


def test_the_previous_secret_works_for_the_time_that_was_given_and_no_longer(play):
    async def scene(service, clock):
        _, first = await service.registry.add_client(JOB, OPERATOR, "job")
        second = await service.registry.new_secret("job", OPERATOR, keep_previous=DAY)
        clock.advance(DAY - 1)
        before = await statuses(service, "job", first, second, "x" * 43)
        clock.advance(1)
        return before, await statuses(service, "job", first, second)

    assert play(scene) == ([200, 200, 401], [401, 200])


def test_the_previous_secret_works_until_it_is_removed(play):
    async def scene(service, clock):
        registry = service.registry
        _, first = await registry.add_client(JOB, OPERATOR, "job")
        second = await registry.new_secret("job", OPERATOR, keep_previous=None)
        clock.advance(1000 * DAY)
        before = await statuses(service, "job", first, second)
        await registry.remove_previous_secret("job", OPERATOR)
        with pytest.raises(ClientRefused, match="has no previous secret"):
            await registry.remove_previous_secret("job", OPERATOR)
        after = await statuses(service, "job", first, second)
        events = {one.event for one in await newest(service.store, 10)}
        return before, after, {"client_secret_changed", "client_secret_removed"} <= events

    assert play(scene) == ([200, 200], [401, 200], True)


def test_there_are_never_more_than_two(play):
    async def scene(service, _clock):
        registry = service.registry
        _, first = await registry.add_client(JOB, OPERATOR, "job")
        second = await registry.new_secret("job", OPERATOR, keep_previous=None)
        third = await registry.new_secret("job", OPERATOR, keep_previous=None)
        secrets = (first, second, third)
        kept = await statuses(service, "job", *secrets)
        last = await registry.new_secret("job", OPERATOR)
        return kept, await statuses(service, "job", *secrets, last)

    assert play(scene) == ([401, 200, 200], [401, 401, 401, 200])


def test_another_process_knows_both_secrets_after_a_restart(play):
    async def scene(service, _clock):
        _, first = await service.registry.add_client(JOB, OPERATOR, "job")
        return first, await service.registry.new_secret("job", OPERATOR, keep_previous=DAY)

    secrets = play(scene)
    assert play(lambda service, _clock: statuses(service, "job", *secrets)) == [200, 200]


def test_a_client_that_no_longer_uses_secrets_has_neither(play):
    async def scene(service, _clock):
        registry = service.registry
        await registry.add_client(JOB, OPERATOR, "job")
        await registry.new_secret("job", OPERATOR, keep_previous=None)
        public = ClientMetadata(
            redirect_uris=("https://a.example/cb",), token_endpoint_auth_method="none"
        )
        await registry.replace_client("job", public, OPERATOR)
        _, secret = await registry.replace_client("job", JOB, OPERATOR)
        found = registry.client("job").secrets
        return found.previous, await statuses(service, "job", secret)

    assert play(scene) == (None, [200])


def test_every_attempt_is_compared_with_two_hashes_whatever_the_client_has(play, monkeypatch):
    compared = []

    class Counting:
        @staticmethod
        def compare_digest(one, other):
            compared.append(len(one) == len(other) == 32)
            return hmac.compare_digest(one, other)

    monkeypatch.setattr(client_authentication, "hmac", Counting)

    async def scene(service, _clock):
        registry = service.registry
        _, one = await registry.add_client(JOB, OPERATOR, "one")
        await registry.add_client(JOB, OPERATOR, "two")
        both = await registry.new_secret("two", OPERATOR, keep_previous=None)
        signer = ClientMetadata(
            redirect_uris=("https://a.example/cb",), token_endpoint_auth_method="none"
        )
        await registry.add_client(signer, OPERATOR, "without")
        found = []
        for name, secret in (("one", one), ("two", both), ("two", "x"), ("without", ""), ("?", "")):
            compared.clear()
            found.append((*await statuses(service, name, secret), list(compared)))
        return found

    twice = [True, True]
    assert play(scene) == [(200, twice), (200, twice), *[(401, twice)] * 3]


def test_a_change_of_something_else_never_brings_back_a_secret_that_was_given_up(play):
    """Another process has changed the secret, and this one has not heard of it yet."""

    async def scene(service, clock):
        _, first = await service.registry.add_client(JOB, OPERATOR, "job")
        async with open_service(service.settings, clock) as other:
            second = await other.registry.new_secret("job", OPERATOR)
        renamed = msgspec.structs.replace(JOB, client_name="Job")
        await service.registry.replace_client("job", renamed, OPERATOR)
        assert service.registry.client("job").metadata.client_name == "Job"
        return await statuses(service, "job", first, second)

    assert play(scene) == [401, 200]


def test_a_change_during_another_is_refused_and_changes_nothing(play, monkeypatch):
    async def scene(service, clock):
        registry = service.registry
        _, first = await registry.add_client(JOB, OPERATOR, "job")
        apply, secrets = registry.apply, []

        async def overtaken(plan, origin):
            async with open_service(service.settings, clock) as other:
                secrets.append(await other.registry.new_secret("job", OPERATOR))
            await apply(plan, origin)

        monkeypatch.setattr(registry, "apply", overtaken)
        renamed = msgspec.structs.replace(JOB, client_name="Job")
        with pytest.raises(ClientRefused) as refused:
            await registry.replace_client("job", renamed, OPERATOR)
        assert refused.value.code == "registry_changed"
        await registry.load()
        assert registry.client("job").metadata.client_name == ""
        return await statuses(service, "job", first, *secrets)

    assert play(scene) == [401, 200]
