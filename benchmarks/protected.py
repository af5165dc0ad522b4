"""The services that benchmarks.services puts under load: one route, protected in several ways.

``FRAMEWORK`` and ``WAY`` say which; ``ISSUER`` is where the keys are.
"""

# Without 'from __future__ import annotations': FastAPI reads those of functions in functions.

import json
import os
import urllib.request
import warnings
from typing import Annotated, Any

FRAMEWORK, WAY, ISSUER = (os.environ[name] for name in ("FRAMEWORK", "WAY", "ISSUER"))
JWKS = f"{ISSUER}/jwks"


def checker():
    """Give what checks a token's text and gives its claims, as each package's users write it."""
    if WAY == "PyJWT":
        import jwt

        client = jwt.PyJWKClient(JWKS)

        def check(token):
            key = client.get_signing_key_from_jwt(token)
            return jwt.decode(token, key, ["ES256"], issuer=ISSUER, audience="orders")

        return check

    with warnings.catch_warnings(record=True):  # it advises to use another package
        from authlib.jose import JsonWebKey, JsonWebToken

    with urllib.request.urlopen(JWKS) as answer:
        keys = JsonWebKey.import_key_set(json.load(answer))
    tokens = JsonWebToken(["ES256"])
    wanted = {"iss": {"value": ISSUER}, "aud": {"value": "orders"}, "exp": {"essential": True}}

    def check(token):
        claims = tokens.decode(token, keys, claims_options=wanted)
        claims.validate()
        return claims

    return check


def for_fastapi():
    from fastapi import Depends, FastAPI, HTTPException, Request

    app = FastAPI()

    if WAY == "bare":

        @app.get("/orders")
        async def open_orders() -> dict[str, str]:
            return {"for": "ada"}

        return app
    if WAY == "Carnet":
        from carnet.verifier.fastapi import Bearer

        protect: Any = Bearer(ISSUER, "orders")
    else:
        check = checker()

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


def for_flask():
    from flask import Flask, abort, request

    app = Flask(__name__)
    if WAY == "bare":

        @app.get("/orders")
        def open_orders():
            return {"for": "ada"}

        return app
    if WAY == "Carnet":
        from carnet.verifier.flask import Bearer, current_claims, require_token

        app.config["CARNET"] = {"issuer": ISSUER, "audience": "orders"}
        Bearer(app)

        @app.get("/orders")
        @require_token
        def our_orders():
            return {"for": current_claims["sub"]}

        return app
    check = checker()

    @app.get("/orders")
    def orders():
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            claims = check(token)
        except Exception:
            abort(401)
        return {"for": claims["sub"]}

    return app


app = for_fastapi() if FRAMEWORK == "FastAPI" else for_flask()
