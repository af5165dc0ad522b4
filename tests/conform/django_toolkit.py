"""django-oauth-toolkit as an issuer: prints its address, and serves until standard input closes."""

from __future__ import annotations

import socketserver
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

from carnet import Key

# In memory, for all threads.
DATABASE = "file:conform?mode=memory&cache=shared"
SECRET = "a-secret-of-the-test"
CALLBACK = "https://app.example/callback"

urlpatterns = []


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *arguments):
        """Say nothing."""


def configure():
    apps = ("contenttypes", "auth", "sessions", "messages")
    layers = (
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    )
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}},
        INSTALLED_APPS=[*(f"django.contrib.{app}" for app in apps), "oauth2_provider"],
        LOGGING_CONFIG=None,
        LOGIN_URL="/login/",
        MIDDLEWARE=layers,
        # The tables as they are now, without the way there.
        MIGRATION_MODULES=dict.fromkeys((*apps, "oauth2_provider")),
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": Key.generate("RS256", size=2048).to_pem(private=True).decode(),
            "SCOPES": {"openid": "OpenID Connect", "orders:read": "Read orders"},
        },
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ROOT_URLCONF="__main__",
        SECRET_KEY="a-secret-key-of-the-test",
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
        ],
        USE_TZ=True,
    )
    django.setup()


def prepare():
    from oauth2_provider.models import Application

    # Its views can't be imported before Django is set up.
    urlpatterns.append(path("", include("oauth2_provider.urls", namespace="oauth2_provider")))
    call_command("migrate", verbosity=0, run_syncdb=True)
    for name, grant in (
        ("conform", Application.GRANT_AUTHORIZATION_CODE),
        ("job", Application.GRANT_CLIENT_CREDENTIALS),
    ):
        Application.objects.create(
            client_id=name,
            client_secret=SECRET,
            client_type=Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=grant,
            redirect_uris=CALLBACK,
            algorithm=Application.RS256_ALGORITHM,
        )


def main():
    configure()
    prepare()
    app = get_wsgi_application()
    with make_server("127.0.0.1", 0, app, Server, Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
