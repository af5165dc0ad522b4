"""The limits of a run: how often, how much, how long, where to, and what is never told."""

from __future__ import annotations

import asyncio
import gzip

import httpx
import pytest

from carnet.conform import wire as module
from carnet.conform.wire import Unfinished, Wire


def answer(status, body=b"", **headers):
    """Make an answer that is still to be read."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, stream=httpx.ByteStream(body))


class Server(httpx.AsyncBaseTransport):
    """Answers what the test says, and keeps what it was asked."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    async def handle_async_request(self, request):
        self.asked.append(request)
        return self.answer(request) if callable(self.answer) else self.answer


def ask(answer, *urls, issuer="https://a.example", **options):
    server = Server(answer)

    async def work():
        async with Wire(issuer, transport=server, pause=0, **options) as wire:
            return [await wire.get(url) for url in urls]

    return asyncio.run(work()), server


def test_an_answer_is_read_up_to_a_size():
    with pytest.raises(Unfinished, match="more than"):
        ask(answer(200, b"x" * (module.MAX_ANSWER + 1)), "https://a.example/")
    bomb = gzip.compress(bytes(20_000_000))
    packed = answer(200, bomb, content_encoding="gzip")
    with pytest.raises(Unfinished, match="more than"):
        ask(packed, "https://a.example/")


def test_an_answer_that_never_comes_is_waited_for_until_a_limit(monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.01)

    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            await asyncio.Event().wait()

    async def work():
        async with Wire("https://a.example", transport=Silent()) as wire:
            await wire.get("https://a.example/?secret")

    with pytest.raises(Unfinished, match=r"https://a.example/ did not answer"):
        asyncio.run(work())


@pytest.mark.parametrize(
    "url",
    ["http://a.example/", "http://127.0.0.1/", "https://localhost/", "file:///etc/passwd", "x"],
)
def test_an_issuer_on_the_internet_sends_nobody_to_this_machine_or_off_tls(url):
    with pytest.raises(Unfinished, match="was not asked"):
        ask(answer(200), url)


def test_whoever_answers_429_is_asked_nothing_more():
    server = Server(answer(429))

    async def work():
        async with Wire("https://a.example", transport=server, pause=0) as wire:
            for _ in range(3):
                with pytest.raises(Unfinished, match="429"):
                    await wire.get("https://a.example/")

    asyncio.run(work())
    assert len(server.asked) == 1


def test_no_redirect_is_followed_and_no_cookie_kept():
    (reply, _), server = ask(
        lambda _: answer(302, location="/next", set_cookie="a=b"),
        "https://a.example/",
        "https://a.example/",
    )
    assert reply.location == "/next"
    assert len(server.asked) == 2
    assert not any("cookie" in request.headers for request in server.asked)


def test_a_page_is_followed_at_its_own_origin_alone():
    where = {"/": "/next", "/next": "https://b.example/"}
    server = Server(lambda request: answer(302, location=where[request.url.path]))

    async def work():
        async with Wire("https://a.example", transport=server, pause=0) as wire:
            return await wire.page("https://a.example/")

    assert asyncio.run(work()).location == "https://b.example/"
    assert [request.url.host for request in server.asked] == ["a.example"] * 2


def test_what_is_told_holds_no_secret_and_no_control_character():
    async def work():
        async with Wire("https://a.example", transport=Server(None)) as wire:
            wire.keep_secret("hunter2-hunter2", None, "ab")
            return wire.tell("is hunter2-hunter2\x1b[2J ab" + "x" * 500)

    told = asyncio.run(work())
    assert told.startswith("is …?[2J ab")
    assert len(told) == module.MAX_TOLD


def test_between_two_requests_there_is_a_pause_but_not_on_this_machine():
    async def pause_of(issuer):
        async with Wire(issuer, transport=Server(None)) as wire:
            return wire.pause

    assert asyncio.run(pause_of("https://a.example")) > 0
    assert asyncio.run(pause_of("http://127.0.0.1:1")) == 0
