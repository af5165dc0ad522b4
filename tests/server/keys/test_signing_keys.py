"""Keys over time, on a real database with a clock that is moved by hand."""

import asyncio

import pytest

from carnet import inspect
from carnet.server.audit import OPERATOR
from carnet.server.keys.master_key import create_master_key
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.keys.stages import Stage
from carnet.server.sessions.sessions import NewSession

HOUR, DAY = 3600, 86_400


def stage_list(service):
    return [stage.value for _, stage in service.keys.overview()]


def signing_kid(service):
    return service.keys.signing("ES256").kid


def test_keys_rotate_by_themselves_and_every_token_can_be_checked_while_it_lives(play):
    async def scene(service, clock):
        account = await service.accounts.create("ada", "paper-boat-harbour")
        grant = await service.sessions.begin(account, NewSession("carnet", "default"))
        seen, published_before = [], None
        for _ in range(80):
            await service.background.follow()
            await service.keys.keep_up()
            kids = {key.kid for key in service.keys.published}
            current = signing_kid(service)
            if current not in seen:
                seen.append(current)
                # Verifiers have known the key for as long as it was published.
                assert published_before is None or current in published_before
            token, _ = service.access_tokens.issue(grant, "default", None)
            published_before = kids
            clock.advance(HOUR)
            await service.keys.keep_up()
            assert token
        return len(seen), len(service.keys.overview())

    rotated, held = play(scene, key_lifetime=DAY, key_publish_lead=2 * HOUR)
    assert rotated == 4
    assert held <= 2


@pytest.mark.parametrize("seconds", [1, HOUR])
def test_a_replica_whose_clock_is_behind_signs_with_the_key_that_there_is(play, seconds):
    async def scene(service, clock):
        made = signing_kid(service)
        account = await service.accounts.create("ada", "paper-boat-harbour")
        clock.advance(-seconds)
        await service.keys.keep_up()
        grant = await service.sessions.begin(account, NewSession("carnet", "default"))
        token, _ = service.access_tokens.issue(grant, "default", None)
        assert inspect(token).header["kid"] == made
        assert [key.kid for key in service.keys.published] == [made]

    play(scene)


def test_a_token_stays_good_through_the_rotation_that_follows_it(play):
    async def scene(service, clock):
        from carnet.jose import jws

        account = await service.accounts.create("ada", "paper-boat-harbour")
        grant = await service.sessions.begin(account, NewSession("carnet", "default"))
        for _ in range(3):
            clock.advance(DAY - 1)
            await service.keys.keep_up()
            token, _ = service.access_tokens.issue(grant, "default", None)
            for _ in range(300):
                clock.advance(1)
                await service.keys.keep_up()
                jws.verify(token, service.keys.published)
        return True

    assert play(scene, key_lifetime=DAY, key_publish_lead=HOUR)


def test_two_replicas_make_one_key(play, tmp_path):
    import asyncio

    from carnet.server.service import open_service

    async def scene(service, clock):
        clock.advance(30 * DAY)
        async with open_service(service.settings, clock) as other:
            await asyncio.gather(*(replica.keys.keep_up() for replica in [service, other] * 5))
            await other.background.follow()
            await service.background.follow()
            return (
                [stage_list(service), stage_list(other)],
                signing_kid(service) == signing_kid(other),
            )

    assert play(scene) == ([["signing", "published"]] * 2, True)


@pytest.mark.parametrize("make", ["keep_up", "rotate", "prepare_next"])
def test_a_key_that_waits_for_its_turn_is_published_for_no_shorter(play, monkeypatch, make):
    async def scene(service, clock):
        clock.advance(30 * DAY)
        transact = service.store.transact

        async def after_a_while(work):
            clock.advance(HOUR)
            return await transact(work)

        monkeypatch.setattr(service.store, "transact", after_a_while)
        arguments = () if make == "keep_up" else ("ES256", OPERATOR)
        await getattr(service.keys, make)(*arguments)
        newest, _ = service.keys.overview()[-1]
        return len(service.keys.overview()), newest.signs_from - clock()

    assert play(scene, key_publish_lead=2 * HOUR) == (2, 2 * HOUR * 1_000_000)


def test_several_algorithms_stand_side_by_side(play):
    async def scene(service, _clock):
        account = await service.accounts.create("ada", "paper-boat-harbour")
        grant = await service.sessions.begin(account, NewSession("carnet", "orders"))
        from carnet import inspect

        found = {
            audience: inspect(service.access_tokens.issue(grant, audience, None)[0]).header["alg"]
            for audience in ("orders", "billing")
        }
        return found, sorted(key.alg for key in service.keys.published)

    assert play(
        scene,
        audiences=("orders", "billing"),
        signing_algorithms=("ES256", "EdDSA"),
        audience_algorithms={"billing": "EdDSA"},
    ) == ({"orders": "ES256", "billing": "EdDSA"}, ["ES256", "EdDSA"])


