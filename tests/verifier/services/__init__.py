"""The same small service for each framework, as its users would write it.

/open needs no token, /orders a good one, /reports the role ADMIN, /writing the scope "a:write b".
"""

import logging
import os

logging.basicConfig(level=logging.WARNING)
logging.getLogger("carnet.verifier").setLevel(logging.INFO)

ISSUERS = os.environ["ISSUERS"].split()
OPTIONS = {"issuer": ISSUERS, "audience": "orders", "revocations": "required"}
