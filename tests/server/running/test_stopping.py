"""Told to stop: nothing that was taken is lost, and whoever asks anew turns elsewhere."""

import json
import signal
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from tests import processes

FORM = b"grant_type=refresh_token&refresh_token=x"
HEAD = (
    b"POST /token HTTP/1.1\r\nHost: carnet\r\nExpect: 100-continue\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(FORM)
)


def connect(server):
    where = urlsplit(server.url)
    return socket.create_connection((where.hostname, where.port), processes.PATIENCE)


def begin(server):
    """Send a request without its end, and wait until an endpoint reads it."""
    connection = connect(server)
    connection.sendall(HEAD)
    said = b""
    while not said.endswith(b"\r\n\r\n"):
        said += connection.recv(100)
    assert said == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(FORM[:10])
    return connection


def read_all(connection):
    found = b""
    with connection:
        while piece := connection.recv(65536):
            found += piece
    return found


def is_refused(server):
    try:
        connect(server).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("workers", ["1", "3"])
def test_what_is_in_flight_is_answered_and_what_comes_anew_is_refused(start, workers):
    server = start("--workers", workers)
    requests = [begin(server) for _ in range(6)]
    idle = connect(server)
    with httpx.stream("GET", f"{server.url}/revocations", trust_env=False, timeout=60) as stream:
        events = stream.iter_bytes()
        next(events)
        server.process.send_signal(signal.SIGTERM)
        # The readers of streams connect elsewhere at once.
        for _ in events:
            continue
    processes.wait_until(lambda: is_refused(server))
    assert read_all(idle) == b""
    assert server.process.poll() is None
    for connection in requests:
        connection.sendall(FORM[10:])
    for connection in requests:
        answer = read_all(connection)
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"\r\nconnection: close\r\n" in answer.lower()
        assert b"invalid_grant" in answer
    assert server.process.wait(processes.PATIENCE) == 0
    lines = [json.loads(line) for line in server.process.stderr.read().splitlines()]
    assert {line["event"] for line in lines} == {"refresh_refused"}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_says_that_it_is_not_ready_before_it_takes_no_more(start, workers):
    server = start("--workers", workers, env={"CARNET_STOP_DELAY": "3600"})
    with httpx.stream("GET", f"{server.url}/revocations", trust_env=False, timeout=60) as stream:
        events = stream.iter_bytes()
        next(events)
        server.process.send_signal(signal.SIGTERM)

        def ready(path="/readyz"):
            with httpx.Client(trust_env=False, timeout=60) as client:
                return client.get(server.url + path)

        # Each connection may be another worker's.
        processes.wait_until(lambda: all(ready().status_code == 503 for _ in range(8)))
        answer = ready()
        assert answer.json()["reason"] == "the service is stopping"
        assert answer.headers["connection"] == "close"
        assert ready("/healthz").status_code == 200
        assert ready("/.well-known/jwks.json").status_code == 200
        turned_away = ready("/revocations")
        assert (turned_away.status_code, turned_away.headers["retry-after"]) == (503, "1")
        # Those who read already are told for as long as it serves.
        next(events)


def test_the_delay_comes_to_its_end(start):
    server = start("--workers", "2", env={"CARNET_STOP_DELAY": "1"})
    assert server.stop() == 0


@pytest.mark.parametrize("draining", [True, False])
def test_workers_whose_service_was_killed_do_not_wait_for_the_delay(start, draining):
    server = start("--workers", "2", env={"CARNET_STOP_DELAY": "3600"})
    ready = f"{server.url}/readyz"
    workers = processes.descendants(server.process.pid)
    # Whoever reads a stream knows that a worker serves.
    with httpx.stream("GET", f"{server.url}/revocations", trust_env=False, timeout=60) as stream:
        next(stream.iter_bytes())
        if draining:
            server.process.send_signal(signal.SIGTERM)
            processes.wait_until(lambda: httpx.get(ready, trust_env=False).status_code == 503)
        server.process.kill()
        processes.wait_until(lambda: all(map(processes.has_ended, workers)))
    assert is_refused(server)


def test_what_takes_longer_than_the_grace_is_given_up(start):
    server = start("--workers", "2", env={"CARNET_STOP_GRACE": "1"})
    request = begin(server)
    server.process.send_signal(signal.SIGTERM)
    # Given as much time as requests have, it would be told that it was too slow.
    assert b"408" not in read_all(request)
    assert server.process.wait(processes.PATIENCE) == 0
