"""Clients inside a private network, whose addresses need no TLS: only where somebody says so."""

import asyncio
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import urlencode

import pytest
from tests.server.asgi import FORM, opened
from tests.server.clients.test_addresses import BAD, MEMBERS, metadata
from tests.server.conftest import PASSWORD
from tests.server.inside import Inside, register

from carnet.server.clients.clients import ClientMetadata, ClientRefused
from carnet.server.clients.metadata_checks import check_metadata

INSIDE = "http://app.internal:8080/callback"
PLAIN = ["http://app.example/", "http://localhost.evil.example/", "HTTP://app.example/", INSIDE]


@pytest.mark.parametrize("name", MEMBERS)
def test_a_client_without_it_has_no_such_address_and_one_with_it_may(name):
    for address in (*PLAIN, "http://shop/", "http://10.0.0.7:8080/x", "http://[fd00::7]/x"):
        with pytest.raises(ClientRefused, match="plain_http"):
            check_metadata(ClientMetadata(**metadata(name, address)))
        check_metadata(ClientMetadata(**metadata(name, address), plain_http=True))


def test_every_other_bad_address_stays_bad():
    others = [address for address in BAD if not address.lower().startswith("http://")]
    for address in (*others, "http://", "http://user@app.internal/", "http://app.internal/#"):
        for name in MEMBERS:
            with pytest.raises(ClientRefused):
                check_metadata(ClientMetadata(**metadata(name, address), plain_http=True))


def test_a_person_is_sent_to_it_and_back_and_the_client_is_told_of_the_end(play):
    told = []

    class Application(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    # Of this machine, but none of the addresses that need no leave.
    listening = HTTPServer(("127.0.0.2", 0), Application)
    Thread(target=listening.serve_forever, daemon=True).start()

    async def scene(service, _clock):
        await service.accounts.create("alice", PASSWORD)
        await register(
            service,
            redirect_uris=(INSIDE,),
            post_logout_redirect_uris=("http://app.internal/bye",),
            backchannel_logout_uri=f"http://127.0.0.2:{listening.server_port}/over",
            plain_http=True,
            scope="openid",
        )
        person = Inside(service)
        asked, answer = await person.authorize(redirect_uri=INSIDE, scope="openid")
        tokens = (await person.exchange(asked, answer["code"])).json()
        leaving = {
            "id_token_hint": tokens["id_token"],
            "post_logout_redirect_uri": "http://app.internal/bye",
        }
        end = await person.go(f"/logout?{urlencode(leaving)}")
        await service.logout_notices.send_due()
        await service.logout_notices.close()
        return end

    try:
        assert play(scene) == "http://app.internal/bye"
    finally:
        listening.shutdown()
        listening.server_close()
    assert len(told) == 1


def test_the_command_line_and_the_pages_ask_for_it(carnet, tmp_path):
    command = ("client", "add", "Inside", "--redirect-uri", INSIDE, "--json")
    refused = carnet(*command, data=tmp_path / "data")
    assert refused.returncode == 2
    assert "plain_http" in refused.stderr
    assert refused.stderr.count("\n") == 1
    made = carnet(*command, "--plain-http", data=tmp_path / "data")
    assert json.loads(made.stdout)["plain_http"] is True

    async def scene():
        async with opened(tmp_path / "other") as asked:
            given = {"id": "inside", "client_name": "Inside", "redirect_uris": INSIDE}
            headers = [FORM, *asked.cookie]
            for more, status in (({}, 422), ({"plain_http": "yes"}, 201)):
                body = urlencode({**given, **more}).encode()
                page = await asked("POST", "/admin/clients/new", headers=headers, body=body)
                assert page.status == status, page.body
            page = await asked(
                "GET", "/admin/clients/client", query=b"id=inside", headers=asked.cookie
            )
            assert b"Plain http" in page.body

    asyncio.run(scene())
