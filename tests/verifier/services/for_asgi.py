import json

from tests.verifier.services import OPTIONS

from carnet.verifier.asgi import BearerMiddleware
from carnet.verifier.bearer import check_role, check_scope


async def service(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope["carnet.claims"].subject})
        return
    assert scope["type"] == "http"  # as an app that knows no lifespan does
    body = {"open": True}
    if scope["path"] != "/open":
        claims = scope["carnet.claims"]
        assert scope["state"]["claims"] is claims
        if scope["path"] == "/reports":
            check_role(claims, "ADMIN")
        if scope["path"] == "/writing":
            check_scope(claims, "a:write b")
        body = {"for": claims.subject}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


app = BearerMiddleware(service, exempt=["/open"], **OPTIONS)
