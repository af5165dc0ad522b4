"""Clients that publish themselves what they are, against a stranger's server on a real socket."""

import asyncio
import json
import re
from urllib.parse import urlencode, urlsplit

import pytest
import structlog
from tests.server.conftest import PASSWORD
from tests.server.flows import Request
from tests.server.inside import Inside
from tests.server.strangers import stranger

from carnet import Key, inspect
from carnet.jose import jws
from carnet.jose.encoding import json_encode
from carnet.server.accounts.throttle import Delayed
from carnet.server.audit import OPERATOR, Origin, newest
from carnet.server.clients.fetched_keys import Publisher
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.oauth.client_metadata_documents import DocumentRefused

ISSUER = "https://auth.example.com"
FORMS = ["/sign-in", "/authorize/decision"]
HERE = Origin("192.0.2.7", "", "alice")


@pytest.fixture
def there(tmp_path, monkeypatch):
    with stranger(tmp_path, monkeypatch) as server:
        yield server


@pytest.fixture
def played(play):
    """Run a scene with alice and a resource that is open to clients that nobody has registered."""

    def run(scene, private_hosts=("localhost",), is_open=True):
        async def prepared(service, clock):
            await service.accounts.create("alice", PASSWORD)
            opened = ResourceMetadata(scopes=("tools:call",), unregistered_clients=is_open)
            await service.registry.add_resource("tools", opened, OPERATOR)
            return await scene(service, clock, Inside(service))

        more = {"issuer": ISSUER, "private_hosts": private_hosts}
        return play(prepared, **more)

    return run


def address_of(client_id, **more):
    parameters = Request(client_id=client_id, scope="tools:call", **more).parameters
    return f"/authorize?{urlencode(parameters)}"


async def page(person, client_id, **more):
    """Sign in, and give the page that comes then."""
    await person.sign_in()
    return await person.client.get(address_of(client_id, **more))


async def problem(person, client_id, **more):
    """Sign in, and give the status and the words of the page that says what is wrong."""
    answer = await page(person, client_id, **more)
    assert "Nothing has been sent anywhere" in answer.text, answer.text
    return answer.status_code, re.sub(r"&#3[49];", "'", answer.text)


def test_a_client_that_nobody_has_registered_gets_tokens_by_its_document(there, played):
    client_id = there.publish()

    async def scene(service, _clock, person):
        asked, answer = await person.authorize(client_id=client_id, scope="tools:call openid")
        assert person.forms == FORMS
        assert (answer["iss"], answer["state"]) == (ISSUER, "a state")
        body = (await person.exchange(asked, answer["code"])).json()
        claims = inspect(body["access_token"]).claims
        assert (claims["aud"], claims["client_id"]) == ("tools", client_id)
        assert inspect(body["id_token"]).claims["aud"] == client_id
        again = await person.refresh(body["refresh_token"], client_id)
        assert again.status_code == 200
        assert [line.split()[1] for line in there.requests] == ["/client.json"]
        told = await newest(service.store, 20)
        [made] = [one for one in told if one.event == "client_created"]
        alice = await service.accounts.find("alice")
        assert (made.reason, made.actor) == (client_id, alice.id)

    played(scene)


def test_one_with_keys_proves_itself_with_them(there, played):
    key = Key.generate("ES256")
    client_id = there.publish(
        token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key.public.to_jwk()]}
    )

    async def scene(_service, clock, person):
        asked, answer = await person.authorize(client_id=client_id, scope="tools:call")

        async def exchange(signing):
            now = clock() // 1_000_000
            said = {"iss": client_id, "sub": client_id, "aud": ISSUER, "jti": str(id(signing))}
            assertion = jws.sign(json_encode({**said, "exp": now + 60, "iat": now}), signing)
            kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            proof = {"client_assertion": assertion, "client_assertion_type": kind}
            return await person.exchange(asked, answer["code"], **proof)

        assert (await person.exchange(asked, answer["code"])).status_code == 401
        assert (await exchange(Key.generate("ES256"))).status_code == 401
        assert (await exchange(key)).status_code == 200
        asked_about = {"token": "x", "client_id": client_id}
        return (await person.client.post("/introspection", data=asked_about)).status_code

    assert played(scene) == 401


