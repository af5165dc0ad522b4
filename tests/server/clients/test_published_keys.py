"""Clients that publish their keys, and change them.

The modules oidcc-registration-jwks-uri and oidcc-refresh-token-rp-key-rotation.
"""

import json

from tests.server.conftest import PASSWORD
from tests.server.flows import CALLBACK
from tests.server.inside import Inside
from tests.server.oauth.fapi_client import ISSUER, Fapi, jwks_of
from tests.server.strangers import stranger

from carnet import Key
from carnet.server.audit import OPERATOR
from carnet.server.clients.resources import ResourceMetadata


def test_a_client_that_registers_itself_publishes_its_keys_and_changes_them(
    play, tmp_path, monkeypatch
):
    keys = [Key.generate("RS256") for _ in range(2)]

    with stranger(tmp_path, monkeypatch) as there:
        there.put("/keys", json.dumps(jwks_of(keys[0])).encode())

        async def scene(service, clock):
            await service.accounts.create("alice", PASSWORD)
            wanted = ResourceMetadata(scopes=("read",), unregistered_clients=True)
            await service.registry.add_resource("https://api.example", wanted, OPERATOR)
            alice = Inside(service)
            said = {
                "redirect_uris": [CALLBACK],
                "grant_types": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks_uri": f"{there.url}/keys",
            }
            made = (await alice.client.post("/registration", json=said)).json()
            rp = Fapi(service, made["client_id"], keys[0])
            asked, answer = await alice.authorize(rp.request(scope="openid offline_access"))
            tokens = (await rp.exchange(asked, answer["code"])).json()
            there.put("/keys", json.dumps(jwks_of(keys[1])).encode())
            clock.advance(60)
            rp.key = keys[1]
            form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
            rotated = await rp.post("/token", form)
            form["refresh_token"] = rotated.json()["refresh_token"]
            rp.key = keys[0]
            old = await rp.post("/token", form)
            return rotated.status_code, "id_token" in rotated.json(), old.json()["error"]

        settings = {"client_registration": "open", "private_hosts": ("localhost",)}
        told = play(scene, issuer=ISSUER, **settings)
    assert told == (200, True, "invalid_client")
