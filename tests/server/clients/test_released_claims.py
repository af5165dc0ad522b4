"""What is told to whom: whole claim sets, for every scope, kind of token and kind of client."""

import itertools

import httpx
import msgspec
import pytest

from carnet import inspect
from carnet.errors import ConfigurationError
from carnet.server.accounts.accounts import AccountRefused
from carnet.server.app import build_app
from carnet.server.audit import OPERATOR
from carnet.server.claim_names import RESERVED_CLAIMS
from carnet.server.clients.clients import ClientMetadata, ClientRefused
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.sessions.sessions import FIRST_PARTY, NewSession
from carnet.server.settings import ScopeRelease
from carnet.server.settings_sources import load_settings

ISSUER = "https://auth.example.com"
PASSWORD = "a-long-enough-password"
OWN = {
    "name": "Ada",
    "birthdate": "1815-12-10",
    "email": "ada@example.com",
    "email_verified": True,
    "address": {"country": "GB"},
    "phone_number": "+44 1",
    "groups": ["press"],
    "department": "press",
    "cost_centre": 7,
    "note": "for nobody else",
}
SCOPES = {
    "work": ScopeRelease(claims=("department", "cost_centre")),
    "desk": ScopeRelease(claims=("department",), tokens=("id_token",)),
    "centre": ScopeRelease(claims=("cost_centre",), tokens=("access_token",)),
    "badge": ScopeRelease(claims=("department",), tokens=("userinfo",)),
}
SETTINGS = {"issuer": ISSUER, "audiences": ("orders", "hr", "lean"), "scopes": SCOPES}

ACCESS = {
    *("iss", "aud", "sub", "client_id", "sid", "sub_ver", "iat", "exp", "jti", "scope"),
    *("acr", "amr", "auth_time"),
}
ID = {"iss", "aud", "sub", "azp", "sid", "acr", "amr", "at_hash", "auth_time", "iat", "exp"}
PROFILE = {"preferred_username", "name", "birthdate"}
EMAIL = {"email", "email_verified"}
WORK = {"department", "cost_centre"}

# What a scope adds to an access token for orders, to one for hr, to an ID token, to UserInfo.
TOLD = {
    "openid": (set(), set(), set(), set()),
    "offline_access": (set(), set(), set(), set()),
    "profile": (set(), set(), PROFILE, PROFILE),
    "email": (set(), {"email"}, EMAIL, EMAIL),
    "address": (set(), set(), {"address"}, {"address"}),
    "phone": (set(), set(), {"phone_number"}, {"phone_number"}),
    "roles": ({"roles"},) * 4,
    "groups": ({"groups"},) * 4,
    "work": (WORK,) * 4,
    "desk": (set(), set(), {"department"}, set()),
    "centre": ({"cost_centre"}, {"cost_centre"}, set(), set()),
    "badge": (set(), set(), set(), {"department"}),
    "hr:read": (set(), WORK, set(), set()),
    "carnet:admin": (set(), set(), set(), set()),
    "unknown": (set(), set(), set(), set()),
}
HR = ResourceMetadata(
    scope_claims={"hr:read": ("department", "cost_centre"), "email": ("email",)},
    claims=("roles", "groups"),
)


class Teller:
    """Asks an open service what it tells of Ada."""

    def __init__(self, service):
        self.service = service

    @classmethod
    async def make(cls, service):
        self = cls(service)
        await service.registry.add_resource("hr", HR, OPERATOR)
        await service.registry.add_resource("lean", ResourceMetadata(claims=()), OPERATOR)
        for name, ours in (("theirs", False), ("ours", True)):
            metadata = ClientMetadata(
                redirect_uris=("https://app.example/callback",),
                token_endpoint_auth_method="none",
                first_party=ours,
            )
            await service.registry.add_client(metadata, OPERATOR, name)
        self.account = await service.accounts.create("ada", PASSWORD, ["ADMIN"], OWN)
        return self

    async def grant(self, client_id, scope, audience="orders"):
        wanted = NewSession(client_id, audience, scope)
        return await self.service.sessions.begin(self.account, wanted)

    def access(self, grant, audience):
        return self.service.access_tokens.issue(grant, audience, None)[0]

    def said(self, grant, audience):
        return dict(inspect(self.access(grant, audience)).claims)

    async def id_token(self, grant):
        client = self.service.registry.client(grant.client_id)
        token = await self.service.id_tokens.issue(
            grant, self.account, client, self.access(grant, "orders")
        )
        return dict(inspect(token).claims)

    async def userinfo(self, grant):
        transport = httpx.ASGITransport(build_app(self.service))
        headers = {"Authorization": f"Bearer {self.access(grant, 'orders')}"}
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
            return (await client.get("/userinfo", headers=headers)).json()