def test_one_that_publishes_its_keys_is_asked_for_them_once_a_person_has_let_it_in(there, played):
    key = Key.generate("ES256", kid="own")
    there.put("/keys", json.dumps({"keys": [key.public.to_jwk()]}).encode())
    client_id = there.publish(
        token_endpoint_auth_method="private_key_jwt", jwks_uri=f"{there.url}/keys"
    )

    async def scene(service, clock, person):
        async def proof(number):
            now = clock() // 1_000_000
            said = {"iss": client_id, "sub": client_id, "aud": ISSUER, "jti": str(number)}
            assertion = jws.sign(json_encode({**said, "exp": now + 60}), key)
            kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            return {"client_assertion": assertion, "client_assertion_type": kind}

        # It is known now, but nobody has agreed.
        await page(person, client_id)
        for number in range(3):
            answer = await person.refresh("x", client_id, **await proof(number))
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert [line.split()[1] for line in there.requests] == ["/client.json"]
        asked, answer = await person.authorize(client_id=client_id, scope="tools:call")
        told = await person.exchange(asked, answer["code"], **await proof(4))
        assert told.status_code == 200, told.text
        assert [line.split()[1] for line in there.requests] == ["/client.json", "/keys"]
        # What is fetched for such clients is in nobody else's way, and helps nobody else.
        keys = await service.fetched_keys.keys(Publisher(jwks_uri=f"{there.url}/keys"))
        assert [key.kid for key in keys] == ["own"]
        assert len(there.requests) == 3

    played(scene)


def test_nothing_is_fetched_for_a_stranger(there, played):
    client_id = there.publish()

    async def scene(service, _clock, person):
        for number in range(50):
            answer = await person.client.get(address_of(f"{client_id}?{number}"))
            assert answer.headers["location"].startswith("/sign-in?")
        framed = {"Sec-Fetch-Dest": "iframe"}
        await person.sign_in()
        answer = await person.client.get(address_of(client_id), headers=framed)
        assert answer.headers["location"].startswith("/sign-in?")
        person.client.cookies.clear()
        form = {
            "decision": "allow",
            "account": "x",
            "request": urlsplit(address_of(client_id)).query,
        }
        await person.client.post("/authorize/decision", data=form)
        silent = await person.client.get(address_of(client_id, prompt="none"))
        assert (silent.status_code, "Nobody is signed in" in silent.text) == (400, True)
        for path in ("/token", "/revocation", "/introspection"):
            for grant in ("authorization_code", "refresh_token"):
                form = {"client_id": client_id, "grant_type": grant, "code": "x", "token": "x"}
                assert (await person.client.post(path, data=form)).status_code == 401
        return there.connections

    assert played(scene) == 0


def test_a_new_sign_in_that_is_asked_for_counts_before_the_client_is_known(there, played):
    client_id = there.publish()

    async def scene(_service, _clock, person):
        await person.authorize(client_id=client_id, scope="tools:call", prompt="login")
        return person.forms

    assert played(scene) == FORMS


def test_nothing_is_fetched_while_no_resource_is_open(there, played):
    client_id = there.publish()

    async def scene(_service, _clock, person):
        status, text = await problem(person, client_id)
        assert (status, "not known" in text) == (400, True)
        said = (await person.client.get("/.well-known/oauth-authorization-server")).json()
        return said["client_id_metadata_document_supported"], there.connections

    assert played(scene, is_open=False) == (False, 0)


def test_the_metadata_say_that_documents_are_read(played):
    async def scene(_service, _clock, person):
        said = (await person.client.get("/.well-known/oauth-authorization-server")).json()
        return said["client_id_metadata_document_supported"]

    assert played(scene) is True


@pytest.mark.parametrize(
    "client_id",
    [
        *("https://127.0.0.1/c", "https://127.1/c", "https://2130706433/c", "https://0x7f000001/c"),
        *("https://0177.0.0.1/c", "https://017700000001/c", "https://0/c", "https://10.0.0.1/c"),
        *("https://169.254.169.254/latest/meta-data", "https://[::1]/c", "https://[fe80::1]/c"),
        *("https://[fd00:ec2::254]/c", "https://[::ffff:127.0.0.1]/c", "https://[::ffff:7f00:1]/c"),
        *("https://[64:ff9b::a9fe:a9fe]/c", "https://[2002:7f00:1::]/c", "https://100.64.0.1/c"),
        *("https://user@app.example/c", "https://app.example:secret@app.example/c"),
        *("https://app.example/c#x", "https://app.example", "https://app.example/"),
        *("https://app.example/a/../c", "https://app.example/./c", "https://app.example/%2e%2e/c"),
        *("https://app.example:0/c", "https://app.example:99999/c", "https:///c", "https://a_b/c"),
        *("https://app.example\\@127.0.0.1/c", "https://xn--a/c", "https://app.example/%zz"),
    ],
)
def test_an_address_that_can_be_no_documents_is_not_asked(there, played, client_id):
    async def scene(service, _clock, person):
        async def resolve(*_asked):
            raise AssertionError("nothing is looked up")

        service.documents._fetch._resolve = resolve
        status, text = await problem(person, client_id)
        assert (status, "has to be" in text) == (400, True)

    played(scene)


