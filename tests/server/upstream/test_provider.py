"""Providers as they are set up: what is refused at the start, and how this service is known."""

import json
import re

import pytest
from tests.server.upstream.imitation import Browser
from tests.server.upstream.test_sign_in import linked

from carnet import Key, Verifier
from carnet.errors import ConfigurationError
from carnet.server.app import build_app
from carnet.server.provider_settings import ProviderSettings, RoleRules
from carnet.server.settings import Settings
from carnet.server.settings_sources import load_settings
from carnet.server.upstream.kinds import KINDS
from carnet.server.upstream.setting_up import read_providers

TENANT = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
GOOD = {
    "google": {},
    "microsoft": {"tenant": TENANT},
    "okta": {"issuer": "https://acme.okta.com"},
    "auth0": {"issuer": "https://acme.eu.auth0.com/"},
    "keycloak": {"issuer": "https://sso.example.com/realms/shop"},
    "gitlab": {},
    "linkedin": {},
    "slack": {},
    "apple": {"client_key_file": "key.p8", "team_id": "ABCDE12345"},
    "github": {"client_secret_file": "secret"},
    "openid": {"issuer": "https://carnet.example.com"},
}


def read(name="up", **more):
    given = ProviderSettings(**{"client_id": "x", **more})
    settings = Settings(issuer="https://auth.example", providers={name: given})
    return read_providers(settings)[name]


def test_every_row_is_set_up_with_a_few_lines():
    assert GOOD.keys() == KINDS.keys()
    for kind, more in GOOD.items():
        provider = read(kind, **more)
        assert provider.kind is KINDS[kind]
        assert provider.issuer.startswith("https://")
        assert provider.label
        assert re.fullmatch(r"20\d\d-[01]\d", provider.kind.as_of)
    assert read("microsoft", tenant=TENANT).issuer.endswith(f"/{TENANT}/v2.0")
    assert read("work", kind="keycloak", issuer="https://a.example").label == "Keycloak"
    assert read("work", issuer="https://a.example", label="Work").label == "Work"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kind": "gogle"}, "up.kind is one of apple, auth0"),
        ({}, "up.issuer: it is"),
        ({"issuer": "http://idp.example"}, "up.issuer: it is an https URL"),
        ({"issuer": "https://idp.example?x=y"}, "up.issuer: it is an https URL"),
        ({"issuer": "https://auth.example"}, "another service's, not this one's"),
        ({"kind": "microsoft"}, "up.tenant: it is the tenant's id"),
        ({"kind": "apple"}, "up.client_key_file: give it and team_id"),
        ({"kind": "github"}, "up.client_secret_file: it needs one"),
        ({"kind": "google", "scopes": ("email",)}, "up.scopes: openid"),
        (
            {"kind": "google", "client_secret_file": "a", "client_key_file": "b"},
            "up.client_key_file: give it or client_secret_file, not both",
        ),
        ({"kind": "google", "claims": {"roles": "x"}}, "claims.roles: the service itself sets it"),
        ({"kind": "google", "claims": {"email_verified": "x"}}, "claims.email_verified"),
        ({"kind": "google", "claims": {"a": "b..c"}}, "up.claims"),
        ({"kind": "google", "required": {"b..c": "x"}}, "up.required"),
        (
            {"kind": "google", "roles": RoleRules(default=("two words",))},
            "up.roles: a role must be",
        ),
    ],
)
def test_what_can_t_work_is_refused_at_the_start(given, told):
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        read(**given)


def test_what_the_how_tos_say_can_be_set_up(root, tmp_path):
    file, found = tmp_path / "carnet.toml", set()
    for page in sorted((root / "docs" / "how-to").glob("sign-in-with-*.md")):
        for block in re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            file.write_text(block)
            found.update(read_providers(load_settings(file, {}, {})))
    assert found == {"google", "microsoft", "github", "keycloak", "company"}


def test_two_providers_with_one_issuer_are_refused():
    given = ProviderSettings(client_id="x", issuer="https://idp.example")
    settings = Settings(issuer="https://auth.example", providers={"a": given, "b": given})
    with pytest.raises(ConfigurationError, match=r"b\.issuer: another provider has the same one"):
        read_providers(settings)


