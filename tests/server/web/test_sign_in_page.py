"""What the sign-in page says of the application that somebody signs in for."""

from urllib.parse import urlencode

import pytest
from tests.server.inside import Inside

from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import ClientMetadata

SHOP = ClientMetadata(client_name="Shop & <Co>", redirect_uris=("https://shop.example.com/cb",))


async def page_for(service, following):
    asked = urlencode({"continue": following})
    answer = await Inside(service).client.get(f"/sign-in?{asked}")
    assert answer.status_code == 200
    return answer.text


def test_it_names_the_application_that_the_sign_in_leads_to(play):
    async def scene(service, _clock):
        client, _ = await service.registry.add_client(SHOP, OPERATOR)
        return await page_for(service, f"/authorize?client_id={client.id}&state=x")

    assert "to continue to <strong>Shop &amp; &lt;Co&gt;</strong>" in play(scene)


@pytest.mark.parametrize(
    "following",
    [
        "/me",
        "/authorize",
        "/authorize?client_id=unknown",
        "/authorize?client_id=https://app.example.com/client",
        "/authorize?client_id=%ff%00&client_id=[",
        "/authorize?client_id={id}&client_id={id}",
        "/device?client_id={id}",
        "https://evil.example/authorize?client_id={id}",
        "//[/authorize?client_id={id}",
        "/\\[?client_id={id}",
        "/[/authorize?" + "&" * 9_000,
    ],
)
def test_it_names_none_where_none_is_known(play, following):
    async def scene(service, _clock):
        client, _ = await service.registry.add_client(SHOP, OPERATOR)
        return await page_for(service, following.replace("{id}", client.id))

    assert "to continue to" not in play(scene)
