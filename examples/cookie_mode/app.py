"""Cookie mode: an app whose page signs people in and never sees a token.

Run the issuer and this app, each in a terminal of its own, and open http://127.0.0.1:8500:

    carnet user add alice && carnet serve --audience orders
    python examples/cookie_mode/app.py
"""

import os
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse, HTMLResponse

from carnet import Claims
from carnet.verifier.cookies import CookieSessions
from carnet.verifier.fastapi import Bearer

HERE = Path(__file__).parent
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"
}


def build(issuer: str, origin: str, **options: Any) -> CookieSessions:
    """Make the app: it checks bearer tokens, and the middleware around it brings them."""
    app = FastAPI()
    bearer = Bearer(issuer, "orders")
    orders: list[str] = []

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse((HERE / "page.html").read_text("utf-8"), headers=SECURITY)

    @app.get("/page.js")
    async def script() -> FileResponse:
        return FileResponse(HERE / "page.js", media_type="text/javascript")

    @app.get("/page.css")
    async def style() -> FileResponse:
        return FileResponse(HERE / "page.css", media_type="text/css")

    @app.get("/orders")
    async def list_orders(claims: Annotated[Claims, Depends(bearer)]) -> dict[str, object]:
        return {"for": claims.subject, "orders": orders}

    @app.post("/orders", status_code=201)
    async def add_order(claims: Annotated[Claims, Depends(bearer)]) -> dict[str, object]:
        orders.append(f"order {len(orders) + 1}")
        return {"for": claims.subject, "orders": orders}

    return CookieSessions(app, issuer, "orders", origin=origin, **options)


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8500"))
    own_origin = os.environ.get("ORIGIN", f"http://127.0.0.1:{port}")
    uvicorn.run(
        build(os.environ.get("ISSUER", "http://127.0.0.1:8400"), own_origin),
        host="127.0.0.1",
        port=port,
    )
