"""The command line as a whole: help, errors, exit statuses."""

import json
import re
import sys

import pytest

from carnet import Key, Signer


def test_help_names_every_command(carnet):
    done = carnet("--help")
    assert done.returncode == 0
    for command in ("serve", "user", "inspect", "demo"):
        assert f"\n  {command}" in done.stdout
        assert carnet(command, "--help").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "no such command 'nothing'"),
        (("serve", "--port", "x"), "'x' is not a valid integer"),
        (("demo", "--port", "80"), "'--port'"),
        (("user", "add"), "missing argument 'USERNAME'"),
    ],
)
def test_wrong_use_is_told_without_a_traceback_and_ends_with_2(carnet, arguments, said):
    done = carnet(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "missing", "extra"),
    [
        ("--help", "click", "cli"),
        ("serve", "apsw", "server"),
        ("serve", "argon2", "server"),
        ("demo", "fastapi", "demo"),
        ("demo", "uvicorn", "demo"),
        ("demo", "apsw", "demo"),
    ],
)
def test_a_missing_extra_is_one_line_that_names_it(carnet, tmp_path, command, missing, extra):
    # It stands first on the path and says what Python says of a module that isn't there.
    (tmp_path / f"{missing}.py").write_text(
        f"raise ModuleNotFoundError(\"No module named '{missing}'\", name='{missing}')"
    )
    done = carnet(
        command, *(["--exit"] if command == "demo" else []),
        env={"PYTHONPATH": f"{tmp_path}:{':'.join(sys.path[1:2])}", "CARNET_DATA": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        f"carnet: this needs a part that is not installed: pip install 'carnet[{extra}]'\n"
    )


def test_inspect_shows_a_token_from_a_pipe_and_says_that_it_proves_nothing(carnet):
    token = Signer(Key.generate("ES256"), issuer="i", audience="a").sign({"sub": "s"})
    done = carnet("inspect", stdin=token + "\n")
    assert done.returncode == 0
    assert "not verified" in done.stdout
    assert '"alg": "ES256"' in done.stdout
    assert '"sub": "s"' in done.stdout
    assert "UTC" in done.stdout
    assert "\x1b" not in done.stdout


def test_inspect_answers_in_json(carnet):
    token = Signer(Key.generate("ES256"), issuer="i", audience="a").sign({"sub": "s"})
    seen = json.loads(carnet("inspect", "--json", token).stdout)
    assert seen["claims"]["sub"] == "s"
    assert seen["verified"] is False


def test_inspect_of_what_is_no_token_says_why_and_ends_with_1(carnet):
    done = carnet("inspect", "hello")
    assert done.returncode == 1
    assert "problem" in done.stdout


def test_accounts_are_made_and_listed(carnet, tmp_path):
    def add(*more, password="long enough"):
        return carnet(
            "user", "add", *more, "--password-file", "-", data=tmp_path, stdin=password + "\n"
        )

    assert carnet("migrate", data=tmp_path).returncode == 0
    assert "no accounts yet" in carnet("user", "list", data=tmp_path).stdout
    made = add("Alice", "--role", "ADMIN")
    assert (made.returncode, made.stdout) == (0, "alice can sign in with ADMIN\n")
    again = add("ALICE")
    assert again.returncode == 2
    assert "already" in again.stderr
    for name, password, said in (
        ("bob", "short", "8 to 1024 characters"),
        ("b ob", "long enough", "a username must have"),
    ):
        done = add(name, password=password)
        assert done.returncode == 2
        assert said in done.stderr
        assert password not in done.stderr
    listed = json.loads(carnet("user", "list", "--json", data=tmp_path).stdout)
    assert [(account["username"], account["roles"]) for account in listed] == [("alice", ["ADMIN"])]


def test_a_password_is_never_an_argument_and_needs_a_terminal_or_a_file(carnet, tmp_path):
    done = carnet("user", "add", "alice", data=tmp_path, stdin="")
    assert done.returncode == 2
    assert "--password-file" in done.stderr


def test_a_fault_of_our_own_is_told_without_a_traceback_or_what_was_typed(carnet, tmp_path):
    (tmp_path / "apsw.py").write_text("raise RuntimeError('what was typed')")
    done = carnet("serve", env={"PYTHONPATH": str(tmp_path), "CARNET_DATA": str(tmp_path)})
    assert done.returncode == 70
    assert "RuntimeError in apsw.py, line 1" in done.stderr
    assert "Traceback" not in done.stderr
    assert "what was typed" not in done.stderr


def test_the_help_tells_the_exit_statuses(carnet):
    told = carnet("--help").stdout
    assert re.findall(r"^ +(\d+) +\w", told, re.MULTILINE) == ["0", "1", "2", "70", "130"]
