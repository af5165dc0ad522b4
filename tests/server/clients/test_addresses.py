"""The addresses that clients register: through the API, the command line and the pages."""

import re

import pytest

from carnet.server.clients.addresses import BadAddress, check_private_address, check_web_address
from carnet.server.clients.clients import ClientMetadata, ClientRefused, check_metadata

BAD = [
    "https://xn--/l",
    "https://xn--a/l",
    "https://XN--/l",
    "https://a.xn--0.example/",
    "https://app.example:99999/l",
    "https://app.example:65536/",
    "https://app.example:0/",
    "https://app.example:00443/",
    "https://app.example:/",
    "https://app.example:99x/",
    "https://user@app.example/",
    "https://user:secret@app.example/",
    "https://app.example/#fragment",
    "https://app.example/#",
    "https://-app.example/",
    "https://app-.example/",
    "https://app..example/",
    "https://.example/",
    "https://app.example./",
    "https://app_1.example/",
    f"https://{'a' * 64}.example/",
    f"https://{'.'.join(['abcdefg'] * 33)}/",
    f"https://app.example/{'a' * 2048}",
    "https://256.1.1.1/",
    "https://127.1/",
    "https://1.2.3.4.5/",
    "https://0x7f.0x1/",
    "https://[::1/",
    "https://[::g]/",
    "https://[fe80::1%25eth0]/",
    "https://[1:2]/",
    "https:///l",
    "https://",
    "https:app.example/l",
    "//app.example/l",
    "/l",
    "http://app.example/",
    "http://localhost.evil.example/",
    "http://127.0.0.1.evil.example/",
    "HTTP://app.example/",
    "ftp://app.example/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:text/html,x",
    "https://app.example/a b",
    " https://app.example/",
    "https://app.example/\n",
    "https://app.example/a\tb",
    "https://app.example/a\0",
    "https://app.example/%00",
    "https://app.example/%0d%0aX",
    "https://app.example/?a=%0A",
    "https://app.example/%7F",
    "https://app.example/%",
    "https://app.example/%zz",
    "https://app.example/a/../b",
    "https://app.example/./b",
    "https://app.example/%2e%2E/b",
    "https://app.example/a/..%2fb",
    "https://app.example/a%5c..%5cb",
    "https://app.example\\@evil.example/",
    "https://*.example/",
    "https://bücher.example/",
    "https://app.example/ü",
    'https://app.example/"',
    "https://app.example/<x>",
]
GOOD = [
    "https://app.example",
    "https://app.example/callback?a=b&c=%C3%BC",
    "https://app.example:65535/",
    "https://xn--bcher-kva.example/l",
    "https://r3---sn.app.example/",
    "https://192.0.2.1:8443/",
    "https://[2001:db8::1]/",
    "https://app.example/a..b/...",
    "http://localhost:8080/l",
    "http://127.0.0.1/l",
    "http://[::1]:1/l",
]
MEMBERS = ("redirect_uris", "post_logout_redirect_uris", "backchannel_logout_uri")


def metadata(name, address):
    value = address if name == "backchannel_logout_uri" else (address,)
    return {"redirect_uris": ("https://app.example/",), name: value}


@pytest.mark.parametrize("address", BAD)
def test_an_address_that_can_not_be_used_is_refused_for_every_member(address):
    for check in (check_web_address, check_private_address):
        with pytest.raises(BadAddress):
            check(address)
    for name in MEMBERS:
        with pytest.raises(ClientRefused) as refused:
            check_metadata(ClientMetadata(**metadata(name, address)))
        expected = "redirect_uri" if name == "redirect_uris" else "client_metadata"
        assert refused.value.code == f"invalid_{expected}"
        assert str(refused.value).startswith(f"{name} is ")


@pytest.mark.parametrize("address", GOOD)
def test_an_address_that_can_be_used_is_taken_and_httpx_can_use_it(address):
    import httpx

    for name in MEMBERS:
        check_metadata(ClientMetadata(**metadata(name, address)))
    assert httpx.URL(address).host


def test_a_scheme_of_an_apps_own_is_for_browsers_only():
    check_private_address("com.example.app:/callback")
    for address in ("com.example.app:/callback", "myapp:/callback"):
        with pytest.raises(BadAddress):
            check_web_address(address)
    with pytest.raises(BadAddress):
        check_private_address("myapp:/callback")


SOME = ("https://xn--/l", "https://app.example:99999/l", "https://user@app.example/")


def test_the_api_names_the_member_with_the_error_of_rfc_7591(server, carnet):
    done = carnet("user", "roles", "alice", "carnet:admin", data=server.data)
    assert done.returncode == 0
    bearer = {"Authorization": f"Bearer {server.sign_in_to_api().json()['access_token']}"}
    for name in MEMBERS:
        for address in SOME:
            body = metadata(name, address)
            for answer in (
                server.client.post("/clients", json=body, headers=bearer),
                server.client.put("/clients/x", json=body, headers=bearer),
            ):
                told = answer.json()
                assert answer.status_code == 400
                kind = "redirect_uri" if name == "redirect_uris" else "client_metadata"
                assert told["error"] == f"invalid_{kind}"
                assert told["error_description"].startswith(name)


def test_the_command_line_refuses_them_in_one_line(carnet, tmp_path):
    for flag in MEMBERS:
        option = f"--{flag.removesuffix('s').replace('_', '-')}"
        flags = ["--redirect-uri", "https://app.example/", option, SOME[0]]
        done = carnet("client", "add", "App", *flags, data=tmp_path / "data")
        assert done.returncode == 2
        assert flag in done.stderr
        assert done.stderr.count("\n") == 1


def test_the_page_refuses_them_beside_the_field(server, carnet):
    from tests.server.flows import Person, hidden

    assert carnet("user", "roles", "alice", "carnet:admin", data=server.data).returncode == 0
    person = Person(server)
    page = person.go("/admin/clients/new")
    for address in SOME:
        form = {**hidden(page.text), "client_name": "App", "kind": "web", "redirect_uris": address}
        answer = person.client.post("/admin/clients/new", data=form)
        assert answer.status_code == 422
        assert re.search(r"redirect_uris|URL", answer.text)
