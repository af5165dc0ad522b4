"""What proxies make of a request: whose it is, and under which path the service is."""

import asyncio
import html
import json
import re
import socket
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx
import pytest
from tests.proxy import proxy  # noqa: F401 - a fixture
from tests.server.asgi import ISSUER, opened, routes, with_names
from tests.server.conftest import PASSWORD
from tests.server.flows import Request, add_client, hidden

from carnet.server.app import ROUTES
from carnet.server.networks import Networks
from carnet.server.settings import Settings
from carnet.server.web.reverse_proxy import BehindProxies
from carnet.verifier import AccessTokenVerifier

PREFIX = "/auth"
# Opens the authenticator app of a phone.
APP_LINK = "otpauth://"
UNDER = f"{ISSUER}{PREFIX}"


def address_seen(peer, forwarded, *trusted):
    """Give the address that a request is taken to come from."""
    seen = []

    async def app(scope, _receive, _send):
        seen.append(scope["client"][0])

    settings = Settings(issuer=ISSUER, trusted_proxies=trusted)
    headers = [(b"x-forwarded-for", text) for text in forwarded]
    scope = {"type": "http", "path": "/", "headers": headers, "client": (peer, 1)}
    asyncio.run(BehindProxies(app, settings)(scope, None, None))
    return seen[0]


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("10.0.0.5", [], ["10.0.0.5"], "10.0.0.5"),
        ("10.0.0.5", [b"192.0.2.1"], [], "10.0.0.5"),
        ("10.0.0.6", [b"192.0.2.1"], ["10.0.0.5"], "10.0.0.6"),
        ("10.0.0.5", [b"192.0.2.1"], ["10.0.0.5"], "192.0.2.1"),
        ("10.0.0.5", [b"192.0.2.1"], ["10.0.0.0/8"], "192.0.2.1"),
        ("10.0.0.5", [b"192.0.2.1"], ["::ffff:10.0.0.0/104"], "192.0.2.1"),
        # Who asks may have written what stands before the address that the proxy has seen.
        ("10.0.0.5", [b"198.51.100.9, 192.0.2.1"], ["10.0.0.5"], "192.0.2.1"),
        ("10.0.0.5", [b"198.51.100.9", b"192.0.2.1"], ["10.0.0.5"], "192.0.2.1"),
        ("10.0.0.5", [b"192.0.2.1, 10.0.0.6"], ["10.0.0.0/8"], "192.0.2.1"),
        ("10.0.0.5", [b"10.0.0.7, 10.0.0.6"], ["10.0.0.0/8"], "10.0.0.7"),
        ("10.0.0.5", [b"::ffff:192.0.2.1"], ["10.0.0.5"], "192.0.2.1"),
        ("10.0.0.5", [b"192.0.2.1:4711"], ["10.0.0.5"], "192.0.2.1"),
        ("10.0.0.5", [b"[2001:db8::1]:4711"], ["10.0.0.5"], "2001:db8::1"),
        ("10.0.0.5", [b"2001:DB8:0::1"], ["10.0.0.5"], "2001:db8::1"),
        ("2001:db8::7", [b"192.0.2.1"], ["2001:db8::/64"], "192.0.2.1"),
        # What is no address says nothing: the request is from the proxy.
        ("10.0.0.5", [b"192.0.2.1, unknown"], ["10.0.0.5"], "10.0.0.5"),
        ("10.0.0.5", [b""], ["10.0.0.5"], "10.0.0.5"),
        ("10.0.0.5", [b"9" * 5000], ["10.0.0.5"], "10.0.0.5"),
        ("unix", [b"192.0.2.1"], ["10.0.0.5"], "unix"),
    ],
)
def test_an_address_is_believed_as_far_as_trusted_proxies_have_seen_it(
    peer, forwarded, trusted, address
):
    assert address_seen(peer, forwarded, *trusted) == address


def test_no_long_text_is_kept_for_an_address():
    networks = Networks(["10.0.0.0/8"])
    assert "9" * 5000 not in networks
    assert networks._holds.cache_info().currsize == 0


def test_an_ignored_header_of_a_proxy_that_is_not_named_is_logged_once(server):
    for address in ("192.0.2.1", "192.0.2.2"):
        headers = {"X-Forwarded-For": address}
        assert server.client.get("/healthz", headers=headers).status_code == 200
    server.stop()
    [line] = map(json.loads, server.process.stderr.read().splitlines())
    assert line["event"] == "forwarded_for_ignored"
    assert line["proxy"] == "127.0.0.1"
    assert "trusted_proxies" in line["hint"]
    assert "192.0.2" not in str(line)


