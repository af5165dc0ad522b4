"""What a client may ask of the authorization endpoint, rule by rule, without a server."""

import asyncio
from functools import cache
from tempfile import TemporaryDirectory

import pytest
from tests.server.flows import CALLBACK, Request

from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import Client, ClientMetadata, Secrets
from carnet.server.clients.resources import ResourceMetadata
from carnet.server.oauth.authorization_request import (
    MAX_PARAMETERS,
    MAX_QUERY,
    MAX_TEXT,
    AuthorizationRefused,
    NotTheClient,
    read_authorization_request,
    read_client_id,
    read_query,
    redirect_matches,
    with_parameters,
)
from carnet.server.service import open_service
from carnet.server.settings import Settings

AUDIENCES = ("orders", "billing", "vault")
LONG = "x" * (MAX_TEXT + 1)
JKT = "k" * 43


def read(given=None, client=None, known=None, **more):
    metadata = {"redirect_uris": (CALLBACK,), **(client or {})}
    clients = {"app": Client("app", Secrets(), ClientMetadata(**metadata))}
    values = {name: [text] for name, text in Request(**more).parameters.items()}
    registry = registry_of(known or AUDIENCES)
    given = {**values, **(given or {})}
    found = clients[read_client_id(given)]
    return read_authorization_request(given, found, registry.audiences_of, registry.permitted)


@cache
def registry_of(audiences):
    """What a service knows of its audiences; the resource orders has a list of scopes."""

    async def load():
        with TemporaryDirectory() as folder:
            settings = Settings(data=folder, audiences=audiences)
            async with open_service(settings) as service:
                metadata = ResourceMetadata(scopes=("orders:read",))
                await service.registry.add_resource("orders", metadata, OPERATOR)
                return service.registry

    return asyncio.run(load())


@pytest.mark.parametrize(
    ("asked", "error", "about"),
    [
        ({"request_uri": "x"}, "request_uri_not_supported", "request_uri"),
        ({"registration": "x"}, "registration_not_supported", "registration"),
        ({"state": LONG}, "invalid_request", "state is longer"),
        ({"nonce": LONG}, "invalid_request", "nonce is longer"),
        ({"login_hint": LONG}, "invalid_request", "login_hint is longer"),
        ({"response_type": None}, "invalid_request", "response_type is missing"),
        ({"response_type": "token"}, "unsupported_response_type", "must be code"),
        ({"response_mode": "fragment"}, "invalid_request", "response_mode"),
        ({"code_challenge": None}, "invalid_request", "code_challenge is missing"),
        ({"code_challenge_method": None}, "invalid_request", "code_challenge_method"),
        ({"code_challenge_method": "plain"}, "invalid_request", "code_challenge_method"),
        ({"code_challenge_method": "s256"}, "invalid_request", "code_challenge_method"),
        ({"code_challenge": "c" * 42}, "invalid_request", "43 characters"),
        ({"code_challenge": "c" * 44}, "invalid_request", "43 characters"),
        ({"code_challenge": "c" * 42 + "="}, "invalid_request", "43 characters"),
        ({"code_challenge": "c" * 43 + "\n"}, "invalid_request", "43 characters"),
        ({"prompt": "dance"}, "invalid_request", "prompt"),
        ({"prompt": "none login"}, "invalid_request", "prompt"),
        ({"max_age": "-1"}, "invalid_request", "max_age"),
        ({"max_age": "1.5"}, "invalid_request", "max_age"),
        ({"max_age": "1" * 10}, "invalid_request", "max_age"),
        ({"dpop_jkt": "x"}, "invalid_request", "dpop_jkt"),
        ({"dpop_jkt": JKT + "k"}, "invalid_request", "dpop_jkt"),
        ({"scope": "a  b"}, "invalid_scope", "one space"),
        ({"scope": 'a"b'}, "invalid_scope", "one space"),
        ({"scope": "payroll:write"}, "invalid_scope", "not allowed any of these scopes"),
        ({"resource": "payroll"}, "invalid_target", "this resource"),
        ({"resource": ""}, "invalid_target", "this resource"),
    ],
)
def test_each_rule_refuses_by_itself_and_tells_the_client(asked, error, about):
    with pytest.raises(AuthorizationRefused) as refused:
        read(**asked)
    assert refused.value.code == error
    assert about in str(refused.value)
    assert refused.value.redirect_uri == CALLBACK
    assert refused.value.state == (None if "state" in asked else "a state")


@pytest.mark.parametrize(
    ("given", "about"),
    [
        ({"client_id": []}, "names no client"),
        ({"client_id": ["app", "app"]}, "names no client, or more than one"),
        ({"redirect_uri": [CALLBACK, CALLBACK]}, "more than one address"),
        ({"redirect_uri": ["https://evil.example/"]}, "not one that the client has registered"),
        # OpenID Connect Core section 3.1.2.1 demands it, OAuth does where there is a choice.
        ({"redirect_uri": []}, "does not name the address"),
        ({"redirect_uri": [], "scope": ["profile openid"]}, "does not name the address"),
    ],
)
def test_who_is_not_known_to_be_the_client_is_told_nothing_at_its_address(given, about):
    with pytest.raises(NotTheClient, match=about):
        read(given)


def test_an_address_need_not_be_named_where_there_is_one_and_no_openid():
    given = {"scope": ["profile"]}
    asked = read(given)
    assert (asked.redirect_uri, asked.redirect_given) == (CALLBACK, True)
    asked = read(given, redirect_uri=None)
    assert (asked.redirect_uri, asked.redirect_given) == (CALLBACK, False)
    with pytest.raises(NotTheClient):
        read(given, {"redirect_uris": (CALLBACK, CALLBACK + "2")}, redirect_uri=None)


