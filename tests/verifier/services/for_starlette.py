from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from tests.verifier.services import OPTIONS

from carnet.verifier.starlette import (
    BearerBackend,
    on_error,
    require_role,
    require_scope,
    require_token,
)


async def public(request):
    return JSONResponse({"open": True, "user": request.user.is_authenticated})


@require_token
def orders(request):
    return JSONResponse({"for": request.user.identity})


class Reports(HTTPEndpoint):
    @require_role("ADMIN")
    async def get(self, request):
        return JSONResponse({"for": request.user.display_name})


@require_scope("a:write b")
async def writing(request):
    return JSONResponse({"for": request.user.claims.subject})


@requires("b")
async def starlettes_own(request):
    return JSONResponse({"for": request.user.identity})


@asynccontextmanager
async def lifespan(_app):
    yield
    await backend.aclose()


backend = BearerBackend(**OPTIONS)
app = Starlette(
    routes=[
        Route("/open", public),
        Route("/orders", orders),
        Route("/reports", Reports),
        Route("/writing", writing),
        Route("/own", starlettes_own),
    ],
    middleware=[Middleware(AuthenticationMiddleware, backend=backend, on_error=on_error)],
    lifespan=lifespan,
)
