"""`carnet scim`: tokens are made, listed and ended, and an account is handed over."""

import json

from click.testing import CliRunner

from carnet.cli.commands import root


def test_a_directory_is_let_in_and_shut_out_again(tmp_path):
    data, config = tmp_path / "data", tmp_path / "carnet.toml"
    config.write_text('[scim]\n\n[scim.roles]\nvalues = { Press = "press" }\n')

    def run(*arguments, status=0):
        place = ("--data", str(data), "--config", str(config))
        done = CliRunner().invoke(root, [*arguments, *place])
        assert done.exit_code == status, done.output
        return done

    made = json.loads(run("scim", "token", "create", "--json").stdout)
    assert made["expires_at"] - made["created_at"] == 365 * 86_400
    assert made["url"] == "http://127.0.0.1:8400/scim/v2"
    told = run("scim", "token", "create", "--expires-in", "until-revoked")
    token_id, _, token = (line.split()[1] for line in told.stdout.splitlines())
    assert token.startswith("scim_")
    assert "not shown again" in told.stderr
    listed = run("scim", "token", "list").stdout
    assert token_id in listed
    assert "it is revoked" in listed
    assert token not in listed
    assert len(json.loads(run("scim", "token", "list", "--json").stdout)) == 2
    assert "has stopped working" in run("scim", "token", "revoke", token_id).stdout
    assert len(json.loads(run("scim", "token", "list", "--json").stdout)) == 1
    for wrong in (("revoke", token_id), ("create", "--expires-in", "0")):
        done = CliRunner().invoke(root, ["scim", "token", *wrong, "--data", str(data)])
        assert done.exit_code != 0
    config.write_text("")
    assert "no [scim] in the settings" in run("scim", "token", "create").stderr
