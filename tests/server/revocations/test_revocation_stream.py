"""The revocation stream over real HTTP: what a verifier hears, and when."""

import json
import threading
import time
from queue import Empty, Queue

import pytest

from carnet import KeySet
from carnet.jose import jws
from carnet.server.sessions.sessions import NewSession


class Reader:
    """Reads a server's stream in a thread; checks each event's signature."""

    def __init__(self, server, last_event_id=None):
        self.events = Queue()
        self._keys = KeySet.from_jwks(server.client.get("/.well-known/jwks.json").text)
        headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
        self._stream = server.client.stream("GET", "/revocations", headers=headers)
        self._response = self._stream.__enter__()
        assert self._response.headers["content-type"].startswith("text/event-stream")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            fields = {}
            for line in self._response.iter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                    continue
                verified = jws.verify(fields["data"], self._keys)
                assert verified.header["typ"] == "revocations+jwt"
                payload = json.loads(verified.payload)
                assert payload["event"] == fields["event"]
                assert payload["seq"] == int(fields["id"])
                self.events.put(payload)
                fields = {}
        except Exception:
            self.events.put(None)
        else:
            self.events.put(None)

    def next(self, *kinds, seconds=60):
        """Give the next event of some kind."""
        end = time.monotonic() + seconds
        while True:
            event = self.events.get(timeout=max(0.01, end - time.monotonic()))
            if event is None or not kinds or event["event"] in kinds:
                return event

    def close(self):
        self._response.close()


@pytest.fixture
def read(server):
    readers = []

    def read_from(last_event_id=None, at=server):
        reader = Reader(at, last_event_id)
        readers.append(reader)
        return reader

    yield read_from
    for reader in readers:
        reader.close()


def test_a_new_reader_gets_a_snapshot_and_then_each_ended_session(server, read):
    gone = server.sign_in().json()
    server.sign_out(gone["access_token"])
    reader = read()
    snapshot = reader.next("snapshot")
    assert snapshot["entries"] == [["sid", gone["session_id"]]]
    assert snapshot["last"] is True
    body = server.sign_in().json()
    server.sign_out(body["access_token"])
    increment = reader.next("increment")
    assert increment["entries"] == [["sid", body["session_id"]]]
    assert increment["prev"] == snapshot["seq"]
    assert increment["iss"] == server.url


def test_a_reader_that_was_away_goes_on_where_it_was(server, read):
    first = read()
    position = first.next("snapshot")["seq"]
    first.close()
    bodies = [server.sign_in().json() for _ in range(3)]
    for body in bodies:
        server.sign_out(body["access_token"])
    reader, entries = read(position), []
    while len(entries) < 3:
        event = reader.next("increment")
        assert event["prev"] == position
        position = event["seq"]
        entries += event["entries"]
    assert entries == [["sid", body["session_id"]] for body in bodies]


def test_a_reader_from_the_future_of_another_database_gets_a_snapshot(server, read):
    assert read(10**9).next()["event"] == "snapshot"


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "9" * 30])
def test_a_position_that_is_no_number_is_refused(server, value):
    answer = server.client.get("/revocations", headers={"Last-Event-ID": value})
    assert answer.status_code == 400


def test_reuse_of_a_refresh_token_reaches_the_readers(server, read):
    reader = read()
    body = server.sign_in().json()
    server.refresh(body["refresh_token"])
    time.sleep(1.1)
    server.refresh(body["refresh_token"])
    assert reader.next("increment")["entries"] == [["sid", body["session_id"]]]


def test_what_the_command_line_changes_reaches_the_readers_of_a_running_server(
    server, read, carnet
):
    reader = read()
    body = server.sign_in().json()
    done = carnet("user", "roles", "alice", "USER", data=server.data)
    assert done.returncode == 0, done.stderr
    [[kind, _, version]] = reader.next("increment")["entries"]
    assert (kind, version) == ("sub", 2)
    done = carnet("session", "end", "alice", "--all", data=server.data)
    assert done.stdout == "ended 1 session\n"
    [[kind, _, version]] = reader.next("increment")["entries"]
    assert (kind, version) == ("sub", 3)
    assert server.refresh(body["refresh_token"]).status_code == 400


def test_one_access_token_can_be_refused_alone(server, read):
    from carnet import inspect

    reader = read()
    body = server.sign_in().json()
    server.client.post("/revocation", data={"token": body["access_token"]})
    token_id = inspect(body["access_token"]).claims["jti"]
    assert reader.next("increment")["entries"] == [["jti", token_id]]
    assert server.refresh(body["refresh_token"]).status_code == 200


def test_silence_is_broken_by_heartbeats_that_name_the_position(start, add_user):
    add_user()
    server = start()
    import os

    os.environ["CARNET_REVOCATION_HEARTBEAT"] = "1"
    try:
        server = start()
    finally:
        del os.environ["CARNET_REVOCATION_HEARTBEAT"]
    reader = Reader(server)
    position = reader.next("snapshot")["seq"]
    for _ in range(2):
        beat = reader.next()
        assert (beat["event"], beat["seq"], beat["entries"]) == ("heartbeat", position, [])
    reader.close()


def test_a_stopping_server_ends_its_streams_at_once(server, read):
    reader = read()
    reader.next("snapshot")
    begun = time.monotonic()
    assert server.stop() == 0
    assert reader.next("never") is None
    assert time.monotonic() - begun < 8


def test_many_readers_hear_the_same(server, read):
    readers = [read() for _ in range(20)]
    for reader in readers:
        reader.next("snapshot")
    body = server.sign_in().json()
    server.sign_out(body["access_token"])
    assert all(
        reader.next("increment")["entries"] == [["sid", body["session_id"]]] for reader in readers
    )
    with pytest.raises(Empty):
        readers[0].next("increment", seconds=0.3)


def test_an_entry_is_gone_when_no_token_can_need_it(play):
    async def scene(service, clock):
        account = await service.accounts.create("ada", "paper-boat-harbour")
        grant = await service.sessions.begin(account, NewSession("carnet", "default"))
        await service.sessions.end(grant.session_id, "signed_out")
        lasting = service.settings.access_token_lifetime
        counts = []
        # The row outlives it by an hour: this clock may be ahead.
        for seconds in (lasting, 61, 3599, 1):
            clock.advance(seconds)
            await service.background.sweep()
            told = (await service.revocations.newest(10)).entries
            rows = await service.store.read("SELECT * FROM revocation")
            counts.append((len(told), len(rows)))
        return counts

    assert play(scene) == [(1, 1), (0, 1), (0, 1), (0, 0)]


def test_a_large_snapshot_comes_in_parts_and_shared_increments_are_signed_once(play):
    async def scene(service, clock):
        from carnet.server.store import statements as sql

        def fill():
            for number in range(1, 10_013):
                values = (number, "sid", f"s{number}", None, clock() + 10**9)
                yield sql.ADD_REVOCATION, values
            yield "UPDATE counter SET value = 10012 WHERE name = 'revocation'", ()

        await service.store.transact(fill)
        await service.background.follow()
        parts = []
        stream = service.revocation_stream.read(None)
        async for event in stream:
            data = event.decode().split("data: ")[1].strip()
            parts.append(json.loads(jws.verify(data, service.keys.published).payload))
            if parts[-1]["last"]:
                break
        await stream.aclose()
        ids = [entry[1] for part in parts for entry in part["entries"]]
        assert ids == [f"s{number}" for number in range(1, 10_013)]
        return [part["part"] for part in parts]

    assert play(scene) == [0, 1, 2]