def test_a_document_at_a_private_address_is_not_asked_for(there, played):
    client_id = there.publish()

    async def scene(_service, _clock, person):
        status, text = await problem(person, client_id)
        assert f"at localhost:{there.port} " in text
        assert "no public address" in text
        return status, there.connections

    assert played(scene, private_hosts=()) == (400, 0)


@pytest.mark.parametrize(
    ("members", "member"),
    [
        ({"client_id": "https://app.example/client.json"}, "client_id"),
        ({"client_id": ...}, "client_id"),
        ({"client_id": ["x"]}, "client_id"),
        ({"client_name": ...}, "client_name"),
        ({"client_name": " "}, "client_name"),
        ({"client_name": 5}, "client_name"),
        ({"client_name": "x" * 300}, "client_name"),
        ({"client_secret": "x"}, "client_secret"),
        ({"client_secret_expires_at": 0}, "client_secret_expires_at"),
        ({"redirect_uris": ...}, "redirect_uris"),
        ({"redirect_uris": []}, "redirect_uris"),
        ({"redirect_uris": "https://app.example/callback"}, "redirect_uris"),
        ({"redirect_uris": ["http://app.example/callback"]}, "redirect_uris"),
        ({"redirect_uris": ["https://app.example/*"]}, "redirect_uris"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "redirect_uris"),
        ({"redirect_uris": ["https://app.example/callback"] * 65}, "redirect_uris"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "client_secret_post"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "jwks"),
        (
            {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "x"}]}},
            "jwks",
        ),
        (
            {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://a.example/k"},
            "jwks_uri",
        ),
        (
            {
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks_uri": "https://a.example/k",
                "jwks": {"keys": [Key.generate("ES256").public.to_jwk()]},
            },
            "jwks_uri",
        ),
        (
            {"token_endpoint_auth_method": "federated_jwt"},
            "token_endpoint_auth_method",
        ),
        ({"jwks": [1]}, "jwks"),
        ({"grant_types": ["client_credentials"]}, "grant_types"),
        ({"grant_types": ["refresh_token"]}, "grant_types"),
        ({"grant_types": "authorization_code"}, "grant_types"),
        ({"response_types": ["token"]}, "response_types"),
        ({"scope": ["a"]}, "scope"),
        ({"scope": 'a "b"'}, "scope"),
        ({"logo_uri": 5}, "logo_uri"),
        ({"client_uri": {}}, "client_uri"),
        ({"contacts": "me"}, "contacts"),
        ({"dpop_bound_access_tokens": "yes"}, "dpop_bound_access_tokens"),
    ],
)
def test_a_document_that_is_wrong_is_told_of_with_its_host_and_the_member(
    there, played, members, member
):
    client_id = there.publish(**members)

    async def scene(service, _clock, person):
        with structlog.testing.capture_logs() as logs:
            status, text = await problem(person, client_id)
        assert f"localhost:{there.port} publishes about itself" in text
        assert f"for its member {member}:" in text
        [line] = [one for one in logs if one["event"] == "client_document_refused"]
        assert (line["host"], line["member"]) == (f"localhost:{there.port}", member)
        return status, await service.registry.find(client_id)

    assert played(scene) == (400, None)


def test_what_a_document_says_beyond_that_is_ignored(there, played):
    client_id = there.publish(
        first_party=True,
        plain_http=True,
        resources=["orders"],
        introspects=["tools"],
        backchannel_logout_uri="http://127.0.0.1/",
        post_logout_redirect_uris=["https://evil.example/"],
        grant_types=["authorization_code", "client_credentials", "urn:x"],
        response_types=["code", "token"],
        jwks={"keys": "nonsense"},
        jwks_uri="https://app.example/keys",
        logo_uri="https://127.0.0.1/logo",
        software_statement="x",
        **{"x-more": [1]},
    )

    async def scene(_service, _clock, person):
        body = await person.tokens(client_id=client_id, scope="tools:call")
        assert "refresh_token" not in body
        leaving = {"client_id": client_id, "post_logout_redirect_uri": "https://evil.example/"}
        left = await person.client.get("/logout", params=leaving)
        return left.status_code, len(there.requests)

    assert played(scene) == (400, 1)


