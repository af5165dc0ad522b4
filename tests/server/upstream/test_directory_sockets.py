"""Asking a directory for TLS on a connection that has none (RFC 4511 section 4.14)."""

import socket

import pytest

from carnet.server.upstream.directory_sockets import START_TLS, _start_tls

SHORT = bytes.fromhex("300c02010178070a010004000400")
# As Active Directory writes lengths.
LONG = bytes.fromhex("30840000001002010178840000000 70a010004000400".replace(" ", ""))


def asked(answer):
    """Send an answer and end; give what is left unread, and what was asked."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        _start_tls(ours)
        return ours.recv(100), theirs.recv(100)


@pytest.mark.parametrize("answer", [SHORT, LONG])
def test_nothing_is_read_that_comes_after_the_answer(answer):
    # What somebody on the way has put behind it is not taken for the directory's: TLS begins there.
    assert asked(answer + b"injected") == (b"injected", START_TLS)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        SHORT[:5],
        SHORT.replace(bytes.fromhex("0a0100"), bytes.fromhex("0a0102")),
        LONG.replace(bytes.fromhex("0a0100"), bytes.fromhex("0a0134")),
        # Of another message, of another kind, not of LDAP at all, and endless.
        SHORT.replace(bytes.fromhex("020101"), bytes.fromhex("020102")),
        SHORT.replace(b"\x78", b"\x61"),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes.fromhex("3084ffffffff") + b"x" * 5000,
    ],
)
def test_without_a_good_answer_nothing_more_is_said(answer):
    with pytest.raises(OSError):
        asked(answer)