def test_a_trusted_proxy_says_whom_the_audit_log_names(start, add_user, carnet):
    add_user()
    server = start(env={"CARNET_TRUSTED_PROXIES": "192.0.2.0/24, 127.0.0.0/8"})
    server.client.headers["X-Forwarded-For"] = "198.51.100.7, 192.0.2.9"
    server.sign_in()
    told = carnet("audit", "--json", data=server.data).stdout
    [entry] = [one for one in map(json.loads, told.splitlines()) if one["event"] == "session_begun"]
    assert entry["address"] == "198.51.100.7"
    server.stop()
    assert server.process.stderr.read() == ""


@pytest.mark.parametrize("wrong", ["10.0.0.5/8", "proxy", "*", "10.0.0.0/33", ""])
def test_a_wrong_trusted_proxy_is_named_in_one_line(carnet, tmp_path, wrong):
    config = tmp_path / "carnet.toml"
    config.write_text(f'trusted_proxies = ["10.0.0.1", "{wrong}"]')
    done = carnet("serve", "--config", str(config), data=tmp_path / "data")
    assert done.returncode == 2
    assert f"the setting trusted_proxies: {wrong} is neither an address" in done.stderr
    assert done.stderr.count("\n") == 1
    assert ("did you mean 10.0.0.0/8?" in done.stderr) == (wrong == "10.0.0.5/8")


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6: NOTHING OF IT WAS TRIED")
def test_a_service_on_all_addresses_takes_ipv4_and_names_it_so(start, add_user, carnet):
    add_user()
    server = start(
        *("--host", "::", "--issuer", "http://127.0.0.1:1"),
        env={"CARNET_TRUSTED_PROXIES": "127.0.0.1"},
    )
    assert re.fullmatch(r"http://\[::\]:\d+", server.url)
    port = urlsplit(server.url).port
    own = {"username": "alice", "password": PASSWORD}
    with httpx.Client(trust_env=False, timeout=60) as client:
        for host in ("127.0.0.1", "[::1]"):
            assert client.post(f"http://{host}:{port}/sessions", json=own).status_code == 201
        forwarded = {"X-Forwarded-For": "192.0.2.1"}
        url = f"http://127.0.0.1:{port}/sessions"
        assert client.post(url, json=own, headers=forwarded).status_code == 201
    told = carnet("audit", "--json", data=server.data).stdout
    entries = [one for one in map(json.loads, told.splitlines()) if one["event"] == "session_begun"]
    assert sorted(one["address"] for one in entries) == ["127.0.0.1", "192.0.2.1", "::1"]


# The issuer's path.


def links(page):
    """Give the addresses that a page opens, and those that its forms are sent to."""
    opens = re.findall(r"""(?:href|src|data-from)="([^"#][^"]*)\"""", page)
    return [html.unescape(one) for one in opens], re.findall(r"""action="([^"]+)\"""", page)


def test_every_address_answers_with_the_prefix_and_without(tmp_path):
    async def scene():
        async with opened(tmp_path / "data", issuer=UNDER) as asked:
            for method, path in routes():
                named = with_names(path)
                for headers in ([], asked.bearer) if method == "GET" else ([],):
                    plain = await asked(method, named, headers=headers)
                    prefixed = await asked(method, PREFIX + named, headers=headers)
                    assert plain.error is prefixed.error is None
                    assert plain.status == prefixed.status, (method, path)

    asyncio.run(scene())


def test_every_link_and_form_of_a_page_leads_under_the_prefix(tmp_path):
    """From page to page, as a person would go, with a proxy that leaves the prefix."""

    async def scene():
        async with opened(tmp_path / "data", issuer=UNDER, sign_up=True) as asked:
            waiting, seen = [f"{PREFIX}/me", f"{PREFIX}/admin", f"{PREFIX}/sign-up"], set()
            while waiting:
                address = waiting.pop()
                if address in seen:
                    continue
                seen.add(address)
                path, _, query = address.partition("?")
                page = await asked("GET", path, query=query.encode(), headers=asked.cookie)
                assert page.status in (200, 303), (address, page.status)
                if page.status != 200 or "?v=" in address:
                    continue
                opens, sends = links(page.body.decode())
                for link in (*opens, *sends):
                    assert link.startswith((f"{PREFIX}/", APP_LINK)), (address, link)
                waiting += [link for link in opens if not link.startswith(APP_LINK)]
            return seen

    seen = asyncio.run(scene())
    expected = ("/me/sessions", "/admin/clients/new", "/admin/audit", "/debugger")
    assert {PREFIX + path for path in expected} <= seen


@pytest.mark.parametrize("asked_for", ["", PREFIX])
def test_a_slash_too_many_leads_to_the_issuers_own_address(tmp_path, asked_for):
    async def scene():
        async with opened(tmp_path / "data", issuer=UNDER) as asked:
            for path in ("/me", "/token", "/admin/users/a%20b", "/.well-known/jwks.json"):
                answer = await asked("GET", f"{asked_for}{path}/", query=b"a=b&c=%20d")
                assert answer.status == 307
                assert dict(answer.headers)[b"location"] == f"{PREFIX}{path}?a=b&c=%20d".encode()
            for path in ("/nothing/", "//evil.example/me/", "//", "/me/more/"):
                assert (await asked("GET", f"{asked_for}{path}")).status == 404

    asyncio.run(scene())


