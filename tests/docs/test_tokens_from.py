"""The lines of each section of docs/tokens-from.md accept a token of that issuer's shape."""

import re
from pathlib import Path

import pytest
from tests.verifier import providers
from tests.verifier.internet import Internet, on_the_internet

from carnet.jose import jws
from carnet.verifier import Issuer, access_token, issuer_profiles

PAGE = Path(__file__).parents[2] / "docs" / "tokens-from.md"
INTRODUCTION, *SECTIONS = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)


def plain(**changes):
    """An issuer without a profile, at an address of its own."""
    name = changes["iss"]
    keys = f"{name}/jwks"
    return providers.Provider(
        Issuer(name),
        "orders",
        {"aud": "orders", "sub": "ada", "groups": ["ADMIN"], **changes},
        header={"typ": "at+jwt"},
        published={
            f"{name}/.well-known/oauth-authorization-server": providers.metadata(name, keys),
            keys: providers.jwks(),
        },
    )


def carnet():
    return plain(iss="https://auth.example.com", client_id="web", roles=["ADMIN"], scope="a:read")


def any_other():
    return plain(iss="https://sso.example.com", token_use="access", client={"id": "web"})


MAKERS = {
    "Carnet": carnet,
    "Microsoft Entra ID": providers.entra,
    "Auth0": providers.auth0,
    "Okta": providers.okta,
    "Amazon Cognito": providers.cognito,
    "Keycloak": providers.keycloak,
    "Google": providers.google,
    "Firebase": providers.firebase,
    "GitHub Actions": providers.github_actions,
    "GitLab CI": providers.gitlab,
    "Kubernetes": providers.kubernetes,
    "Supabase": providers.supabase,
    "Clerk": providers.clerk,
    "Any other issuer": any_other,
}


def title_of(section):
    return section.partition("\n")[0]


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    one = Internet(tmp_path_factory.mktemp("internet"))
    yield one
    one.close()


@pytest.fixture
def internet(net, monkeypatch, tmp_path):
    # What a pod has at this place.
    (tmp_path / "token").write_text("of.the.pod")
    (tmp_path / "ca.crt").write_bytes(net.ca_file.read_bytes())
    options = issuer_profiles.PROFILES["kubernetes"].options
    monkeypatch.setitem(options, "bearer_file", tmp_path / "token")
    monkeypatch.setitem(options, "ca_file", tmp_path / "ca.crt")
    with on_the_internet(net, monkeypatch):
        yield net


@pytest.mark.parametrize("section", SECTIONS, ids=title_of)
def test_the_lines_of_each_section_accept_a_token_of_that_issuer(section, internet, capsys):
    provider = MAKERS[title_of(section)]()
    provider.publish(internet)
    if not provider.published:
        raise AssertionError("the provider publishes nothing")
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names = {"token": provider.token(**({"ref_protected": "true"} if "GitLab" in section else {}))}
    exec(compile(code, str(PAGE), "exec"), names)
    assert capsys.readouterr().out.startswith(provider.claims["sub"])
    assert internet.requests
    names["verifier"].close()
    stranger = jws.sign(b"{}", provider.key, provider.header)
    with pytest.raises(access_token.InvalidToken):
        names["verifier"].verify(stranger)


def test_the_page_has_a_section_for_every_profile_and_its_table_is_that_of_the_rows():
    assert list(MAKERS) == [title_of(section) for section in SECTIONS]
    assert len(issuer_profiles.PROFILES) == len(MAKERS) - 2
    rows = [line.split("|")[1:-1] for line in INTRODUCTION.splitlines() if "| 2026" in line]
    assert len(rows) == len(issuer_profiles.PROFILES)
    for profile, row in zip(issuer_profiles.PROFILES.values(), rows, strict=True):
        _, as_of, roles, scopes, client, _ = (cell.strip() for cell in row)
        said = {"roles_claim": "roles", "scope_claim": "scope", **profile.options}
        assert as_of == profile.as_of
        assert re.findall(r"`(.*?)`", roles) == listed(said["roles_claim"])
        assert re.findall(r"`(.*?)`", scopes) == listed(said["scope_claim"])
        if isinstance(said.get("client_id_claim"), str | list):
            assert re.findall(r"`(.*?)`", client) == listed(said["client_id_claim"])


def listed(where):
    return where if isinstance(where, list) else [where]
