"""The cookie of a browser that an account has signed in with, on the service's own pages."""

import itertools
from contextlib import suppress
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
import starlette.requests
from tests.server.flows import CALLBACK, Request

from carnet.jose.encoding import b64url_decode, b64url_encode
from carnet.server.accounts.throttle import Delayed
from carnet.server.app import build_app
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata
from carnet.server.web.known_devices import MOST, known_device

PASSWORD = "paper-boat-harbour"


def browser(service, address="198.51.100.7"):
    """Give a browser without a window, in this process."""
    transport = httpx.ASGITransport(build_app(service), client=(address, 1))
    url = service.settings.own_url
    return httpx.AsyncClient(transport=transport, base_url=url, headers={"Origin": url})


async def sign_in(http, username="ada", password=PASSWORD, following="/me"):
    form = {"username": username, "password": password, "continue": following}
    return await http.post("/sign-in", data=form)


async def fail(service, username, address, times=1):
    for _ in range(times):
        with suppress(Delayed):
            async with service.throttle.sign_in(username, address):
                pass


@pytest.mark.parametrize(
    ("issuer", "name", "is_secure"),
    [("", "carnet-device", False), ("https://id.example.com", "__Host-carnet-device", True)],
)
def test_a_browser_is_known_after_a_sign_in_by_a_cookie_that_no_script_reads(
    play, issuer, name, is_secure
):
    async def scene(service, _clock):
        await service.accounts.create("ada", PASSWORD)
        async with browser(service) as http:
            wrong = await sign_in(http, password="wrong")
            assert "device" not in str(wrong.headers.get_list("set-cookie"))
            answer = await sign_in(http)
        return [one for one in answer.headers.get_list("set-cookie") if "device" in one]

    [cookie] = play(scene, issuer=issuer)
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert cookie.startswith(f"{name}=")
    assert {"httponly", "path=/", "samesite=strict"} <= attributes
    assert ("secure" in attributes) is is_secure
    assert not any(part.startswith("domain") for part in attributes)
    assert "ada" not in cookie


def test_the_cookie_is_good_for_its_account_its_time_and_as_it_was_made(play):
    addresses = itertools.count(1)

    async def scene(service, clock):
        for username in ("ada", "bob"):
            await service.accounts.create(username, PASSWORD)
        async with browser(service) as http:
            await sign_in(http)
            good = http.cookies["carnet-device"]
        flipped = good[:-2] + ("A" if good[-2] != "A" else "B") + good[-1]

        async def tried(cookie, username="ADA "):
            # Strangers have used up what there is, at this address and everywhere.
            for number in range(100):
                await fail(service, username, f"192.0.2.{number}")
            async with browser(service, f"203.0.113.{next(addresses)}") as http:
                http.cookies["carnet-device"] = cookie
                return (await sign_in(http, username)).status_code

        tries = [good, flipped, "", "x", "A" * 48, good[:-4], f"{'A' * 48}.{good}"]
        outcomes = [await tried(cookie) for cookie in tries]
        others = await tried(good, "bob")
        clock.advance(91 * 86_400)
        return outcomes, others, await tried(good)

    outcomes, others, late = play(scene)
    assert outcomes == [303, 429, 429, 429, 429, 429, 303]
    assert (others, late) == (429, 429)


def test_a_browser_knows_the_few_accounts_that_signed_in_with_it_last(play):
    async def scene(service, _clock):
        names = [f"user{number}" for number in "abcde"]
        async with browser(service) as http:
            for username in names:
                await service.accounts.create(username, PASSWORD)
                assert (await sign_in(http, username)).status_code == 303
            await sign_in(http, "userb")
            return http.cookies["carnet-device"].count(".")

    assert play(scene) == 3


def test_a_sign_in_is_new_enough_for_ten_minutes(play):
    async def scene(service, clock):
        await service.accounts.create("ada", PASSWORD)
        metadata = ClientMetadata(
            redirect_uris=(CALLBACK,), token_endpoint_auth_method="none", first_party=True
        )
        await service.registry.add_client(metadata, OPERATOR, "app")
        asked = Request(prompt="login", scope=None).parameters
        async with browser(service) as http:
            first = await http.get(f"/authorize?{urlencode(asked)}")
            [following] = parse_qs(urlsplit(first.headers["location"]).query)["continue"]
            clock.advance(60)
            assert (await sign_in(http, following=following)).headers["location"] == following
            ends = []
            for seconds in (0, 600, 1):
                clock.advance(seconds)
                answer = await http.get(following)
                ends.append(answer.headers["location"].partition("?")[0])
            clock.advance(-3700)
            answer = await http.get(following)
            return ends, answer.headers["location"].partition("?")[0]

    assert play(scene) == ([CALLBACK, CALLBACK, "/sign-in"], "/sign-in")


def test_a_cookie_that_was_changed_or_comes_twice_makes_nobody_known(play):
    async def scene(service, _clock):
        await service.accounts.create("ada", PASSWORD)
        async with browser(service) as http:
            await sign_in(http)
            given = b64url_decode(http.cookies["carnet-device"])
        later = (int.from_bytes(given[:8], "big") + 1).to_bytes(8, "big") + given[8:]
        app = SimpleNamespace(state=SimpleNamespace(service=service))
        known = []
        for entries in ((given,), (later,), (given, given), (given, later)):
            cookies = (f"carnet-device={b64url_encode(entry)}" for entry in entries)
            headers = [(b"cookie", "; ".join(cookies).encode())]
            scope = {"type": "http", "app": app, "headers": headers}
            known.append(bool(known_device(starlette.requests.Request(scope), "ada")))
        return known

    # Of two cookies of one name neither counts: which of them is ours can't be told.
    assert play(scene) == [True, False, False, False]


def test_a_browser_remembers_a_number_of_accounts_and_the_newest_of_them(play):
    async def scene(service, _clock):
        async with browser(service) as http:
            for number in range(MOST + 2):
                await service.accounts.create(f"ada{number}", PASSWORD)
                await sign_in(http, f"ada{number}")
            cookie = http.cookies["carnet-device"]
        app = SimpleNamespace(state=SimpleNamespace(service=service))
        headers = [(b"cookie", f"carnet-device={cookie}".encode())]
        request = starlette.requests.Request({"type": "http", "app": app, "headers": headers})
        known = [bool(known_device(request, f"ada{number}")) for number in range(MOST + 2)]
        return cookie.count(".") + 1, known

    assert play(scene) == (MOST, [False, False] + [True] * MOST)
