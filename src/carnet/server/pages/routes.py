"""The addresses of the pages, and whether a failure is shown on one."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from carnet.server.pages import (
    account,
    authorize,
    debugger,
    device,
    emails,
    factors,
    forgot_password,
    landing,
    language,
    links,
    logout,
    mailed_code,
    own_account,
    passkey_offer,
    provider_linking,
    provider_sign_in,
    second_step,
    sign_in,
    sign_up,
)
from carnet.server.pages.admin import audit as admin_audit
from carnet.server.pages.admin import clients as admin_clients
from carnet.server.pages.admin import keys as admin_keys
from carnet.server.pages.admin import merging as admin_merging
from carnet.server.pages.admin import overview as admin
from carnet.server.pages.admin import providers as admin_providers
from carnet.server.pages.admin import recovery as admin_recovery
from carnet.server.pages.admin import search as admin_search
from carnet.server.pages.admin import users as admin_users
from carnet.server.pages.static_files import serve_static
from carnet.server.web.page_language import speak_as_asked

__all__ = ["PAGES", "PageRoute", "wants_page"]

IS_PAGE: Final = "carnet.is_page"
USER: Final = "/admin/users/{account_id}"


class PageRoute(Route):
    """The route of a page: where it fails, a person sees so on a page."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a request, and write down that it is for a page."""
        match, found = super().matches(scope)
        return match, {**found, IS_PAGE: True}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in the language that is asked for."""
        speak_as_asked(Request(scope))
        await super().handle(scope, receive, send)


def wants_page(request: Request) -> bool:
    """Tell whether a failure is shown to a person: a page's own, or of what a browser opened."""
    if "text/html" not in request.headers.get("accept", ""):
        return False
    return request.method in ("GET", "HEAD") or IS_PAGE in request.scope


