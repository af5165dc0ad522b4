"""What ID tokens are signed with, where a client wants another algorithm than the service's own."""

import asyncio

import pytest
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside, register

from carnet import Key, Verifier, inspect
from carnet.server.audit import OPERATOR
from carnet.server.keys.stages import Stage
from carnet.server.service import open_service

HOUR, DAY = 3600, 86_400


def of(service, alg):
    return [stage for key, stage in service.keys.overview() if key.alg == alg]


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES384", "EdDSA"])
def test_a_clients_id_tokens_are_signed_with_what_it_has_chosen(play, alg):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        await register(service, id_token_signed_response_alg=alg)
        alice = Inside(service)
        told = await alice.tokens()
        keys = (await alice.client.get("/.well-known/jwks.json")).json()
        assert inspect(told["access_token"]).header["alg"] == "ES256"
        issuer = service.settings.own_url
        Verifier(service.keys.published, issuer=issuer, audience="app").verify(told["id_token"])
        again = (await alice.refresh(told["refresh_token"])).json()
        return [inspect(one["id_token"]).header["alg"] for one in (told, again)], sorted(
            key["alg"] for key in keys["keys"]
        )

    assert play(scene) == ([alg, alg], sorted(["ES256", alg]))


def test_a_key_is_made_when_it_is_needed_first_and_once(play, monkeypatch):
    made, generate = [], Key.generate
    monkeypatch.setattr(Key, "generate", lambda alg: made.append(alg) or generate(alg))

    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        await register(service, id_token_signed_response_alg="RS256")
        before = of(service, "RS256")
        keys = await asyncio.gather(*(service.keys.signing_with("RS256") for _ in range(10)))
        return before, of(service, "RS256"), len({key.kid for key in keys})

    assert play(scene) == ([], [Stage.SIGNING], 1)
    assert made.count("RS256") == 1


def test_replicas_make_one_between_them(play):
    async def scene(service, clock):
        async with open_service(service.settings, clock) as other:
            made = await asyncio.gather(
                *(replica.keys.signing_with("EdDSA") for replica in [service, other] * 5)
            )
            await service.keys.keep_up()
            return len({key.kid for key in made}), of(service, "EdDSA")

    assert play(scene) == (1, [Stage.SIGNING])


def test_it_is_published_before_it_signs_and_rotates_while_it_is_used(play):
    async def scene(service, clock):
        seen, published_before = [], None
        for _ in range(80):
            key = await service.keys.signing_with("EdDSA")
            await service.keys.keep_up()
            if key.kid not in seen:
                seen.append(key.kid)
                assert published_before is None or key.kid in published_before
            published_before = {one.kid for one in service.keys.published}
            clock.advance(HOUR)
        return len(seen), len(of(service, "EdDSA"))

    rotated, held = play(scene, key_lifetime=DAY, key_publish_lead=2 * HOUR)
    assert rotated == 4
    assert held <= 2


def test_one_that_was_retired_is_made_anew_when_it_is_needed_again(play):
    async def scene(service, _clock):
        first = await service.keys.signing_with("EdDSA")
        await service.keys.retire(first.kid, OPERATOR)
        await service.keys.keep_up()
        between = of(service, "EdDSA")
        second = await service.keys.signing_with("EdDSA")
        return between, first.kid != second.kid, of(service, "EdDSA")

    assert play(scene) == ([], True, [Stage.SIGNING])


def test_logout_tokens_are_signed_with_the_same(play):
    async def scene(service, _clock):
        await register(service, id_token_signed_response_alg="RS256")
        client = service.registry.client("app")
        return inspect(await service.id_tokens.logout(client, "a", "s")).header["alg"]

    assert play(scene) == "RS256"
