"""django-oauth-toolkit as a provider with TLS: serves until standard input ends.

Takes the file of the certificate and the redirect URI; prints its address. A line on standard input
deletes everybody who has an account there.
"""

import html
import ssl
import sys
import threading
from wsgiref.simple_server import make_server

from django.conf import settings
from tests.conform.django_toolkit import SECRET, Handler, Server, configure, prepare, urlpatterns

__all__ = ["urlpatterns"]

FORM = (
    '<main><form method="post" action="/login/"><input name="username"><input name="password">'
    '<input type="hidden" name="next" value="{}"></form></main>'
)


class Encrypted(Handler):
    def get_environ(self):
        return {**super().get_environ(), "HTTPS": "on"}


def login(request):
    from django.contrib.auth import authenticate, login
    from django.http import HttpResponse, HttpResponseRedirect

    if request.method == "POST":
        typed = {name: request.POST[name] for name in ("username", "password")}
        login(request, authenticate(request, **typed))
        return HttpResponseRedirect(request.POST["next"])
    return HttpResponse(FORM.format(html.escape(request.GET["next"])))


def main():
    certificate, callback = sys.argv[1:]
    configure()
    settings.ALLOWED_HOSTS.append("localhost")
    settings.OAUTH2_PROVIDER["SCOPES"]["offline_access"] = "Stay signed in"
    prepare()
    from django.contrib.auth.models import User
    from django.core.wsgi import get_wsgi_application
    from django.urls import path
    from oauth2_provider.models import Application

    urlpatterns.append(path("login/", login))
    ada = User.objects.create_user("ada", password="a-long-enough-password")
    Application.objects.create(
        client_id="ours",
        client_secret=SECRET,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=callback,
        algorithm=Application.RS256_ALGORITHM,
        skip_authorization=True,
    )
    with make_server("127.0.0.1", 0, get_wsgi_application(), Server, Encrypted) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"https://localhost:{server.server_port} {ada.pk}", flush=True)
        for _ in sys.stdin:
            User.objects.all().delete()
            print("deleted", flush=True)


if __name__ == "__main__":
    main()
