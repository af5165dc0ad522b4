"""The service `stock`: it knows nothing of tokens, and could be written in any language.

nginx asks `carnet gate` about each request, and hands over who it is in headers of its own.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Stock(BaseHTTPRequestHandler):
    """Answers with what is in stock, and for whom."""

    def do_GET(self) -> None:
        told = {name: text for name, text in self.headers.items() if name.startswith("X-Auth-")}
        content = {"for": told, "stock": {"tea": 4, "ink": 2}}
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: nginx has the log."""


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Stock).serve_forever()