def test_a_wrong_line_of_the_file_is_named(tmp_path):
    file = tmp_path / "carnet.toml"
    file.write_text('[providers.google]\nclient_id = "x"\n[providers.google.roles]\ncliam = "y"\n')
    with pytest.raises(ConfigurationError, match="unknown field `cliam`"):
        load_settings(file, {}, {})
    file.write_text("[providers.google]\nclient_id = 7\n")
    with pytest.raises(ConfigurationError, match=r"line 1\): client_id: expected `str`"):
        load_settings(file, {}, {})
    file.write_text('[providers."Two Words"]\nclient_id = "x"\n')
    with pytest.raises(ConfigurationError, match="the setting providers is invalid"):
        load_settings(file, {}, {})


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        (None, 0o600, "No such file"),
        ("secret", 0o644, "other users can read"),
        ("", 0o600, "is empty"),
        (b"\xff", 0o600, "is not text"),
    ],
)
def test_a_secret_that_can_t_be_used_ends_the_start_and_no_command(
    play, tmp_path, content, mode, told
):
    file = tmp_path / "a-secret"
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)
    given = ProviderSettings(client_id="x", kind="google", client_secret_file=str(file))

    async def scene(service, clock):
        with pytest.raises(ConfigurationError, match=told):
            build_app(service)

    play(scene, providers={"google": given})


def test_a_key_that_is_none_ends_the_start(play, tmp_path):
    file = tmp_path / "a-key"
    for content in ("x", Key.generate("ES256").public.to_pem()):
        file.write_text(content if isinstance(content, str) else content.decode())
        file.chmod(0o600)
        given = read("google", client_key_file=str(file))
        with pytest.raises(ConfigurationError, match="holds no"):
            _ = given.key


def test_a_key_proves_who_asks(scene_of, tmp_path):
    key = Key.generate("ES256", kid="ours")
    file = tmp_path / "our-key.jwk"
    file.write_text(json.dumps(key.to_jwk(private=True)))
    file.chmod(0o600)

    async def scene(browser, provider):
        await linked(browser)
        await browser.enter(provider)
        await browser.enter(provider)
        assert await browser.username() == "alice"
        (first, headers), (second, _) = provider.asked
        assert "authorization" not in headers
        assert first["client_assertion"] != second["client_assertion"]
        claims = Verifier(
            key.public,
            issuer=first["client_id"],
            audience=provider.url,
            required=("jti", "iat"),
            clock=lambda: browser.clock() / 1_000_000,
        ).verify(first["client_assertion"])
        assert claims.subject == first["client_id"]
        assert claims["exp"] - claims["iat"] <= 60

    scene_of(scene, client_secret_file="", client_key_file=str(file))


def test_apple_gets_a_secret_that_is_signed_and_answers_with_a_form(scene_of, tmp_path):
    key = Key.generate("ES256")
    file = tmp_path / "AuthKey.p8"
    pem = key.to_pem(private=True)
    file.write_text(pem if isinstance(pem, str) else pem.decode())
    file.chmod(0o600)

    async def scene(browser, provider):
        await linked(browser)
        address = await browser.press()
        assert "response_mode=form_post" in address
        where, _, form = provider.sign_in(address).partition("?")
        # A browser sends no cookie with another site's form.
        bare = Browser(browser.service)
        headers = {
            "Origin": provider.url,
            "Sec-Fetch-Site": "cross-site",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        more = f"{form}&id_token=a-token&access_token=a-token&user=%7B%7D"
        answer = await bare.client.post(where, content=more, headers=headers)
        assert answer.status_code == 303
        assert "token" not in answer.headers["location"]
        answer = await browser.client.get(answer.headers["location"])
        assert await browser.username() == "alice"
        [(asked, _)] = provider.asked
        claims = Verifier(
            Key.from_pem(key.public.to_pem(), kid="ABC123DEFG"),
            issuer="ABCDE12345",
            audience="https://appleid.apple.com",
            clock=lambda: browser.clock() / 1_000_000,
        ).verify_complete(asked["client_secret"])
        assert claims.header["kid"] == "ABC123DEFG"
        assert claims.claims.subject == asked["client_id"]

    scene_of(
        scene,
        kind="apple",
        client_secret_file="",
        client_key_file=str(file),
        key_id="ABC123DEFG",
        team_id="ABCDE12345",
    )


def test_without_providers_nothing_of_them_is_there(play):
    async def scene(service, clock):
        browser = Browser(service)
        page = await browser.client.get("/sign-in")
        assert "Continue with" not in page.text
        assert (await browser.press()).status_code == 404
        return (await browser.client.get("/sign-in/with/up/callback?state=x")).status_code

    assert play(scene, issuer="https://auth.example") == 404
