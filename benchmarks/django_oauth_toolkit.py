"""django-oauth-toolkit with PostgreSQL, as a peer for benchmarks/sessions.py.

Arguments: the database's URL, how many refresh tokens to make. Prints one line of JSON: its
address, the process that answers, the clients' secret and refresh tokens.

Its access tokens are opaque: an issued one costs a row in a table and no signature.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import signal
import sys
import threading
import uuid

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.utils import timezone
from gunicorn.app.base import BaseApplication
from psycopg.conninfo import conninfo_to_dict

# With 4 to 32 of them the rates hardly differ; each has a connection to PostgreSQL, and the other
# servers have as many.
THREADS = 16
LIFETIME = 3600
SCOPE = "orders:read"


def configure(database: str) -> None:
    """Give Django the least that the toolkit needs."""
    parts = conninfo_to_dict(database)
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        # One connection for each thread. Statements prepared by the server made it no faster.
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts["dbname"],
                "USER": parts["user"],
                "HOST": parts["host"],
                "CONN_MAX_AGE": None,
            }
        },
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "oauth2_provider",
        ],
        LOGGING_CONFIG=None,
        # No endpoint that is measured needs any.
        MIDDLEWARE=[],
        OAUTH2_PROVIDER={
            "ACCESS_TOKEN_EXPIRE_SECONDS": LIFETIME,
            "REFRESH_TOKEN_EXPIRE_SECONDS": 14 * 24 * 3600,
            "REFRESH_TOKEN_REUSE_PROTECTION": True,
            "ROTATE_REFRESH_TOKEN": True,
            "SCOPES": {SCOPE: "Read orders"},
        },
        ROOT_URLCONF="oauth2_provider.urls",
        SECRET_KEY=secrets.token_urlsafe(),
        USE_TZ=True,
    )
    django.setup()


def prepare(count: int, secret: str) -> list[str]:
    """Make the tables, the clients and as many sessions; give the refresh tokens."""
    from django.contrib.auth.models import User
    from oauth2_provider.models import AccessToken, Application, RefreshToken

    call_command("migrate", verbosity=0)
    # The toolkit hashes secrets of clients as slowly as passwords, unless it is told not to; that
    # hash is not what is measured.
    app = Application.objects.create(
        client_id="app",
        client_type=Application.CLIENT_PUBLIC,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        client_secret="",
        hash_client_secret=False,
    )
    # Whoever introspects with a client's secret needs no scope; with a token, it would need one.
    for name in ("job", "orders"):
        Application.objects.create(
            client_id=name,
            client_type=Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
            client_secret=secret,
            hash_client_secret=False,
        )
    # Each session is somebody else's, as in a service.
    users = User.objects.bulk_create(
        User(username=f"account-{number}", password="!") for number in range(count)
    )
    expires = timezone.now() + dt.timedelta(seconds=LIFETIME)
    access_tokens = AccessToken.objects.bulk_create(
        AccessToken(
            user=user,
            application=app,
            token=secrets.token_urlsafe(),
            expires=expires,
            scope=SCOPE,
        )
        for user in users
    )
    refresh_tokens = RefreshToken.objects.bulk_create(
        RefreshToken(
            user=access_token.user,
            application=app,
            token=secrets.token_urlsafe(),
            access_token=access_token,
            token_family=uuid.uuid4(),
        )
        for access_token in access_tokens
    )
    return [one.token for one in refresh_tokens]


class Server(BaseApplication):
    """Gunicorn with one process that answers; it ends with the one who started it."""

    def __init__(self, made: dict) -> None:
        self.made = made
        super().__init__()

    def load_config(self) -> None:
        """Say how it shall run."""
        for name, value in {
            "bind": "127.0.0.1:0",
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "keepalive": 60,
            "loglevel": "warning",
            "control_socket_disable": True,
            "post_worker_init": self.serving,
        }.items():
            self.cfg.set(name, value)

    def load(self):
        """Give what answers."""
        return get_wsgi_application()

    def serving(self, worker) -> None:
        """Say that it serves, and wait for the end of the standard input."""
        host, port = worker.sockets[0].getsockname()
        made = {"url": f"http://{host}:{port}", "pid": worker.pid, **self.made}
        print(json.dumps(made), flush=True)

        def end() -> None:
            os.read(sys.stdin.fileno(), 1)
            os.kill(worker.ppid, signal.SIGTERM)

        threading.Thread(target=end, daemon=True).start()


def main() -> None:
    """Prepare the database, and serve."""
    database, count = sys.argv[1:]
    configure(database)
    secret = secrets.token_urlsafe()
    refresh_tokens = prepare(int(count), secret)
    # The process that answers is forked, and must not share a connection.
    connections.close_all()
    Server({"secret": secret, "refresh": refresh_tokens}).run()


if __name__ == "__main__":
    main()
