"""The services that benchmarks.services puts under load: one route, protected in several ways.

``FRAMEWORK`` and ``WAY`` say which one ``app`` is; ``ISSUER`` is where the keys are.
"""

# Without 'from __future__ import annotations': FastAPI reads those of functions in functions.

import json
import os
import urllib.request
import warnings
from typing import Annotated, Any


def checker(way, issuer):
    """Give what checks a token's text and gives its claims, as each package's users write it."""
    if way == "PyJWT":
        import jwt

        client = jwt.PyJWKClient(f"{issuer}/jwks")

        def check(token):
            key = client.get_signing_key_from_jwt(token)
            return jwt.decode(token, key, ["ES256"], issuer=issuer, audience="orders")

        return check

    with warnings.catch_warnings(record=True):  # it advises to use another package
        from authlib.jose import JsonWebKey, JsonWebToken

    with urllib.request.urlopen(f"{issuer}/jwks") as answer:
        keys = JsonWebKey.import_key_set(json.load(answer))
    tokens = JsonWebToken(["ES256"])
    wanted = {"iss": {"value": issuer}, "aud": {"value": "orders"}, "exp": {"essential": True}}

    def check(token):
        claims = tokens.decode(token, keys, claims_options=wanted)
        claims.validate()
        return claims

    return check


def for_fastapi(way, issuer):
    from fastapi import Depends, FastAPI, HTTPException, Request

    app = FastAPI()

    if way == "bare":

        @app.get("/orders")
        async def open_orders() -> dict[str, str]:
            return {"for": "ada"}

        return app
    if way == "Carnet's ASGI middleware":
        from carnet.verifier.asgi import BearerMiddleware, current_claims

        @app.get("/orders")
        async def orders_of_a_request() -> dict[str, str]:
            return {"for": current_claims()["sub"]}

        return BearerMiddleware(app, issuer, "orders")
    if way == "an empty dependency":

        async def protect() -> Any:
            return {"sub": "ada"}

    elif way == "Carnet":
        from carnet.verifier.fastapi import Bearer

        protect: Any = Bearer(issuer, "orders")
    else:
        check = checker(way, issuer)

        async def protect(request: Request) -> Any:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            try:
                return check(token)
            except Exception:
                raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"}) from None

    async def orders(claims: Annotated[Any, Depends(protect)]) -> dict[str, str]:
        return {"for": claims["sub"]}

    app.get("/orders")(orders)
    return app


def for_flask(way, issuer):
    from flask import Flask, abort, request

    app = Flask(__name__)
    if way == "bare":

        @app.get("/orders")
        def open_orders():
            return {"for": "ada"}

        return app
    if way == "Carnet":
        from carnet.verifier.flask import Bearer, current_claims, require_token

        app.config["CARNET"] = {"issuer": issuer, "audience": "orders"}
        Bearer(app)

        @app.get("/orders")
        @require_token
        def our_orders():
            return {"for": current_claims["sub"]}

        return app
    check = checker(way, issuer)

    @app.get("/orders")
    def orders():
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            claims = check(token)
        except Exception:
            abort(401)
        return {"for": claims["sub"]}

    return app


MAKE = {"FastAPI": for_fastapi, "Flask": for_flask}
if "FRAMEWORK" in os.environ:
    app = MAKE[os.environ["FRAMEWORK"]](os.environ["WAY"], os.environ["ISSUER"])