def told_of(names):
    """The account's own values of claims."""
    known = {**OWN, "roles": ["ADMIN"], "preferred_username": "ada"}
    return {name: known[name] for name in names}


@pytest.mark.parametrize("client_id", ["theirs", "ours"])
@pytest.mark.parametrize("scope", TOLD)
def test_a_scope_releases_its_claims_and_no_other(play, scope, client_id):
    orders, hr, id_token, userinfo = TOLD[scope]
    if client_id == "ours":
        # First-party access tokens carry everything, unless the resource says what it wants.
        orders = {"roles", *OWN}
        hr = hr | {"roles", "groups"}

    async def scene(service, clock):
        teller = await Teller.make(service)
        grant = await teller.grant(client_id, f"openid {scope}")
        return (
            *(teller.said(grant, audience) for audience in ("orders", "hr", "lean")),
            await teller.id_token(grant),
            await teller.userinfo(grant),
        )

    for_orders, for_hr, for_lean, in_id_token, from_userinfo = play(scene, **SETTINGS)
    assert set(for_orders) == ACCESS | orders
    assert set(for_hr) == ACCESS | hr
    # What the scope releases to every resource is left where a resource demands nothing itself.
    assert set(for_lean) == ACCESS | TOLD[scope][0]
    assert set(in_id_token) == ID | id_token
    assert from_userinfo == {"sub": for_orders["sub"], **told_of(userinfo)}
    for found, names in ((for_orders, orders), (for_hr, hr), (in_id_token, id_token)):
        assert {name: found[name] for name in names} == told_of(names)


def test_no_set_of_scopes_tells_a_third_party_more_than_each_of_them(play):
    async def scene(service, clock):
        teller = await Teller.make(service)
        grant = await teller.grant("theirs", "")
        for scopes in itertools.chain.from_iterable(
            itertools.combinations(TOLD, size) for size in range(4)
        ):
            given = grant._replace(scope=" ".join(scopes))
            for at, audience in enumerate(("orders", "hr")):
                expected = ACCESS.union(*(TOLD[scope][at] for scope in scopes))
                found = set(teller.said(given, audience)) | {"scope"}
                assert found == expected, (scopes, audience)

    play(scene, **SETTINGS)


def test_a_password_session_keeps_roles_and_claims_and_the_api_is_told_the_roles_alone(play):
    async def scene(service, clock):
        teller = await Teller.make(service)
        grant = await teller.grant(FIRST_PARTY, "")
        return [teller.said(grant, audience) for audience in ("orders", "hr", "lean", ISSUER)]

    orders, hr, lean, api = play(scene, **SETTINGS)
    plain = ACCESS - {"scope"}
    assert set(orders) == plain | {"roles", *OWN}
    assert set(hr) == plain | {"roles", "groups"}
    assert set(lean) == plain
    assert set(api) == plain | {"roles"}


def test_a_client_that_is_gone_is_no_first_party(play):
    async def scene(service, clock):
        teller = await Teller.make(service)
        grant = await teller.grant("ours", "openid")
        await service.registry.remove_client("ours", OPERATOR)
        return set(teller.said(grant, "orders"))

    assert play(scene, **SETTINGS) == ACCESS


def test_the_api_is_told_of_a_third_partys_person_what_its_scope_needs(play):
    async def scene(service, clock):
        teller = await Teller.make(service)
        grants = [await teller.grant("theirs", scope) for scope in ("openid", "carnet:admin")]
        return [set(teller.said(grant, ISSUER)) for grant in grants]

    assert play(scene, **SETTINGS) == [ACCESS, ACCESS | {"roles"}]


def test_a_refresh_with_less_scope_tells_less(play):
    async def scene(service, clock):
        teller = await Teller.make(service)
        grant = await teller.grant("theirs", "openid email roles work")
        transport = httpx.ASGITransport(build_app(service))
        found, token = [], grant.refresh_token
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
            for scope in ("openid email roles work", "openid roles", "openid"):
                form = {"grant_type": "refresh_token", "refresh_token": token, "scope": scope}
                answer = await client.post("/token", data={**form, "client_id": "theirs"})
                body = answer.json()
                token = body["refresh_token"]
                headers = {"Authorization": f"Bearer {body['access_token']}"}
                told = (await client.get("/userinfo", headers=headers)).json()
                said = [inspect(body[name]).claims for name in ("access_token", "id_token")]
                found.append((set(said[0]) - ACCESS, set(said[1]) - ID, set(told) - {"sub"}))
        return found

    assert play(scene, **SETTINGS) == [
        ({"roles", *WORK}, {"roles", *WORK, *EMAIL}, {"roles", *WORK, *EMAIL}),
        ({"roles"},) * 3,
        (set(),) * 3,
    ]


