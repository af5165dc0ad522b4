from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
from tests.verifier.services import OPTIONS

from carnet.verifier.django import require_role, require_scope, require_token

settings.configure(
    SECRET_KEY="of the tests",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[
        "django.middleware.common.CommonMiddleware",
        "carnet.verifier.django.BearerMiddleware",
    ],
    CARNET=OPTIONS,
)


def public(request):
    return JsonResponse({"open": True})


@require_token
def orders(request):
    return JsonResponse({"for": request.user.get_username()})


@require_role("ADMIN")
async def reports(request):
    return JsonResponse({"for": request.claims.subject})


@require_scope("a:write b")
def writing(request):
    return JsonResponse({"for": str(request.user)})


urlpatterns = [
    path("open", public),
    path("orders", orders),
    path("reports", reports),
    path("writing", writing),
]
app = get_wsgi_application()
asgi = get_asgi_application()