def test_a_key_made_by_hand_is_published_first_or_signs_at_once(play):
    async def scene(service, clock):
        first = signing_kid(service)
        await service.keys.rotate("ES256", OPERATOR)
        assert signing_kid(service) == first
        clock.advance(HOUR)
        await service.keys.keep_up()
        second = signing_kid(service)
        await service.keys.rotate("ES256", OPERATOR, at_once=True)
        return len({first, second, signing_kid(service)}), stage_list(service)

    assert play(scene) == (3, ["retired", "retired", "signing"])


def test_a_retired_key_leaves_at_once_and_another_signs(play):
    async def scene(service, _clock):
        first = signing_kid(service)
        assert await service.keys.retire(first, OPERATOR)
        assert not await service.keys.retire("unknown", OPERATOR)
        await service.keys.keep_up()
        kids = [key.kid for key in service.keys.published]
        return first not in kids, kids == [signing_kid(service)]

    assert play(scene) == (True, True)


def test_whoever_reads_the_keys_while_one_is_retired_has_one_to_sign_with(play):
    async def scene(service, clock):
        found = []
        other = SigningKeys(service.store, service.folder.master_key, service.settings, clock)

        class Watched:
            """The store, with another process that reads the keys after each transaction."""

            def __getattr__(self, name):
                return getattr(service.store, name)

            async def transact(self, work):
                result = await service.store.transact(work)
                await other.read()
                found.append(other.signing("ES256").kid)
                return result

        keys = SigningKeys(Watched(), service.folder.master_key, service.settings, clock)
        await keys.read()
        first = keys.signing("ES256").kid
        assert await keys.retire(first, OPERATOR)
        return first in found, set(found) == {keys.signing("ES256").kid}

    assert play(scene) == (False, True)


def test_of_all_keys_that_are_retired_at_once_the_last_leaves_another(play):
    async def scene(service, _clock):
        await service.keys.prepare_next("ES256", OPERATOR)
        kids = [dates.kid for dates, _ in service.keys.overview()]
        await asyncio.gather(*(service.keys.retire(kid, OPERATOR) for kid in kids))
        await service.keys.read()
        return len(kids), signing_kid(service) in kids

    assert play(scene) == (2, False)


def test_a_change_of_the_master_key_survives_being_killed_at_any_point(play, tmp_path):
    async def change(service, _clock):
        kid = signing_kid(service)
        await service.change_master_key(OPERATOR)
        return kid

    kid = play(change)
    old = (tmp_path / "data" / "master.key").read_bytes()

    async def half(service, _clock):
        # Killed after the database took the new key, before its file took its place.
        new = create_master_key(tmp_path / "data" / "master.key.next")
        await service.keys.encrypt_under(new, OPERATOR)

    play(half)
    assert (tmp_path / "data" / "master.key").read_bytes() == old

    async def look(service, _clock):
        return signing_kid(service)

    assert play(look) == kid
    assert not (tmp_path / "data" / "master.key.next").exists()
    # Killed before the database took it: the old one still opens it.
    create_master_key(tmp_path / "data" / "master.key.next")
    assert play(look) == kid


@pytest.mark.parametrize("stage", list(Stage))
def test_every_stage_has_a_name_for_people(stage):
    assert stage.value.isalpha()


def test_the_next_key_asked_for_many_times_at_once_is_made_once(play):
    async def scene(service, _clock):
        asked = [service.keys.prepare_next("ES256", OPERATOR) for _ in range(10)]
        made = await asyncio.gather(*asked)
        return made, await service.keys.prepare_next("ES256", OPERATOR), service.keys.overview()

    made, again, overview = play(scene)
    assert (any(made), again) == (True, False)
    assert [stage for _, stage in overview] == [Stage.SIGNING, Stage.PUBLISHED]


def test_a_key_whose_time_never_comes_is_not_waited_for(play):
    async def scene(service, clock):
        await service.keys.rotate("ES256", OPERATOR)
        waits = await service.keys.prepare_next("ES256", OPERATOR)
        await service.store.write(
            "UPDATE signing_key SET signs_from = $1 WHERE signs_from > $2", 2**62, clock()
        )
        await service.keys.keep_up()
        return waits, await service.keys.prepare_next("ES256", OPERATOR)

    assert play(scene) == (False, True)
