from typing import Any

from litestar import Litestar, Request, get
from tests.verifier.services import OPTIONS

from carnet import Claims
from carnet.verifier.litestar import BearerAuth, require_role, require_scope
from carnet.verifier.user import BearerUser


@get("/open", exclude_from_auth=True)
async def public() -> dict[str, bool]:
    return {"open": True}


@get("/orders")
async def orders(request: Request[BearerUser, Claims, Any]) -> dict[str, str]:
    return {"for": request.user.identity}


@get("/reports", guards=[require_role("ADMIN")])
async def reports(request: Request[BearerUser, Claims, Any]) -> dict[str, str | None]:
    return {"for": request.auth.subject}


@get("/writing", guards=[require_scope("a:write b")], sync_to_thread=False)
def writing(request: Request[BearerUser, Claims, Any]) -> dict[str, str]:
    return {"for": request.user.identity}


app = Litestar(
    [public, orders, reports, writing], plugins=[BearerAuth(exclude="^/schema", **OPTIONS)]
)
