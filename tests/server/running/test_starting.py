"""Starting, stopping, and what is said when the service can't start."""

import os
import signal
import socket
import stat
from pathlib import Path

import apsw
import pytest


def test_the_data_folder_and_what_is_in_it_are_for_their_owner_alone(server):
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    for path in server.data.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_private_key_stands_in_no_file(server):
    server.sign_in()
    server.stop()
    held = b"".join(path.read_bytes() for path in server.data.iterdir())
    assert b'"d"' not in held
    assert b"PRIVATE KEY" not in held


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_with_status_0_and_no_noise(server, number):
    assert server.stop(number) == 0
    assert server.process.stderr.read() == ""


def test_a_second_start_finds_accounts_sessions_and_keys_again(start, add_user):
    add_user()
    first = start("--issuer", "http://127.0.0.1:1")
    body = first.sign_in().json()
    keys = first.client.get("/.well-known/jwks.json").json()
    first.stop()
    second = start("--issuer", "http://127.0.0.1:1")
    assert second.client.get("/.well-known/jwks.json").json() == keys
    assert second.sign_in().status_code == 201
    assert second.refresh(body["refresh_token"]).status_code == 200
    assert second.sign_out(body["access_token"]).status_code == 204


def test_what_was_answered_survives_kill_9(start, add_user):
    add_user()
    first = start("--issuer", "http://127.0.0.1:1")
    token = first.sign_in().json()["refresh_token"]
    for _ in range(5):
        token = first.refresh(token).json()["refresh_token"]
    ended = first.sign_in().json()
    first.sign_out(ended["access_token"])
    first.stop(signal.SIGKILL)
    second = start("--issuer", "http://127.0.0.1:1")
    assert second.refresh(token).status_code == 200
    assert second.refresh(ended["refresh_token"]).status_code == 400


def test_a_taken_port_is_one_line_and_leaves_nothing_behind(tmp_path, carnet):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = carnet("serve", "--port", str(port), data=tmp_path / "data")
    assert done.returncode == 2
    assert done.stderr == (
        f"carnet: port {port} on 127.0.0.1 is taken; stop what listens there, "
        "or choose another port with --port\n"
    )
    assert not (tmp_path / "data").exists()


def test_an_address_of_another_machine_is_one_line(tmp_path, carnet):
    done = carnet(
        "serve", "--host", "192.0.2.1", "--port", "0", "--issuer", "https://a.example",
        data=tmp_path / "data",
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("carnet: can't listen on 192.0.2.1")
    assert done.stderr.count("\n") == 1


def test_a_folder_that_cant_be_written_is_one_line(tmp_path, carnet):
    (tmp_path / "file").write_text("in the way")
    done = carnet("serve", "--port", "0", data=tmp_path / "file" / "data")
    assert done.returncode == 2
    assert "can't make the data folder" in done.stderr
    assert "--data" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_without_write_permission_is_one_line(carnet, tmp_path):
    # Root may write anywhere but to what the kernel shows of itself.
    folder = tmp_path if os.geteuid() else Path("/proc/self")
    tmp_path.chmod(0o500)
    done = carnet("serve", "--port", "0", data=folder)
    assert done.returncode == 2
    assert "can't write the master key" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def change_database(data: Path, sql: str, *values) -> None:
    connection = apsw.Connection(str(data / "carnet.db"))
    connection.execute(sql, values)
    connection.close()


@pytest.fixture
def refusal_of(carnet):
    return lambda data: refuse(carnet, data)


def refuse(carnet, data) -> str:
    before = {path.name for path in data.iterdir()}
    done = carnet("serve", "--port", "0", data=data)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    after = {path.name for path in data.iterdir()}
    assert after - {"carnet.db-wal", "carnet.db-shm"} == before
    return done.stderr


def test_a_database_of_a_newer_version_is_refused_and_left_alone(add_user, tmp_path, refusal_of):
    add_user()
    change_database(tmp_path / "data", "INSERT INTO migration VALUES (999, 'x', 0)")
    assert "made by a newer version of Carnet" in refusal_of(tmp_path / "data")


def test_a_database_with_another_history_is_refused(add_user, tmp_path, refusal_of):
    add_user()
    change_database(tmp_path / "data", "UPDATE migration SET checksum = 'other' WHERE number = 1")
    assert "migration 1 of the database is not the one of this version" in refusal_of(
        tmp_path / "data"
    )


def test_a_file_that_is_no_database_is_refused(add_user, tmp_path, refusal_of):
    add_user()
    for path in (tmp_path / "data").glob("carnet.db-*"):
        path.unlink()
    (tmp_path / "data" / "carnet.db").write_text("not a database " * 100)
    assert "is not a database" in refusal_of(tmp_path / "data")


def test_another_master_key_is_refused(add_user, tmp_path, refusal_of):
    add_user()
    (tmp_path / "data" / "master.key").write_text("A" * 43 + "\n")
    assert "the master key does not belong to this database" in refusal_of(tmp_path / "data")


def test_a_broken_master_key_is_refused_without_showing_it(add_user, tmp_path, refusal_of):
    add_user()
    (tmp_path / "data" / "master.key").write_text("sesame\n")
    said = refusal_of(tmp_path / "data")
    assert "is not a master key" in said
    assert "sesame" not in said


def test_a_missing_master_key_is_not_replaced_by_a_new_one(add_user, tmp_path, refusal_of):
    add_user()
    (tmp_path / "data" / "master.key").unlink()
    assert "is missing" in refusal_of(tmp_path / "data")


def test_a_master_key_that_others_can_read_is_refused(add_user, tmp_path, refusal_of):
    add_user()
    (tmp_path / "data" / "master.key").chmod(0o644)
    assert "chmod 600" in refusal_of(tmp_path / "data")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("serve", "--port", "70000"), "the setting port is invalid"),
        (("serve", "--config", "absent.toml"), "can't read the settings in absent.toml"),
        (("serve", "--host", "no such host", "--issuer", "https://a.example"), "not an address"),
        (("serve", "--host", "0.0.0.0"), "needs the setting issuer"),
    ],
)
def test_a_wrong_setting_is_one_line(tmp_path, arguments, said, carnet):
    done = carnet(*arguments, data=tmp_path / "data")
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()
