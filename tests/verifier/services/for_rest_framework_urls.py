from django.urls import path
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView
from tests.verifier.services import OPTIONS

from carnet.verifier.rest_framework import metadata_path, require_role, require_scope


@api_view()
@permission_classes([AllowAny])
def public(request):
    return Response({"open": True})


@api_view()
def orders(request):
    return Response({"for": request.user.identity})


class Reports(APIView):
    permission_classes = (require_role("ADMIN"),)

    def get(self, request):
        return Response({"for": request.auth.subject})


@api_view()
@permission_classes([require_scope("a:write b")])
def writing(request):
    return Response({"for": str(request.user)})


urlpatterns = [
    path("open", public),
    path("orders", orders),
    path("reports", Reports.as_view()),
    path("writing", writing),
]
if "resource" in OPTIONS:
    urlpatterns.append(metadata_path())
