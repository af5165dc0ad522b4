"""What a client says of itself elsewhere, where people are asked for consent.

The modules oidcc-registration-logo-uri, -policy-uri and -tos-uri.
"""

import html
import re

import pytest
from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK, Request
from tests.server.inside import Inside, register

from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import DEVICE_CODE, ClientMetadata, ClientRefused
from carnet.server.clients.metadata_checks import check_metadata
from carnet.server.clients.resources import ResourceMetadata

ISSUER = "https://auth.example.com"
OWN = "https://app.example"
PAGES = {
    "client_uri": f"{OWN}/?a=1&b=2",
    "policy_uri": f"{OWN}/privacy",
    "tos_uri": "https://elsewhere.example/terms",
}
LOGO = {"logo_uri": f"{OWN}/logo.png"}


def linked(page):
    """Give the links to other sites, and check that none learns where it was followed."""
    found = re.findall(r'<a href="(https://[^"]+)" target="_blank" rel="([^"]+)">', page)
    assert all(rel == "noopener noreferrer nofollow" for _, rel in found)
    return [html.unescape(address) for address, _ in found]


async def asked(person, client_id="app"):
    await person.sign_in()
    parameters = Request(client_id=client_id).parameters
    return await person.client.get("/authorize", params=parameters)


def test_the_pages_of_a_client_are_linked_where_people_are_asked(play):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        await register(service, **PAGES)
        await register(service, "bare")
        device = {"grant_types": (DEVICE_CODE,), "redirect_uris": ()}
        await register(service, "tv", **device, **PAGES)
        alice = Inside(service)
        page, bare = await asked(alice), await asked(alice, "bare")
        code = await alice.client.post("/device_authorization", data={"client_id": "tv"})
        query = {"user_code": code.json()["user_code"]}
        shown = await alice.client.get("/device", params=query)
        return page.text, bare.text, shown.text

    page, bare, device = play(scene, issuer=ISSUER)
    assert linked(page) == linked(device) == list(PAGES.values())
    assert "elsewhere.example" in re.sub(r"<[^>]+>", "", page)
    assert linked(bare) == []


def test_of_a_client_that_nobody_has_registered_pages_at_its_own_host_count(play):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        wanted = ResourceMetadata(scopes=("read",), unregistered_clients=True)
        await service.registry.add_resource("https://api.example", wanted, OPERATOR)
        alice = Inside(service)
        said = {
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "none",
            **PAGES,
            **LOGO,
        }
        made = (await alice.client.post("/registration", json=said)).json()
        page = await asked(alice, made["client_id"])
        return [made[name] for name in (*PAGES, *LOGO)], page.text

    told, page = play(scene, issuer=ISSUER, client_registration="open")
    assert told == [*PAGES.values(), *LOGO.values()]
    assert linked(page) == [PAGES["client_uri"], PAGES["policy_uri"]]
    assert "logo.png" not in page


def test_a_picture_is_kept_and_never_loaded(play):
    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        await register(service, **PAGES, **LOGO)
        page = await asked(Inside(service))
        kept = service.registry.client("app").metadata.logo_uri
        return kept, page.text, page.headers["content-security-policy"]

    kept, page, policy = play(scene, issuer=ISSUER)
    assert kept == LOGO["logo_uri"]
    assert "logo.png" not in page
    assert OWN not in policy


@pytest.mark.parametrize("name", [*PAGES, *LOGO])
@pytest.mark.parametrize("address", ["javascript:alert(1)", "http://app.example/", "data:,x"])
def test_a_page_is_on_the_web(name, address):
    with pytest.raises(ClientRefused) as refused:
        check_metadata(ClientMetadata(redirect_uris=(CALLBACK,), **{name: address}))
    assert refused.value.member == name
