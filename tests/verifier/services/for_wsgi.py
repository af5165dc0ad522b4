import json

from tests.verifier.services import OPTIONS

from carnet.verifier.bearer import check_role, check_scope
from carnet.verifier.wsgi import BearerMiddleware


def service(environ, start_response):
    body = {"open": True}
    if environ["PATH_INFO"] != "/open":
        claims = environ["carnet.claims"]
        if environ["PATH_INFO"] == "/reports":
            check_role(claims, "ADMIN")
        if environ["PATH_INFO"] == "/writing":
            check_scope(claims, "a:write b")
        body = {"for": claims.subject}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]


app = BearerMiddleware(service, exempt=["/open"], **OPTIONS)
