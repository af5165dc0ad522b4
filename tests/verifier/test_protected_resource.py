"""What a protected resource says of itself (RFC 9728), and its challenges of it (section 5.1)."""

import asyncio
import json

import httpx
import pytest

from carnet import Claims, ConfigurationError, Key, KeySet, Signer
from carnet.jwt import UNCHECKED
from carnet.verifier import AccessTokenVerifier, Issuer, ProtectedResource
from carnet.verifier.asgi import BearerMiddleware
from carnet.verifier.bearer import check_acr, check_role, check_scope
from carnet.verifier.cookies import CookieSessions
from carnet.verifier.refusal import Refusal, missing, with_advice

ISSUER = "https://auth.example.com"
RESOURCE = "https://mcp.example.com/mcp"
WELL_KNOWN = "/.well-known/oauth-protected-resource"
METADATA = f"https://mcp.example.com{WELL_KNOWN}/mcp"
KEY = Key.generate("ES256", kid="k")
OPTIONS = {"issuer": ISSUER, "keys": KeySet([KEY.public])}


def token(audience=RESOURCE, **claims):
    signer = Signer(KEY, issuer=ISSUER, audience=audience, type="at+jwt")
    return signer.sign({"sub": "ada", "client_id": "c", **claims})


def published(resource=RESOURCE, **options):
    return AccessTokenVerifier(**{**OPTIONS, "resource": resource, **options}).resource


def refused(check, *arguments):
    with pytest.raises(Refusal) as caught:
        check(*arguments)
    return caught.value


def test_the_document_says_who_gives_tokens_and_nothing_that_was_not_given():
    assert json.loads(published().document) == {
        "resource": RESOURCE,
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
    }


def test_the_document_says_all_that_was_given():
    resource = ProtectedResource(
        RESOURCE,
        scopes_supported=["tools:read"],
        name="Tools",
        documentation="https://example.com/tools?page=1#top",
    )
    assert json.loads(published(resource).document) == {
        "resource": RESOURCE,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["tools:read"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Tools",
        "resource_documentation": "https://example.com/tools?page=1#top",
    }


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        ("https://auth.example.com/", ["https://auth.example.com/"]),
        ("https://auth.example.com/tenant", ["https://auth.example.com/tenant"]),
        (Issuer(("https://a.example", "https://b.example")), ["https://a.example"]),
        (["https://b.example", "https://a.example/"], ["https://b.example", "https://a.example/"]),
    ],
)
def test_issuers_stand_in_it_exactly_as_they_were_given(issuer, expected):
    many = isinstance(issuer, list)
    options = {"keys": None, "revocations": "off"} if many else {}
    document = json.loads(published(issuer=issuer, **options).document)
    assert document["authorization_servers"] == expected


@pytest.mark.parametrize(
    "issuer", [Issuer("https://a.example/{tid}"), Issuer(lambda claims: True), "no address"]
)
def test_an_issuer_without_an_address_needs_one_that_clients_can_go_to(issuer):
    with pytest.raises(ConfigurationError, match="authorization_servers"):
        published(issuer=issuer)
    resource = ProtectedResource(RESOURCE, authorization_servers=[ISSUER])
    document = json.loads(published(resource, issuer=issuer).document)
    assert document["authorization_servers"] == [ISSUER]


def test_who_takes_only_bound_tokens_says_so_in_the_document_and_in_a_challenge_of_dpop():
    bound = published(required=["cnf"])
    document = json.loads(bound.document)
    assert document["dpop_bound_access_tokens_required"] is True
    assert "ES256" in document["dpop_signing_alg_values_supported"]
    assert "HS256" not in document["dpop_signing_alg_values_supported"]
    told = with_advice(missing(), bound, "a b").headers["WWW-Authenticate"]
    bearer, dpop = told.split(", DPoP ")
    said = f'scope="a b", resource_metadata="{METADATA}"'
    assert bearer == f"Bearer {said}"
    assert dpop.startswith('algs="RS256 ')
    assert dpop.endswith(f'", {said}')


