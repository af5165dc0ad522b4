"""The master key is changed beside running servers, on both databases."""

import asyncio
import shutil
from contextlib import AsyncExitStack

import msgspec
import pytest

from carnet.errors import ServerError
from carnet.server.audit import OPERATOR
from carnet.server.service import open_service


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request):
    return request.getfixturevalue("postgres_store") if request.param == "postgres" else ""


def stages_of(service):
    return sorted(stage.value for _, stage in service.keys.overview())


def test_a_running_server_takes_over_a_changed_master_key_and_makes_no_key_without_it(play):
    async def scene(service, clock):
        async with open_service(service.settings, clock) as other:
            await service.change_master_key(OPERATOR)
            with pytest.raises(ServerError, match="has been changed"):
                await other.keys.rotate("ES256", OPERATOR)
            await other.background.follow()
            await other.keys.rotate("ES256", OPERATOR)
            await service.background.follow()
            return stages_of(service), stages_of(other)

    assert play(scene) == (["published", "signing"],) * 2

    async def look(service, _clock):
        return stages_of(service)

    assert play(look) == ["published", "signing"]


def test_keys_made_while_the_master_key_is_changed_can_all_be_read(play):
    async def scene(service, clock):
        async with AsyncExitStack() as stack:
            others = [
                await stack.enter_async_context(open_service(service.settings, clock))
                for _ in range(4)
            ]
            made = await asyncio.gather(
                *(other.keys.rotate("ES256", OPERATOR) for other in others),
                service.change_master_key(OPERATOR),
                *(other.keys.rotate("ES256", OPERATOR) for other in others),
                return_exceptions=True,
            )
        assert all(one is None or one.code == "master_key_wrong" for one in made)

    play(scene)

    async def look(service, _clock):
        return {stage.value for _, stage in service.keys.overview()} - {"published", "signing"}

    assert not play(look)


# A SQLite database has one data folder.
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_server_that_lacks_the_new_master_key_follows_until_it_is_there(play, tmp_path):
    async def scene(service, clock):
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir(mode=0o700)
        old = shutil.copy2(service.folder.key_path, elsewhere / "master.key")
        settings = msgspec.structs.replace(service.settings, data=str(elsewhere))
        async with open_service(settings, clock) as other:
            await service.keys.rotate("ES256", OPERATOR)
            await other.keys.keep_up()
            await service.change_master_key(OPERATOR)
            first = service.keys.signing("ES256").kid
            await service.keys.retire(first, OPERATOR)
            with pytest.raises(ServerError, match=r"put the new master\.key into the data folder"):
                await other.keys.keep_up()
            assert first not in [key.kid for key in other.keys.published]
            shutil.copy2(service.folder.key_path, old)
            await other.keys.keep_up()
            await service.keys.keep_up()
            return stages_of(service) == stages_of(other), "unreadable" in stages_of(other)

    assert play(scene) == (True, False)
