"""A service that is in the middle of its first fetch when its server forks the workers."""

import os
import threading
import time

from tests.verifier.services import OPTIONS

from carnet.verifier.wsgi import BearerMiddleware


def service(_environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"served"]


app = BearerMiddleware(service, **OPTIONS)
environ = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/",
    "HTTP_AUTHORIZATION": f"Bearer {os.environ['TOKEN']}",
}
threading.Thread(target=app, args=(environ, lambda *_: None), daemon=True).start()
while not app.health()[0].fetches:
    time.sleep(0.01)