@pytest.mark.parametrize(
    ("more", "status", "about"),
    [
        ({"status": "404 Not Found"}, 502, "answers 404"),
        ({"status": "500 Oh"}, 502, "answers 500"),
        ({"status": "201 Created"}, 502, "answers 201"),
        ({"status": "304 Not Modified"}, 502, "answers 304"),
        ({"status": "302 Found", "headers": {"Location": "/b.json"}}, 502, "redirects are not"),
        ({"status": "301 Moved", "headers": {"Location": "https://127.0.0.1/"}}, 502, "redirects"),
        ({"headers": {"Content-Type": "text/html"}}, 400, "content type"),
        ({"headers": {"Content-Type": None}}, 400, "content type"),
        ({"headers": {"Content-Encoding": "gzip"}}, 400, "compressed"),
        ({"software_id": "x" * 5000}, 400, "longer than 5120 bytes"),
    ],
)
def test_a_document_that_can_not_be_had_is_told_of_with_its_host(
    there, played, more, status, about
):
    client_id = there.publish(**more)
    there.publish("/b.json")

    async def scene(_service, _clock, person):
        answered, text = await problem(person, client_id)
        assert f"at localhost:{there.port}" in text
        assert about in text
        return answered, len(there.requests)

    assert played(scene) == (status, 1)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"nonsense", b'"x"', b'{"client_id":"a","client_id":"b"}', b"{}{}"),
        *(b"\xef\xbb\xbf{}", b'{"a":\xff}', b"[" * 2000, b'{"a":NaN}'),
    ],
)
def test_what_is_no_strict_json_is_no_document(there, played, body):
    there.put("/client.json", body)

    async def scene(_service, _clock, person):
        status, text = await problem(person, f"{there.url}/client.json")
        return status, "has to be a JSON object" in text

    assert played(scene) == (400, True)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/cimd+json"])
def test_the_content_type_may_be_more_specific(there, played, kind):
    client_id = there.publish(headers={"Content-Type": kind})

    async def scene(_service, _clock, person):
        return "code" in (await person.authorize(client_id=client_id, scope="tools:call"))[1]

    assert played(scene)


def test_the_page_shows_the_host_first_and_what_the_client_calls_itself_as_a_claim(there, played):
    name = "Bank\u202e \u200bof\n<b>Trust</b>\u0000"
    client_id = there.publish(client_name=name)

    async def scene(_service, _clock, person):
        text = (await page(person, client_id)).text
        host = f"localhost:{there.port}"
        assert f'<h1>Allow <span class="mono">{host}</span> to access your account?</h1>' in text
        assert text.index(host) < text.index("calls itself") < text.index("Bank")
        assert "“<bdi>Bank of &lt;b&gt;Trust&lt;/b&gt;</bdi>”" in text
        assert 'go on to <span class="mono">app.example</span>' in text
        return "on this device" in text

    assert played(scene) is False


def test_a_name_that_is_very_long_is_shown_in_part(there, played):
    client_id = there.publish(client_name="App " * 60)

    async def scene(_service, _clock, person):
        return (await page(person, client_id)).text

    assert f"“<bdi>{'App ' * 15}…</bdi>”" in played(scene)


def test_a_host_that_looks_like_another_is_shown_as_dns_has_it(tmp_path, monkeypatch, played):
    # The first letter is a Cyrillic one.
    with stranger(tmp_path, monkeypatch, name="xn--pple-43d.example") as there:
        client_id = there.publish(client_name="apple.example")

        async def scene(service, _clock, person):
            async def resolve(*_asked):
                return ["127.0.0.1"]

            service.documents._fetch._resolve = resolve
            text = (await page(person, client_id)).text
            return text.count(f"xn--pple-43d.example:{there.port}") >= 2, "\u0430pple" in text

        assert played(scene, private_hosts=("xn--pple-43d.example",)) == (True, False)


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        ("http://127.0.0.1/callback", "http://127.0.0.1:4711/callback"),
        ("http://localhost/callback", "http://localhost:4711/callback"),
        ("http://[::1]/callback", "http://[::1]:4711/callback"),
        ("com.example.app:/callback", "com.example.app:/callback"),
    ],
)
def test_people_are_warned_where_the_answer_goes_to_a_program_on_their_device(
    there, played, registered, asked
):
    client_id = there.publish(redirect_uris=[registered])

    async def scene(_service, _clock, person):
        text = (await page(person, client_id, redirect_uri=asked)).text
        return "Any program on this device may claim to be this one" in text

    assert played(scene) is True


