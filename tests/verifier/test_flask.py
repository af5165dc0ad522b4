"""Flask: all views protected but those named, and decorators that stand in the wrong place."""

import pytest
from flask import Blueprint, Flask, g
from tests.server.oauth_clients import Prover

from carnet import ConfigurationError
from carnet.verifier.flask import Bearer, current_claims, require_role, require_scope, require_token

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


def make(issuer, **options):
    app = Flask("shop")
    app.config.update(
        CARNET={"issuer": issuer.url, "audience": "orders", "revocations": "off"}, TESTING=True
    )
    Bearer(app, **options)
    return app


def bearing(token):
    return {"Authorization": f"Bearer {token}"}


def test_all_views_need_a_token_but_those_that_are_named(issuer):
    app = make(issuer, exempt=["health", "shop.open"])
    shop = Blueprint("shop", __name__)
    app.add_url_rule("/health", "health", lambda: "ok")
    app.add_url_rule("/orders", "orders", lambda: {"for": current_claims.subject})
    shop.add_url_rule("/open", "open", lambda: "ok")
    shop.add_url_rule("/closed", "closed", lambda: "ok")
    app.register_blueprint(shop, url_prefix="/shop")
    client = app.test_client()
    for path in ("/health", "/shop/open"):
        assert client.get(path).status_code == 200
    for path in ("/orders", "/shop/closed", "/nowhere", "/static/x", "/health/", "//health"):
        answer = client.get(path)
        assert (answer.status_code, answer.json["code"]) == (401, "token_missing"), path
    assert client.post("/health").status_code == 401
    assert client.get("/orders", headers=bearing(issuer.token())).json == {"for": "ada"}
    assert client.get("/nowhere", headers=bearing(issuer.token())).status_code == 404


def test_with_nothing_exempt_all_need_a_token_and_a_decorator_still_asks_for_more(issuer):
    app = make(issuer, exempt=[])
    app.add_url_rule("/orders", "orders", require_role("ADMIN")(lambda: "ok"))
    client = app.test_client()
    assert client.get("/orders").status_code == 401
    assert client.get("/orders", headers=bearing(issuer.token())).status_code == 403
    admin = bearing(issuer.token(roles=["ADMIN"]))
    assert client.get("/orders", headers=admin).status_code == 200


@pytest.mark.parametrize("exempt", ["health", [7]])
def test_exempt_is_a_list_of_names(issuer, exempt):
    with pytest.raises(ConfigurationError, match="exempt must be a list"):
        make(issuer, exempt=exempt)


def test_an_exempt_view_that_is_not_there_is_told(issuer):
    app = make(issuer, exempt=["helth"])
    app.add_url_rule("/health", "health", lambda: "ok")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"'helth', which is none .* health, static"):
            app.test_client().get("/health")


@pytest.mark.parametrize("decorate", [require_token, require_role("ADMIN"), require_scope("a")])
def test_a_decorator_above_its_route_is_an_error_when_it_is_written(issuer, decorate):
    app = make(issuer)
    with pytest.raises(ConfigurationError, match=r"'orders' is open.* put it below"):

        @decorate
        @app.get("/orders")
        def orders():
            return "open"


def test_it_is_one_too_above_the_route_and_below_another_decorator_of_ours(issuer):
    app = make(issuer)
    with pytest.raises(ConfigurationError, match="'orders' is open"):

        @require_role("ADMIN")
        @app.get("/orders")
        @require_token
        def orders():
            return "the role is not asked for"


def test_it_is_one_when_the_extension_comes_later(issuer):
    app = Flask("shop")
    app.config["CARNET"] = {"issuer": issuer.url, "audience": "orders"}

    @require_token
    @app.get("/orders")
    def orders():
        return "open"

    with pytest.raises(ConfigurationError, match="'orders' is open"):
        Bearer().init_app(app)


def test_it_is_one_with_the_first_request_where_a_blueprint_comes_later(issuer):
    app = make(issuer)
    shop = Blueprint("shop", __name__)

    @require_token
    @shop.get("/orders")
    def orders():
        return "open"

    app.register_blueprint(shop)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"'shop.orders' is open"):
            app.test_client().get("/orders")


def test_a_token_is_checked_once_whoever_asks_so_that_its_proof_is_taken_once(issuer):
    app = make(issuer, exempt=[])

    @app.get("/orders")
    @require_role("ADMIN")
    @require_scope("a:write")
    def orders():
        return {"for": current_claims.subject}

    prover = Prover()
    token = issuer.token(cnf={"jkt": prover.thumbprint}, roles=["ADMIN"], scope="a:write")
    proof = prover.proof("http://localhost/orders", "GET", token)
    headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
    client = app.test_client()
    assert client.get("/orders", headers=headers).json == {"for": "ada"}
    assert client.get("/orders", headers=headers).status_code == 401


def test_what_one_request_has_shown_is_nothing_for_the_next_of_the_same_context(issuer):
    app = make(issuer)
    app.add_url_rule("/orders", "orders", require_token(lambda: g.claims.subject))
    with app.app_context():
        client = app.test_client()
        assert client.get("/orders", headers=bearing(issuer.token())).status_code == 200
        assert client.get("/orders").status_code == 401
