"""A service that Carnet protects: it holds no secret, only the address of the issuer.

Run by ``carnet demo`` in a process of its own, or by hand:

    DEMO_ISSUER=http://127.0.0.1:8400 uvicorn carnet.cli.demo.orders:app --port 8401
"""

import os
from typing import Annotated, Any

from fastapi import Depends, FastAPI

from carnet import Claims
from carnet.verifier.fastapi import Bearer

app = FastAPI(title="orders")
bearer = Bearer(issuer=os.environ["DEMO_ISSUER"], audience="orders")


@app.get("/orders")
async def list_orders(claims: Annotated[Claims, Depends(bearer)]) -> dict[str, Any]:
    """Answer whoever brings a good token for this service."""
    return {"orders": ["tea", "ink"], "for": claims.subject}


@app.delete("/orders")
async def delete_orders(
    claims: Annotated[Claims, Depends(bearer.require_role("ADMIN"))],
) -> dict[str, Any]:
    """Answer only those with the role ADMIN."""
    return {"deleted": ["tea", "ink"], "by": claims.subject}