def test_an_address_that_the_document_does_not_name_gets_nothing(there, played):
    client_id = there.publish()

    async def scene(_service, _clock, person):
        for address in ("https://evil.example/", "https://app.example/callback/", client_id):
            status, text = await problem(person, client_id, redirect_uri=address)
            assert (status, "not one that the client has registered" in text) == (400, True)

    played(scene)


def test_people_are_asked_each_time_and_never_passed_by_silently(there, played):
    client_id = there.publish()

    async def scene(_service, _clock, person):
        await person.authorize(client_id=client_id, scope="tools:call")
        await person.authorize(client_id=client_id, scope="tools:call")
        assert person.forms == [*FORMS, "/authorize/decision"]
        asked = address_of(client_id, prompt="none")
        return await person.client.get(asked)

    # It leads nowhere without the person's yes, not even to the client.
    answer = played(scene)
    assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_a_document_is_fetched_again_when_its_time_is_over(there, played):
    async def scene(service, clock, person):
        seen = []
        for number, (said, seconds) in enumerate(
            [
                (None, 600),
                ("max-age=120", 120),
                ("public, max-age=1200, must-revalidate", 1200),
                ("max-age=1", 60),
                ("no-store", 60),
                ("no-cache", 60),
                ("max-age=999999999", 3600),
                ("max-age=x", 600),
            ]
        ):
            headers = {} if said is None else {"Cache-Control": said}
            client_id = there.publish(f"/{number}", headers)
            there.requests.clear()
            for wait in (0, seconds - 1, 2):
                clock.advance(wait)
                await service.documents.find(client_id, "a", Origin(f"192.0.2.{number}"))
                seen.append(len(there.requests))
        return seen

    assert played(scene) == [1, 1, 2] * 8


def test_a_document_that_has_not_changed_is_not_sent_again(there, played):
    client_id = there.publish(headers={"ETag": '"1"'})
    body = there.pages["/client.json"]
    unchanged = b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=1200\r\n\r\n"
    there.answer = lambda head: unchanged if 'If-None-Match: "1"' in head else body

    async def scene(service, clock, person):
        seen = []
        for wait in (0, 601, 1199, 2):
            clock.advance(wait)
            found = await service.documents.find(client_id, "a", HERE)
            seen.append((len(there.requests), found.metadata.client_name))
        return seen

    assert played(scene) == [(1, "An App"), (2, "An App"), (2, "An App"), (3, "An App")]


def test_who_was_not_asked_whether_a_document_has_changed_can_not_say_that_it_has_not(
    there, played
):
    client_id = there.publish(headers={"ETag": "no tag"})

    async def scene(service, clock, person):
        await service.documents.find(client_id, "a", HERE)
        clock.advance(601)
        there.put("/client.json", b"", status="304 Not Modified")
        answered, text = await problem(person, client_id)
        assert "If-None-Match" not in "".join(there.requests)
        return answered, "answers 304" in text

    assert played(scene) == (502, True)


def test_a_clock_that_is_set_back_keeps_no_document_for_longer(there, played):
    client_id = there.publish()

    async def scene(service, clock, _person):
        await service.documents.find(client_id, "a", HERE)
        clock.advance(-86_400)
        await service.documents.find(client_id, "a", HERE)
        return len(there.requests)

    assert played(scene) == 2


def test_a_changed_document_counts_from_when_it_is_read_again(there, played):
    client_id = there.publish()

    async def scene(service, clock, person):
        body = await person.tokens(client_id=client_id, scope="tools:call")
        there.publish(client_name="Another", redirect_uris=["https://evil.example/callback"])
        # Until then what was read counts, and nobody is led to the new address.
        status, _ = await problem(person, client_id, redirect_uri="https://evil.example/callback")
        assert status == 400
        clock.advance(601)
        status, text = await problem(person, client_id)
        assert "not one that the client has registered" in text
        shown = await page(person, client_id, redirect_uri="https://evil.example/callback")
        # Whoever has let the client in before is asked about the new address.
        assert 'go on to <span class="mono">evil.example</span>' in shown.text
        changes = [one for one in await newest(service.store, 30) if "client_" in one.event]
        assert {one.event for one in changes} == {"client_created", "client_changed"}
        # What was granted goes on: it went to the address that was agreed to.
        return (await person.refresh(body["refresh_token"], client_id)).status_code

    assert played(scene) == 200


