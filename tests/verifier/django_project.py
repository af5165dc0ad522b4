"""A Django project with sessions, CSRF protection and users of its own, beside bearer tokens.

Run as a program it makes the requests of tests/verifier/test_django.py, and prints what came.
"""

import asyncio
import json
import sys

import django
from django.conf import settings

from carnet import Key, KeySet, Signer

ISSUER = "https://auth.example.com"
KEY = Key.generate("ES256", kid="k")
SIGNER = Signer(KEY, issuer=ISSUER, audience="orders", type="at+jwt")
PERMISSIONS = {
    "role:STAFF": ["is_staff", "shop.change_order"],
    "role:ROOT": ["is_superuser"],
    "scope:orders:read": ["shop.view_order"],
}
SPECTACULAR = "spectacular" in sys.argv

settings.configure(
    SECRET_KEY="of the tests",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "rest_framework",
        *(["drf_spectacular"] if SPECTACULAR else []),
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "carnet.verifier.django.BearerMiddleware",
    ],
    CARNET={"issuer": ISSUER, "audience": "orders", "keys": KeySet([KEY.public])},
    CARNET_PERMISSIONS=PERMISSIONS,
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "carnet.verifier.rest_framework.BearerAuthentication",
            "rest_framework.authentication.SessionAuthentication",
        ],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        **({"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"} if SPECTACULAR else {}),
    },
)
django.setup()

from django.contrib.auth.decorators import permission_required  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.test import AsyncClient, Client  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_protect  # noqa: E402
from rest_framework.permissions import IsAdminUser  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from tests.server.oauth_clients import Prover  # noqa: E402

from carnet.verifier.django import require_token  # noqa: E402
from carnet.verifier.rest_framework import HasRole, HasScope, TokenRequired  # noqa: E402


def of_user(request):
    user = request.user
    return JsonResponse(
        {
            "staff": user.is_staff,
            "superuser": user.is_superuser,
            "view": user.has_perm("shop.view_order"),
            "both": user.has_perms(["shop.view_order", "shop.change_order"]),
            "module": user.has_module_perms("shop"),
            "one": user.has_perm("shop.view_order", object()),
            "all": sorted(user.get_all_permissions()),
        }
    )


async def of_auser(request):
    user = await request.auser()
    return JsonResponse(
        {
            "for": user.get_username(),
            "view": await user.ahas_perm("shop.view_order"),
            "both": await user.ahas_perms(["shop.view_order"]),
            "module": await user.ahas_module_perms("shop"),
        }
    )


@permission_required("shop.view_order", raise_exception=True)
def with_permission(request):
    return JsonResponse({})


def written(request):
    return JsonResponse({"for": request.user.get_username()})


class View(APIView):
    def get(self, request):
        return Response({"for": request.user.get_username()})

    post = get


class ForToken(View):
    permission_classes = (TokenRequired,)


class ForAdmin(View):
    permission_classes = (IsAdminUser,)


class ForScope(View):
    permission_classes = (HasScope,)
    required_scope = "orders:read orders:write"


class ForRole(View):
    permission_classes = (HasRole,)
    required_role = "STAFF"


class ForNothing(View):
    permission_classes = (HasScope,)


class ForNoRole(View):
    permission_classes = (HasRole,)


urlpatterns = [
    path("user", of_user),
    path("auser", of_auser),
    path("permission", with_permission),
    path("written", written),
    path("needing", require_token(written)),
    path("protected", csrf_protect(written)),
    path("drf/token", ForToken.as_view()),
    path("drf/admin", ForAdmin.as_view()),
    path("drf/scope", ForScope.as_view()),
    path("drf/role", ForRole.as_view()),
    path("drf/nothing", ForNothing.as_view()),
    path("drf/no-role", ForNoRole.as_view()),
]


def token(**claims):
    return SIGNER.sign({"sub": "ada", "client_id": "c", **claims})


def bearing(**claims):
    return {"authorization": f"Bearer {token(**claims)}"}


def ask(method, address, headers=None, cookie=True):
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    if cookie:
        client.cookies["sessionid"] = "of a browser"
        client.cookies["csrftoken"] = "a" * 32
    answer = getattr(client, method)(f"/{address}", headers=headers or {})
    is_json = answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json() if is_json else None


def bound(address):
    prover = Prover()
    text = token(cnf={"jkt": prover.thumbprint})
    proof = prover.proof(f"http://testserver/{address}", "GET", text)
    return {"authorization": f"DPoP {text}", "dpop": proof}


def requests():
    staff, reader = bearing(roles=["STAFF"]), bearing(scope="orders:read")
    root, nobody = bearing(roles=["ROOT"]), bearing(roles=["role:STAFF"], scope="STAFF")
    yield "staff", ask("get", "user", staff)
    yield "reader", ask("get", "user", reader)
    yield "root", ask("get", "user", root)
    yield "nobody", ask("get", "user", nobody)
    yield "auser", ask("get", "auser", reader)
    answer = asyncio.run(AsyncClient().get("/auser", headers=reader))
    yield "auser in a loop", (answer.status_code, answer.json())
    yield "permission", ask("get", "permission", reader)
    yield "no permission", ask("get", "permission", staff)
    for address in ("written", "protected", "needing", "drf/token"):
        yield f"{address} with a token", ask("post", address, staff)
        yield f"{address} with a cookie", ask("post", address)
        yield f"{address} with another scheme", ask("post", address, {"authorization": "Basic YQ"})
        yield f"{address} with a bad token", ask("post", address, {"authorization": "Bearer e.e.e"})
    yield "admin as staff", ask("get", "drf/admin", staff)
    yield "admin as another", ask("get", "drf/admin", reader)
    both = bearing(scope="orders:read orders:write")
    yield "both scopes", ask("get", "drf/scope", both)
    yield "one scope", ask("get", "drf/scope", reader)
    yield "no scope, no token", ask("get", "drf/scope")
    yield "role", ask("get", "drf/role", staff)
    yield "no role", ask("get", "drf/role", reader)
    yield "no scope is named", ask("get", "drf/nothing", both)
    yield "no role is named", ask("get", "drf/no-role", both)
    yield "proof in Django and its framework", ask("get", "drf/token", bound("drf/token"))
    if SPECTACULAR:
        from drf_spectacular.generators import SchemaGenerator

        schema = SchemaGenerator().get_schema(request=None, public=True)
        yield "scheme", schema["components"]["securitySchemes"]["Bearer"]
        yield "security", schema["paths"]["/drf/token"]["get"]["security"]


if __name__ == "__main__":
    print(json.dumps(dict(requests())))
