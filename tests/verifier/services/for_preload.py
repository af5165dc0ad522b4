"""A service that is in the middle of its first fetch when its server forks the workers.

Its thread waits for the answer by then, and runs no Python: a worker that uWSGI forks while another
thread does never gets the interpreter's lock, whatever that thread is about.
"""

import os
import sys
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
thread = threading.Thread(target=app, args=(environ, lambda *_: None), daemon=True)
thread.start()


def waits_for_an_answer():
    frame = sys._current_frames().get(thread.ident)
    code = None if frame is None else frame.f_code
    return (
        code is not None
        and code.co_filename.endswith("httpcore/_backends/sync.py")
        and code.co_name == "read"
    )


while not waits_for_an_answer():
    time.sleep(0.01)
# It may have been about to wait.
time.sleep(0.1)
