"""A container's file system: read-only, with one folder to write in or none, and not as root."""

import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys

import httpx
import pytest
from tests import processes

from carnet.jose.encoding import b64url_encode

# Nobody, or else root without any of its rights: Python may stand where only root finds it.
USERS = (65534, 0)
# Where there is a folder to write in, it is mounted here.
FOLDER = "/mnt"
TEMPORARY_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
# As the service starts its workers.
PROBE = "import carnet, subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"


def enclosed(user, arguments, writable=()):
    """Give the command that runs Python where nothing can be written but in some folders."""
    mounts = [path for path in TEMPORARY_FOLDERS if os.path.ismount(path) and path not in writable]
    python = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    python += ["--bounding-set=-all", "--inh-caps=-all", sys.executable, *arguments]
    steps = ["set -e", "mount --make-rprivate /"]
    if FOLDER in writable:
        steps.append(f"mount -t tmpfs -o mode=0700,uid={user},gid={user} none {FOLDER}")
    steps += [f"mount -o bind,remount,ro {path}" for path in ("/", *mounts)]
    steps += ["cd /", f"exec {shlex.join(python)}"]
    return ["unshare", "--mount", "sh", "-c", "\n".join(steps)]


@pytest.fixture(scope="module")
def user():
    """Who can run Python in a file system that can't be written."""
    tools = all(map(shutil.which, ("unshare", "setpriv", "mount")))
    if tools and os.geteuid() == 0:
        for one in USERS:
            probe = enclosed(one, ["-c", PROBE])
            if processes.run(probe, cwd="/", stderr=subprocess.DEVNULL).returncode == 0:
                return one
    pytest.skip("no read-only file system can be made here: NOTHING OF IT WAS TRIED")


@pytest.fixture
def start_enclosed(user):
    running = []

    def start(*arguments, writable=(), **variables):
        given = {"CARNET_" + name.upper(): text for name, text in variables.items()}
        command = ["-m", "carnet", "serve", "--port", "0", *arguments]
        process = processes.start(
            enclosed(user, command, writable),
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], **given},
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stderr.close()


def serves(process):
    """Look whether it works, and what it counts."""
    line = process.stderr.readline()
    found = re.fullmatch(r"carnet: serving \S+ on (http://\S+)\n", line)
    assert found, line + process.stderr.read()
    for _ in range(10):
        with httpx.Client(base_url=found[1], trust_env=False, timeout=60) as client:
            assert client.get("/readyz").status_code == 200
            assert len(client.get("/.well-known/jwks.json").json()["keys"]) == 1
            told = client.get("/metrics").text
    assert 'carnet_requests_total{at="readiness",status="200"} 10.0' in told
    process.terminate()
    assert process.wait(processes.PATIENCE) == 0
    assert process.stderr.read() == ""


@pytest.mark.parametrize("workers", ["1", "3"])
def test_one_folder_is_enough_for_everything_that_is_written(start_enclosed, workers):
    serves(
        start_enclosed("--workers", workers, writable=[FOLDER], data=f"{FOLDER}/carnet"),
    )


@pytest.mark.parametrize(("workers", "writable"), [("1", ()), ("2", ("/dev/shm",))])
def test_with_postgres_and_a_master_key_nothing_need_be_written(
    start_enclosed, postgres_url, workers, writable
):
    key = b64url_encode(secrets.token_bytes(32))
    serves(
        start_enclosed(
            *("--workers", workers),
            writable=writable,
            database=postgres_url,
            master_key=key,
            data="/nowhere",
        )
    )


def test_workers_that_can_write_nowhere_say_so_in_one_line(start_enclosed, postgres_url):
    key = b64url_encode(secrets.token_bytes(32))
    process = start_enclosed("--workers", "2", database=postgres_url, master_key=key)
    assert process.wait(processes.PATIENCE) == 2
    said = process.stderr.read()
    assert said.count("\n") == 1
    assert "TMPDIR" in said


def test_a_folder_that_can_not_be_written_is_named_in_one_line(start_enclosed):
    process = start_enclosed(data=f"{FOLDER}/carnet")
    assert process.wait(processes.PATIENCE) == 2
    said = process.stderr.read()
    assert said.count("\n") == 1
    assert f"{FOLDER}/carnet" in said
