from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI
from tests.verifier.services import OPTIONS

from carnet import Claims
from carnet.verifier.fastapi import Bearer


@dataclass
class Caller:
    sub: str
    sid: str | None = None


app = FastAPI()
bearer = Bearer(**OPTIONS)
typed = Bearer(**OPTIONS, claims_type=Caller)
if "resource" in OPTIONS:
    app.include_router(bearer.metadata)


@app.get("/open")
async def public() -> dict[str, bool]:
    return {"open": True}


@app.get("/orders")
async def orders(claims: Annotated[Claims, Depends(bearer)]) -> dict[str, str | None]:
    return {"for": claims.subject}


@app.get("/reports")
async def reports(
    caller: Annotated[Caller, Depends(typed.require_role("ADMIN"))],
) -> dict[str, str]:
    return {"for": caller.sub}


@app.get("/writing")
async def writing(
    claims: Annotated[Claims, Depends(bearer.require_scope("a:write b"))],
) -> dict[str, str | None]:
    return {"for": claims.subject}