@pytest.mark.parametrize(
    ("resource", "path", "url"),
    [
        ("https://a.example", WELL_KNOWN, f"https://a.example{WELL_KNOWN}"),
        ("https://a.example/", WELL_KNOWN, f"https://a.example{WELL_KNOWN}"),
        ("https://a.example:8443/b/c", f"{WELL_KNOWN}/b/c", None),
        ("https://a.example/b/", f"{WELL_KNOWN}/b/", f"https://a.example{WELL_KNOWN}/b/"),
        ("https://a.example/b?c=d", f"{WELL_KNOWN}/b", f"https://a.example{WELL_KNOWN}/b?c=d"),
        ("http://127.0.0.1:8000/mcp", f"{WELL_KNOWN}/mcp", None),
        ("http://[::1]:8000/mcp", f"{WELL_KNOWN}/mcp", f"http://[::1]:8000{WELL_KNOWN}/mcp"),
        ("http://localhost/mcp", f"{WELL_KNOWN}/mcp", f"http://localhost{WELL_KNOWN}/mcp"),
    ],
)
def test_the_well_known_path_goes_between_host_and_path(resource, path, url):
    one = published(resource)
    assert (one.resource, one.path) == (resource, path)
    assert url is None or one.url == url
    assert json.loads(one.document)["resource"] == resource


@pytest.mark.parametrize(
    "resource",
    [
        *("mcp.example.com", "/mcp", "", "ftp://mcp.example.com", "http://mcp.example.com/mcp"),
        *("https://mcp.example.com/mcp#part", "https://mcp.example.com/mcp#", "https://"),
        *("https://ada@mcp.example.com/", "https://mcp.example.com:0/", "https://MCP.example.com/"),
        *('https://a.example/"', "https://a.example/\\", "https://a.example/%22", "https://ä.de/"),
        *("https://a.example/{id}", "https://a.example/<id>", "https://a.example/ä", 'https://a."'),
        *('https://a.example/?a="', "https://a.example/?ä", "https://a.example/a b", "https://a\n"),
        *(7, b"https://a.example", ["https://a.example"], True),
        ProtectedResource("http://mcp.example.com"),
        ProtectedResource(RESOURCE, scopes_supported="tools:read"),
        ProtectedResource(RESOURCE, scopes_supported=["tools:read tools:write"]),
        ProtectedResource(RESOURCE, scopes_supported=['"']),
        ProtectedResource(RESOURCE, scopes_supported=[7]),
        ProtectedResource(RESOURCE, name=7),
        ProtectedResource(RESOURCE, documentation="javascript:alert(1)"),
        ProtectedResource(RESOURCE, authorization_servers=[]),
        ProtectedResource(RESOURCE, authorization_servers=ISSUER),
        ProtectedResource(RESOURCE, authorization_servers=["auth"]),
    ],
)
def test_what_is_no_resource_is_refused_at_the_start(resource):
    with pytest.raises(ConfigurationError):
        published(resource)


def test_tokens_are_for_the_resource_unless_there_is_an_audience():
    AccessTokenVerifier(**OPTIONS, resource=RESOURCE).verify(token())
    for audience in ("orders", UNCHECKED):
        other = AccessTokenVerifier(**OPTIONS, resource=RESOURCE, audience=audience)
        assert other.verify(token("orders")).subject == "ada"
    own = {**OPTIONS, "issuer": Issuer(ISSUER, audience="orders")}
    AccessTokenVerifier(**own, resource=RESOURCE).verify(token("orders"))
    for options, for_ in (({}, "orders"), ({"audience": "orders"}, RESOURCE)):
        with pytest.raises(Exception, match="audience"):
            AccessTokenVerifier(**OPTIONS, resource=RESOURCE, **options).verify(token(for_))


def test_cookie_mode_leaves_the_resource_to_the_app():
    with pytest.raises(ConfigurationError, match="own verifier"):
        CookieSessions(None, ISSUER, "orders", origin="https://a.example", resource=RESOURCE)


def test_an_answer_is_for_everybody_and_for_reading_only():
    resource = published()
    read = resource.answer("GET")
    assert (read.status, read.body) == (200, resource.document)
    assert read.headers["Access-Control-Allow-Origin"] == "*"
    assert read.headers["Cache-Control"] == "public, max-age=300"
    assert resource.answer("HEAD") == (200, read.headers, b"")
    asked = resource.answer("OPTIONS")
    assert (asked.status, asked.body) == (204, b"")
    assert asked.headers["Access-Control-Allow-Headers"] == "*, Authorization"
    for method in ("POST", "PUT", "DELETE", "get", "TRACE"):
        answer = resource.answer(method)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_nothing_is_added_to_a_challenge_where_nothing_is_known():
    refusal = missing()
    assert with_advice(refusal) is refusal
    unavailable = Refusal(503, {"Retry-After": "5"}, {"code": "issuer_unavailable"})
    assert with_advice(unavailable, published(), "a") is unavailable