def test_a_resource_with_scopes_of_its_own_still_gets_what_the_services_scopes_release(play):
    async def scene(service, clock):
        teller = await Teller.make(service)
        metadata = ResourceMetadata(scopes=("stock:read",))
        await service.registry.add_resource("stock", metadata, OPERATOR)
        grant = await teller.grant("theirs", "groups other stock:read work", "stock")
        transport = httpx.ASGITransport(build_app(service))
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
            answer = await client.post("/token", data={**form, "client_id": "theirs"})
        return inspect(answer.json()["access_token"]).claims

    said = play(scene, **SETTINGS)
    assert said["scope"] == "groups stock:read work"
    assert set(said) == ACCESS | {"groups", *WORK}


def test_introspection_tells_a_resource_no_more_than_its_token(play):
    async def scene(service, clock):
        teller = await Teller.make(service)
        metadata = ClientMetadata(grant_types=("client_credentials",), introspects=("orders", "hr"))
        client, secret = await service.registry.add_client(metadata, OPERATOR)
        transport = httpx.ASGITransport(build_app(service))
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
            for who, audience in itertools.product(("theirs", "ours"), ("orders", "hr")):
                grant = await teller.grant(who, "openid email roles")
                token = teller.access(grant, audience)
                form = {"token": token}
                answer = await http.post("/introspection", data=form, auth=(client.id, secret))
                told = {"active": True, "token_type": "Bearer"}
                assert answer.json() == {**inspect(token).claims, **told}

    play(scene, **SETTINGS)


@pytest.mark.parametrize("name", sorted(RESERVED_CLAIMS))
def test_a_claim_that_the_service_itself_sets_is_none_of_an_accounts(play, name):
    async def scene(service, clock):
        with pytest.raises(AccountRefused) as refused:
            await service.accounts.create("eve", PASSWORD, (), {name: "x"})
        return refused.value.code

    assert play(scene) == "claim_reserved"


def test_claims_that_were_stored_before_their_names_were_reserved_stay_inside(play):
    evil = dict.fromkeys(RESERVED_CLAIMS, "evil")

    async def scene(service, clock):
        teller = await Teller.make(service)
        text = msgspec.json.encode({**evil, "department": "press"}).decode()
        await service.store.write(
            "UPDATE account SET claims = ? WHERE id = ?", text, teller.account.id
        )
        teller.account = await service.accounts.by_id(teller.account.id)
        found = []
        for who, scope in itertools.product(("theirs", "ours"), ("", "openid profile roles work")):
            grant = await teller.grant(who, scope)
            found += [teller.said(grant, "orders"), await teller.id_token(grant)]
            if scope:
                found.append(await teller.userinfo(grant))
        return found

    for told in play(scene, **SETTINGS):
        assert "evil" not in told.values(), told
        assert "act" not in told


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ({"claims": ["sub"]}, "sub"),
        ({"claims": ["department", "cnf", "act"]}, "act, cnf"),
        ({"claims": ["preferred_username"]}, "into an access token"),
        ({"claims": []}, "scopes"),
        ({"claims": ["a"], "tokens": ["refresh_token"]}, "scopes"),
        ({"claims": ["a"], "tokens": []}, "scopes"),
        ({"claims": ["a"], "more": 1}, "scopes"),
    ],
)
def test_a_scope_of_the_settings_that_cant_be_is_refused(release, said):
    with pytest.raises(ConfigurationError, match=said):
        load_settings(None, {}, {"scopes": {"work": release}})


@pytest.mark.parametrize("name", ["openid", "offline_access", "two words", ""])
def test_a_scope_of_the_settings_has_a_name_that_can_release_something(name):
    with pytest.raises(ConfigurationError, match="scopes"):
        load_settings(None, {}, {"scopes": {name: {"claims": ["a"]}}})


