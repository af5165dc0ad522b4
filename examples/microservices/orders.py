"""The service `orders`: FastAPI, called by the page (cookies) and by other services (tokens)."""

import os
from typing import Annotated

from fastapi import Depends, FastAPI

from carnet import Claims
from carnet.verifier.cookies import CookieSessions
from carnet.verifier.fastapi import Bearer

ISSUER = os.environ["ISSUER"]

api = FastAPI(title="orders")
bearer = Bearer(issuer=ISSUER, audience="orders")


@api.get("/orders")
async def list_orders(claims: Annotated[Claims, Depends(bearer)]) -> dict[str, object]:
    """Answer whoever brings a good token for this service."""
    return {"orders": ["tea", "ink"], "for": claims.get("sub")}


@api.delete("/orders")
async def delete_orders(
    claims: Annotated[Claims, Depends(bearer.require_role("ADMIN"))],
) -> dict[str, object]:
    """Answer only those with the role ADMIN."""
    return {"deleted": ["tea", "ink"], "by": claims.get("sub")}


# The page's tokens stay in HttpOnly cookies: the middleware turns them into a header for `bearer`.
app = CookieSessions(api, issuer=ISSUER, audience="orders", origin=os.environ["ORIGIN"])
