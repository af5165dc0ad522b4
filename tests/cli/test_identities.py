"""Who people are at other issuers, and which clients may carry that, on the command line."""

from __future__ import annotations

import json

import pytest

IDP = "https://idp.example.com"
CHAT = "https://chat.example.com"
RULES = {CHAT: {"client_id": "agent-at-chat", "resources": [f"{CHAT}/mcp"], "scopes": ["read"]}}


@pytest.fixture
def run(tmp_path, carnet):
    """Run a command; it is told when another exit status is meant."""

    def ran(*words, status=0, **more):
        done = carnet(*words, data=tmp_path / "data", **more)
        assert done.returncode == status, done.stderr
        return done

    return ran


def test_an_account_is_linked_to_what_another_issuer_calls_it(run):
    password = "a-long-enough-password"
    for name in ("alice", "bob"):
        run("user", "add", name, "--password-file", "-", stdin=password)
    done = run("user", "link", "alice", IDP, "U1")
    assert done.stdout == f"alice is linked to U1 of {IDP}\n"
    refused = run("user", "link", "bob", IDP, "U1", status=2)
    assert "another account's" in refused.stderr
    assert "issuer is the URL" in run("user", "link", "bob", "idp", "U1", status=2).stderr
    listed = json.loads(run("user", "list", "--json").stdout)
    assert [one["identities"] for one in listed] == [[{"issuer": IDP, "subject": "U1"}], []]
    assert (
        run("user", "unlink", "alice", IDP, "U1").stdout
        == f"alice is no longer linked to U1 of {IDP}\n"
    )
    assert "user list" in run("user", "unlink", "alice", IDP, "U1", status=2).stderr
    events = run("audit", "--json").stdout
    assert "identity_linked" in events
    assert "identity_unlinked" in events


def test_clients_that_carry_identities_are_the_same_by_options_and_in_a_file(run, tmp_path):
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps(RULES))
    run("resource", "add", "orders", "--scope", "read")
    words = ("client", "add", "Agent", "--id", "agent", "--identity-assertions", str(rules))
    refused = run(*words, status=2).stderr
    assert "--identity-assertions: identity_assertions needs the grant" in refused
    run(*words, "--grant", "token-exchange")
    words = ("client", "add", "Other", "--id", "other", "--grant", "jwt-bearer")
    refused = run(*words, "--identity-issuer", IDP, status=2).stderr
    assert "--resource: with identity_issuers" in refused
    run(*words, "--identity-issuer", IDP, "--resource", "orders", "--scope", "read")
    known = json.loads(run("client", "show", "agent", "--json").stdout)
    assert known["identity_assertions"][CHAT] == {**RULES[CHAT], "roles": []}
    assert json.loads(run("client", "show", "other", "--json").stdout)["identity_issuers"] == [IDP]
    exported = tmp_path / "exported.toml"
    run("export", "-o", str(exported))
    assert run("apply", str(exported), "--prune").stdout == "Everything matches the file.\n"
    exported.write_text(exported.read_text().replace('"read"], roles', '"write"], roles'))
    drift = json.loads(run("apply", str(exported), "--check", "--json", status=1).stdout)
    [change] = [one for one in drift["changes"] if one["name"] == "agent"]
    assert change["members"]["identity_assertions"]["to"][CHAT]["scopes"] == ["write"]
    run(
        "client", "edit", "agent", "--clear", "identity-assertions", "--grant", "client_credentials"
    )
    run("client", "edit", "other", "--clear", "identity-issuer", "--grant", "client_credentials")
