"""The attacks of RFC 9700 on the authorization code flow, one test each."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import httpx
import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK, Person, Request, add_client, hidden, signed_in

from carnet.server.oauth.authorization_request import redirect_matches

LOOPBACK = "http://127.0.0.1/native"

NOT_REGISTERED = [
    "https://evil.example/callback",
    "https://app.example/callback/",
    "https://app.example/callback?more=1",
    "https://app.example/callback#fragment",
    "https://app.example/Callback",
    "https://APP.example/callback",
    "http://app.example/callback",
    "https://app.example:443/callback",
    "https://app.example/x/../callback",
    "https://app.example/%63allback",
    "https://app.example/callback%2f..%2f..",
    "https://app.example@evil.example/callback",
    "https://evil.example/?https://app.example/callback",
    "https://app.example.evil.example/callback",
    "https://app.example\\@evil.example/callback",
    "//app.example/callback",
    "javascript:alert(1)//https://app.example/callback",
    "http://127.0.0.1:80:80/native",
    "http://127.0.0.1:8080@evil.example/native",
    "http://127.0.0.1.evil.example/native",
    "http://localhost:8080/native",
    "https://127.0.0.1:8080/native",
    "http://127.0.0.1:8080/native/",
    "http://127.0.0.1:99999999/native",
]

WRONG = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"request": "x"}, "invalid_request_object"),
    ({"request_uri": "https://app.example/r"}, "request_uri_not_supported"),
    ({"scope": "payroll:write"}, "invalid_scope"),
    ({"resource": "payroll"}, "invalid_target"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"prompt": "dance"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"nonce": "n" * 3000}, "invalid_request"),
    ({"dpop_jkt": "x"}, "invalid_request"),
]


@pytest.fixture
def server(start, tmp_path):
    more = {"redirect_uris": (CALLBACK, LOOPBACK), "first_party": True}
    add_client(tmp_path / "data", **more)
    add_client(tmp_path / "data", "other", **more)
    return start()


def refused_page(server, parameters):
    """Send a request that nobody may be led on from, and give the page."""
    query = parameters if isinstance(parameters, str) else urlencode(parameters)
    answer = server.client.get(f"/authorize?{query}", headers={"Accept": "text/html"})
    assert answer.status_code == 400, answer.headers
    assert "location" not in answer.headers
    assert "can&#39;t go on" in answer.text
    return answer.text


def test_4_1_insufficient_redirect_uri_validation(server):
    for address in NOT_REGISTERED:
        page = refused_page(server, Request(redirect_uri=address).parameters)
        assert "evil.example" not in page


def test_4_1_only_the_port_of_this_very_machine_may_differ():
    assert redirect_matches(LOOPBACK, "http://127.0.0.1:51234/native")
    assert redirect_matches("http://[::1]:1/a?b=c", "http://[::1]:2/a?b=c")
    assert not redirect_matches("http://127.0.0.1/a", "http://[::1]/a")
    assert not redirect_matches("http://127.0.0.1:1/a", "http://127.0.0.1:2/b")
    assert not redirect_matches("https://app.example:1/a", "https://app.example:2/a")


def test_4_2_credential_leakage_by_the_referrer(server):
    person = Person(server)
    page = person.client.get(f"/sign-in?continue={quote('/authorize?code=x')}")
    assert page.headers["referrer-policy"] in ("same-origin", "no-referrer")
    signed_in(server, person)
    answer = person.client.get(f"/authorize?{urlencode(Request().parameters)}")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


def test_4_4_mix_up(server):
    """Every answer, good or bad, names its issuer (RFC 9207)."""
    person = Person(server)
    good = person.authorize(**Request().parameters)
    bad = person.authorize(**Request(scope="\u00e9").parameters)
    assert good["iss"] == bad["iss"] == server.url
    assert bad["error"] == "invalid_scope"


def test_4_5_authorization_code_injection(server):
    """A stolen code is worth nothing in another's session: the verifier is not the same."""
    stolen = Person(server).authorize(**Request().parameters)["code"]
    answer = Request().exchange(server, stolen)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"


def test_4_5_a_code_of_another_client_and_for_another_address(server):
    asked = Request()
    code = Person(server).authorize(**asked.parameters)["code"]
    for more in ({"client_id": "other"}, {"redirect_uri": LOOPBACK}, {"redirect_uri": None}):
        answer = asked.exchange(server, code, **more)
        assert answer.json()["error"] == "invalid_grant"
    # None of these had to do with the one that it was given to, which still has it.
    assert asked.exchange(server, code).status_code == 200


