"""`carnet apply`, `carnet export` and the commands that change one client or resource."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest
from tests import processes

from carnet import Key

FILE = """
[resources.orders]
scopes = ["orders:read"]

[clients.shop]
client_name = "Web shop"
redirect_uris = ["https://shop.example.com/callback"]
resources = ["orders"]
secret_file = "shop.secret"
"""
SECRET = "a-secret-of-at-least-thirty-two-characters"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "clients.toml").write_text(FILE)
    (tmp_path / "shop.secret").write_text(SECRET + "\n")
    return tmp_path


@pytest.fixture
def run(folder, carnet):
    """Run a command on the folder's data; it is told when another exit status is meant."""

    def ran(*words, status=0, **more):
        done = carnet(*words, data=folder / "data", **more)
        assert done.returncode == status, done.stderr
        return done

    return ran


def test_a_plan_is_shown_checked_applied_and_then_empty(run, folder):
    file = str(folder / "clients.toml")
    run("migrate")
    planned = run("apply", file, "--check", status=1).stdout
    assert planned.splitlines()[:2] == ["+ create resource orders", '    scopes: ["orders:read"]']
    assert "+ create client shop" in planned
    assert SECRET not in planned
    assert json.loads(run("client", "list", "--json").stdout) == []

    refused = run("apply", file, status=2)
    assert "no terminal" in refused.stderr
    assert "--yes" in refused.stderr
    assert run("client", "list", "--json").stdout == "[]\n"

    assert run("apply", file, "--yes").stdout == f"{planned}Done.\n"
    assert run("apply", file).stdout == "Everything matches the file.\n"
    run("apply", file, "--check")

    run("client", "edit", "shop", "--scope", "openid", "--name", "Shop")
    run("resource", "add", "billing")
    drift = json.loads(run("apply", file, "--check", "--json", status=1).stdout)
    assert drift == {
        "changes": [
            {
                "action": "change",
                "kind": "client",
                "name": "shop",
                "members": {
                    "client_name": {"from": "Shop", "to": "Web shop"},
                    "scope": {"from": "openid", "to": ""},
                },
            }
        ],
        "not_in_file": [{"kind": "resource", "name": "billing"}],
        "applied": False,
    }
    done = json.loads(run("apply", file, "--yes", "--prune", "--json").stdout)
    assert [one["action"] for one in done["changes"]] == ["change", "remove"]
    assert done["applied"] is True


def test_what_is_exported_makes_the_same_elsewhere(run, folder, carnet):
    run("apply", str(folder / "clients.toml"), "--yes")
    exported = folder / "exported.toml"
    run("export", "-o", str(exported))
    assert "replaces it" in run("export", "-o", str(exported), status=2).stderr
    assert SECRET not in exported.read_text()
    assert run("apply", str(exported), "--prune").stdout == "Everything matches the file.\n"
    other = folder / "other"
    assert carnet("apply", "-", "--yes", data=other, stdin=exported.read_text()).returncode == 0
    assert carnet("export", data=other).stdout == exported.read_text()


def test_a_program_that_acts_for_people_is_the_same_by_options_and_in_a_file(run, folder):
    for audience in ("orders", "billing", "ledger"):
        run("resource", "add", audience)
    words = ("--exchange-from", "orders", "--exchange-to", "billing", "--exchange-to", "ledger")
    refused = run("client", "add", "Orders", "--id", "agent", *words, status=2).stderr
    assert "--exchange-from" in refused
    words = ("--grant", "token-exchange", *words)
    run("client", "add", "Orders", "--id", "agent", *words)
    known = json.loads(run("client", "show", "agent", "--json").stdout)
    assert known["grant_types"] == ["urn:ietf:params:oauth:grant-type:token-exchange"]
    assert known["exchange_from"] == ["orders"]
    assert known["exchange_to"] == ["billing", "ledger"]
    exported = folder / "exported.toml"
    run("export", "-o", str(exported))
    assert run("apply", str(exported), "--prune").stdout == "Everything matches the file.\n"
    exported.write_text(exported.read_text().replace(', "ledger"', ""))
    drift = json.loads(run("apply", str(exported), "--check", "--json", status=1).stdout)
    assert drift["changes"][0]["members"] == {
        "exchange_to": {"from": ["billing", "ledger"], "to": ["billing"]}
    }
    refused = run("client", "edit", "agent", "--exchange-to", "nowhere", status=2).stderr
    assert "--exchange-to: exchange_to names nowhere" in refused


