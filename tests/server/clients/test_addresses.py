"""The addresses that clients register: through the API, the command line and the pages."""

import re

import pytest

from carnet.server.clients.addresses import BadAddress, check_private_address, check_web_address
from carnet.server.clients.clients import ClientMetadata, ClientRefused
from carnet.server.clients.metadata_checks import check_metadata

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
        assert str(refused.value).startswith(f"{name} must be ")


@pytest.mark.parametrize("address", GOOD)
def test_an_address_that_can_be_used_is_taken_and_httpx_can_use_it(address):
    import httpx

    for name in MEMBERS:
        check_metadata(ClientMetadata(**metadata(name, address)))
    assert httpx.URL(address).host


APPS = [
    "com.example.app:/callback",
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "vscode://vscode.github-authentication/did-authenticate?nonce=1",
    "vscode-insiders://auth",
    "claude://claude.ai/mcp-auth-callback",
    "windsurf://callback",
    "chromatic://callback",
    "operator:/callback",
    "myapp:callback",
    "a:/",
]
NO_APPS = [
    "javascript:alert(1)",
    "javascript://anysphere.cursor-mcp/%2e%2e/callback",
    "vbscript:x",
    "data:text/html,x",
    "blob:https://app.example/x",
    "filesystem:https://app.example/x",
    "about:blank",
    "view-source:https://app.example/",
    "file:///etc/passwd",
    "smb://server/share",
    "content://com.example/x",
    "ws://app.example/",
    "wss://app.example/",
    "ftp://app.example/",
    "ldap://app.example/",
    "mailto:a@example.com",
    "tel:1",
    "sms:1",
    "facetime-audio:1",
    "intent://app/callback",
    "android-app://com.example/https/app",
    "chrome://settings",
    "chrome-extension://abc/callback",
    "moz-extension://abc/callback",
    "microsoft-edge:https://evil.example/",
    "googlechromes://evil.example/",
    "x-safari-https://evil.example/",
    "web+app:/callback",
    "ext+app:/callback",
    "matrix:u/app",
    "urn:ietf:wg:oauth:2.0:oob",
    "ms-settings:privacy",
    "search-ms:query=x",
    "itms-services://?action=download-manifest",
    "http://app.example/callback",
    "https:callback",
    # Another case is the same scheme to a browser.
    "JavaScript:alert(1)",
    "jAVASCRIPT:alert(1)",
    "Cursor://anysphere.cursor-mcp/oauth/callback",
    "com.example.App:/callback",
    "java%73cript:alert(1)",
    "1app:/callback",
    "+app:/callback",
    "my_app:/callback",
    ":/callback",
    "callback",
    "myapp:a b",
    "myapp://user@host/callback",
    "myapp:/callback#fragment",
    "myapp:/../callback",
    f"{'a' * 65}:/callback",
]


@pytest.mark.parametrize("address", APPS)
def test_a_scheme_of_an_apps_own_is_for_browsers_only(address):
    check_private_address(address)
    with pytest.raises(BadAddress):
        check_web_address(address)


@pytest.mark.parametrize("address", NO_APPS)
def test_what_browsers_and_systems_act_on_themselves_is_no_apps_scheme(address):
    for plain_http in (False, True):
        if plain_http and address.startswith("http:"):
            continue
        with pytest.raises(BadAddress):
            check_private_address(address, plain_http=plain_http)


def test_the_error_says_why_a_scheme_is_no_apps():
    with pytest.raises(BadAddress, match=r"the scheme web\+app is what a website may have itself"):
        check_private_address("web+app:/callback")
    with pytest.raises(BadAddress, match="the scheme vbscript runs a script"):
        check_private_address("vbscript:x")


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