def test_4_5_a_code_used_again_ends_what_it_gave(server):
    asked = Request()
    code = Person(server).authorize(**asked.parameters)["code"]
    body = asked.exchange(server, code).json()
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert server.client.get("/userinfo", headers=headers).status_code == 200
    assert asked.exchange(server, code).json()["error"] == "invalid_grant"
    assert server.client.get("/userinfo", headers=headers).status_code == 401
    form = {"refresh_token": body["refresh_token"], "client_id": "app"}
    again = server.client.post("/token", data={"grant_type": "refresh_token", **form})
    assert again.json()["error"] == "invalid_grant"


def test_4_5_of_many_uses_at_once_at_most_one_is_answered(server):
    asked = Request()
    code = Person(server).authorize(**asked.parameters)["code"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: asked.exchange(server, code), range(8)))
    given = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(given) == 1
    headers = {"Authorization": f"Bearer {given[0]['access_token']}"}
    assert server.client.get("/userinfo", headers=headers).status_code == 401


def test_4_5_a_code_is_good_for_a_minute(play):
    from carnet.server.clients.clients import Client, ClientMetadata, Secrets
    from carnet.server.oauth.authorization_codes import CodeRefused
    from carnet.server.oauth.authorization_request import read_authorization_request
    from carnet.server.sessions.sessions import BROWSER, NewSession

    asked = Request()

    async def scene(service, clock):
        account = await service.accounts.create("alice", PASSWORD)
        login = await service.sessions.begin(account, NewSession(BROWSER, "orders"))
        client = Client("app", Secrets(), ClientMetadata(redirect_uris=(CALLBACK,)))
        given = {name: [value] for name, value in asked.parameters.items()}
        request = read_authorization_request(
            given, client, lambda _: ("orders",), lambda *asked: frozenset(asked[2])
        )

        async def exchange(seconds):
            code = await service.codes.issue(request, account.id, login.session_id, clock(), "pwd")
            clock.advance(seconds)
            presented = await service.codes.read(code, client)
            await service.codes.check(presented, CALLBACK, asked.verifier, "", ("", "", None))

        with pytest.raises(CodeRefused) as refused:
            await exchange(60)
        return refused.value.code

    assert play(scene) == "expired"


def test_4_7_cross_site_request_forgery_at_sign_in_and_consent(server):
    """Another site can neither sign a browser in as somebody else nor consent for anyone."""
    person = Person(server)
    signed_in(server, person)
    forms = {
        "/sign-in": {"username": "alice", "password": PASSWORD, "continue": "/me"},
        "/authorize/decision": {
            "request": urlencode(Request().parameters),
            "account": "x",
            "decision": "allow",
        },
        "/logout/decision": {"request": ""},
    }
    for action, form in forms.items():
        for more in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": server.url, "Sec-Fetch-Site": "cross-site"},
            {"Origin": server.url, "Sec-Fetch-Site": "same-site"},
        ):
            answer = person.client.post(action, data=form, headers=more)
            assert answer.status_code == 403, (action, more)
            assert "set-cookie" not in answer.headers
    assert "code" in person.authorize(**Request(prompt="none").parameters)


def test_4_8_pkce_downgrade(server):
    for more in (
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": "short"},
    ):
        answer = Person(server).authorize(**Request(**more).parameters)
        assert answer["error"] == "invalid_request"
    asked = Request()
    code = Person(server).authorize(**asked.parameters)["code"]
    assert asked.exchange(server, code, code_verifier=None).json()["error"] == "invalid_request"
    assert asked.exchange(server, code, code_verifier="x").json()["error"] == "invalid_request"
    assert asked.exchange(server, code).status_code == 200


def test_4_11_open_redirector(server):
    """What is wrong with client or address leads nowhere; neither do sign-in and logout."""
    refused_page(server, Request(client_id="nobody").parameters)
    refused_page(server, Request(client_id=None).parameters)
    refused_page(server, "%zz&&=;")
    person = Person(server)
    for address in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
    ):
        form = {"username": "alice", "password": PASSWORD, "continue": address}
        answer = person.client.post("/sign-in", data=form)
        assert answer.headers["location"] == "/me"
    query = urlencode({"client_id": "app", "post_logout_redirect_uri": CALLBACK})
    answer = person.client.get(f"/logout?{query}")
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_4_12_a_password_never_goes_on_with_a_redirect(server):
    """Every redirect after a form is 303: the browser goes on by GET."""
    person = Person(server)
    form = {"username": "alice", "password": PASSWORD, "continue": "/me"}
    assert person.client.post("/sign-in", data=form).status_code == 303
    answer = person.client.get(f"/authorize?{urlencode(Request().parameters)}")
    assert answer.status_code == 303