def test_a_program_without_a_secret_is_the_same_by_options_and_in_a_file(run, folder):
    issuer = "https://token.actions.githubusercontent.com"
    claims = {"repository": "octo-org/orders", "ref": ["refs/heads/main", "refs/heads/next"]}
    words = ("client", "add", "Nightly", "--id", "nightly", "--auth", "federated")
    given = ("--federated-credential", json.dumps({"issuer": issuer, "claims": claims}))
    spiffe = {
        "issuer": "spiffe://example.org",
        "claims": {"sub": "spiffe://example.org/nightly"},
        "jwks": {"keys": [Key.generate("ES256").public.to_jwk()]},
    }
    assert "--federated-credential: federated_jwt" in run(*words, status=2).stderr
    wide = json.dumps({"issuer": issuer, "claims": {"repository": "octo-org/orders"}})
    refused = run(*words, "--federated-credential", wide, status=2).stderr
    assert "--federated-credential: federated_credentials[0]: the rule is too broad" in refused
    refused = run(*words, "--federated-credential", "{", status=2).stderr
    assert "--federated-credential is a JSON object" in refused
    run(*words, *given, "--federated-credential", json.dumps(spiffe), "--grant", "jwt-bearer")
    known = json.loads(run("client", "show", "nightly", "--json").stdout)
    assert known["token_endpoint_auth_method"] == "federated_jwt"
    assert known["federated_credentials"][0]["claims"] == claims
    assert known["grant_types"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    exported = folder / "exported.toml"
    run("export", "-o", str(exported))
    assert run("apply", str(exported), "--prune").stdout == "Everything matches the file.\n"
    exported.write_text(exported.read_text().replace("refs/heads/next", "refs/heads/old"))
    drift = json.loads(run("apply", str(exported), "--check", "--json", status=1).stdout)
    assert list(drift["changes"][0]["members"]) == ["federated_credentials"]


def test_a_client_may_publish_its_keys(run):
    words = ("client", "add", "Signer", "--id", "signer", "--auth", "key", "--jwks-uri")
    assert "--jwks-uri: jwks_uri must be" in run(*words, "http://127.0.0.1/keys", status=2).stderr
    run(*words, "https://app.example/keys")
    known = json.loads(run("client", "show", "signer", "--json").stdout)
    assert (known["jwks_uri"], known["jwks"]) == ("https://app.example/keys", None)


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 1)])
def test_at_a_terminal_it_asks(folder, answer, status):
    ours, theirs = pty.openpty()
    words = ("apply", str(folder / "clients.toml"), "--data", str(folder / "data"))
    os.write(ours, f"{answer}\n".encode())
    done = processes.run(
        [sys.executable, "-m", "carnet", *words],
        stdin=theirs,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(ours)
    os.close(theirs)
    assert "Make these 2 changes? [y/N]" in done.stdout
    assert done.returncode == status
    assert ("Done." in done.stdout) == (answer == "y")


BAD = {
    "no TOML": ("[clients.shop\n", "is not a TOML file", "line 1"),
    "not UTF-8": (b"\xff", "is not UTF-8"),
    "a table twice": ("[clients.a]\n[clients.a]\n", "is not a TOML file", "line 2"),
    "a huge number": (f"[clients.a]\njwks = {{ x = {'1' * 5000} }}\n", "is not a TOML file"),
    "a setting": ('issuer = "https://a.example"\n', "line 1", "[issuer]", "--config"),
    "no table": ("[clients]\nshop = 1\n", "line 1", "[clients.NAME]"),
    "an unknown member": (
        '[resources.a]\n\n[clients.shop]\nredirect_uri = "https://a.example"\n',
        *("line 4", "[clients.shop]", "redirect_uri", "did you mean redirect_uris?"),
    ),
    "another kind of value": (
        '[clients.shop]\nscope = ["a"]\n',
        *("line 2", "[clients.shop]", "scope", "expected `str`"),
    ),
    "a bad address": (
        '[clients.shop]\nredirect_uris = [\n  "http://evil.example/?a=b",\n]\n',
        *("line 2", "[clients.shop]", "redirect_uris must be https://"),
    ),
    "no secret": (
        '[clients.shop]\nredirect_uris = ["https://a.example/"]\n',
        *("line 1", "[clients.shop]", "secret_sha256 or secret_file"),
    ),
    "a secret in clear": (
        '[clients.shop]\nclient_secret = "do-not-tell"\n',
        *("line 2", "can't be in the file", "secret_file"),
    ),
    "no hash": (
        '[clients.shop]\nsecret_sha256 = "do-not-tell"\n',
        *("line 2", "secret_sha256", "64 digits 0-9 a-f"),
    ),
    "a secret where none is used": (
        '[clients.shop]\ntoken_endpoint_auth_method = "none"\nredirect_uris = '
        f'["https://a.example/"]\nsecret_sha256 = "{"1" * 64}"\n',
        *("line 4", "secret_sha256", "has no secret"),
    ),
    "a file that is not there": (
        '[clients.shop]\nsecret_file = "nowhere"\n',
        *("line 2", "secret_file", "No such file"),
    ),
    "a secret that can be guessed": (
        '[clients.shop]\nsecret_file = "short.secret"\n',
        *("line 2", "secret_file", "32 to 512"),
    ),
    "both": (
        f'[clients.shop]\nsecret_file = "shop.secret"\nsecret_sha256 = "{"1" * 64}"\n',
        *("line 2", "not both"),
    ),
    "a previous secret alone": (
        f'[clients.shop]\nprevious_secret_sha256 = "{"1" * 64}"\n',
        *("line 2", "previous_secret_sha256"),
    ),
    "an end of no secret": (
        "[clients.shop]\nprevious_secret_until = 2030-01-01T00:00:00Z\n",
        *("line 2", "previous_secret_until"),
    ),
    "a moment without a zone": (
        "[clients.shop]\nprevious_secret_until = 2030-01-01T00:00:00\n",
        *("line 2", "previous_secret_until", "timezone"),
    ),
    "the service's own id": (
        '[clients.carnet]\ntoken_endpoint_auth_method = "none"\nredirect_uris = '
        '["https://a.example/"]\n',
        *("line 1", "[clients.carnet]", "reserved for the service itself"),
    ),
    "an audience that is none": (
        '[clients.a]\ntoken_endpoint_auth_method = "none"\nredirect_uris = '
        '["https://a.example/"]\nresources = ["nowhere"]\n',
        *("line 4", "[clients.a]", "resources names nowhere"),
    ),
    "a claim of the service's": (
        '[resources.good]\n[resources."a.b"]\nclaims = ["sub"]\n',
        *("line 3", '[resources."a.b"]', "claims"),
    ),
    "an inline table": (
        "[resources]\ngood = {}\nbad = { scopes = [7] }\n",
        *("line 3", "[resources.bad]", "scopes"),
    ),
}


def test_a_bad_file_is_one_line_that_names_the_place_and_nothing_is_changed(folder):
    """All of them in one process: each would else open a database of its own."""
    (folder / "short.secret").write_text("hunter2\n")
    program = """
import json, sys
from pathlib import Path
from carnet import Key
from carnet.cli import main
for name, text in json.load(sys.stdin):
    Path("clients.toml").write_bytes(text.encode("latin-1"))
    sys.argv = ["carnet", "apply", "clients.toml", "--data", "data", "--yes"]
    try:
        main.main()
    except SystemExit as ended:
        print("ended", ended.code, flush=True)
    print("end", file=sys.stderr, flush=True)
sys.argv = ["carnet", "export", "--data", "data"]
main.main()
"""
    texts = [
        (name, text if isinstance(text, str) else text.decode("latin-1"))
        for name, (text, *_) in BAD.items()
    ]
    done = processes.run(
        [sys.executable, "-c", program],
        cwd=folder,
        input=json.dumps(texts),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = done.stderr.split("end\n")[:-1]
    for (name, (_, *wanted)), line in zip(BAD.items(), said, strict=True):
        assert line.startswith("carnet: clients.toml"), name
        assert line.count("\n") == 1, (name, line)
        assert [one for one in wanted if one not in line] == [], (name, line)
        assert "do-not-tell" not in line
        assert "hunter2" not in line
    ended = ["ended 2"] * len(BAD)
    assert done.stdout.splitlines()[: len(BAD)] == ended
    assert "[clients." not in done.stdout
    assert "[resources." not in done.stdout


def test_an_edit_leaves_the_rest_as_it_is_and_an_error_names_the_option(run, folder):
    run("apply", str(folder / "clients.toml"), "--yes")
    uris = ("https://shop.example.com/a", "https://shop.example.com/b")
    flags = [word for uri in uris for word in ("--redirect-uri", uri)]
    before = json.loads(run("client", "show", "shop", "--json").stdout)
    edited = json.loads(run("client", "edit", "shop", *flags, "--dpop", "--json").stdout)
    assert edited == {**before, "redirect_uris": [*uris], "dpop_bound_access_tokens": True}
    cleared = json.loads(
        run("client", "edit", "shop", "--clear", "resource", "--no-dpop", "--json").stdout
    )
    assert cleared == {**before, "redirect_uris": [*uris], "resources": []}

    for words, option in (
        (("--redirect-uri", "http://evil.example/"), "--redirect-uri: redirect_uris must be"),
        (("--resource", "nowhere"), "--resource: resources names nowhere"),
        (("--scope", "two  spaces"), "--scope: scope must be a list"),
        (("--encrypt-id-tokens", "ECDH-ES+A256KW"), "--encrypt-id-tokens: "),
        (("--name", "x" * 257), "--name: "),
        ((), "--scope or --redirect-uri"),
    ):
        assert option in run("client", "edit", "shop", *words, status=2).stderr
    assert "'nobody'" in run("client", "edit", "nobody", "--dpop", status=2).stderr
    assert json.loads(run("client", "show", "shop", "--json").stdout) == cleared

    words = ("--release", "orders:read=department", "--no-claims")
    edited = json.loads(run("resource", "edit", "orders", *words, "--json").stdout)
    assert edited["scopes"] == ["orders:read"]
    assert (edited["scope_claims"], edited["claims"]) == ({"orders:read": ["department"]}, [])
    cleared = run("resource", "edit", "orders", "--clear", "claim", "--json").stdout
    assert json.loads(cleared) == {**edited, "claims": None}
    refused = run("resource", "edit", "orders", "--claim", "sub", status=2)
    assert "--claim: claims of an account can't be sub" in refused.stderr


def test_a_secret_is_kept_beside_the_new_one_and_removed(run, folder):
    run("apply", str(folder / "clients.toml"), "--yes")
    assert run("client", "new-secret", "shop", "--keep-previous", "7d").stdout.startswith("client_")
    shown = json.loads(run("client", "show", "shop", "--json").stdout)
    assert shown["previous_secret_expires_at"] > 1_700_000_000
    run("client", "new-secret", "shop", "--keep-previous", "until-removed")
    shown = json.loads(run("client", "show", "shop", "--json").stdout)
    assert shown["previous_secret_expires_at"] == 0
    run("client", "remove-previous-secret", "shop")
    assert "previous_secret" not in run("client", "show", "shop").stdout
    refused = run("client", "new-secret", "shop", "--keep-previous", "soon", status=2)
    assert "not a duration" in refused.stderr
