from django.conf import settings
from django.core.wsgi import get_wsgi_application
from tests.verifier.services import OPTIONS

settings.configure(
    SECRET_KEY="of the tests",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF="tests.verifier.services.for_rest_framework_urls",
    CARNET=OPTIONS,
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["carnet.verifier.rest_framework.BearerAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["carnet.verifier.rest_framework.TokenRequired"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
)
app = get_wsgi_application()