def test_a_challenge_names_the_metadata_and_all_scopes_that_are_needed():
    resource, claims = published(), Claims({"sub": "ada", "scope": "c"})
    told = with_advice(missing(), resource, "a b").headers["WWW-Authenticate"]
    assert told == f'Bearer scope="a b", resource_metadata="{METADATA}"'
    refusal = with_advice(refused(check_scope, claims, "a"), resource, "a b")
    assert refusal.headers["WWW-Authenticate"] == (
        'Bearer error="insufficient_scope", error_description="this needs the scope a b", '
        f'scope="a b", resource_metadata="{METADATA}"'
    )
    assert refusal.content["expected"] == "a b"
    refusal = with_advice(refused(check_role, claims, "ADMIN"), resource, "a b")
    # Another scope would give no role.
    assert "scope=" not in refusal.headers["WWW-Authenticate"].replace("insufficient_scope", "")
    assert refusal.headers["WWW-Authenticate"].endswith(f', resource_metadata="{METADATA}"')
    refusal = with_advice(refused(check_acr, claims, "mfa"), resource, "a b")
    told = refusal.headers["WWW-Authenticate"]
    assert told.endswith(f'acr_values="mfa", scope="a b", resource_metadata="{METADATA}"')


def test_where_a_place_names_no_scope_a_challenge_names_those_of_the_resource():
    resource = published(ProtectedResource(RESOURCE, scopes_supported=["tools:read", "tools:use"]))
    told = with_advice(missing(), resource).headers["WWW-Authenticate"]
    assert told == f'Bearer scope="tools:read tools:use", resource_metadata="{METADATA}"'
    assert 'scope="admin"' in with_advice(missing(), resource, "admin").headers["WWW-Authenticate"]
    lacking = refused(check_scope, Claims({"scope": "tools:use"}), "tools:read")
    told = with_advice(lacking, resource).headers["WWW-Authenticate"]
    assert 'scope="tools:read"' in told


def test_no_scope_that_a_service_names_breaks_out_of_its_quotes():
    refusal = with_advice(missing(), published(), 'a", x="\\\r\nSet-Cookie: ä')
    told = refusal.headers["WWW-Authenticate"]
    assert told.startswith("Bearer scope=\"a', x='???Set-Cookie: ?\", resource_metadata=")


async def _ask(app, method, path, root_path="", **headers):
    transport = httpx.ASGITransport(app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="https://mcp.example.com") as client:
        return await client.request(method, path, headers=headers)


def ask(app, method, path, root_path="", **headers):
    return asyncio.run(_ask(app, method, path, root_path, **headers))


async def service(scope, _receive, send):
    check_scope(scope["carnet.claims"], "a b")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


def test_an_asgi_app_answers_for_its_metadata_and_for_nothing_else_without_a_token():
    app = BearerMiddleware(service, **OPTIONS, resource=RESOURCE)
    answer = ask(app, "GET", f"{WELL_KNOWN}/mcp")
    assert answer.json()["resource"] == RESOURCE
    assert answer.headers["content-type"] == "application/json"
    assert ask(app, "POST", f"{WELL_KNOWN}/mcp").status_code == 405
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    assert ask(app, "OPTIONS", f"{WELL_KNOWN}/mcp", **asked).status_code == 204
    for path in (WELL_KNOWN, f"{WELL_KNOWN}/", f"{WELL_KNOWN}/mcp/", f"{WELL_KNOWN}/mcp/a", "/mcp"):
        answer = ask(app, "GET", path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == f'Bearer resource_metadata="{METADATA}"'
    good = ask(app, "GET", "/mcp", Authorization=f"Bearer {token(scope='a b')}")
    assert good.text == "served"
    lacking = ask(app, "GET", "/mcp", Authorization=f"Bearer {token(scope='a')}")
    assert lacking.status_code == 403
    assert f'scope="a b", resource_metadata="{METADATA}"' in lacking.headers["www-authenticate"]
    wrong = ask(app, "GET", "/mcp", Authorization=f"Bearer {token('orders')}")
    assert wrong.status_code == 401
    assert f'resource_metadata="{METADATA}"' in wrong.headers["www-authenticate"]


def test_an_asgi_app_is_found_where_its_server_puts_a_root_path_before_each_path():
    app = BearerMiddleware(service, **OPTIONS, resource="https://mcp.example.com/api/mcp")
    path = f"{WELL_KNOWN}/api/mcp"
    for asked in (path, f"/api{path}"):
        assert ask(app, "GET", asked, root_path="/api").status_code == 200
    assert ask(app, "GET", f"/other{path}", root_path="/api").status_code == 401


def test_without_the_option_there_is_no_metadata_and_no_word_of_it():
    app = BearerMiddleware(service, **OPTIONS, audience="orders")
    with pytest.raises(ConfigurationError, match="option resource"):
        _ = app.metadata
    answer = ask(app, "GET", WELL_KNOWN)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