@pytest.mark.parametrize("name", ["scope", "prompt", "nonce", "code_challenge", "unheard-of"])
def test_no_parameter_stands_twice(name):
    with pytest.raises(AuthorizationRefused) as refused:
        read({name: ["a", "a"]})
    assert refused.value.code == "invalid_request"
    assert f"the parameter {name} is given more than once" in str(refused.value)


def test_a_name_that_is_none_is_not_repeated_in_the_answer():
    with pytest.raises(AuthorizationRefused, match="the parameter of that name"):
        read({'"<script>': ["a", "a"]})


def test_a_state_that_stands_twice_or_is_too_long_is_not_sent_back():
    for states in (["a", "b"], [LONG]):
        with pytest.raises(AuthorizationRefused) as refused:
            read({"state": states})
        assert refused.value.state is None


def test_a_client_without_the_grant_gets_no_code():
    with pytest.raises(AuthorizationRefused) as refused:
        read(client={"grant_types": ("refresh_token",)})
    assert refused.value.code == "unauthorized_client"


def test_the_resource_is_one_of_the_clients_and_of_the_service():
    assert read().audience == "orders"
    assert read(client={"resources": ("vault", "billing")}).audience == "vault"
    assert read(client={"resources": ("vault",)}, resource="vault").audience == "vault"
    for client, resource, known in (
        ({"resources": ("vault",)}, "orders", AUDIENCES),
        ({"resources": ("vault",)}, "vault", ("orders",)),
        ({}, "vault", ("orders",)),
    ):
        with pytest.raises(AuthorizationRefused) as refused:
            read(client=client, resource=resource, known=known)
        assert refused.value.code == "invalid_target"


def test_a_default_resource_that_was_removed_is_asked_for_in_vain():
    with pytest.raises(AuthorizationRefused) as refused:
        read(client={"resources": ("vault",)}, known=("orders",))
    assert refused.value.code == "invalid_target"


@pytest.mark.parametrize(
    ("own", "resource", "asked", "granted"),
    [
        ("", "orders", "openid email", "openid email"),
        ("", "orders", "email openid", "email openid"),
        ("", "orders", "openid openid orders:read", "openid orders:read"),
        ("", "orders", None, ""),
        ("orders:read orders:write", "orders", None, "orders:read"),
        ("orders:read orders:write", "billing", None, "orders:read orders:write"),
        ("orders:read", "orders", "orders:read openid email", "orders:read openid"),
        ("orders:read carnet:admin", "orders", "carnet:admin orders:read", "orders:read"),
        ("orders:read carnet:admin", "billing", "carnet:admin", "carnet:admin"),
    ],
)
def test_the_scope_is_what_the_client_has_of_what_the_resource_knows(own, resource, asked, granted):
    assert read(client={"scope": own}, scope=asked, resource=resource).scope == granted


@pytest.mark.parametrize("asked", [None, "carnet:admin"])
def test_a_scope_of_which_nothing_is_the_resources_is_refused(asked):
    with pytest.raises(AuthorizationRefused) as refused:
        read(client={"scope": "carnet:admin"}, scope=asked, resource="orders")
    assert refused.value.code == "invalid_scope"


def test_what_is_asked_is_read_as_it_stands():
    more = {"prompt": "login consent", "max_age": "60", "dpop_jkt": JKT}
    asked = read(nonce="n", login_hint="alice", id_token_hint="t", **more)
    assert asked.prompts == {"login", "consent"}
    assert (asked.max_age, asked.key_thumbprint, asked.nonce) == (60, JKT, "n")
    assert (asked.login_hint, asked.id_token_hint) == ("alice", "t")
    assert read(response_mode="query").state == "a state"


def test_a_query_is_bounded_and_well_formed():
    assert read_query("") == {}
    assert read_query("a=1&a=2&b=") == {"a": ["1", "2"]}
    for wrong in (
        "a=%ff",
        "a",
        "a=" + "b" * (MAX_QUERY - 1),
        "&".join(["a=1"] * (MAX_PARAMETERS + 1)),
    ):
        with pytest.raises(NotTheClient):
            read_query(wrong)


def test_parameters_are_added_after_those_of_the_address():
    assert with_parameters("https://a/?b=c", {"d": "e f", "g": None}) == "https://a/?b=c&d=e+f"
    assert with_parameters("https://a/", {"d": None}) == "https://a/"


@pytest.mark.parametrize(
    "given",
    [
        "cursor://anysphere.cursor-mcp/oauth/callback/",
        "cursor://anysphere.cursor-mcp:80/oauth/callback",
        "cursor://Anysphere.cursor-mcp/oauth/callback",
        "Cursor://anysphere.cursor-mcp/oauth/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback?more=1",
        "cursor:/anysphere.cursor-mcp/oauth/callback",
        "cursor://anysphere.cursor-mcp/oauth/../oauth/callback",
        "cursor2://anysphere.cursor-mcp/oauth/callback",
        "javascript://anysphere.cursor-mcp/oauth/callback",
    ],
)
def test_the_address_of_an_app_is_compared_character_by_character(given):
    registered = "cursor://anysphere.cursor-mcp/oauth/callback"
    assert redirect_matches(registered, registered)
    assert not redirect_matches(registered, given)
    with pytest.raises(NotTheClient, match="not one that the client has registered"):
        read({"redirect_uri": [given]}, {"redirect_uris": (registered,)})
