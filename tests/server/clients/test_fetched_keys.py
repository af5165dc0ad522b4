"""The keys that others publish, fetched from a stranger's server on a real socket."""

import asyncio
import json
import threading

import pytest
import structlog
from prometheus_client import REGISTRY
from tests.server.strangers import stranger

from carnet import Key
from carnet.errors import IssuerUnavailable
from carnet.server.clients import fetched_keys
from carnet.server.clients.fetched_keys import (
    LONGEST_FRESH,
    LONGEST_STALE,
    MOST_BYTES,
    FetchedKeys,
    Publisher,
)
from carnet.server.clock import SECOND
from carnet.server.service import MOST_STRANGERS_BYTES
from carnet.server.settings import Settings

COOLDOWN = 30
OLD, NEW = Key.generate("ES256", kid="old"), Key.generate("ES256", kid="new")


@pytest.fixture
def there(tmp_path, monkeypatch):
    with stranger(tmp_path, monkeypatch) as server:
        yield server


class Fetching:
    """Keys that are fetched, and a clock that is set by hand."""

    def __init__(self, there, private_hosts=("localhost",), **more):
        self.there = there
        self.now = 1_800_000_000
        settings = Settings(private_hosts=private_hosts)
        self.fetched = FetchedKeys(settings, lambda: self.now * SECOND, **more)
        self.publisher = Publisher(jwks_uri=f"{there.url}/keys")

    async def kids(self, kid=None, publisher=None):
        return [key.kid for key in await self.fetched.keys(publisher or self.publisher, kid)]

    async def refused(self, kid=None, publisher=None):
        with pytest.raises(IssuerUnavailable) as error:
            await self.kids(kid, publisher)
        return str(error.value)

    @property
    def asked(self):
        return [line.split()[1] for line in self.there.requests]


@pytest.fixture
def play(there):
    def run(scene, **more):
        async def played():
            fetching = Fetching(there, **more)
            try:
                return await scene(fetching)
            finally:
                fetching.fetched.close()

        return asyncio.run(played())

    return run


def publish(there, *keys, path="/keys", headers=None):
    members = [key if isinstance(key, dict) else key.public.to_jwk() for key in keys]
    there.put(path, json.dumps({"keys": members}).encode(), headers)


def test_keys_are_fetched_once_and_counted(there, play):
    publish(there, OLD)

    async def scene(at):
        before = REGISTRY.get_sample_value("carnet_key_fetches_total", {"outcome": "read"}) or 0
        assert await at.kids("old") == ["old"]
        assert await at.kids(None) == ["old"]
        assert at.asked == ["/keys"]
        after = REGISTRY.get_sample_value("carnet_key_fetches_total", {"outcome": "read"})
        assert after == before + 1

    play(scene)


def test_a_crowd_causes_one_fetch(there, play):
    publish(there, OLD)

    async def scene(at):
        assert await asyncio.gather(*(at.kids("old") for _ in range(50))) == [["old"]] * 50
        assert at.asked == ["/keys"]

    play(scene)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/.well-known/oauth"])
def test_the_keys_of_an_issuer_are_found_by_its_metadata(there, play, path):
    path = path.replace("/oauth", "/oauth-authorization-server")
    document = {"issuer": there.url, "jwks_uri": f"{there.url}/keys"}
    there.put(path, json.dumps(document).encode())
    publish(there, OLD)

    async def scene(at):
        assert await at.kids("old", Publisher(issuer=there.url)) == ["old"]
        assert at.asked[-2:] == [path, "/keys"]

    play(scene)


def test_metadata_of_another_issuer_are_not_taken(there, play):
    document = {"issuer": f"{there.url}/", "jwks_uri": f"{there.url}/keys"}
    there.put("/.well-known/openid-configuration", json.dumps(document).encode())
    publish(there, OLD)

    async def scene(at):
        assert "of another issuer" in await at.refused("old", Publisher(issuer=there.url))
        assert "/keys" not in at.asked

    play(scene)


@pytest.mark.parametrize("address", ["http://localhost:{port}/keys", "https://a:99999/", "keys"])
def test_metadata_lead_to_https_addresses_alone(there, play, address):
    document = {"issuer": there.url, "jwks_uri": address.format(port=there.port)}
    there.put("/.well-known/openid-configuration", json.dumps(document).encode())

    async def scene(at):
        told = await at.refused("old", Publisher(issuer=there.url))
        assert "the address of its keys is not" in told

    play(scene)


def test_a_new_key_is_found_as_soon_as_a_token_names_it(there, play):
    publish(there, OLD)

    async def scene(at):
        await at.kids("old")
        publish(there, OLD, NEW)
        at.now += COOLDOWN
        assert await at.kids("new") == ["old", "new"]
        assert len(at.asked) == 2

    play(scene)


def test_unknown_kids_cause_one_fetch_each_half_minute(there, play):
    publish(there, OLD)

    async def scene(at):
        await at.kids("old")
        for number in range(COOLDOWN - 1):
            at.now += 1
            await at.kids(f"unknown-{number}")
        assert len(at.asked) == 1
        at.now += 1
        crowd = (at.kids(f"unknown-{number}") for number in range(100))
        await asyncio.gather(*crowd)
        await at.kids("unknown")
        assert len(at.asked) == 2

    play(scene)


def test_unknown_kids_cause_no_more_fetches_while_the_server_is_down(there, play):
    publish(there, OLD)

    async def scene(at):
        await at.kids("old")
        there.pages.clear()
        for number in range(2 * COOLDOWN):
            at.now += 1
            assert await at.kids(f"unknown-{number}") == ["old"]
        # One each half minute, and each failure is tried again after five seconds.
        assert len(at.asked) <= 1 + 2 + COOLDOWN // 5 + 1

    play(scene)


