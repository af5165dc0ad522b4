"""Servers that fork their workers in the middle of a fetch: no worker waits, and each serves.

``test_forks`` has gunicorn, and what can be forked one by one.
"""

import json
import os
import socket
import subprocess
import sys
from importlib.util import find_spec

import httpx
import pytest
from tests import processes
from tests.verifier.test_forks import hang_once

# What asks a worker, in a process of its own: it must not have the verifier of the worker.
ASKING = """
import json, sys
from tests.verifier.services.for_celery import subject
asked = [subject.delay(token) for token in sys.argv[1:]]
print(json.dumps([one.get(timeout=150) for one in asked]))
"""


@pytest.mark.skipif(find_spec("pyuwsgi") is None, reason="there is no pyuwsgi: UWSGI WAS NOT TRIED")
def test_workers_of_uwsgi_that_are_forked_in_the_middle_of_a_fetch_serve(issuer, root):
    issuer.revoked = []
    hanging, token = hang_once(issuer, "/jwks"), issuer.token()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number, port = listener.fileno(), listener.getsockname()[1]
        process = processes.start(
            [
                *(sys.executable, "-c", "import pyuwsgi; pyuwsgi.run()"),
                *("--master", "--need-app", "--die-on-term", "--enable-threads"),
                *("--py-call-osafterfork", "--processes", "2", "--threads", "4"),
                *("--http-socket", f"fd://{number}", "--virtualenv", sys.prefix),
                *("--module", "tests.verifier.services.for_preload:app"),
            ],
            pass_fds=[number],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={
                **os.environ,
                "ISSUERS": f"{issuer.url} http://127.0.0.1:1",
                "TOKEN": token,
            },
        )
    try:
        hanging.wait()
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(trust_env=False, timeout=processes.PATIENCE) as client:
            for _ in range(10):
                answer = client.get(f"http://127.0.0.1:{port}/", headers=headers)
                assert (answer.status_code, answer.text) == (200, "served")
        # The one that hangs, and one for each worker that was asked.
        assert issuer.asked("/jwks") in (2, 3)
    finally:
        process.terminate()
        process.wait(processes.PATIENCE)


@pytest.mark.skipif(find_spec("celery") is None, reason="there is no Celery: IT WAS NOT TRIED")
def test_a_celery_worker_that_forks_its_pool_in_the_middle_of_a_fetch_works(issuer, root, tmp_path):
    issuer.revoked = []
    hanging, token = hang_once(issuer, "/jwks"), issuer.token()
    for name in ("messages", "control", "results"):
        (tmp_path / name).mkdir()
    environment = {**os.environ, "FOLDER": str(tmp_path), "ISSUERS": issuer.url}
    worker = processes.start(
        [
            *(sys.executable, "-m", "celery", "-A", "tests.verifier.services.for_celery"),
            *("worker", "--pool", "prefork", "--concurrency", "1", "--max-tasks-per-child", "2"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ],
        cwd=root,
        env={**environment, "TOKEN": token},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        hanging.wait()
        asked = processes.run(
            [sys.executable, "-c", ASKING, token, token, token, "no token"],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert asked.returncode == 0, asked.stderr
        said = json.loads(asked.stdout)
        assert [one for one, _ in said] == ["ada", "ada", "ada", "malformed"]
        # One process after the other; each has fetched for itself, beside what hangs.
        assert len({number for _, number in said}) == 2
        assert issuer.asked("/jwks") >= 3
    finally:
        worker.terminate()
        worker.wait(processes.PATIENCE)
