"""What a stranger has named is fetched from the public internet alone, within bounds."""

import asyncio
import gzip
import itertools

import pytest
from tests.server.strangers import Stranger, stranger

from carnet.server.networks import is_public
from carnet.server.public_fetch import AT_ONCE, NotFetched, PublicFetch

MOST = 5120
PATIENCE = 30.0


@pytest.fixture
def there(tmp_path, monkeypatch):
    with stranger(tmp_path, monkeypatch) as server:
        yield server


def fetch(url, private_hosts=("localhost",), seconds=PATIENCE, resolve=None, headers=None):
    async def scene():
        fetching = PublicFetch(private_hosts, MOST, seconds, resolve)
        try:
            return await fetching.fetch(url, headers or {})
        finally:
            fetching.close()

    return asyncio.run(scene())


def refused(url, **more):
    with pytest.raises(NotFetched) as error:
        fetch(url, **more)
    return error.value.code


def leading_to(*answers):
    """A resolver that gives one answer after the other, and then the last again."""
    asked = []

    async def resolve(host, _port):
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    resolve.asked = asked
    return resolve


def test_what_is_there_is_given_with_its_status_and_headers(there):
    url = there.publish(headers={"ETag": '"1"'})
    got = fetch(url, headers={"If-None-Match": '"0"'})
    assert (got.status, got.headers["etag"]) == (200, '"1"')
    assert url.encode() in got.body
    [head] = there.requests
    assert f"Host: localhost:{there.port}\r\n" in head
    assert 'If-None-Match: "0"' in head
    assert "Accept-Encoding: identity\r\n" in head
    assert "cookie" not in head.lower()


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.9.9.9"),
        *("169.254.169.254", "168.63.129.16", "172.31.0.1", "192.0.0.192", "192.168.1.1"),
        *("198.19.0.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1"),
        *("64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::1", "2001::7f00:1", "fe80::1"),
        *("fe80::1%lo", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "100::1"),
        *("3fff::1", "5f00::1", "2001:10::1", "a text", "", "2130706433", "0x7f.1", "127.1"),
    ],
)
def test_an_address_that_is_not_public_is_connected_to_by_nobody(address):
    assert not is_public(address)
    resolve = leading_to([address])
    assert refused("https://app.example/x", resolve=resolve) == "address_not_public"


@pytest.mark.parametrize("address", ["8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1111"])
def test_an_address_of_the_internet_is_public(address):
    assert is_public(address)


def test_one_address_of_several_that_is_not_public_is_enough_to_refuse(there):
    url = there.publish().replace("localhost", "app.example")
    for addresses in (["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"]):
        assert refused(url, resolve=leading_to(addresses)) == "address_not_public"
    assert there.connections == 0


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "017700000001", "0"]
)
def test_the_systems_own_ways_to_this_machine_are_no_way_in(there, host):
    url = there.publish().replace("localhost", host)
    assert refused(url, private_hosts=()) in ("address_not_public", "host_unknown")
    assert there.connections == 0


def test_what_is_connected_to_is_what_was_checked(there, tmp_path):
    inside = Stranger(tmp_path, "app.example", "127.0.0.2", there.port, there)
    outside = Stranger(tmp_path, "app.example", "127.0.0.3", there.port, there)
    try:
        inside.put("/x", b"secrets")
        outside.put("/x", b"a document")
        resolve = leading_to(["127.0.0.3"], ["127.0.0.2"])
        url = f"https://app.example:{there.port}/x"
        got = fetch(url, private_hosts=("app.example",), resolve=resolve)
        assert got.body == b"a document"
        assert resolve.asked == ["app.example"]
        assert inside.connections == 0
    finally:
        inside.close()
        outside.close()


def test_a_name_may_have_an_address_that_nothing_answers_at(there):
    url = there.publish()
    assert fetch(url, resolve=leading_to(["127.0.0.77", "127.0.0.1"])).status == 200