def test_a_code_is_no_use_where_the_document_has_changed_hands(there, played):
    key = Key.generate("ES256")
    client_id = there.publish()

    async def scene(service, clock, person):
        asked, answer = await person.authorize(client_id=client_id, scope="tools:call")
        there.publish(
            token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key.public.to_jwk()]}
        )
        await service.store.write("UPDATE unregistered_client SET fresh_until = 0")
        await service.documents.find(client_id, "a", HERE)
        return (await person.exchange(asked, answer["code"])).status_code

    assert played(scene) == 401


def test_a_document_that_is_gone_lets_nobody_in_any_more(there, played):
    client_id = there.publish()

    async def scene(_service, clock, person):
        await person.authorize(client_id=client_id, scope="tools:call")
        there.pages.clear()
        clock.advance(601)
        return (await problem(person, client_id))[0]

    assert played(scene) == 502


def test_what_was_asked_for_in_vain_is_left_alone_for_a_moment(there, played):
    client_id = f"{there.url}/nothing"

    async def scene(service, clock, _person):
        seen = []
        for wait in (0, 5, 4, 2, -3600):
            clock.advance(wait)
            with pytest.raises(DocumentRefused) as refused:
                await service.documents.find(client_id, "a", HERE)
            seen.append((refused.value.code, len(there.requests)))
        return seen

    assert played(scene) == [("status", number) for number in (1, 1, 1, 2, 3)]


def test_many_who_ask_at_once_cause_one_fetch(there, played):
    client_id = there.publish()

    async def scene(service, _clock, _person):
        finding = [service.documents.find(client_id, "a", HERE) for _ in range(10)]
        found = await asyncio.gather(*finding)
        assert {one.id for one in found} == {client_id}
        assert service.documents._under_way == {}
        return len(there.requests)

    assert played(scene) == 1


def test_an_account_and_a_network_cause_so_many_fetches_and_no_more(there, played):
    async def scene(service, clock, person):
        async def fetched(account_id, address):
            for number in range(1000):
                client_id = f"{there.url}/{account_id}/{address}/{number}"
                try:
                    await service.documents.find(client_id, account_id, Origin(address))
                except DocumentRefused:
                    continue
                except Delayed:
                    return number
            return 1000

        one = await fetched("a", "192.0.2.1")
        others = [await fetched(f"b{number}", "192.0.2.1") for number in range(4)]
        assert (one, others) == (20, [20, 20, 0, 0])
        alice = (await service.accounts.find("alice")).id
        await fetched(alice, "192.0.2.2")
        status, text = await problem(person, f"{there.url}/more")
        assert (status, "too many programs" in text.lower()) == (429, True)
        # One that is known is no fetch.
        return len(there.requests)

    assert played(scene) == 80


def test_a_client_that_an_administrator_removes_loses_what_it_had(there, played):
    client_id = there.publish()

    async def scene(service, _clock, person):
        body = await person.tokens(client_id=client_id, scope="tools:call")
        assert await service.registry.remove_client(client_id, OPERATOR) == 1
        return (await person.refresh(body["refresh_token"], client_id)).status_code

    assert played(scene) == 401


def test_a_registered_client_is_asked_for_nowhere(there, played):
    async def scene(service, _clock, person):
        status, _ = await problem(person, "dynamic.nobody")
        assert status == 400
        assert (await problem(person, "nobody"))[0] == 400
        return there.connections

    assert played(scene) == 0


def test_the_hosts_that_may_be_private_are_named_exactly():
    from carnet.errors import ConfigurationError
    from carnet.server.settings_sources import load_settings

    def load(text):
        return load_settings(None, {"CARNET_PRIVATE_HOSTS": text}, {})

    assert load("a.internal,b").private_hosts == ("a.internal", "b")
    for wrong in ("*.internal", "A.internal", "https://a", "a:443", ".internal"):
        with pytest.raises(ConfigurationError, match="private_hosts"):
            load(f"{wrong},b")
