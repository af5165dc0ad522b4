"""Whom other issuers know accounts as: over HTTP, on the administrators' pages, and in sessions."""

import asyncio
import json
from urllib.parse import urlencode

import pytest
from tests.server.asgi import FORM, JSON, OWN_PAGE, opened

from carnet.server.audit import OPERATOR

IDP = "https://idp.example"
SUBJECT = "U019488227"


@pytest.fixture
def scene_of(tmp_path):
    def run(scene):
        async def played():
            async with opened(tmp_path / "data") as ask:
                account = await ask.service.accounts.create("bob", "a-long-enough-password")
                return await scene(ask, account)

        return asyncio.run(played())

    return run


def test_identities_are_linked_listed_and_unlinked(scene_of):
    async def scene(ask, account):
        path = f"/accounts/{account.id}/identities"

        async def send(method, query="", **body):
            return await ask(
                method,
                path,
                headers=[JSON, *ask.bearer],
                body=json.dumps(body).encode() if body else b"",
                query=query.encode(),
            )

        assert (await send("GET")).json() == {"identities": []}
        made = await send("POST", issuer=IDP, subject=SUBJECT)
        since = ask.service.clock() // 1_000_000
        assert made.status == 201
        [one] = made.json()["identities"]
        assert (one["issuer"], one["subject"]) == (IDP, SUBJECT)
        assert abs(one["since"] - since) < 60
        assert (await send("GET")).json() == made.json()
        wrong = await send("POST", issuer="idp", subject=SUBJECT)
        assert (wrong.status, "issuer" in wrong.json()["error_description"]) == (400, True)
        assert (await send("POST", issuer=IDP)).status == 400
        named = urlencode({"issuer": IDP, "subject": SUBJECT})
        for query in ("", "issuer=x", f"{named}&issuer=x", f"{named}&x=y", "issuer=%00&subject=x"):
            assert (await send("DELETE", query)).status == 400
        for _ in range(2):
            assert (await send("DELETE", named)).status == 204
        assert (await send("GET")).json() == {"identities": []}
        path = "/accounts/nobody/identities"
        for method in ("GET", "DELETE"):
            assert (await send(method, named)).status == 404
        assert (await send("POST", issuer=IDP, subject=SUBJECT)).status == 404

    scene_of(scene)


def test_the_description_tells_of_them(scene_of):
    async def scene(ask, _account):
        described = (await ask("GET", "/openapi.json")).json()
        found = described["paths"]["/accounts/{name}/identities"]
        assert sorted(found) == ["delete", "get", "post"]
        named = [one["name"] for one in found["delete"]["parameters"]]
        assert named == ["issuer", "subject", "name"]

    scene_of(scene)


def test_the_page_of_an_account_links_and_unlinks(scene_of):
    async def scene(ask, account):
        page = f"/admin/users/{account.id}"

        async def post(change, **form):
            return await ask(
                "POST",
                f"{page}/{change}",
                headers=[FORM, *ask.cookie],
                body=urlencode(form).encode(),
            )

        async def shown():
            return (await ask("GET", page, headers=ask.cookie)).body.decode()

        assert "No other issuer" in await shown()
        assert (await post("link", issuer=IDP, subject="<b>x")).status == 303
        text = await shown()
        assert IDP in text
        assert "&lt;b&gt;x" in text
        wrong = await post("link", issuer="idp", subject="kept")
        assert wrong.status == 422
        assert b'value="kept"' in wrong.body
        assert b"exactly as its tokens name it" in wrong.body
        for _ in range(2):
            assert (await post("unlink", issuer=IDP, subject="<b>x")).status == 303
        assert "No other issuer" in await shown()

    scene_of(scene)


def test_people_see_who_has_signed_them_in(scene_of):
    async def scene(ask, _account):
        alice = await ask.service.accounts.find("alice")
        await ask.service.identities.link(alice.id, IDP, SUBJECT, OPERATOR)
        await ask.service.identities.sign_in(IDP, SUBJECT, None, OPERATOR)
        listed = (await ask("GET", "/sessions", headers=ask.bearer)).json()["sessions"]
        assert [one.get("identity_issuer") for one in listed].count(IDP) == 1
        assert len(listed) == 3
        page = await ask("GET", "/me/sessions", headers=[*ask.cookie, *OWN_PAGE])
        assert f"with {IDP}".encode() in page.body

    scene_of(scene)


def test_the_form_of_a_new_client_asks_who_vouches_for_people(scene_of):
    async def scene(ask, _account):
        async def make(**more):
            form = {"kind": "vouched", "client_name": "Assistant", "resources": "orders", **more}
            body = urlencode(form).encode()
            return await ask("POST", "/admin/clients/new", headers=[FORM, *ask.cookie], body=body)

        page = await ask("GET", "/admin/clients/new", headers=ask.cookie)
        assert b'name="identity_issuers"' in page.body
        wrong = await make(identity_issuers="idp")
        assert (wrong.status, b"identity_issuers-error" in wrong.body) == (422, True)
        wrong = await make(identity_issuers=IDP, resources="")
        assert (wrong.status, b"resources-error" in wrong.body) == (422, True)
        made = await make(identity_issuers=IDP)
        assert made.status == 201
        assert IDP.encode() in made.body

    scene_of(scene)


def test_the_page_of_a_client_says_where_it_may_carry_whom(scene_of):
    async def scene(ask, _account):
        rule = {"client_id": "there", "resources": ["https://api.example"], "roles": ["staff"]}
        members = {
            "grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"],
            "identity_assertions": {"https://chat.example": rule},
        }
        body = json.dumps({**members, "client_id": "agent"}).encode()
        made = await ask("POST", "/clients", headers=[JSON, *ask.bearer], body=body)
        assert made.status == 201, made.body
        page = await ask("GET", "/admin/clients/client", query=b"id=agent", headers=ask.cookie)
        for text in (b"https://chat.example", b"there", b"https://api.example", b"staff"):
            assert text in page.body

    scene_of(scene)
