"""`carnet backup` and `carnet restore`, beside a server that is busy, and what they refuse."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
from contextlib import closing

import pytest
from tests import processes

from carnet.errors import ServerError
from carnet.server.store.backup import PAGES_A_STEP, back_up, check_backup

FILLED = """
WITH RECURSIVE numbers (number) AS
  (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 60000)
INSERT INTO audit (id, at, event, reason)
  SELECT number, number, 'x', hex(randomblob(200)) FROM numbers
"""


@pytest.fixture
def lived(start, add_user, tmp_path):
    """A server that has signed somebody in, and its data folder."""
    add_user()
    server = start()
    return server, tmp_path / "data", server.sign_in().json()


def refreshing(server, over, held):
    """Refresh one session all the time; the newest token is the last of those held."""
    while not over.is_set():
        held.append(server.refresh(held[-1]).json()["refresh_token"])


def fill(folder):
    """Make the database long enough for a copy to take many steps."""
    with closing(sqlite3.connect(folder / "carnet.db")) as database, database:
        database.execute(FILLED)


def test_a_copy_never_begins_again_however_much_is_written_meanwhile(lived, tmp_path):
    server, folder, _ = lived
    assert server.stop() == 0
    fill(folder)
    steps = []
    with closing(sqlite3.connect(folder / "carnet.db")) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        for done, total in back_up(folder / "carnet.db", tmp_path / "backup.db"):
            with writer:
                writer.execute(
                    "INSERT INTO audit (id, at, event) VALUES (?, 1, 'later')", (f"l{len(steps)}",)
                )
            steps.append((done, total))
    assert len(steps) >= 4
    assert len(steps) <= steps[-1][1] // PAGES_A_STEP + 1
    assert steps == sorted(steps)
    with closing(sqlite3.connect(tmp_path / "backup.db")) as copy:
        # The copy is of the moment when it began: nothing of what came after it is there.
        assert copy.execute("SELECT COUNT(*) FROM audit WHERE event = 'later'").fetchone() == (0,)
        assert copy.execute("SELECT COUNT(*) FROM audit WHERE event = 'x'").fetchone() == (60000,)


def test_a_backup_under_load_ends_and_its_sessions_go_on_after_the_restore(
    lived, carnet, start, tmp_path
):
    server, folder, session = lived
    fill(folder)
    over, held = threading.Event(), [session["refresh_token"]]
    load = threading.Thread(target=refreshing, args=(server, over, held))
    load.start()
    try:
        backup = tmp_path / "backup.db"
        done = carnet("backup", str(backup), "--json", data=folder)
    finally:
        over.set()
        load.join()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"file": str(backup), "bytes": backup.stat().st_size}
    assert backup.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.glob("*backup*")) == ["backup.db"]
    assert server.stop() == 0
    done = carnet("restore", str(backup), "--json", data=folder)
    assert done.returncode == 0, done.stderr
    kept = json.loads(done.stdout)["kept"]
    check_backup(folder / "carnet.db")
    with closing(sqlite3.connect(kept)) as before:
        assert before.execute("SELECT COUNT(*) FROM session").fetchone() == (1,)
    server = start()
    # The backup is older than the token that was refreshed last: the session heals forward.
    answer = server.refresh(held[-1])
    assert answer.status_code == 200, answer.text
    assert answer.json()["session_id"] == session["session_id"]
    assert server.sign_in().status_code == 201


def test_postgresql_is_backed_up_and_restored_by_its_own_tools_under_load(
    lived, carnet, start, postgres, postgres_url, tmp_path
):
    server, folder, _ = lived
    assert server.stop() == 0
    copied = carnet("migrate-store", "--from", str(folder), "--to", postgres_url)
    assert copied.returncode == 0, copied.stderr
    server = start("--database", postgres_url)
    session = server.sign_in().json()
    over, held = threading.Event(), [session["refresh_token"]]
    load = threading.Thread(target=refreshing, args=(server, over, held))
    load.start()
    backup = tmp_path / "carnet.dump"
    try:
        flags = ["--format=custom", f"--file={backup}", postgres_url]
        processes.run([postgres.binaries / "pg_dump", *flags], check=True, timeout=60)
    finally:
        over.set()
        load.join()
    assert server.stop() == 0
    empty = postgres.new_database()
    flags = ["--no-owner", "--exit-on-error", f"--dbname={empty}", backup]
    processes.run([postgres.binaries / "pg_restore", *flags], check=True, timeout=60)
    server = start("--database", empty)
    answer = server.refresh(held[-1])
    assert answer.status_code == 200, answer.text
    assert answer.json()["session_id"] == session["session_id"]


@pytest.mark.parametrize("what", ["broken", "gone"])
def test_the_log_of_a_database_that_is_lost_does_not_get_into_the_restored_one(
    lived, carnet, start, tmp_path, what
):
    server, folder, session = lived
    backup = tmp_path / "backup.db"
    assert carnet("backup", str(backup), data=folder).returncode == 0
    for _ in range(5):
        assert server.sign_in().status_code == 201
    # What was written last stands in the log alone.
    server.stop(signal.SIGKILL)
    log = folder / "carnet.db-wal"
    assert log.stat().st_size > 0
    if what == "broken":
        (folder / "carnet.db").write_bytes(b"not a database" * 1000)
    else:
        (folder / "carnet.db").unlink()
    done = carnet("restore", str(backup), "--json", data=folder)
    assert done.returncode == 0, done.stderr
    check_backup(folder / "carnet.db")
    with closing(sqlite3.connect(folder / "carnet.db")) as restored:
        assert restored.execute("SELECT COUNT(*) FROM session").fetchone() == (1,)
    # Nothing of what was there is lost: where SQLite could, it has put the log into the database.
    assert list(folder.glob("carnet.db.replaced-*"))
    assert start().refresh(session["refresh_token"]).status_code == 200


def test_a_database_that_a_server_has_open_is_not_replaced(lived, carnet, tmp_path):
    server, folder, session = lived
    backup = tmp_path / "backup.db"
    assert carnet("backup", str(backup), data=folder).returncode == 0
    done = carnet("restore", str(backup), data=folder)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "a server has" in done.stderr
    assert server.refresh(session["refresh_token"]).status_code == 200


def test_a_backup_of_another_master_key_is_not_restored(lived, carnet, tmp_path):
    _, folder, _ = lived
    backup = tmp_path / "backup.db"
    assert carnet("backup", str(backup), data=folder).returncode == 0
    other = tmp_path / "other"
    assert carnet("migrate", data=other).returncode == 0
    before = (other / "carnet.db").read_bytes()
    done = carnet("restore", str(backup), data=other)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the master key does not belong to this database" in done.stderr
    assert (other / "carnet.db").read_bytes() == before


def test_a_damaged_backup_is_refused_and_changes_nothing(lived, carnet, tmp_path):
    server, folder, _ = lived
    backup = tmp_path / "backup.db"
    assert carnet("backup", str(backup), data=folder).returncode == 0
    assert server.stop() == 0
    whole = backup.read_bytes()
    before = (folder / "carnet.db").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"not a database" * 999, b""):
        backup.write_bytes(damaged)
        done = carnet("restore", str(backup), data=folder)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert "not an intact Carnet database" in done.stderr
    assert (folder / "carnet.db").read_bytes() == before


def test_a_damaged_database_makes_no_backup(lived, tmp_path):
    server, folder, _ = lived
    assert server.stop() == 0
    (folder / "carnet.db").write_bytes((folder / "carnet.db").read_bytes()[:20_000])
    with pytest.raises(ServerError) as refused:
        list(back_up(folder / "carnet.db", tmp_path / "backup.db"))
    assert refused.value.code == "backup_broken"
    assert list(tmp_path.glob("*backup*")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["backup", "there.db"], "already exists"),
        (["backup", "no/such/folder.db"], "can't write"),
        (["backup", "new.db", "--data", "nowhere"], "there is no database"),
        (["backup", "new.db", "--database", "postgresql://127.0.0.1:1/x"], "pg_dump"),
        (["restore", "there.db", "--database", "postgresql://127.0.0.1:1/x"], "pg_restore"),
    ],
)
def test_what_cant_be_done_is_told_in_one_line(
    lived, carnet, tmp_path, monkeypatch, arguments, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.db").write_text("something of somebody's")
    done = carnet(*arguments, data=tmp_path / "data")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert said in done.stderr
    assert (tmp_path / "there.db").read_text() == "something of somebody's"
