"""How the revocation stream is read: where from, and what ends a connection."""

import time

import pytest
from tests import processes

from carnet import IssuerUnavailable
from carnet.verifier import AccessTokenVerifier, follower
from carnet.verifier.connections import Connections


def read(address):
    return list(follower.events(address, None, Connections()))


@pytest.mark.parametrize("address", ["http://192.0.2.1/revocations", "ftp://127.0.0.1/", "x"])
def test_a_stream_that_others_could_change_is_not_read(address):
    with pytest.raises(IssuerUnavailable, match="https"):
        read(address)


@pytest.mark.parametrize("status", [204, 301, 404, 503])
def test_an_answer_without_a_stream_is_none(issuer, status):
    issuer.replies["/revocations"] = (status, b"data: x\n\n")
    with pytest.raises(IssuerUnavailable, match=f"answered {status}"):
        read(f"{issuer.url}/revocations")
    assert issuer.requests == ["/revocations"]


def test_a_line_without_end_is_given_up(issuer, monkeypatch):
    monkeypatch.setattr(follower, "MAX_LINE", 1000)
    issuer.replies["/revocations"] = (200, b"data: " + b"x" * 5000)
    with pytest.raises(IssuerUnavailable, match="too long"):
        read(f"{issuer.url}/revocations")


def test_events_are_taken_from_lines_of_any_kind(issuer):
    issuer.replies["/revocations"] = (
        200,
        b": a comment\r\nid: 7\r\ndata: one\r\n\r\ndata:two\ndata: lines\n\n\n\n"
        b"event: x\n\ndata: cut",
    )
    assert read(f"{issuer.url}/revocations") == ["one", "two\nlines"]


@pytest.mark.parametrize(
    ("second", "positions"),
    [
        # It breaks off: the next connection goes on from where it was.
        (None, [None, "1"]),
        # It does not fit what is known: the next begins with a snapshot.
        ({"event": "increment", "prev": 1, "seq": 2, "entries": [["new", "x"]]}, [None, None]),
        ({"event": "heartbeat", "prev": 5, "seq": 5, "entries": []}, [None, None]),
    ],
)
def test_the_next_connection_begins_where_what_is_known_is_sound(issuer, second, positions):
    issuer.revoked = set()

    def events():
        common = {"iss": issuer.url, "iat": int(time.time())}
        snapshot = {"event": "snapshot", "prev": 0, "seq": 1, "part": 0, "last": True}
        yield {**common, **snapshot, "entries": []}
        if second is not None:
            yield {**common, **second}

    issuer.events = events
    verifier = AccessTokenVerifier(issuer.url, "orders", revocations="required")
    try:
        verifier.verify(issuer.token())
        processes.wait_until(lambda: len(issuer.positions) >= 2)
    finally:
        verifier.close()
    assert issuer.positions[:2] == positions
