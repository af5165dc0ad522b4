"""A service of leaked passwords, asked by five digits of a hash: on a real socket, over TLS."""

import asyncio
import hashlib

import pytest
import structlog
from prometheus_client import REGISTRY
from tests.server.conftest import PASSWORD
from tests.server.strangers import stranger

from carnet.errors import ConfigurationError
from carnet.server.accounts.account_record import AccountRefused
from carnet.server.accounts.breached_passwords import build_filter
from carnet.server.accounts.breached_passwords_service import BreachedPasswordsService
from carnet.server.settings import Settings, check_settings

LEAKED = "a-leaked-password"


@pytest.fixture
def there(tmp_path, monkeypatch):
    with stranger(tmp_path, monkeypatch) as server:
        yield server


@pytest.fixture
def choose(there, play):
    """Make an account with a password; give the code of the refusal, and what was logged."""

    def run(password=LEAKED, **settings):
        given = {
            "breached_passwords_url": f"{there.url}/range",
            "private_hosts": ("localhost",),
            **settings,
        }

        async def scene(service, _clock):
            with structlog.testing.capture_logs() as logs:
                try:
                    await service.accounts.create("ada", password)
                except AccountRefused as error:
                    return error.code, logs
            return "", logs

        return play(scene, **given)

    return run


def digest(password):
    return hashlib.sha1(password.encode()).hexdigest().upper()


def publish(there, lines, password=LEAKED, **more):
    there.put(f"/range/{digest(password)[:5]}", "\r\n".join(lines).encode(), **more)


def counted(outcome):
    name = "carnet_breached_password_lookups_total"
    return REGISTRY.get_sample_value(name, {"outcome": outcome}) or 0


def padding(count=900):
    return [f"{number:035X}:0" for number in range(count)]


def test_a_password_that_the_service_knows_is_refused_and_nothing_else_is_told(there, choose):
    publish(there, [*padding(), f"{digest(LEAKED)[5:]}:3"])
    before = counted("found")
    code, logs = choose()
    assert (code, logs, counted("found")) == ("password_breached", [], before + 1)
    [head] = there.requests
    assert head.startswith(f"GET /range/{digest(LEAKED)[:5]} HTTP/1.1\r\n")
    assert "Add-Padding: true\r\n" in head
    assert digest(LEAKED)[5:12] not in head.upper()
    for told in (LEAKED, "ada", "Cookie", "Referer"):
        assert told not in head


@pytest.mark.parametrize(
    "line", ["{rest}:0", "{other}:9"], ids=["only to fill up", "another password's"]
)
def test_a_password_that_was_never_seen_is_taken(there, choose, line):
    rest = digest(LEAKED)[5:]
    publish(there, [*padding(), line.format(rest=rest, other=rest[::-1])])
    before = counted("clear")
    assert choose() == ("", [])
    assert counted("clear") == before + 1


KNOWN = [f"{digest(LEAKED)[5:]}:3"]
FAULTS = {
    "an error of its own": {"lines": KNOWN, "status": "503 Service Unavailable"},
    "a page": {"lines": ["<html>Sign in to this network</html>"]},
    "nothing": {"lines": []},
    "too much": {"lines": padding(9000)},
    "another address": {
        "lines": KNOWN,
        "status": "302 Found",
        "headers": {"Location": "/elsewhere"},
    },
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_service_that_fails_keeps_nobody_from_choosing(there, choose, fault):
    more = dict(FAULTS[fault])
    publish(there, more.pop("lines"), **more)
    before = counted("failed")
    code, [entry] = choose()
    assert (code, counted("failed")) == ("", before + 1)
    assert (entry["event"], entry["log_level"]) == ("breached_passwords_not_asked", "warning")
    assert entry["host"] == f"localhost:{there.port}"
    assert not any(part in str(entry) for part in (LEAKED, digest(LEAKED)[:5], "ada"))
    assert len(there.requests) == 1


def test_a_service_that_hangs_is_not_waited_for_long(there):
    def nothing_for_long(_head):
        there._closing.wait(30)
        yield b""

    there.answer = nothing_for_long

    async def asked():
        service = BreachedPasswordsService(f"{there.url}/range/", ("localhost",), seconds=0.2)
        try:
            return await service.has(LEAKED)
        finally:
            service.close()

    with structlog.testing.capture_logs() as logs:
        assert not asyncio.run(asked())
    assert "in time" in logs[0]["cause"]


def test_a_service_at_a_private_address_is_not_asked_unless_it_is_named(there, choose):
    publish(there, [f"{digest(LEAKED)[5:]}:3"])
    code, [entry] = choose(private_hosts=())
    assert (code, there.requests) == ("", [])
    assert "public" in entry["cause"]


def test_what_is_known_here_is_asked_nowhere(there, choose, tmp_path):
    path = tmp_path / "breached.bin"
    with path.open("wb") as file:
        build_filter([LEAKED.encode()], file)
    # Neither is a password that is too short, nor one at a sign-in.
    assert choose(breached_passwords=str(path)) == ("password_breached", [])
    assert choose("short", breached_passwords=str(path)) == ("password_invalid", [])
    assert there.requests == []


def test_nothing_is_asked_where_nobody_has_set_it_up(there, play):
    async def scene(service, _clock):
        await service.accounts.create("ada", PASSWORD)

    play(scene)
    assert there.requests == []


def test_an_address_that_can_be_none_is_refused_at_the_start():
    with pytest.raises(ConfigurationError, match="breached_passwords_url"):
        check_settings(Settings(breached_passwords_url="https://a.example:99999/range"))
