"""What a connection may cost, seen from its other end: a real server, a real gate, real sockets."""

from __future__ import annotations

import base64
import re
import selectors
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests import processes

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: carnet\r\n"
KIB, MIB = 1024, 1024 * 1024


@dataclass
class Program:
    """A program that listens."""

    where: tuple[str, int]
    pid: int

    def connect(self):
        return socket.create_connection(self.where, 20)

    def ask(self, *parts):
        """Send a request, and read its answer until the connection is closed."""
        with self.connect() as connection:
            send(connection, b"".join(parts))
            return read_to_end(connection)

    def is_well(self):
        return self.ask(HEALTH, b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")

    def memory(self):
        """Tell how many bytes the process holds."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * KIB


def send(connection, data):
    """Send as much as the other side takes, and tell whether that was all."""
    try:
        connection.sendall(data)
    except (ConnectionError, TimeoutError):
        return False
    return True


def read_to_end(connection):
    text = b""
    try:
        while data := connection.recv(65536):
            text += data
    except ConnectionError:
        pass
    return text


def status_of(answer):
    return answer[9:12]


@pytest.fixture
def gate():
    arguments = ("--issuer", "http://127.0.0.1:1", "--audience", "orders", "--port", "0")
    process = processes.start(
        [sys.executable, "-m", "carnet", "gate", *arguments],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stderr = processes.Drained(process.stderr)
    for line in process.stderr:
        if found := re.fullmatch(r"carnet: gate on (http://\S+)/verify\n", line):
            break
    yield program(found[1], process)
    process.kill()
    process.wait(20)
    process.stderr.close()


def program(url, process):
    parts = urlsplit(url)
    return Program((parts.hostname, parts.port), process.pid)


@pytest.fixture(params=["serve", "gate"])
def listening(request):
    if request.param == "gate":
        return request.getfixturevalue("gate")
    server = request.getfixturevalue("start")()
    return program(server.url, server.process)


def test_a_head_has_a_size_and_a_number_of_headers(listening):
    end = b"Connection: close\r\n\r\n"
    few = b"".join(b"H%d: x\r\n" % number for number in range(98))
    for head, status in (
        (HEALTH + b"A: %s\r\n" % (b"a" * 30 * KIB), b"200"),
        (HEALTH + b"A: %s\r\n" % (b"a" * 33 * KIB), b"431"),
        (HEALTH + b"%s: a\r\n" % (b"a" * 33 * KIB), b"431"),
        (HEALTH + b"A: %s\r\nB: %s\r\n" % (b"a" * 17 * KIB, b"b" * 17 * KIB), b"431"),
        (HEALTH + few, b"200"),
        (HEALTH + few + b"One: more\r\n", b"431"),
        (HEALTH.replace(b"z ", b"z?a=%s " % (b"a" * 23 * KIB)), b"200"),
        (HEALTH.replace(b"z ", b"z?a=%s " % (b"a" * 25 * KIB)), b"414"),
        (HEALTH.replace(b"z ", b"z?a=%s " % (b"a" * 900 * KIB)), b"414"),
        (HEALTH + b"A: %s\r\n" % (b"a" * 900 * KIB), b"431"),
        (HEALTH + b"no header\r\n", b"400"),
        (HEALTH.replace(b"z ", b"z?a=\xff "), b"400"),
        (HEALTH.replace(b"z ", b"z\xff "), b"400"),
        (b"\x16\x03\x01\x02\x00\x01", b"400"),
    ):
        answer = listening.ask(head, end)
        assert status_of(answer) == status, (head[:80], answer[:200])
        assert answer.count(b"HTTP/1.1 ") == 1


def test_a_head_has_the_same_size_in_whatever_pieces_it_comes(listening):
    for size, status in ((31 * KIB, b"200"), (33 * KIB, b"431")):
        head = HEALTH + b"A: %s\r\nConnection: close\r\n\r\n" % (b"a" * size)
        with listening.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # The first request is in order: the bound holds for the second one, too.
            send(connection, HEALTH + b"\r\n")
            # What is wrong in the midst of an answer is told by the connection's end alone.
            answers = connection.recv(65536)
            while not answers.endswith(b"}"):
                answers += connection.recv(65536)
            for start in range(0, len(head), 1000):
                send(connection, head[start : start + 1000])
            answers += read_to_end(connection)
        assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", status]


@pytest.mark.parametrize("head", [HEALTH + b"A: ", HEALTH + b"A: a\r\n", b"GET /healthz?a="])
def test_heads_without_end_take_no_memory_and_others_are_answered_meanwhile(listening, head):
    assert listening.is_well()
    before, sent, piece = listening.memory(), 0, b"A: a\r\n" * 10_000
    if not head.endswith(b"\r\n"):
        piece = b"a" * len(piece)
    answered = 0
    while sent < 64 * MIB:
        with listening.connect() as connection:
            send(connection, head)
            while send(connection, piece) and sent < 64 * MIB:
                sent += len(piece)
        answered += listening.is_well()
    assert answered > 0
    assert listening.memory() - before < 16 * MIB


def test_many_heads_that_are_not_finished_take_what_they_are_long(listening):
    assert listening.is_well()
    before = listening.memory()
    with ExitStack() as opened:
        for _ in range(400):
            connection = opened.enter_context(listening.connect())
            connection.sendall(HEALTH + b"A: %s" % (b"a" * 30 * KIB))
        assert listening.is_well()
        assert listening.memory() - before < 2 * 400 * 32 * KIB + 16 * MIB


def test_a_body_without_end_ends_with_the_connection(listening):
    before = listening.memory()
    for head, piece in (
        (HEALTH + b"Content-Length: 9999999999\r\n\r\n", b"x" * 64 * KIB),
        (HEALTH + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 10 * KIB),
        (HEALTH + b"Transfer-Encoding: chunked\r\n\r\n1;a=", b"a" * 64 * KIB),
        (HEALTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: ", b"a" * 64 * KIB),
        (HEALTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"A: a\r\n" * 10 * KIB),
    ):
        with listening.connect() as connection:
            send(connection, head)
            sent = 0
            while sent < 64 * MIB and send(connection, piece):
                sent += len(piece)
            assert sent < 64 * MIB, head
    assert listening.is_well()
    assert listening.memory() - before < 16 * MIB


def test_requests_sent_ahead_of_their_answers_have_a_number(listening):
    request = HEALTH + b"\r\n"
    with listening.connect() as connection:
        send(connection, request * 30)
        text = b""
        while text.count(b"HTTP/1.1 200 ") < 30:
            text += connection.recv(65536)
    before = listening.memory()
    with listening.connect() as connection:
        send(connection, request * 20_000)
        answers = read_to_end(connection)
    assert 30 <= answers.count(b"HTTP/1.1 200 ") <= 40
    assert listening.is_well()
    assert listening.memory() - before < 16 * MIB


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"HTTP/1.1\r\nHost: carnet\r\n", b"200"),
        (b"HTTP/1.1\r\n", b"400"),
        (b"HTTP/1.1\r\nHost: carnet\r\nHost: carnet\r\n", b"400"),
        (b"HTTP/1.1\r\nHost: carnet\r\nhost: another\r\n", b"400"),
        (b"HTTP/1.0\r\n", b"200"),
        (b"HTTP/1.0\r\nHost: carnet\r\nHost: another\r\n", b"400"),
    ],
)
def test_a_request_is_for_one_host(listening, head, status):
    with listening.connect() as connection:
        connection.sendall(b"GET /healthz " + head + b"Connection: close\r\n\r\n")
        assert status_of(read_to_end(connection)) == status


def test_who_asks_for_another_protocol_is_answered_in_this_one(listening):
    for wish in (b"h2c", b"websocket"):
        answer = listening.ask(HEALTH, b"Connection: Upgrade\r\nUpgrade: %s\r\n\r\n" % wish)
        assert status_of(answer) == b"200"
        assert answer.count(b"HTTP/1.1 ") == 1


def test_trailers_are_no_headers(oauth):
    server = program(oauth.server.url, oauth.server.process)
    credentials = base64.b64encode(":".join(oauth.job).encode())
    form = b"grant_type=client_credentials"
    head = (
        b"POST /token HTTP/1.1\r\nHost: carnet\r\nConnection: close\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n"
    )
    proof = b"Authorization: Basic %s\r\n" % credentials
    body = b"%x\r\n%s\r\n0\r\n" % (len(form), form)
    assert b"access_token" in server.ask(head + proof, b"\r\n", body, b"\r\n")
    answer = server.ask(head, b"\r\n", body, proof, b"\r\n")
    assert status_of(answer) == b"401"


@pytest.mark.slow
def test_who_keeps_the_program_waiting_is_sent_away(listening):
    form = (
        b"POST /token HTTP/1.1\r\nHost: carnet\r\nContent-Length: 1000\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\na="
    )
    slow = {
        "nothing": (b"", b""),
        "half a head": (HEALTH, b""),
        "a head, byte by byte": (HEALTH + b"A: ", b"a"),
        "line ends": (b"", b"\r\n"),
        "half a body": (form, b""),
        "a body, byte by byte": (form, b"a"),
        "a body that nobody reads": (HEALTH + b"Content-Length: 1000\r\n\r\n", b"a"),
        "line ends after an answer": (HEALTH + b"\r\n", b"\r\n"),
        "nothing after an answer": (HEALTH + b"\r\n", b""),
    }
    said = dict.fromkeys(slow, b"")
    with selectors.DefaultSelector() as waiting, ExitStack() as opened:
        for name, (begin, _) in slow.items():
            connection = opened.enter_context(listening.connect())
            send(connection, begin)
            waiting.register(connection, selectors.EVENT_READ, name)
        for _ in range(240):
            for key in list(waiting.get_map().values()):
                send(key.fileobj, slow[key.data][1])
            for key, _ in waiting.select(0.1):
                try:
                    data = key.fileobj.recv(65536)
                except ConnectionError:
                    data = b""
                said[key.data] += data
                if not data:
                    waiting.unregister(key.fileobj)
            if not waiting.get_map():
                break
            time.sleep(0.1)
        left = [key.data for key in waiting.get_map().values()]
    assert left == []
    assert said["nothing"] == said["line ends"] == b""
    assert status_of(said["half a head"]) == b"408"
    assert status_of(said["a head, byte by byte"]) == b"408"
    assert said["nothing after an answer"].count(b"HTTP/1.1 ") == 1
    assert listening.is_well()


def test_whoever_only_waits_gives_way_to_others(start):
    server = start(env={"CARNET_CONNECTIONS": "10", "CARNET_REVOCATION_STREAMS": "10"})
    listening = program(server.url, server.process)
    with ExitStack() as opened:
        waiting = [opened.enter_context(listening.connect()) for _ in range(30)]
        for connection in waiting[::2]:
            send(connection, HEALTH)
        for _ in range(20):
            assert listening.is_well()
        # Those that are left wait still: nothing can be read from them.
        with selectors.DefaultSelector() as ended:
            for connection in waiting:
                ended.register(connection, selectors.EVENT_READ)
            assert len(ended.select(1)) >= 20


def test_where_all_connections_are_being_answered_another_is_told_to_come_again(start):
    server = start(env={"CARNET_CONNECTIONS": "10", "CARNET_REVOCATION_STREAMS": "10"})
    listening = program(server.url, server.process)
    with ExitStack() as opened:
        for _ in range(10):
            stream = opened.enter_context(listening.connect())
            stream.sendall(b"GET /revocations HTTP/1.1\r\nHost: carnet\r\n\r\n")
            assert stream.recv(65536).startswith(b"HTTP/1.1 200 ")
        for _ in range(3):
            with listening.connect() as connection:
                answer = read_to_end(connection)
            assert status_of(answer) == b"503"
    for _ in range(100):
        if listening.is_well():
            break
        time.sleep(0.05)
    assert listening.is_well()
    server.stop()
    # Once a minute: it must not be a way to fill the log.
    assert server.process.stderr.read().count("all 10 connections are taken") == 1