PAGES = [
    PageRoute("/", landing.show_landing, methods=["GET"]),
    PageRoute("/authorize", authorize.authorize, methods=["GET"]),
    PageRoute("/authorize", authorize.forward_authorize, methods=["POST"]),
    PageRoute("/authorize/decision", authorize.decide, methods=["POST"]),
    PageRoute("/device", device.show_device, methods=["GET"]),
    PageRoute("/device/decision", device.decide, methods=["POST"]),
    PageRoute("/language", language.change_language, methods=["POST"]),
    PageRoute("/logout", logout.log_out, methods=["GET"]),
    PageRoute("/logout", logout.forward_logout, methods=["POST"]),
    PageRoute("/logout/decision", logout.confirm_logout, methods=["POST"]),
    PageRoute("/static/{name:path}", serve_static, methods=["GET"]),
    PageRoute("/sign-in", sign_in.show_sign_in, methods=["GET"]),
    PageRoute("/sign-in", sign_in.sign_in, methods=["POST"]),
    PageRoute("/sign-in/code", second_step.show_second_step, methods=["GET"]),
    PageRoute("/sign-in/code", second_step.take_code, methods=["POST"]),
    PageRoute("/sign-in/mail", mailed_code.show_mailed_code, methods=["GET"]),
    PageRoute("/sign-in/mail", mailed_code.ask_for_code, methods=["POST"]),
    PageRoute("/sign-in/mail/code", mailed_code.take_mailed_code, methods=["POST"]),
    PageRoute("/sign-in/once-more", sign_in.ask_once_more, methods=["GET"]),
    PageRoute("/sign-in/passkey", sign_in.sign_in_by_passkey, methods=["POST"]),
    PageRoute("/sign-in/code/passkey", second_step.take_passkey, methods=["POST"]),
    PageRoute("/sign-in/new-passkey", passkey_offer.show_passkey_offer, methods=["GET"]),
    PageRoute("/sign-in/new-passkey", passkey_offer.decline_passkey, methods=["POST"]),
    PageRoute("/sign-in/app", second_step.set_app_up, methods=["POST"]),
    PageRoute("/forgot-password", forgot_password.show_forgot_password, methods=["GET"]),
    PageRoute("/forgot-password", forgot_password.ask_for_link, methods=["POST"]),
    PageRoute("/link/{purpose}", links.show_link, methods=["GET"]),
    PageRoute("/link/{purpose}", links.use_link, methods=["POST"]),
    PageRoute("/sign-in/name", provider_sign_in.go_by_address, methods=["POST"]),
    PageRoute("/sign-in/with", provider_sign_in.go_to_provider, methods=["POST"]),
    PageRoute("/sign-in/with/{name}/callback", provider_sign_in.come_back, methods=["GET"]),
    PageRoute("/sign-in/with/{name}/callback", provider_sign_in.forward_answer, methods=["POST"]),
    PageRoute("/sign-in/existing-account", provider_linking.ask_to_link, methods=["GET"]),
    PageRoute("/sign-in/existing-account", provider_linking.link, methods=["POST"]),
    PageRoute("/sign-in/new-account", provider_sign_in.ask_username, methods=["GET"]),
    PageRoute("/sign-in/new-account", provider_sign_in.take_username, methods=["POST"]),
    PageRoute("/sign-out", sign_in.sign_out, methods=["POST"]),
    PageRoute("/sign-up", sign_up.show_sign_up, methods=["GET"]),
    PageRoute("/sign-up", sign_up.sign_up, methods=["POST"]),
    PageRoute("/me", account.show_account, methods=["GET"]),
    PageRoute("/me/password", account.show_password, methods=["GET"]),
    PageRoute("/me/password", account.change_password, methods=["POST"]),
    PageRoute("/.well-known/change-password", account.lead_to_password, methods=["GET"]),
    PageRoute("/me/sessions", account.show_sessions, methods=["GET"]),
    PageRoute("/me/sessions/end", account.end_session, methods=["POST"]),
    PageRoute("/me/sessions/end-others", account.end_other_sessions, methods=["POST"]),
    PageRoute("/me/factors", factors.show_factors, methods=["GET"]),
    PageRoute("/me/factors/app", factors.show_new_app, methods=["GET"]),
    PageRoute("/me/factors/app", factors.add_app, methods=["POST"]),
    PageRoute("/me/factors/passkey", factors.show_new_passkey, methods=["GET"]),
    PageRoute("/me/factors/passkey", factors.add_passkey, methods=["POST"]),
    PageRoute("/me/factors/recovery-codes", factors.ask_recovery_codes, methods=["GET"]),
    PageRoute("/me/factors/recovery-codes", factors.make_recovery_codes, methods=["POST"]),
    PageRoute("/me/factors/name", factors.ask_name, methods=["GET"]),
    PageRoute("/me/factors/name", factors.rename_factor, methods=["POST"]),
    PageRoute("/me/factors/forget", factors.forget_browser, methods=["POST"]),
    PageRoute("/me/factors/remove", factors.ask_removal, methods=["GET"]),
    PageRoute("/me/factors/remove", factors.remove_factor, methods=["POST"]),
    PageRoute("/me/emails", emails.show_emails, methods=["GET"]),
    PageRoute("/me/emails/new", emails.show_new_email, methods=["GET"]),
    PageRoute("/me/emails/new", emails.add_email, methods=["POST"]),
    PageRoute("/me/emails/confirm", emails.confirm_email, methods=["POST"]),
    PageRoute("/me/emails/primary", emails.make_email_primary, methods=["POST"]),
    PageRoute("/me/emails/remove", emails.remove_email, methods=["POST"]),
    PageRoute("/me/data", own_account.download_data, methods=["GET"]),
    PageRoute("/me/delete", own_account.show_deletion, methods=["GET"]),
    PageRoute("/me/delete", own_account.ask_deletion, methods=["POST"]),
    PageRoute("/me/providers/connect", provider_sign_in.connect, methods=["POST"]),
    PageRoute(
        "/me/providers/disconnect", provider_sign_in.ask_whether_to_disconnect, methods=["GET"]
    ),
    PageRoute("/me/providers/disconnect", provider_sign_in.disconnect, methods=["POST"]),
    PageRoute("/me/applications", account.show_applications, methods=["GET"]),
    PageRoute("/me/applications/disconnect", account.disconnect, methods=["POST"]),
    PageRoute("/me/agents/stop", account.stop_agent, methods=["POST"]),
    PageRoute("/debugger", debugger.show_debugger, methods=["GET"]),
    PageRoute("/debugger/explained", debugger.explain_tokens, methods=["GET"]),
    PageRoute("/debugger/offline", debugger.save_debugger, methods=["GET"]),
    PageRoute("/admin", admin.show_overview, methods=["GET"]),
    PageRoute("/admin/revocations", admin.follow_revocations, methods=["GET"]),
    PageRoute("/admin/search", admin_search.search_all, methods=["GET"]),
    PageRoute("/admin/audit", admin_audit.show_audit, methods=["GET"]),
    PageRoute("/admin/audit/export.{format}", admin_audit.export_audit, methods=["GET"]),
    PageRoute("/admin/keys", admin_keys.show_keys, methods=["GET"]),
    PageRoute("/admin/keys/rotate", admin_keys.rotate_keys, methods=["POST"]),
    PageRoute("/admin/keys/retire", admin_keys.ask_about_key, methods=["GET"]),
    PageRoute("/admin/keys/retire", admin_keys.retire_key, methods=["POST"]),
    PageRoute("/admin/clients", admin_clients.list_clients, methods=["GET"]),
    PageRoute("/admin/clients/client", admin_clients.show_client, methods=["GET"]),
    PageRoute("/admin/clients/new", admin_clients.show_new_client, methods=["GET"]),
    PageRoute("/admin/clients/new", admin_clients.add_client, methods=["POST"]),
    PageRoute("/admin/clients/new-resource", admin_clients.show_new_resource, methods=["GET"]),
    PageRoute("/admin/clients/new-resource", admin_clients.add_resource, methods=["POST"]),
    PageRoute("/admin/clients/secret", admin_clients.make_secret, methods=["POST"]),
    PageRoute("/admin/clients/remove", admin_clients.remove_client, methods=["POST"]),
    PageRoute(
        "/admin/clients/remove-previous-secret",
        admin_clients.remove_previous_secret,
        methods=["POST"],
    ),
    PageRoute("/admin/clients/remove-resource", admin_clients.remove_resource, methods=["POST"]),
    PageRoute("/admin/clients/{change}", admin_clients.ask, methods=["GET"]),
    PageRoute("/admin/providers", admin_providers.list_providers, methods=["GET"]),
    PageRoute("/admin/providers/{name}", admin_providers.show_provider, methods=["GET"]),
    PageRoute("/admin/providers/{name}", admin_providers.try_rules, methods=["POST"]),
    PageRoute("/admin/users", admin_users.list_users, methods=["GET"]),
    PageRoute("/admin/users/new", admin_users.show_new_user, methods=["GET"]),
    PageRoute("/admin/users/new", admin_users.create_user, methods=["POST"]),
    PageRoute(USER, admin_users.show_user, methods=["GET"]),
    PageRoute(f"{USER}/reset-link", admin_recovery.make_reset_link, methods=["POST"]),
    PageRoute(f"{USER}/email", admin_recovery.add_email, methods=["POST"]),
    PageRoute(f"{USER}/remove-email", admin_recovery.remove_email, methods=["POST"]),
    PageRoute(f"{USER}/merge", admin_merging.show_merge, methods=["GET"]),
    PageRoute(f"{USER}/merge", admin_merging.merge_users, methods=["POST"]),
    PageRoute(f"{USER}/{{change}}", admin_users.ask_about_user, methods=["GET"]),
    PageRoute(f"{USER}/{{change}}", admin_users.change_user, methods=["POST"]),
]
