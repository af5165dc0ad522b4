"""The page at the service's own address."""

import re

from tests.server.inside import PASSWORD, Inside


def places(answer):
    assert answer.status_code == 200
    return set(re.findall(r'href="(/[^"]*)"', answer.text))


def test_it_leads_whoever_comes_to_what_is_theirs(play):
    async def scene(service, _clock):
        for name, roles in (("alice", ["carnet:admin"]), ("bob", [])):
            await service.accounts.create(name, PASSWORD, roles)
        found = []
        for browser in (Inside(service), Inside(service, "bob"), Inside(service)):
            if found:
                await browser.sign_in()
            found.append(places(await browser.client.get("/")))
        return found

    anonymous, bob, alice = play(scene)
    assert {"/sign-in", "/debugger", "/openapi.json"} <= anonymous
    assert not {"/me", "/admin"} & anonymous
    assert "/me" in bob
    assert "/admin" not in bob
    assert {"/me", "/admin"} <= alice


def test_its_links_are_where_a_proxy_has_put_the_service(play):
    async def scene(service, _clock):
        return await Inside(service).client.get("/")

    found = places(play(scene, issuer="https://auth.example.com/auth"))
    assert all(place.startswith("/auth/") for place in found)


def test_anybody_gets_it_without_a_question_to_the_database(play, monkeypatch):
    async def scene(service, _clock):
        browser = Inside(service)
        monkeypatch.setattr(service.store, "read", None)
        monkeypatch.setattr(service.store, "write", None)
        return await browser.client.get("/")

    assert play(scene).status_code == 200
