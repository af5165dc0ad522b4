"""What the example's agent takes for a browser: alice, who signs in and allows what is asked."""

import os
import sys
from pathlib import Path

import httpx
from tests.server.flows import Person


class Place:
    """Where the service is."""

    url = os.environ["ISSUER"]


with Path(os.environ["ASKED"]).open("a") as log:
    print(sys.argv[1], file=log)
httpx.get(Person(Place).go(sys.argv[1]), trust_env=False)
