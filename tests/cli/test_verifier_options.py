"""`carnet verify` and `carnet gate` trust issuers as a service with the same options does."""

from __future__ import annotations

import json
import sys

import click
import httpx
import pytest
from click.testing import CliRunner
from tests import processes
from tests.verifier.conftest import Issuer
from tests.verifier.providers import keycloak
from tests.verifier.test_gate import start, stop

from carnet import KeySet
from carnet.cli.verifier_options import issuer_of, options_of, verifier_options
from carnet.cli.verify import verify
from carnet.errors import ConfigurationError
from carnet.jwt import UNCHECKED
from carnet.verifier import issuer as issuer_module


@pytest.fixture(scope="module")
def issuer():
    one = Issuer()
    yield one
    one.close()


def carnet(*arguments):
    return processes.run(
        [sys.executable, "-m", "carnet", *arguments], capture_output=True, text=True, timeout=60
    )


def parsed(*arguments):
    """What the flags of a command come to."""
    found = {}

    @click.command()
    @verifier_options
    def command(**given):
        found.update(options_of(given))

    done = CliRunner().invoke(command, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return found


def test_flags_become_the_options_of_a_verifier_and_nothing_where_they_are_not_used():
    assert parsed() == {}
    assert parsed(
        *("--type", "JWT", "--type", "at+jwt", "--roles-claim", "a.b", "--roles-claim", "c"),
        *("--expect", "tenant=a", "--expect", "tenant=b", "--expect", "x=y=z", "--require", "sid"),
        *("--algorithm", "RS256", "--header", "X-Api-Key: k:1", "--max-stale", "1h"),
        *("--insecure-http", "--ca-file", "ca.pem", "--jwks-uri", "https://a.example/jwks"),
    ) == {
        "type": ["JWT", "at+jwt"],
        "roles_claim": ["a.b", "c"],
        "claims": {"tenant": ["a", "b"], "x": ["y=z"]},
        "required": ["sid"],
        "algorithms": ["RS256"],
        "headers": {"X-Api-Key": "k:1"},
        "max_stale": 3600,
        "insecure_http": True,
        "ca_file": "ca.pem",
        "jwks_uri": "https://a.example/jwks",
    }
    assert parsed("--type", "any") == {"type": UNCHECKED}
    for wrong in (("--expect", "x"), ("--expect", "=x"), ("--header", "x")):
        with pytest.raises(ConfigurationError):
            parsed(*wrong)


def test_an_issuer_is_an_address_or_a_profile_with_its_arguments():
    assert issuer_of("https://auth.example.com") == "https://auth.example.com"
    made = issuer_of("keycloak:https://sso.example.com,shop")
    assert made.name == ("https://sso.example.com/realms/shop",)
    assert isinstance(issuer_of("github-actions:octo-org/orders"), issuer_module.Issuer)
    for wrong in ("keycloak:https://sso.example.com", "auth0:a,b", "entra:contoso.com", "gitlab:"):
        with pytest.raises(ConfigurationError):
            issuer_of(wrong)


def test_verify_decides_by_the_same_options_as_a_service(issuer, tmp_path):
    token = issuer.token(tenant="b", realm_access={"roles": ["ADMIN"]})
    flags = ("--issuer", issuer.url, "--audience", "orders", "--json")
    assert carnet("verify", token, *flags, "--expect", "tenant=b").returncode == 0
    refused = carnet("verify", token, *flags, "--expect", "tenant=a")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["code"] == "claim_mismatch"
    assert json.loads(refused.stdout)["advice"]
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(KeySet([issuer.key.public]).to_jwks()))
    for more in ((), ("--expect", "tenant=b")):
        given = ("--jwks", str(keys), "--any-issuer", "--audience", "orders", *more)
        assert carnet("verify", token, *given).returncode == 0
    given = ("--jwks", str(keys), "--issuer", "https://a.example", "--audience", "orders")
    assert carnet("verify", token, *given, "--expect", "tenant=b").returncode == 1


def test_verify_knows_the_issuers_of_the_world(tmp_path):
    provider = keycloak()
    keys = tmp_path / "jwks.json"
    [jwks] = [found for found in provider.published.values() if "keys" in found]
    for jwk in jwks["keys"]:
        jwk.pop("x5c", None)  # what stands there is no certificate, and this is a file of our own
    keys.write_text(json.dumps(jwks))
    issuer = ("--issuer", "keycloak:https://sso.example.com,shop", "--jwks", str(keys))

    def status(*flags, **changes):
        arguments = [provider.token(**changes), *issuer, *flags]
        return CliRunner().invoke(verify, arguments).exit_code

    assert status("--audience", "orders") == 0
    assert status("--audience", "billing") == 1
    assert status("--audience", "orders", typ="ID") == 1


def test_the_gate_takes_the_same_flags(issuer):
    process, url, said = start(
        *("--issuer", issuer.url, "--audience", "orders", "--claim", "tenant"),
        *("--roles-claim", "realm_access.roles", "--expect", "tenant=a", "--leeway", "30s"),
    )
    assert url, said
    try:

        def asked(**claims):
            bearing = {"Authorization": f"Bearer {issuer.token(**claims)}"}
            return httpx.get(f"{url}/verify?role=ADMIN", headers=bearing, trust_env=False)

        admin = {"realm_access": {"roles": ["ADMIN"]}}
        good = asked(tenant="a", **admin)
        assert (good.status_code, good.headers["x-auth-roles"]) == (200, "ADMIN")
        assert good.headers["x-auth-claim-tenant"] == "a"
        assert asked(tenant="b", **admin).json()["code"] == "claim_mismatch"
        assert asked(tenant="a", roles=["ADMIN"]).status_code == 403
    finally:
        stop(process)


def test_a_gate_without_an_audience_is_refused_at_the_start(issuer):
    done = carnet("gate", "--issuer", issuer.url)
    assert done.returncode == 2
    assert "name the audience" in done.stderr
