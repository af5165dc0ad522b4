"""The addresses of the pages."""

from __future__ import annotations

from starlette.routing import Route

from carnet.server.pages import account, debugger, sign_in, sign_up
from carnet.server.pages.admin import clients as admin_clients
from carnet.server.pages.admin import keys as admin_keys
from carnet.server.pages.admin import overview as admin
from carnet.server.pages.admin import users as admin_users
from carnet.server.pages.static_files import serve_static

__all__ = ["PAGES"]

USER = "/admin/users/{account_id}"

PAGES = [
    Route("/static/{name:path}", serve_static, methods=["GET"]),
    Route("/sign-in", sign_in.show_sign_in, methods=["GET"]),
    Route("/sign-in", sign_in.sign_in, methods=["POST"]),
    Route("/sign-out", sign_in.sign_out, methods=["POST"]),
    Route("/sign-up", sign_up.show_sign_up, methods=["GET"]),
    Route("/sign-up", sign_up.sign_up, methods=["POST"]),
    Route("/me", account.show_account, methods=["GET"]),
    Route("/me/password", account.show_password, methods=["GET"]),
    Route("/me/password", account.change_password, methods=["POST"]),
    Route("/me/sessions", account.show_sessions, methods=["GET"]),
    Route("/me/sessions/end", account.end_session, methods=["POST"]),
    Route("/me/sessions/end-others", account.end_other_sessions, methods=["POST"]),
    Route("/me/applications", account.show_applications, methods=["GET"]),
    Route("/me/applications/disconnect", account.disconnect, methods=["POST"]),
    Route("/debugger", debugger.show_debugger, methods=["GET"]),
    Route("/admin", admin.show_overview, methods=["GET"]),
    Route("/admin/revocations", admin.follow_revocations, methods=["GET"]),
    Route("/admin/audit", admin.show_audit, methods=["GET"]),
    Route("/admin/keys", admin_keys.show_keys, methods=["GET"]),
    Route("/admin/keys/rotate", admin_keys.rotate_keys, methods=["POST"]),
    Route("/admin/keys/retire", admin_keys.ask_about_key, methods=["GET"]),
    Route("/admin/keys/retire", admin_keys.retire_key, methods=["POST"]),
    Route("/admin/clients", admin_clients.list_clients, methods=["GET"]),
    Route("/admin/clients/client", admin_clients.show_client, methods=["GET"]),
    Route("/admin/clients/new", admin_clients.show_new_client, methods=["GET"]),
    Route("/admin/clients/new", admin_clients.add_client, methods=["POST"]),
    Route("/admin/clients/new-resource", admin_clients.show_new_resource, methods=["GET"]),
    Route("/admin/clients/new-resource", admin_clients.add_resource, methods=["POST"]),
    Route("/admin/clients/secret", admin_clients.make_secret, methods=["POST"]),
    Route("/admin/clients/remove", admin_clients.remove_client, methods=["POST"]),
    Route("/admin/clients/remove-resource", admin_clients.remove_resource, methods=["POST"]),
    Route("/admin/clients/{change}", admin_clients.ask, methods=["GET"]),
    Route("/admin/users", admin_users.list_users, methods=["GET"]),
    Route("/admin/users/new", admin_users.show_new_user, methods=["GET"]),
    Route("/admin/users/new", admin_users.create_user, methods=["POST"]),
    Route(USER, admin_users.show_user, methods=["GET"]),
    Route(f"{USER}/{{change}}", admin_users.ask_about_user, methods=["GET"]),
    Route(f"{USER}/{{change}}", admin_users.change_user, methods=["POST"]),
]
