"""The nightly job: signs in as itself (client credentials) and reads the invoices."""

import os
import sys
from pathlib import Path

import httpx

from carnet.verifier.httpx_auth import ClientCredentialsAuth

auth = ClientCredentialsAuth(
    os.environ["ISSUER"],
    client_id=os.environ["CLIENT_ID"],
    client_secret=Path(sys.argv[1]).read_text().strip(),
    scope="invoices:read",
    resource="billing",
    for_origins=[os.environ["BILLING"]],
)
with httpx.Client(base_url=os.environ["BILLING"], auth=auth, trust_env=False) as client:
    print(client.get("/invoices").raise_for_status().text.strip())
