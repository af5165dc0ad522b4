from flask import Flask, g
from tests.verifier.services import OPTIONS

from carnet.verifier.flask import (
    Bearer,
    current_claims,
    require_role,
    require_scope,
    require_token,
)

bearer = Bearer()


def create_app():
    app = Flask(__name__)
    app.config["CARNET"] = OPTIONS
    bearer.init_app(app)

    @app.get("/open")
    def public():
        return {"open": True}

    @app.get("/orders")
    @require_token
    def orders():
        return {"for": current_claims.subject}

    @app.get("/reports")
    @require_role("ADMIN")
    def reports():
        return {"for": g.claims.subject}

    @app.get("/writing")
    @require_scope("a:write b")
    def writing():
        return {"for": current_claims["sub"]}

    return app
