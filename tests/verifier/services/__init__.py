"""The same small service for each framework, as its users would write it.

/open needs no token, /orders a good one, /reports the role ADMIN, /writing the scope "a:write b".
"""

import logging
import os

from carnet.verifier import ProtectedResource

logging.basicConfig(level=logging.WARNING)
logging.getLogger("carnet.verifier").setLevel(logging.INFO)

ISSUERS = os.environ["ISSUERS"].split()
OPTIONS = {"issuer": ISSUERS, "audience": "orders", "revocations": "required"}
if "RESOURCE" in os.environ:
    OPTIONS["resource"] = ProtectedResource(os.environ["RESOURCE"], scopes_supported=["b"])
    OPTIONS["audience"] = [OPTIONS["audience"], os.environ["RESOURCE"]]
