"""`carnet gate`, asked as the proxies ask, and behind a real nginx with the docs' own block."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import httpx
import pytest
from tests import processes
from tests.verifier.conftest import Issuer

NAMES = ("subject", "session", "client", "roles", "scope")
ORIGIN = "https://app.example.com"


@pytest.fixture(scope="module")
def issuer():
    one = Issuer()
    yield one
    one.close()


def start(*arguments):
    process = processes.start(
        [sys.executable, "-m", "carnet", "gate", "--port", "0", *arguments],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stderr = processes.Drained(process.stderr)
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.fullmatch(r"carnet: gate on (http://\S+)/verify\n", line):
            return process, found[1], said
    process.wait()
    return process, None, said


def stop(process):
    process.terminate()
    process.wait(processes.PATIENCE)
    process.stderr.close()


@pytest.fixture(scope="module")
def gate(issuer):
    flags = ("--preflight", "--audience", "orders", "--cookie", "carnet-access", "--origin", ORIGIN)
    process, url, _ = start("--issuer", issuer.url, *flags, "--claim", "department")
    assert url
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        yield client
    stop(process)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_a_good_token_is_told_in_headers_and_what_it_lacks_is_empty(gate, issuer):
    token = issuer.token(roles=["a,b", "c"], department="café 5%")
    answer = gate.get("/verify", headers=bearer(token))
    assert answer.status_code == 200
    assert {name: answer.headers[f"x-auth-{name}"] for name in NAMES} == {
        "subject": "ada",
        "session": "",
        "client": "c",
        "roles": "a%2Cb,c",
        "scope": "",
    }
    assert unquote(answer.headers["x-auth-claim-department"]) == "café 5%"


def test_what_does_not_fit_into_headers_does_not_pass(gate, issuer):
    some, many = ["x" * 100] * 70, ["x" * 100] * 90
    assert gate.get("/verify", headers=bearer(issuer.token(roles=some))).status_code == 200
    refused = gate.get("/verify", headers=bearer(issuer.token(roles=many)))
    assert (refused.status_code, refused.json()["code"]) == (403, "claims_too_large")
    assert "x-auth-roles" not in refused.headers


def test_no_claim_can_bring_another_header(gate, issuer):
    token = issuer.token(sub="eve\r\nX-Auth-Roles: ADMIN")
    answer = gate.get("/verify", headers=bearer(token))
    assert answer.headers["x-auth-roles"] == ""
    assert answer.headers["x-auth-subject"] == "eve%0D%0AX-Auth-Roles: ADMIN"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 200),
        ("role=ADMIN", 200),
        ("role=ADMIN&role=OWNER", 403),
        ("scope=orders:read", 200),
        ("scope=orders:write", 403),
        ("scope=orders:read+orders:write", 403),
        ("acr_values=urn:mfa+urn:passkey&max_age=300", 200),
        ("acr_values=urn:mfa&max_age=100", 401),
        ("acr_values=urn:passkey&max_age=300", 401),
        # Who adds one asks for more, never for less.
        ("acr_values=urn:passkey&acr_values=urn:mfa", 401),
        ("acr_values=urn:mfa&max_age=100&max_age=300", 401),
        ("max_age=300&max_age=100", 401),
        # What can't be right is not open.
        ("max_age=", 403),
        ("max_age=0", 403),
        ("max_age=300s", 403),
        (f"max_age={'9' * 5000}", 403),
        ("acr_values=", 403),
        ("acr_values=a%22", 403),
    ],
)
def test_the_address_asks_for_roles_scopes_and_a_sign_in(gate, issuer, query, status):
    signed_in = int(time.time()) - 200
    token = issuer.token(roles=["ADMIN"], scope="orders:read", acr="urn:mfa", auth_time=signed_in)
    assert gate.get(f"/verify?{query}", headers=bearer(token)).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Basic YTpi")],
        [("Authorization", "Bearer x"), ("Authorization", "Bearer y")],
        [("Authorization", "Bearer x y")],
        [("Authorization", f"Bearer {'x' * 20_000}")],
        [("X-Auth-Subject", "root")],
    ],
)
def test_without_a_good_token_it_is_401_with_a_challenge(gate, headers):
    answer = gate.get("/verify?access_token=x", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "x-auth-subject" not in answer.headers


# What each proxy sends: the request's headers, and where it keeps its method and address.
PROXIES = {
    "traefik": ("GET", "/verify", {"X-Forwarded-Method": "POST", "X-Forwarded-Uri": "/orders?q=1"}),
    "caddy": ("GET", "/verify", {"X-Forwarded-Method": "POST", "X-Forwarded-Uri": "/orders?q=1"}),
    "envoy": ("POST", "/verify/orders/1?q=1", {}),
    "nginx": ("GET", "/verify", {"X-Original-Method": "POST", "X-Original-URI": "/orders?q=1"}),
}


@pytest.mark.parametrize("proxy", PROXIES)
def test_every_proxy_is_understood_and_another_sites_page_is_not(gate, issuer, proxy):
    method, path, more = PROXIES[proxy]
    cookie = {"Cookie": f"other=1; carnet-access={issuer.token()}"}

    def ask(**headers):
        return gate.request(method, path, headers={**more, **headers}).status_code

    assert ask(**bearer(issuer.token())) == 200
    assert ask(**cookie, **{"Sec-Fetch-Site": "same-origin"}) == 200
    assert ask(**cookie, Origin=ORIGIN) == 200
    assert ask(**cookie, **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}) == 403
    assert ask(**cookie, Origin="https://evil.example") == 403
    assert ask(**cookie) == 403
    # Who brings a header does not speak through the cookie.
    assert ask(**cookie, **bearer("x")) == 401


@pytest.mark.parametrize(
    "cookies",
    [
        ["carnet-access={good}; carnet-access={good}"],
        ["carnet-access=x; carnet-access={good}"],
        ["carnet-access={good}; carnet-access="],
        ["carnet-access={good}", "carnet-access={good}"],
        ["other=1", "carnet-access=x; carnet-access={good}"],
    ],
)
def test_a_cookie_that_stands_twice_counts_as_not_there(gate, issuer, cookies):
    token = issuer.token()
    headers = [("Cookie", header.format(good=token)) for header in cookies]
    headers.append(("Sec-Fetch-Site", "same-origin"))
    answer = gate.get("/verify", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
    # Once is enough, whichever of several Cookie headers it stands in.
    several = [("Cookie", "other=1"), ("Cookie", f"carnet-access={token}"), headers[-1]]
    assert gate.get("/verify", headers=several).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        [("Origin", "https://evil.example"), ("Origin", ORIGIN)],
        [("Origin", ORIGIN), ("Origin", "https://evil.example")],
        [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-origin")],
        [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
        [("X-Forwarded-Method", "GET"), ("X-Forwarded-Method", "POST")],
        [("X-Forwarded-Method", "POST"), ("X-Forwarded-Method", "GET")],
    ],
)
def test_a_header_that_comes_twice_is_taken_for_neither(gate, issuer, headers):
    cookie = ("Cookie", f"carnet-access={issuer.token()}")
    answer = gate.get("/verify", headers=[cookie, ("X-Original-Method", "POST"), *headers])
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")


@pytest.mark.parametrize(
    "name",
    [
        "X_Auth_Subject",
        "x_auth_subject",
        "X-Auth_Subject",
        "X_Auth-Roles",
        "X_AUTH_CLAIM_DEPARTMENT",
        "X-Auth-Claim_Department",
        "X.Auth.Subject",
    ],
)
def test_a_header_that_a_service_could_take_for_the_gates_does_not_pass(gate, issuer, name):
    answer = gate.get("/verify", headers=[*bearer(issuer.token()).items(), (name, "root")])
    assert (answer.status_code, answer.json()["code"]) == (403, "header_ambiguous")


@pytest.mark.parametrize("name", ["X-AUTH-SUBJECT", "X-Auth-Token", "X_Auth_Token", "X_Other"])
def test_headers_that_are_replaced_or_not_the_gates_pass(gate, issuer, name):
    headers = [*bearer(issuer.token()).items(), (name, "root")]
    assert gate.get("/verify", headers=headers).status_code == 200


def test_a_gate_that_cant_reach_its_issuer_says_so_refuses_and_then_mends(issuer):
    path = "/.well-known/oauth-authorization-server"
    issuer.replies[path] = issuer.replies["/.well-known/openid-configuration"] = (500, b"{}")
    process, url, said = start("--issuer", issuer.url, "--audience", "orders")
    try:
        assert "refusing every request until this is fixed" in said[0]
        token = bearer(issuer.token())
        assert (
            httpx.get(f"{url}/verify", headers=token, trust_env=False, timeout=60).status_code
            == 503
        )
        assert httpx.get(f"{url}/readyz", trust_env=False, timeout=60).status_code == 503
        assert httpx.get(f"{url}/healthz", trust_env=False, timeout=60).status_code == 200
        issuer.replies.clear()
        until = time.monotonic() + 60
        while httpx.get(f"{url}/readyz", trust_env=False, timeout=60).status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert (
            httpx.get(f"{url}/verify", headers=token, trust_env=False, timeout=60).status_code
            == 200
        )
    finally:
        issuer.replies.clear()
        stop(process)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--issuer", "http://auth.example.com", "--audience", "a"), "must begin with https://"),
        (("--issuer", "https://a.example", "--audience", "a", "--cookie", "c"), "needs the origin"),
        (("--issuer", "https://a.example", "--audience", "a", "--claim", "a:b"), "headers"),
        (("--issuer", "https://a.example", "--resource", "http://b.example"), "loopback"),
        (("--issuer", "https://a.example", "--resource-scope", "a"), "goes with --resource"),
    ],
)
def test_what_is_wrong_with_its_flags_is_one_line_and_status_2(carnet, arguments, said):
    done = carnet("gate", "--port", "0", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr


def test_a_taken_port_is_one_line_and_status_2(carnet):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        flags = ("--issuer", "https://a.example", "--audience", "a")
        done = carnet("gate", *flags, "--port", port)
    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 is taken" in done.stderr


class Service(BaseHTTPRequestHandler):
    """A service that believes its headers, as it may behind the gate."""

    def do_GET(self):
        body = json.dumps({name: self.headers.get_all(f"x-auth-{name}") for name in NAMES}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the base class names it so

    def log_message(self, *_):
        pass


@contextmanager
def behind_nginx(root, gate, folder):
    """A real nginx with the blocks of docs/gate.md, before a service and the gate."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("there is no nginx: apt-get install nginx-light")
    page = (root / "docs" / "gate.md").read_text("utf-8")
    upstream, *blocks = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
    block = "".join(blocks)
    service = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=service.serve_forever, args=(0.02,))
    thread.start()
    upstream = upstream.replace("127.0.0.1:8410", gate.base_url.netloc.decode())
    block = block.replace("127.0.0.1:8410", gate.base_url.netloc.decode())
    block = block.replace("127.0.0.1:8500", f"127.0.0.1:{service.server_port}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    paths = "".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;"
        f"events {{}} http {{ access_log off; {paths}"
        f"underscores_in_headers on;\n{upstream}\n"
        f"server {{ listen 127.0.0.1:{port};\n{block}\n}} }}"
    )
    process = processes.start(
        [program, "-e", "stderr", "-p", folder, "-c", config],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60
        ) as client:
            until = time.monotonic() + processes.PATIENCE
            while True:
                try:
                    client.get("/")
                    break
                except httpx.HTTPError:
                    assert process.poll() is None, process.stderr.read()
                    assert time.monotonic() < until
                    time.sleep(0.02)
            yield client
    finally:
        stop(process)
        service.shutdown()
        thread.join()
        service.server_close()


