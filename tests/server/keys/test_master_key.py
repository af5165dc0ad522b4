"""Where the master key may stand, and what is said of one that can't be used."""

import os
import secrets
import subprocess
import sys

import httpx
import pytest
from tests import processes

from carnet.jose.encoding import b64url_encode
from carnet.server.secret_files import is_exposed

OTHER = 65534


@pytest.fixture
def key():
    return b64url_encode(secrets.token_bytes(32))


@pytest.fixture
def key_file(tmp_path, key):
    file = tmp_path / "key"
    file.write_text(key + "\n")
    file.chmod(0o600)
    return file


def keys_of(carnet, data, **variables):
    """Write into the data, which makes them where they are missing, and list their keys."""
    done = carnet("client", "add", "any", data=data, env=variables)
    if done.returncode:
        return done
    return carnet("keys", "list", "--json", data=data, env=variables)


@pytest.mark.parametrize(
    ("mode", "own", "others"),
    [
        (0o400, False, False),
        (0o600, False, False),
        (0o440, True, False),
        (0o640, True, False),
        (0o460, True, True),
        (0o444, True, True),
        (0o604, True, True),
        (0o602, True, True),
    ],
)
def test_the_group_may_read_a_secret_that_somebody_else_has_handed_over(
    tmp_path, mode, own, others
):
    file = tmp_path / "secret"
    file.write_text("x")
    file.chmod(mode)
    assert is_exposed(file) is own
    if os.geteuid() == 0:
        os.chown(file, OTHER, os.getegid())
        file.chmod(mode)
        assert is_exposed(file) is others


def test_the_master_key_comes_from_a_variable_a_file_or_a_descriptor(
    carnet, tmp_path, key, key_file
):
    data = tmp_path / "data"
    made = keys_of(carnet, data, CARNET_MASTER_KEY=key)
    assert made.returncode == 0, made.stderr
    assert {path.name for path in data.iterdir()} <= {"carnet.db", "carnet.db-wal", "carnet.db-shm"}
    assert keys_of(carnet, data, CARNET_MASTER_KEY_FILE=str(key_file)).stdout == made.stdout
    reading, writing = os.pipe()
    os.write(writing, key.encode() + b"\n")
    os.close(writing)
    process = processes.start(
        [sys.executable, "-m", "carnet", "serve", "--port", "0", "--workers", "2"],
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=(reading,),
        env={
            **os.environ,
            "CARNET_MASTER_KEY_FILE": f"/dev/fd/{reading}",
            "CARNET_DATA": str(data),
        },
    )
    os.close(reading)
    with process, process.stderr:
        url = process.stderr.readline().rpartition(" ")[2].strip()
        published = httpx.get(f"{url}/.well-known/jwks.json", trust_env=False, timeout=60).json()
        process.terminate()
    [kid] = [one["kid"] for one in published["keys"]]
    assert kid in made.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a file over: NOT TRIED")
def test_a_secret_of_another_user_is_read_by_its_group(carnet, tmp_path, key_file):
    os.chown(key_file, OTHER, os.getegid())
    key_file.chmod(0o440)
    done = keys_of(carnet, tmp_path / "data", CARNET_MASTER_KEY_FILE=str(key_file))
    assert done.returncode == 0, done.stderr
    # So is one that is mounted where it is expected.
    folder = tmp_path / "other"
    folder.mkdir(mode=0o700)
    (folder / "master.key").write_bytes(key_file.read_bytes())
    os.chown(folder / "master.key", OTHER, os.getegid())
    (folder / "master.key").chmod(0o440)
    assert keys_of(carnet, folder).returncode == 0


def test_a_check_tells_of_secrets_only_that_they_are_given(carnet, tmp_path, key):
    url = "postgresql://carnet:sesame@127.0.0.1:1/carnet"
    for variables in ({"CARNET_MASTER_KEY": key}, {"CARNET_DATABASE": url}):
        done = carnet("serve", "--check", data=tmp_path / "data", env=variables)
        assert "(given)" in done.stdout
        assert key not in done.stdout + done.stderr
        assert "sesame" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("x" * 43 + "\n", 0o644, "other users can read the file"),
        ("x" * 43 + "\n", 0o640, "chmod 600"),
        ("", 0o600, "is empty"),
        ("\n", 0o600, "is empty"),
        ("x" * 42, 0o600, "the setting master_key is invalid (CARNET_MASTER_KEY_FILE)"),
        ("x" * 43, 0o600, "the setting master_key is not a master key"),
    ],
)
def test_a_file_of_no_use_is_named_in_one_line(carnet, tmp_path, text, mode, said):
    file = tmp_path / "key"
    file.write_text(text)
    file.chmod(mode)
    done = keys_of(carnet, tmp_path / "data", CARNET_MASTER_KEY_FILE=str(file))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "xxx" not in done.stderr
    assert not (tmp_path / "data" / "carnet.db").exists()


def test_another_master_key_than_the_databases_is_refused(carnet, tmp_path, key):
    data = tmp_path / "data"
    assert keys_of(carnet, data).returncode == 0
    before = (data / "master.key").read_bytes()
    done = keys_of(carnet, data, CARNET_MASTER_KEY=key)
    assert done.returncode == 2
    assert "the master key does not belong to this database" in done.stderr
    assert key not in done.stderr
    assert (data / "master.key").read_bytes() == before


def test_a_master_key_that_is_in_no_file_here_is_not_changed(carnet, tmp_path, key):
    data = tmp_path / "data"
    keys_of(carnet, data, CARNET_MASTER_KEY=key)
    done = carnet("keys", "change-master-key", data=data, env={"CARNET_MASTER_KEY": key})
    assert done.returncode == 2
    assert "put it into master.key of the data folder" in done.stderr
    (data / "master.key").write_text(key)
    (data / "master.key").chmod(0o600)
    assert carnet("keys", "change-master-key", data=data).returncode == 0
    assert keys_of(carnet, data, CARNET_MASTER_KEY=key).returncode == 2
    following = (data / "master.key").read_text().strip()
    assert keys_of(carnet, data, CARNET_MASTER_KEY=following).returncode == 0