def test_a_slash_too_many_does_not_lead_to_the_host_that_was_asked(server):
    answer = server.client.get("/me/", headers={"Host": "internal.example"})
    assert (answer.status_code, answer.headers["location"]) == (307, "/me")


def test_the_metadata_of_an_issuer_with_a_path_are_at_both_places(tmp_path):
    """RFC 8414 section 3.1 puts the path behind the well-known one, OpenID Connect before it."""

    async def scene():
        async with opened(tmp_path / "data", issuer=UNDER) as asked:
            for name in ("oauth-authorization-server", "openid-configuration"):
                for path in (
                    f"/.well-known/{name}{PREFIX}",
                    f"{PREFIX}/.well-known/{name}",
                    f"/.well-known/{name}",
                ):
                    origin = [(b"origin", b"https://app.example")]
                    answer = await asked("GET", path, headers=origin)
                    assert answer.json()["issuer"] == UNDER, path
                    assert answer.json()["token_endpoint"] == f"{UNDER}/token"
                    assert dict(answer.headers)[b"access-control-allow-origin"] == b"*"
            other = await asked("GET", "/.well-known/openid-configuration/other")
            assert other.status == 404

    asyncio.run(scene())


def test_cookies_are_for_the_whole_host_as_their_prefix_demands(tmp_path):
    async def scene():
        async with opened(tmp_path / "data", issuer=UNDER) as asked:
            form = urlencode({"username": "alice", "password": PASSWORD, "continue": "/me"})
            kind = (b"content-type", b"application/x-www-form-urlencoded")
            headers = [kind, (b"origin", ISSUER.encode()), (b"sec-fetch-site", b"same-origin")]
            answer = await asked("POST", f"{PREFIX}/sign-in", headers=headers, body=form.encode())
            assert dict(answer.headers)[b"location"] == f"{PREFIX}/me".encode()
            return [value.decode() for name, value in answer.headers if name == b"set-cookie"]

    cookies = asyncio.run(scene())
    assert len(cookies) == 2
    assert all(one.startswith("__Host-") and "; Path=/;" in one + ";" for one in cookies)


@pytest.mark.parametrize("path", ["/token", "/me", "/admin/users", "/account", "/.well-known"])
def test_an_issuer_under_one_of_the_services_own_addresses_is_refused(path, tmp_path, carnet):
    for workers in ("1", "2"):
        command = ("serve", "--port", "0", "--issuer", ISSUER + path, "--workers", workers)
        done = carnet(*command, data=tmp_path / "data")
        assert done.returncode == 2
        assert f"the path {path} in the setting issuer" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("takes_off", ["", PREFIX])
def test_people_and_clients_get_their_tokens_under_a_prefix(
    start,
    proxy,  # noqa: F811
    tmp_path,
    takes_off,
):
    issuer = proxy.url + PREFIX
    add_client(tmp_path / "data", scope="openid profile")
    proxy.takes_off = takes_off
    proxy.target = start("--issuer", issuer).url
    asked, headers = Request(scope="openid profile", resource="orders"), {"Origin": proxy.url}
    typed = {"username": "alice", "password": PASSWORD, "decision": "allow"}
    with httpx.Client(trust_env=False, timeout=60, headers=headers) as client:
        published = client.get(f"{issuer}/.well-known/openid-configuration").json()
        page = client.get(published["authorization_endpoint"], params=asked.parameters)
        for _ in range(10):
            if not page.is_redirect:
                [action] = re.findall(r'action="([^"]*(?:sign-in|decision))"', page.text)
                page = client.post(urljoin(issuer, action), data={**typed, **hidden(page.text)})
                continue
            following = urljoin(issuer, page.headers["location"])
            if not following.startswith(issuer):
                break
            page = client.get(following)
        code = dict(parse_qsl(urlsplit(following).query))["code"]
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": "app",
            "redirect_uri": asked.parameters["redirect_uri"],
            "code_verifier": asked.verifier,
        }
        tokens = client.post(published["token_endpoint"], data=form).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        told = client.get(published["userinfo_endpoint"], headers=bearer)
        again = {
            "grant_type": "refresh_token",
            "refresh_token": tokens["refresh_token"],
            "client_id": "app",
        }
        assert client.post(published["token_endpoint"], data=again).status_code == 200
    assert told.json()["preferred_username"] == "alice"
    with AccessTokenVerifier(issuer, "orders", revocations="off") as verifier:
        assert verifier.verify(tokens["access_token"]).subject == told.json()["sub"]


def test_no_two_addresses_of_the_service_differ_in_a_slash_at_the_end():
    assert [route.path for route in ROUTES if route.path.endswith("/")] == ["/"]