def test_the_certificate_has_to_be_the_hosts(there):
    url = there.publish().replace("localhost", "app.example")
    resolve = leading_to(["127.0.0.1"])
    assert refused(url, private_hosts=("app.example",), resolve=resolve) == "unreachable"
    assert there.requests == []


def test_a_certificate_of_an_unknown_authority_is_none(there, monkeypatch):
    url = there.publish()
    monkeypatch.delenv("SSL_CERT_FILE")
    assert refused(url) == "unreachable"
    assert there.requests == []


def test_no_redirect_is_followed(there):
    there.publish("/other")
    there.put("/x", b"", {"Location": f"{there.url}/other"}, "302 Found")
    assert fetch(f"{there.url}/x").status == 302
    assert len(there.requests) == 1


def test_no_proxy_of_the_environment_is_used(there, monkeypatch):
    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch(there.publish()).status == 200


def test_a_netrc_file_is_not_read(there, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fetch(there.publish())
    assert "authorization" not in there.requests[0].lower()


@pytest.mark.parametrize("length", [None, 10**9])
def test_an_answer_without_end_is_read_no_further_than_it_may_be_long(there, length):
    said = {"Content-Length": length} if length else {"Transfer-Encoding": "chunked"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{lines}\r\n".encode()
    part = b"x" * 1000 if length else b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    there.answer = lambda _head: itertools.chain([head], itertools.repeat(part))
    assert refused(f"{there.url}/x") == "too_long"


def test_an_answer_may_be_as_long_as_it_may_be(there):
    there.put("/x", b"x" * MOST)
    there.put("/y", b"x" * (MOST + 1))
    assert len(fetch(f"{there.url}/x").body) == MOST
    assert refused(f"{there.url}/y") == "too_long"


def test_a_head_without_end_is_not_read_to_it(there):
    there.answer = lambda _head: itertools.chain(
        [b"HTTP/1.1 200 OK\r\n"], (b"X-%d: x\r\n" % number for number in itertools.count())
    )
    assert refused(f"{there.url}/x") == "unreachable"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip", "x"])
def test_a_compressed_answer_is_refused_unread(there, encoding):
    there.put("/x", gzip.compress(bytes(10**6)), {"Content-Encoding": encoding})
    assert refused(f"{there.url}/x") == "compressed"


def test_what_is_slow_is_given_up(there):
    waiting = iter(lambda: there._closing.wait(0.05), True)
    there.answer = lambda _head: itertools.chain(
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"], (b"x" for _ in waiting)
    )
    assert refused(f"{there.url}/x", seconds=0.5) == "too_slow"


def test_a_name_that_is_looked_up_for_ever_is_given_up():
    async def resolve(_host, _port):
        await asyncio.Event().wait()

    assert refused("https://app.example/x", seconds=0.2, resolve=resolve) == "too_slow"


def test_a_name_that_there_is_not_is_told_apart_from_one_that_is_private():
    async def resolve(_host, _port):
        raise OSError("no such name")

    assert refused("https://app.example/x", resolve=resolve) == "host_unknown"
    assert refused(f"https://{'a' * 70}.example/x") == "host_unknown"


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 999999 x\r\n\r\n"])
def test_what_is_no_http_is_refused(there, answer):
    there.answer = lambda _head: answer
    assert refused(f"{there.url}/x") == "unreachable"


def test_a_few_are_fetched_at_once_and_the_others_wait():
    async def scene():
        most, now, go = 0, 0, asyncio.Event()

        async def resolve(_host, _port):
            nonlocal most, now
            now += 1
            most = max(most, now)
            await go.wait()
            now -= 1
            return []

        fetching = PublicFetch((), MOST, PATIENCE, resolve)
        work = [asyncio.create_task(fetching.fetch("https://x/", {})) for _ in range(40)]
        for _ in range(1000):
            await asyncio.sleep(0)
        go.set()
        await asyncio.gather(*work, return_exceptions=True)
        return most

    assert asyncio.run(scene()) == AT_ONCE
