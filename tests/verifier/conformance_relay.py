"""What the conformance suite starts as its client: it asks the test's process to run one.

It imports next to nothing, since it is started once for each scenario.
"""

import os
import socket
import sys

address, server = sys.argv[1:]
if not os.environ["MCP_CONFORMANCE_SCENARIO"].startswith("auth/"):
    sys.exit("the other scenarios are for the authors of clients")
variables = ("MCP_CONFORMANCE_SCENARIO", "MCP_CONFORMANCE_CONTEXT")
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(address)
    connection.sendall(
        "\n".join((*(os.environ.get(one, "") for one in variables), server)).encode()
    )
    connection.shutdown(socket.SHUT_WR)
    with connection.makefile() as answer:
        failure = answer.read()
sys.stderr.write(failure)
sys.exit(bool(failure))
