"""Another service, with an audience of its own: it refuses tokens that are meant for orders."""

import os
from typing import Annotated, Any

from fastapi import Depends, FastAPI

from carnet import Claims
from carnet.verifier.fastapi import Bearer

app = FastAPI(title="billing")
bearer = Bearer(issuer=os.environ["DEMO_ISSUER"], audience="billing")


@app.get("/invoices")
async def list_invoices(claims: Annotated[Claims, Depends(bearer)]) -> dict[str, Any]:
    """Answer whoever brings a good token for this service."""
    return {"invoices": [], "for": claims.subject}
