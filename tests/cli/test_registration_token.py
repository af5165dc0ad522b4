"""`carnet client registration-token`: made, counted and ended, for a server that runs."""

import json
import re

from tests.server.conftest import add_user, start  # noqa: F401 - fixtures

SAID = {"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none"}


def test_a_token_is_made_used_listed_and_ended(start, carnet):  # noqa: F811
    server = start("--client-registration", "token")
    command = ("client", "registration-token")

    def run(*arguments, env=None):
        done = carnet(*command, *arguments, data=server.data, env=env)
        assert done.returncode == 0, done.stderr
        return done

    def register(token):
        headers = {"Authorization": f"Bearer {token}"}
        return server.client.post("/registration", json=SAID, headers=headers).status_code

    assert "create one with" in run("list").stdout
    mode = {"CARNET_CLIENT_REGISTRATION": "token"}
    made = json.loads(run("create", "--uses", "1", "--json", env=mode).stdout)
    assert made["expires_at"] - made["created_at"] == 7 * 86_400
    told = run("create", "--expires-in", "until-revoked", env=mode)
    token_id, token = (line.split()[1] for line in told.stdout.splitlines())
    assert "not shown again" in told.stderr
    assert "client_registration is off" not in told.stderr
    assert "client_registration is off" in run("create", "--expires-in", "1h").stderr

    assert [register(made["token"]), register(made["token"]), register(token)] == [201, 401, 201]
    listed = run("list").stdout
    head, *rows = [re.split("  +", line) for line in listed.splitlines()]
    assert head == ["ID", "USED", "OF", "UNTIL"]
    found = {row[0]: row[1:] for row in rows}
    assert found[made["id"]][:2] == ["1", "1"]
    assert found[token_id] == ["1", "any number", "it is revoked"]
    assert token not in listed
    assert "token" not in json.loads(run("list", "--json").stdout)[0]

    run("revoke", token_id)
    assert register(token) == 401
    again = carnet(*command, "revoke", token_id, data=server.data)
    assert (again.returncode, "there is no registration token" in again.stderr) == (2, True)
    nothing = carnet(*command, "create", "--expires-in", "0", data=server.data)
    assert (nothing.returncode, "Traceback" in nothing.stderr) == (2, False)

    shown = carnet("client", "list", "--unregistered", data=server.data)
    assert shown.stdout.count("dynamic.") == 2
    assert "dynamic." not in carnet("client", "list", data=server.data).stdout
