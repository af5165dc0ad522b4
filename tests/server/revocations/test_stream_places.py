"""Revocation streams have a number, in all and for one address."""

import contextlib
import json
import re
import socket
import sqlite3
from urllib.parse import urlsplit

from tests import processes

from carnet.server.revocations.stream_places import StreamPlaces


def opened(client):
    """Open a stream, or give the refusal."""
    request = client.build_request("GET", "/revocations")
    return client.send(request, stream=True)


def test_more_streams_than_are_given_to_an_address_are_told_to_come_again(start):
    server = start(env={"CARNET_REVOCATION_STREAMS_PER_ADDRESS": "2"})
    streams = [opened(server.client) for _ in range(3)]
    assert [stream.status_code for stream in streams] == [200, 200, 503]
    refused = streams.pop()
    assert json.loads(refused.read())["error"] == "temporarily_unavailable"
    assert int(refused.headers["retry-after"]) > 0
    # What is wrong with a request takes no place.
    wrong = server.client.get("/revocations", headers={"Last-Event-ID": "x"})
    assert wrong.status_code == 400
    for _ in range(3):
        streams.pop().close()
        # The server learns of it a moment later.
        for _ in range(1000):
            streams.append(opened(server.client))
            if streams[-1].status_code == 200:
                break
            streams.pop().close()
        assert [stream.status_code for stream in streams] == [200, 200]
    for stream in streams:
        stream.close()


def test_a_process_gives_a_number_of_streams():
    places = StreamPlaces(3, 2)
    assert [places.take(f"192.0.2.{number}") for number in range(4)] == [True, True, True, False]
    places.give_back("192.0.2.1")
    assert places.take("192.0.2.2")
    assert not places.take("192.0.2.3")


def test_an_address_gives_back_what_it_has_taken():
    places = StreamPlaces(10, 2)
    taken = [places.take("2001:db8:1:2::1"), places.take("2001:db8:1:2:ffff::2")]
    assert taken == [True, True]
    assert not places.take("2001:db8:1:2::3")
    assert places.take("2001:db8:1:3::1")
    places.give_back("2001:db8:1:2::3")
    assert places.take("2001:db8:1:2::4")


MANY = """
WITH RECURSIVE numbers (number) AS
  (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 20000)
INSERT INTO revocation (seq, kind, value, expires_at)
  SELECT number, 'jti', hex(randomblob(100)), 9000000000000000 FROM numbers
"""


def test_a_reader_that_never_reads_is_dropped_and_gives_its_place_back(start, add_user):
    add_user()
    server = start()
    assert server.stop() == 0
    with contextlib.closing(sqlite3.connect(server.data / "carnet.db")) as database, database:
        # A snapshot that no socket's buffers hold.
        database.execute(MANY)
        database.execute("UPDATE counter SET value = 20000 WHERE name = 'revocation'")
    server = start(env={"CARNET_REVOCATION_STREAMS_PER_ADDRESS": "1"})

    def readers():
        return re.search(
            r"^carnet_revocation_readers(?:\{.*\})? (\S+)$",
            server.client.get("/metrics").text,
            re.MULTILINE,
        )[1]

    where = urlsplit(server.url)
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.connect((where.hostname, where.port))
        silent.sendall(b"GET /revocations HTTP/1.1\r\nHost: carnet\r\n\r\n")
        processes.wait_until(lambda: float(readers()) == 1)
        assert server.client.get("/revocations").status_code == 503
        processes.wait_until(lambda: float(readers()) == 0)
    with server.client.stream("GET", "/revocations") as answer:
        assert answer.status_code == 200
