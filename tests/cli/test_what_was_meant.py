"""The command line greets, says what was meant, reads what is pasted, and tells what it did."""

from __future__ import annotations

import json
import os
import pty
import re
import sys

import pytest
from tests import processes
from tests.verifier.conftest import Issuer

from carnet import Key, Signer
from carnet.cli.commands import COMMANDS, SECTIONS

NAMES = ("--iss", "https://auth.example.com", "--aud", "orders")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A key and a token in files."""
    made = tmp_path_factory.mktemp("files")
    key = Key.generate("ES256")
    (made / "signing.jwk").write_text(json.dumps(key.to_jwk(private=True)))
    (made / "public.jwk").write_text(json.dumps(key.public.to_jwk()))
    signer = Signer(key, issuer="https://auth.example.com", audience="orders")
    (made / "token.txt").write_text(signer.sign({"sub": "ada"}) + "\n")
    (made / "carnet.toml").write_text("port = 8400\n")
    return made


def test_whoever_types_its_name_alone_is_greeted_and_shown_the_commands_in_groups(carnet):
    done = carnet()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Welcome to Carnet ")
    for shown in (done.stdout, carnet("--help").stdout):
        assert re.findall(r"^(\w[\w' ]+):$", shown, re.MULTILINE)[-len(SECTIONS) :] == [*SECTIONS]
        assert set(re.findall(r"^  ([a-z-]+) +[A-Z]", shown, re.MULTILINE)) >= set(COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("verfy",), "verify"),
        (("user", "lst"), "list"),
        (("verify", "--audence", "orders"), "--audience"),
        (("key", "generate", "es265"), "ES256"),
        (("sign", "--key", "signing.jwk", "--alg", "RS265", *NAMES), "RS256"),
        (("encrypt", "token.txt", "--key", "signing.jwk", "--enc", "A256GMC"), "A256GCM"),
        (("keys", "rotate", "--alg", "ES265"), "ES256"),
        (("key", "public", "signing.jkw"), "signing.jwk"),
        (("inspect", "tokn.txt"), "token.txt"),
        (("user", "list", "--config", "carnet.tml"), "carnet.toml"),
        (("audit", "--event", "sign_in_refuse"), "sign_in_refused"),
    ],
)
def test_a_name_with_a_slip_in_it_is_told_the_right_one_in_one_style(
    carnet, folder, tmp_path, arguments, meant
):
    assert carnet("migrate", data=tmp_path).returncode == 0
    done = processes.run(
        [sys.executable, "-m", "carnet", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "CARNET_DATA": str(tmp_path)},
    )
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert re.search(rf"did you mean '?{re.escape(meant)}\b", lines[0], re.IGNORECASE), done.stderr
    assert all(line.startswith("carnet: ") for line in lines)


def test_a_setting_with_a_slip_in_it_is_told_the_right_one(carnet, tmp_path):
    (tmp_path / "carnet.toml").write_text("prot = 8400\n")
    done = carnet("user", "list", "--config", str(tmp_path / "carnet.toml"), data=tmp_path)
    assert done.returncode == 2
    assert "port" in done.stderr


def test_wrong_use_says_where_it_is_told_right(carnet):
    done = carnet("user", "add")
    assert done.stderr == (
        "carnet: missing argument 'USERNAME'\ncarnet: `carnet user add --help` says what it takes\n"
    )


@pytest.mark.parametrize("prefix", ["", "Bearer ", "Authorization: Bearer ", "DPoP  "])
def test_a_token_is_read_from_a_file_a_pipe_or_the_command_as_it_was_copied(
    carnet, folder, tmp_path, prefix
):
    copied = f"{prefix}{(folder / 'token.txt').read_text()}"
    (tmp_path / "copied").write_text(copied)
    flags = ("--key", str(folder / "public.jwk"), *NAMES)
    for given, stdin in ((str(tmp_path / "copied"), None), ("-", copied), (copied.strip(), None)):
        assert '"sub": "ada"' in carnet("inspect", given, stdin=stdin).stdout
        assert carnet("verify", given, *flags, stdin=stdin).stdout.startswith("ACCEPTED")


def test_both_names_of_issuer_and_audience_are_understood(carnet, folder):
    key = ("--key", str(folder / "signing.jwk"))
    long = ("--issuer", NAMES[1], "--audience", NAMES[3])
    made = [carnet("sign", *key, *names).stdout.strip() for names in (NAMES, long)]
    for token in made:
        for names in (NAMES, long):
            assert carnet("verify", token, *key, *names).returncode == 0


def test_keys_are_fetched_from_an_address(carnet, tmp_path):
    issuer = Issuer()
    try:
        flags = ("--iss", issuer.url, "--aud", "orders")
        done = carnet("verify", issuer.token(), "--jwks", f"{issuer.url}/jwks", *flags)
        assert done.stdout.startswith("ACCEPTED")
        missing = carnet("verify", issuer.token(), "--jwks", f"{issuer.url}/none", *flags)
        assert (missing.returncode, "answered 404" in missing.stderr) == (2, True)
    finally:
        issuer.close()
    plain = carnet("verify", "a.b.c", "--jwks", "http://auth.example.com/jwks", *flags)
    assert (plain.returncode, "https://" in plain.stderr) == (2, True)


def test_what_was_written_is_said(carnet, folder, tmp_path):
    private, public = tmp_path / "signing.jwk", tmp_path / "public.jwk"
    made = carnet("key", "generate", "ES256", "-o", str(private))
    assert (made.stdout, made.stderr) == ("", f"wrote {private}, which only you may read\n")
    shown = carnet("key", "public", str(private), "-o", str(public))
    assert shown.stderr == f"wrote {public}\n"
    assert carnet("key", "generate", "ES256").stderr == ""


def test_lists_have_headings_and_an_empty_one_says_what_to_do(carnet, tmp_path):
    def run(*arguments, stdin=None):
        done = carnet(*arguments, data=tmp_path, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    run("migrate")
    assert run("user", "list") == [
        "There are no accounts yet: add one with `carnet user add NAME`."
    ]
    for name in ("al", "somebody-with-a-long-name"):
        run("user", "add", name, "--role", "R", "--password-file", "-", stdin="paper-boat-harbour")
    head, first, second = run("user", "list")
    assert head.split() == ["ACCOUNT", "ROLES"]
    assert head.index("ROLES") == first.index("R") == second.rindex("R")


def test_the_log_is_asked_by_name_kind_and_time(carnet, tmp_path):
    def run(*arguments, stdin=None):
        done = carnet(*arguments, data=tmp_path, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("migrate")
    for name in ("alice", "bob"):
        run("user", "add", name, "--password-file", "-", stdin="paper-boat-harbour")
    run("user", "roles", "bob", "USER")
    told = run("audit", "--account", "Bob")
    assert [line.split()[3] for line in told.splitlines()] == ["roles_changed", "account_created"]
    assert "account=bob" in told
    assert "alice" not in told
    of_kind = run("audit", "--event", "account_created").splitlines()
    assert ["account=bob" in line for line in of_kind] == [True, False]
    found = json.loads(run("user", "list", "--json"))
    assert run("audit", "--account", found[1]["id"]) == told
    assert run("audit", "--until", "-1h") == ""
    assert run("audit", "--since", "-1h", "--account", "bob") == told
    nobody = carnet("audit", "--account", "carol", data=tmp_path)
    assert (nobody.returncode, "no account of this name" in nobody.stderr) == (2, True)
    endless = carnet("audit", "--follow", "--until", "now", data=tmp_path)
    assert (endless.returncode, "--until" in endless.stderr) == (2, True)


def test_a_key_that_is_not_there_is_refused_before_anybody_is_asked(carnet, tmp_path):
    carnet("migrate", data=tmp_path)
    done = carnet("keys", "retire", "nothing", data=tmp_path, stdin="y\n")
    assert done.returncode == 2
    assert "there is no such key" in done.stderr
    assert "Go on?" not in done.stdout + done.stderr


def test_the_rule_of_a_password_stands_before_the_question(tmp_path):
    ours, theirs = pty.openpty()
    process = processes.start(
        [sys.executable, "-m", "carnet", "user", "add", "alice"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "CARNET_DATA": str(tmp_path)},
    )
    os.close(theirs)
    seen = b""
    while b"Password" not in seen:
        seen += os.read(ours, 1024)
    assert b"8 to 1024 characters" in seen.partition(b"Password:")[0]
    process.kill()
    process.wait(processes.PATIENCE)
    os.close(ours)


def test_the_help_loads_next_to_nothing(carnet):
    """Time is the machine's, modules are ours: it needs click, and none of what it tells of."""
    code = (
        "import sys\n"
        "sys.argv = ['carnet', '--help']\n"
        "from carnet.cli.main import main\n"
        "try: main()\n"
        "finally: print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = carnet("-c", code, program=())
    loaded = done.stderr.split()
    assert "Welcome" not in done.stdout
    assert "Begin here" in done.stdout
    heavy = {"cryptography", "msgspec", "httpx", "starlette", "asyncio", "ssl", "socket"}
    assert not heavy & set(loaded)
    assert len([name for name in loaded if name.startswith("carnet")]) <= 6