def test_a_key_that_is_withdrawn_is_gone_when_its_servers_word_is_old(there, play):
    publish(there, OLD, NEW, headers={"Cache-Control": f"max-age={10 * LONGEST_FRESH}"})

    async def scene(at):
        await at.kids("old")
        publish(there, NEW)
        at.now += LONGEST_FRESH
        assert await at.kids("old") == ["new"]

    play(scene)


def test_a_server_that_is_down_stops_nobody_for_a_few_hours(there, play):
    publish(there, OLD)

    async def scene(at):
        await at.kids("old")
        there.pages.clear()
        at.now += LONGEST_STALE - 1
        assert await at.kids("old") == ["old"]
        at.now += 5
        assert "404" in await at.refused("old")

    play(scene)


def test_a_failure_is_left_alone_for_some_seconds_and_told_to_the_operator(there, play):
    async def scene(at):
        with structlog.testing.capture_logs() as logs:
            await asyncio.gather(*(at.refused() for _ in range(20)))
            at.now += 4
            await at.refused()
        assert at.asked == ["/keys"]
        [told] = logs
        assert (told["event"], told["log_level"]) == ("keys_not_fetched", "warning")
        assert (told["host"], "404" in told["cause"]) == (f"localhost:{there.port}", True)
        publish(there, OLD)
        at.now += 1
        assert await at.kids() == ["old"]

    play(scene)


def test_nothing_is_fetched_from_a_private_address(there, play):
    publish(there, OLD)

    async def scene(at):
        assert "no public address" in await at.refused("old")
        assert there.connections == 0

    play(scene, private_hosts=())


def test_a_redirect_is_not_followed(there, play):
    publish(there, OLD, path="/elsewhere")
    there.put("/keys", b"", {"Location": "/elsewhere"}, "302 Found")

    async def scene(at):
        assert "302" in await at.refused("old")
        assert at.asked == ["/keys"]

    play(scene)


def test_what_is_huge_is_not_read_to_the_end(there, play):
    there.put("/keys", b"[" * (64 * MOST_BYTES), {"Content-Length": None})

    async def scene(at):
        assert f"longer than {MOST_BYTES} bytes" in await at.refused("old")

    play(scene)


def test_of_strangers_less_is_read(there, play):
    there.put("/keys", b"[" * 20_000)

    async def scene(at):
        assert "longer than 16384 bytes" in await at.refused("old")

    play(scene, most_bytes=MOST_STRANGERS_BYTES)


def test_what_is_slow_is_not_waited_for(there, play, monkeypatch):
    monkeypatch.setattr(fetched_keys, "ALL_SECONDS", 0.3)
    asked = threading.Event()

    def slowly(_head):
        yield b"HTTP/1.1 200 OK\r\n"
        asked.wait(30)
        yield b"\r\n"

    there.answer = slowly

    async def scene(at):
        try:
            assert "did not answer in time" in await at.refused("old")
        finally:
            asked.set()

    play(scene)


def test_who_has_a_known_key_does_not_wait_for_what_an_unknown_one_causes(there, play):
    publish(there, OLD)
    began, release = threading.Event(), threading.Event()

    def slowly(_head):
        began.set()
        release.wait(30)
        yield there.page("GET /keys")

    async def scene(at):
        await at.kids("old")
        at.now += COOLDOWN
        there.answer = slowly
        waiting = asyncio.create_task(at.kids("unknown"))
        assert await asyncio.to_thread(began.wait, 30)
        assert await at.kids("old") == ["old"]
        assert not waiting.done()
        release.set()
        assert await waiting == ["old"]

    play(scene)


def test_keys_that_can_not_be_read_are_left_out_and_secret_ones_refused(there, play):
    secret = NEW.to_jwk(private=True)
    symmetric = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "mac"}
    publish(there, {"kty": "??", "kid": "strange"}, secret, symmetric, OLD)

    async def scene(at):
        assert await at.kids("old") == ["old"]
        publish(there, secret)
        at.now += LONGEST_FRESH
        assert await at.kids("old") == ["old"]
        fresh = Publisher(jwks_uri=f"{there.url}/keys?fresh")
        publish(there, secret, path="/keys?fresh")
        assert "no usable key" in await at.refused("old", fresh)

    play(scene)


def test_the_keys_of_a_spiffe_bundle_are_those_for_jwt_svids(there, play):
    authority = {**OLD.public.to_jwk(), "use": "x509-svid", "x5c": ["AAAA"]}
    signing = {**NEW.public.to_jwk(), "use": "jwt-svid"}
    del authority["kid"], signing["alg"]
    publish(there, authority, signing)

    async def scene(at):
        assert await at.kids("new") == ["new"]

    play(scene)


def test_the_publishers_that_are_remembered_are_bounded(there, play):
    publish(there, OLD)
    others = [Publisher(jwks_uri=f"{there.url}/keys?{number}") for number in range(2)]
    for number in range(2):
        publish(there, NEW, path=f"/keys?{number}")

    async def scene(at):
        await at.kids("old")
        await at.kids("new", others[0])
        await at.kids("old")
        await at.kids("new", others[1])
        await at.kids("old")
        assert at.asked == ["/keys", "/keys?0", "/keys?1"]
        await at.kids("new", others[0])
        assert at.asked[3:] == ["/keys?0"]

    play(scene, most_kept=2)