def test_4_16_clickjacking(server):
    person = Person(server)
    pages = [person.client.get("/sign-in")]
    signed_in(server, person)
    asked = urlencode(Request(prompt="consent").parameters)
    pages += [person.client.get(f"/authorize?{asked}"), person.client.get("/logout")]
    for page in pages:
        assert page.status_code == 200
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


def test_duplicate_parameters_are_refused(server):
    """RFC 6749 section 3.1."""
    given = urlencode(Request().parameters)
    refused_page(server, f"{given}&redirect_uri={quote(CALLBACK)}")
    refused_page(server, f"{given}&client_id=app")
    for name, error in (("scope", "invalid_request"), ("resource", "invalid_target")):
        answer = server.client.get(f"/authorize?{given}&{name}=a&{name}=b")
        told = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
        assert told["error"] == error
        assert told["state"] == "a state"
    answer = server.client.get(f"/authorize?{given}&state=b")
    assert "state=" not in answer.headers["location"]


def test_a_wrong_request_of_a_known_client_is_told_to_it(server):
    person = Person(server)
    for more, error in WRONG:
        answer = person.authorize(**Request(**more).parameters)
        assert answer["error"] == error, more
        assert answer["state"] == "a state"
        assert answer["iss"] == server.url


def test_nothing_is_reflected_unescaped(server, start, tmp_path):
    script = "<script>alert(1)</script>"
    page = refused_page(server, {"client_id": script, "redirect_uri": script, "state": script})
    assert "<script>alert" not in page
    add_client(tmp_path / "named", client_name=script)
    person = Person(start(data=tmp_path / "named"))
    asked = Request(state=script, scope="openid").parameters
    person.client.post("/sign-in", data={"username": "alice", "password": PASSWORD})
    page = person.client.get(f"/authorize?{urlencode(asked)}")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;" in page.text
    assert dict(parse_qsl(hidden(page.text)["request"])) == asked


def test_an_id_token_is_no_access_token(server):
    body = signed_in(server)
    headers = {"Authorization": f"Bearer {body['id_token']}"}
    assert server.client.get("/userinfo", headers=headers).status_code == 401


def test_the_consent_of_one_account_is_not_taken_for_another(server, add_user):
    add_user("bob")
    person = Person(server)
    signed_in(server, person)
    asked = urlencode(Request(prompt="consent").parameters)
    page = person.client.get(f"/authorize?{asked}")
    person.client.post("/sign-in", data={"username": "bob", "password": PASSWORD})
    form = {**hidden(page.text), "decision": "allow"}
    answer = person.client.post("/authorize/decision", data=form)
    assert answer.headers["location"].startswith("/sign-in?")


def test_an_app_in_a_browser_may_ask_from_its_own_origin_without_cookies(server):
    """RFC 9700 section 2.6: no answer to another origin depends on a cookie."""
    headers = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "dpop",
    }
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        for path in ("/token", "/userinfo", "/revocation"):
            asked = client.options(path, headers=headers)
            assert asked.status_code == 200
            assert asked.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in asked.headers
        for path in ("/authorize", "/sign-in", "/logout", "/sessions"):
            told = client.get(path, headers={"Origin": "https://app.example"})
            assert "access-control-allow-origin" not in told.headers


def test_who_finds_a_browser_signed_in_can_not_say_that_the_password_is_new(server):
    person = Person(server)
    signed_in(server, person)
    asked = Request(prompt="login").parameters

    def mark_of(parameters):
        answer = person.client.get(f"/authorize?{urlencode(parameters)}")
        [following] = parse_qs(urlsplit(answer.headers["location"]).query)["continue"]
        return parse_qs(urlsplit(following).query)["reauthenticated_since"][0]

    of_another = mark_of(Request(prompt="login").parameters)
    moment, _, mac = mark_of(asked).partition(".")
    for forged in ("0", "0.", f"0.{mac}", f"{int(moment) - 10**9}.{mac}", of_another, "x.y", "é"):
        person.forms.clear()
        assert "code" in person.authorize(**asked, reauthenticated_since=forged)
        assert person.forms == ["/sign-in"], forged
    # Nor by what the consent page would send.
    page = person.client.get(f"/authorize?{urlencode(Request(prompt='consent').parameters)}")
    form = {**hidden(page.text), "request": urlencode(asked), "decision": "allow"}
    answer = person.client.post("/authorize/decision", data=form)
    assert urlsplit(answer.headers["location"]).path == "/sign-in"
