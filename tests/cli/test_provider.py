"""`carnet provider`: what is to be registered there, and what its claims come to."""

import json

import pytest
from click.testing import CliRunner

from carnet import Key, Signer
from carnet.cli.provider import provider
from carnet.errors import ConfigurationError

TOML = """
issuer = "https://auth.example.com"
[providers.company]
kind = "keycloak"
issuer = "https://sso.example.com/realms/company"
client_id = "carnet"
second_factor_amr = ["mfa"]
[providers.company.required]
org = "example"
[providers.company.roles]
values = { "IT Security" = "carnet:admin" }
prefix = "carnet-"
default = ["guest"]
[providers.company.claims]
email = "email"
department = { claim = "dept", default = "none" }
"""


@pytest.fixture
def run(tmp_path):
    config = tmp_path / "carnet.toml"
    config.write_text(TOML)

    def run(*arguments, stdin=None):
        given = [*arguments, "--config", str(config)]
        return CliRunner().invoke(provider, given, input=stdin)

    return run


def test_the_addresses_to_register_are_listed(run):
    [told] = json.loads(run("list", "--json").stdout)
    assert told["redirect_uri"] == "https://auth.example.com/sign-in/with/company/callback"
    assert told["backchannel_logout_uri"] == "https://auth.example.com/sign-in/with/company/logout"
    assert told["redirect_uri"] in run("list").stdout


CLAIMS = {
    "org": "example",
    "preferred_username": "Ada",
    "groups": ["carnet-editor", "carnet-carnet:admin"],
    "email": "ada@example.com",
    "email_verified": True,
    "amr": ["pwd", "mfa"],
}


@pytest.mark.parametrize("as_token", [False, True])
def test_a_sample_says_who_is_let_in_and_with_what(run, tmp_path, as_token):
    text = json.dumps(CLAIMS)
    if as_token:
        text = Signer(
            Key.generate("ES256"), issuer="https://sso.example.com", audience="x", lifetime=60
        ).sign(CLAIMS)
    done = run("try", "company", "-", "--json", stdin=text)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "let_in": True,
        "username": "ada",
        "roles": ["editor"],
        "claims": {
            "department": "none",
            "email": "ada@example.com",
            "email_verified": True,
        },
        "second_factor": True,
    }
    file = tmp_path / "claims.json"
    file.write_text(json.dumps({"preferred_username": "Ada"}))
    done = run("try", "company", str(file))
    assert done.exit_code == 1
    assert "no: see `required`" in done.stdout
    assert "guest" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "stdin", "told"),
    [
        (("try", "nobody", "-"), "{}", "no provider nobody; there is: company"),
        (("try", "company", "-"), "x", "no ID token, and no JSON object"),
        (("try", "company", "-"), "[]", "no ID token, and no JSON object"),
        (("try", "company", "-"), "{", "no ID token, and no JSON object"),
    ],
)
def test_what_can_t_be_tried_is_said(run, arguments, stdin, told):
    done = run(*arguments, stdin=stdin)
    assert isinstance(done.exception, ConfigurationError)
    assert told in str(done.exception)