def test_scopes_are_read_from_the_settings_file_and_told_in_the_metadata(play, tmp_path):
    config = tmp_path / "carnet.toml"
    config.write_text(
        '[scopes.work]\nclaims = ["department"]\ntokens = ["id_token"]\n'
        '[scopes.email]\nclaims = ["email"]\n'
    )
    settings = load_settings(config, {}, {})

    async def scene(service, clock):
        transport = httpx.ASGITransport(build_app(service))
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
            return (await client.get("/.well-known/openid-configuration")).json()

    told = play(scene, issuer=ISSUER, scopes=settings.scopes)
    assert {"work", "groups", "email", "openid"} <= set(told["scopes_supported"])
    assert {"department", "groups", "roles", "preferred_username"} <= set(told["claims_supported"])
    assert "email_verified" not in told["claims_supported"]


@pytest.mark.parametrize(
    "metadata",
    [
        ResourceMetadata(claims=("sub",)),
        ResourceMetadata(claims=("preferred_username",)),
        ResourceMetadata(scope_claims={"a": ("iss",)}),
        ResourceMetadata(scope_claims={"a b": ("department",)}),
    ],
)
def test_a_resource_cant_ask_for_what_the_service_itself_sets(play, metadata):
    async def scene(service, clock):
        with pytest.raises(ClientRefused) as refused:
            await service.registry.add_resource("stock", metadata, OPERATOR)
        return str(refused.value)

    assert "claims" in play(scene) or "names" in play(scene)


def test_the_words_of_a_scope_say_what_is_released(play):
    async def scene(service, clock):
        await Teller.make(service)
        registry = service.registry
        return registry.scopes.describe(
            ["openid", "roles", "groups", "work", "hr:read", "email", "carnet:admin", "x"],
            registry.resource("hr"),
        )

    assert play(scene, **SETTINGS) == [
        ("openid", "see that it is you"),
        ("roles", "read which roles you have"),
        ("groups", "read which groups you belong to"),
        ("work", "read your department, cost centre"),
        ("hr:read", "tell hr your department, cost centre"),
        ("email", "read your e-mail address, and tell hr your email"),
        ("carnet:admin", "administer this service in your name: accounts, clients and resources"),
        ("x", ""),
    ]


def test_a_client_may_ask_for_what_its_resources_offer_unless_it_is_narrowed(play):
    async def scene(service, clock):
        registry = service.registry
        for name in ("stock", "wages"):
            metadata = ResourceMetadata(scopes=(f"{name}:read",))
            await registry.add_resource(name, metadata, OPERATOR)
        asked = ("openid", "work", "stock:read", "wages:read")
        found = []
        for members in ({}, {"resources": ("stock",)}, {"scope": "roles"}):
            metadata = ClientMetadata(redirect_uris=("https://app.example/",), **members)
            client, _ = await registry.add_client(metadata, OPERATOR)
            at = [registry.permitted(client, name, asked) for name in ("stock", "wages")]
            found.append((registry.scopes_of(client), *at))
        return found

    (anything, *at_each), (stock, *_), (narrowed, *at_none) = play(scene, **SETTINGS)
    assert at_each == [{"openid", "work", "stock:read"}, {"openid", "work", "wages:read"}]
    assert at_none == [{"openid"}] * 2
    assert {"openid", "groups", "work", "stock:read", "wages:read"} <= anything
    assert "stock:read" in stock
    assert "wages:read" not in stock
    assert narrowed == {"roles", "openid", "offline_access"}


def test_a_resource_is_told_what_to_release_at_the_command_line(carnet, tmp_path):
    flags = ("--scope", "hr:read", "--release", "hr:read=department,cost_centre")
    made = carnet("resource", "add", "hr", *flags, "--claim", "roles", "--json", data=tmp_path)
    assert made.returncode == 0, made.stderr
    document = msgspec.json.decode(made.stdout)
    assert document["scope_claims"] == {"hr:read": ["department", "cost_centre"]}
    assert document["claims"] == ["roles"]
    assert carnet("resource", "add", "lean", "--no-claims", data=tmp_path).returncode == 0
    listed = carnet("resource", "list", data=tmp_path).stdout
    assert "hr:read  releases hr:read=department,cost_centre; claims roles" in listed
    assert "claims none" in listed
    for wrong in (
        ("--release", "hr:read"),
        ("--release", "hr:read=sub"),
        ("--claim", "aud"),
        ("--claim", "roles", "--no-claims"),
    ):
        refused = carnet("resource", "add", "other", *wrong, data=tmp_path)
        assert refused.returncode == 2
        assert "Traceback" not in refused.stderr
