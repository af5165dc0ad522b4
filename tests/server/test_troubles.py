"""Full disks, jumping clocks and old rows: the rest of what docs/sessions.md promises."""

import os

import httpx
import pytest
from tests import processes

from carnet.server.sessions.sessions import NewSession, RefreshRefused

PASSWORD = "paper-boat-harbour"
HOUR = 3600


@pytest.fixture
def small_disk(tmp_path):
    """A disk of two megabytes, really full when it is full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.geteuid() == 0 and (
        processes.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", folder],
            capture_output=True,
        ).returncode
        == 0
    )
    if not mounted:
        pytest.skip("NO FULL DISK WAS TESTED: only root may mount a small one")
    yield folder
    processes.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_told_as_such_and_no_session_is_lost(start, add_user, small_disk):
    add_user(data=small_disk / "data")
    server = start("--issuer", "http://127.0.0.1:1", data=small_disk / "data")
    body = server.sign_in().json()
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(b"x" * 4_000_000)
    token, refused = body["refresh_token"], 0
    for _ in range(60):
        answer = server.refresh(token)
        if answer.status_code == 503:
            assert answer.json()["error"] == "temporarily_unavailable"
            refused += 1
        else:
            assert answer.status_code == 200, answer.text
            token = answer.json()["refresh_token"]
    assert refused
    assert server.client.get("/.well-known/jwks.json").status_code == 200
    ballast.unlink()
    for _ in range(3):
        answer = server.refresh(token)
        assert answer.status_code == 200
        token = answer.json()["refresh_token"]
    server.stop()
    again = start("--issuer", "http://127.0.0.1:1", data=small_disk / "data")
    assert again.refresh(token).status_code == 200


async def session(service):
    account = await service.accounts.create("ada", PASSWORD)
    return (await service.sessions.begin(account, NewSession("carnet", "default"))).refresh_token


async def reason(service, token):
    with pytest.raises(RefreshRefused) as refused:
        await service.sessions.refresh(token)
    return refused.value.code


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_session_lives_on_when_the_clock_jumps(play, seconds):
    async def scene(service, clock):
        token = await session(service)
        for _ in range(3):
            token = (await service.sessions.refresh(token)).refresh_token
            clock.advance(seconds)
            token = (await service.sessions.refresh(token)).refresh_token
        service.access_tokens.issue(await service.sessions.refresh(token), "default", None)
        return True

    assert play(scene)


def test_a_retry_that_falls_on_a_jump_forward_counts_as_late(play):
    async def scene(service, clock):
        first = await session(service)
        await service.sessions.refresh(first)
        clock.advance(HOUR)
        return await reason(service, first)

    assert play(scene) == "reused"


def test_after_a_jump_back_the_grace_is_longer_by_as_much_and_no_more(play):
    async def scene(service, clock):
        first = await session(service)
        second = (await service.sessions.refresh(first)).refresh_token
        clock.advance(-HOUR)
        clock.advance(HOUR + 30)
        assert (await service.sessions.refresh(first)).refresh_token == second
        clock.advance(1)
        return await reason(service, first)

    assert play(scene) == "reused"


def test_an_expired_session_does_not_come_back_with_the_clock(play):
    async def scene(service, clock):
        token = await session(service)
        clock.advance(2000)
        assert await reason(service, token) == "expired"
        clock.advance(-HOUR)
        # It was never ended, only too old by a clock that was wrong.
        return (await service.sessions.refresh(token)).refresh_token != token

    assert play(scene, session_idle_lifetime=1000)


def test_expired_sessions_are_swept_in_batches_and_living_ones_stay(play):
    async def scene(service, clock):
        account = await service.accounts.create("ada", PASSWORD)
        for _ in range(1200):
            await service.sessions.begin(account, NewSession("carnet", "default"))
        clock.advance(100)
        kept = await service.sessions.begin(account, NewSession("carnet", "default"))
        clock.advance(86_400 + 950)
        before = service.store.statements_run
        await service.background.sweep()
        statements = service.store.statements_run - before
        rows = await service.store.read("SELECT id FROM session")
        return rows == [(kept.session_id,)], statements

    # Three batches of sessions; of everything else there is nothing to go.
    assert play(scene, session_idle_lifetime=1000, session_lifetime=1000) == (True, 17)


def test_a_slow_body_is_given_up(server):
    def drip():
        yield b"grant_type="
        import time

        time.sleep(11)
        yield b"x"

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    with httpx.Client(timeout=60, trust_env=False) as client:
        answer = client.post(f"{server.url}/token", content=drip(), headers=headers)
    assert answer.status_code == 408