@pytest.fixture(scope="module")
def nginx(root, gate, tmp_path_factory):
    with behind_nginx(root, gate, tmp_path_factory.mktemp("nginx")) as client:
        yield client


FORGED = [(f"X-Auth-{name.title()}", "root") for name in NAMES]


def test_behind_nginx_a_service_learns_who_it_is_and_nothing_from_outside(nginx, issuer):
    token = issuer.token(roles=["ADMIN"])
    answer = nginx.post("/orders", headers=[*bearer(token).items(), *FORGED], content=b"x" * 9)
    assert answer.status_code == 200
    assert answer.json() == {
        "subject": ["ada"],
        "session": None,
        "client": ["c"],
        "roles": ["ADMIN"],
        "scope": None,
    }


def test_behind_nginx_no_other_spelling_of_a_name_passes(nginx, issuer):
    for name in ("X_Auth_Subject", "X-Auth_Roles"):
        headers = [*bearer(issuer.token()).items(), (name, "root")]
        assert nginx.get("/orders", headers=headers).status_code == 403


def test_behind_nginx_nobody_passes_without_a_good_token(nginx, issuer):
    for headers in ([], FORGED, [("Authorization", "Bearer x")]):
        answer = nginx.get("/orders", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert nginx.get("/gate").status_code == 404


def test_behind_nginx_a_path_can_ask_for_a_role(nginx, issuer):
    assert nginx.get("/admin/", headers=bearer(issuer.token())).status_code == 403
    admin = issuer.token(roles=["ADMIN"])
    answer = nginx.get("/admin/", headers=[*bearer(admin).items(), *FORGED])
    assert (answer.status_code, answer.json()["subject"]) == (200, ["ada"])
    assert answer.json()["roles"] is None


def test_behind_nginx_a_client_finds_the_metadata_and_hears_of_all_scopes(
    root, issuer, tmp_path_factory
):
    resource = "https://orders.example.com/api"
    flags = ("--resource", resource, "--resource-scope", "a", "--resource-scope", "b")
    process, url, said = start("--issuer", issuer.url, *flags)
    assert url, said
    metadata = "/.well-known/oauth-protected-resource/api"
    named = f'resource_metadata="https://orders.example.com{metadata}"'
    try:
        with (
            httpx.Client(base_url=url) as gate,
            behind_nginx(root, gate, tmp_path_factory.mktemp("nginx")) as nginx,
        ):
            assert nginx.get(metadata).json() == {
                "resource": resource,
                "authorization_servers": [issuer.url],
                "scopes_supported": ["a", "b"],
                "bearer_methods_supported": ["header"],
            }
            told = nginx.get("/orders").headers["www-authenticate"]
            assert told == f'Bearer scope="a b", {named}'
            token = issuer.token(aud=resource)
            assert nginx.get("/orders", headers=bearer(token)).status_code == 200
            lacking = nginx.get("/admin/", headers=bearer(token))
            assert lacking.status_code == 403
            assert named in lacking.headers["www-authenticate"]
            wrong = nginx.get("/orders", headers=bearer(issuer.token()))
            assert wrong.status_code == 401
            assert named in wrong.headers["www-authenticate"]
    finally:
        stop(process)
