"""`carnet user import`: what it tells, and with which status it ends."""

from __future__ import annotations

import json


def test_an_import_tells_its_sums_and_what_was_refused_and_why(carnet, tmp_path):
    data, file = tmp_path / "data", tmp_path / "users.csv"
    file.write_text(
        "username,password_hash,email\n"
        "ada,pbkdf2_sha256$1$salt$" + "A" * 43 + "=,ada@example.com\n"
        "bob,secret-of-bob,\n"
        "eve,,\n"
        "\x1b[2Jx,,\n"
    )
    made = carnet("migrate", data=data)
    assert made.returncode == 0, made.stderr
    dry = carnet("user", "import", str(file), "--dry-run", data=data)
    assert dry.returncode == 1
    assert "2 would be imported, 0 there already, 2 refused" in dry.stdout
    done = carnet("user", "import", str(file), data=data)
    assert done.returncode == 1
    assert "2 imported, 0 there already, 2 refused" in done.stdout
    assert "1 of them have no password" in done.stdout
    assert "line 3 'bob': the format of the password hash is not known" in done.stderr
    assert "secret-of-bob" not in done.stdout + done.stderr
    assert "\x1b" not in done.stderr

    again = carnet(
        "user", "import", "-", "--format", "csv", "--json", data=data, stdin=file.read_text()
    )
    *refused, sums = [json.loads(line) for line in again.stdout.splitlines()]
    assert sums == {
        "imported": 0, "already_there": 2, "refused": 2, "without_password": 0, "dry_run": False
    }  # fmt: skip
    assert [one["line"] for one in refused] == [3, 5]


def test_a_file_that_says_no_format_is_told_to(carnet, tmp_path):
    file = tmp_path / "users.txt"
    file.write_text("username\n")
    done = carnet("user", "import", str(file), data=tmp_path / "data")
    assert done.returncode == 2
    assert "--format csv, jsonl, json" in done.stderr
