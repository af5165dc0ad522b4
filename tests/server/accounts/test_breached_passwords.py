"""The file of breached passwords: built of a list, searched, and told from what is none."""

from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path

import pytest

from carnet.errors import ConfigurationError
from carnet.server.accounts.account_record import AccountRefused
from carnet.server.accounts.breached_passwords import BreachedPasswords, build_filter
from carnet.server.audit import OPERATOR
from carnet.server.sessions.sessions import BROWSER, NewSession

BREACHED = ["correct horse battery", "dragon-of-the-north", "caf\u00e9-im-hafen"]
PASSWORD = "paper-boat-harbour"


def sha1(password):
    return hashlib.sha1(password.encode()).hexdigest().upper().encode()


@pytest.fixture
def file(tmp_path):
    """Build a file of lines, and give its path."""

    def build(lines, **more):
        path = tmp_path / "breached.bin"
        with path.open("wb") as output:
            built = build_filter(lines, output, **more)
        return str(path), built

    return build


@pytest.mark.parametrize(
    "lines",
    [
        [one.encode() + b"\n" for one in BREACHED],
        [sha1(one) + b":17\r\n" for one in BREACHED],
        [sha1(one).lower() + b"\n" for one in sorted(BREACHED * 2)],
    ],
)
def test_what_is_in_the_list_is_found_and_nothing_else(file, lines):
    path, built = file(lines)
    found = BreachedPasswords(path)
    assert built.entries == len(found) == 3
    assert all(one in found for one in BREACHED)
    # Another keyboard composes the letter otherwise.
    assert "cafe\u0301-im-hafen" in found
    for other in ("", "correct horse", "Correct horse battery", PASSWORD, "\udcff" * 9):
        assert other not in found
    found.close()


def test_many_are_found_each_at_the_ends_and_between(file):
    names = [f"password-{number}" for number in range(20_000)]
    random.Random(1).shuffle(names)
    path, built = file(one.encode() for one in names)
    found = BreachedPasswords(path)
    assert built.entries == 20_000
    assert all(one in found for one in names)
    others = sum(f"another-{number}" in found for number in range(20_000))
    assert others == 0
    # A good password is taken for a bad one less than once in a million times.
    assert built.entries / 256**built.bytes_each < 1e-6
    found.close()


def test_what_was_seen_seldom_can_be_left_out(file):
    path, built = file([sha1(BREACHED[0]) + b":9", sha1(BREACHED[1]) + b":10"], least=10)
    assert built.entries == 1
    found = BreachedPasswords(path)
    assert BREACHED[1] in found
    assert BREACHED[0] not in found
    found.close()


@pytest.mark.parametrize("lines", [[], [b"\n"], [sha1("x"), b"no hash"]])
def test_a_list_that_is_none_is_refused(lines):
    with pytest.raises(ConfigurationError):
        build_filter(lines, io.BytesIO())


@pytest.mark.parametrize("change", ["empty", "short", "long", "other", "missing", "folder"])
def test_what_is_no_whole_file_is_refused_at_the_start(file, tmp_path, play, change):
    path, _ = file(one.encode() for one in BREACHED)
    content = Path(path).read_bytes()
    changed = {
        "empty": b"",
        "short": content[:-1],
        "long": content + b"\0",
        "other": b"X" + content[1:],
    }
    if change in changed:
        Path(path).write_bytes(changed[change])
    elif change == "missing":
        path += ".not"
    else:
        path = str(tmp_path)
    with pytest.raises(ConfigurationError, match="breached_passwords"):
        play(lambda service, clock: None, breached_passwords=path)


def test_nobody_chooses_a_breached_password_in_any_way(file, play):
    path, _ = file(one.encode() for one in BREACHED)

    async def scene(service, _clock):
        account = await service.accounts.create("ada", PASSWORD)
        grant = await service.sessions.begin(account, NewSession(BROWSER, "default"))
        ways = (
            lambda: service.accounts.create("bob", BREACHED[0]),
            lambda: service.accounts.set_password(account.id, BREACHED[0], OPERATOR),
            lambda: service.accounts.change_password(
                account, PASSWORD, BREACHED[0], grant.session_id, OPERATOR
            ),
        )
        codes = []
        for way in ways:
            with pytest.raises(AccountRefused) as refused:
                await way()
            assert BREACHED[0] not in str(refused.value)
            codes.append((refused.value.code, refused.value.member))
        await service.accounts.set_password(account.id, "another-good-one", OPERATOR)
        return codes

    assert play(scene, breached_passwords=path) == [("password_breached", "password")] * 3
