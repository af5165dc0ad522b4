"""For administrators: the accounts of the service, ``/admin/users``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.account_list import AccountSummary, summaries
from carnet.server.accounts.accounts import Account, AccountRefused
from carnet.server.accounts.passwords import TooBusy
from carnet.server.factors.factors import KIND_NAMES
from carnet.server.languages import gettext, marked
from carnet.server.log import log_failure
from carnet.server.pages.account import through
from carnet.server.pages.admin.handed_link import link_page
from carnet.server.pages.forms import Form
from carnet.server.pages.rendering import redirect, render
from carnet.server.pages.sign_in import NO_ERRORS
from carnet.server.pages.signed_in import require_administrator
from carnet.server.pages.words import in_words
from carnet.server.service import Service
from carnet.server.user_agents import device_kind, device_name
from carnet.server.web.bearer import origin_of
from carnet.server.web.browser_session import BrowserSession

__all__ = [
    "account_of_address",
    "ask_about_user",
    "change_user",
    "create_user",
    "list_users",
    "show_new_user",
    "show_user",
    "user_page",
]

PAGE: Final = 50
REASON: Final = "ended_by_administrator"
CHANGED: Final = {
    "rename": marked("The account is renamed; its sessions go on."),
    "roles": marked("The roles are changed; older tokens are refused from now on."),
    "claims": marked("The claims are changed; older tokens are refused from now on."),
    "disable": marked("The account is disabled and signed out everywhere."),
    "enable": marked("The account may sign in again."),
    "keep": marked("The account is kept; it may sign in again."),
    "end": marked("The session has ended."),
    "link": marked("The account is linked: the issuer's tokens for this subject now count for it."),
    "unlink": marked(
        "The account is no longer linked, and the sessions that used the link have ended."
    ),
    "stop": marked("The program is stopped; it gets nothing more until the user signs in again."),
    "sign-out": marked("All sessions of the account have ended."),
    "remove-factor": marked(
        "The second factor is removed, and all sessions of the account have ended."
    ),
    "reset-factors": marked(
        "The second factors are removed, and all sessions of the account have ended."
    ),
}
DONE: Final = {
    **CHANGED,
    "created": marked("The account is made."),
    "email": marked("The address is the account's."),
    "remove-email": marked("The address is removed."),
    "merged": marked("The accounts are merged: this is the one that stays."),
}
QUESTIONS: Final = {
    "disable": (
        marked("Disable {}?"),
        marked(
            "All sessions of the account end at once and can't be brought back. It can't sign in "
            "until it is enabled again."
        ),
        marked("Disable the account"),
    ),
    "delete": (
        marked("Delete {}?"),
        marked(
            "All sessions of the account end at once, and everything that is kept about the person "
            "is deleted. That can't be undone."
        ),
        marked("Delete the account"),
    ),
    "sign-out": (
        marked("Sign {} out everywhere?"),
        marked("All sessions of the account end at once and can't be brought back."),
        marked("End all sessions"),
    ),
    "remove-factor": (
        marked("Remove a second factor of {}?"),
        marked(
            "All sessions of the account end at once. Without another factor, the password "
            "alone is "
            "then enough to sign in."
        ),
        marked("Remove the factor"),
    ),
    "reset-factors": (
        marked("Remove the second factors of {}?"),
        marked(
            "From then on the password alone is enough to sign in, and all sessions of the "
            "account end at once. "
            "Do this only if you know that the person has lost them."
        ),
        marked("Remove the second factors"),
    ),
}


async def list_users(request: Request) -> Response:
    """Show the accounts, or those with a text in their usernames or addresses."""
    service: Service = request.app.state.service
    session = await require_administrator(request)
    search, after = (request.query_params.get(name, "") for name in ("search", "after"))
    found: list[AccountSummary] = []
    if search.isprintable() and after.isprintable():
        about = service.store, service.settings, service.clock()
        found = await summaries(*about, search, after, PAGE + 1)
    return render(
        request,
        "admin_users.html",
        session=session,
        search=search,
        first=not after,
        users=found[:PAGE],
        done=gettext("The account is deleted.")
        if request.query_params.get("done") == "deleted"
        else "",
        following=found[PAGE - 1].account.username if len(found) > PAGE else "",
    )


async def show_new_user(request: Request) -> Response:
    """Ask for a new account's username and password."""
    return _new_page(request, await require_administrator(request), {})


async def create_user(request: Request) -> Response:
    """Make an account."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_administrator(request)
    origin = origin_of(request, session.account.id)
    try:
        about = form["roles"].split(), _claims(form["claims"])
        if not form["new_password"]:
            # The owner chooses one.
            invited = await service.recovery.invite(
                form["username"], origin, *about, form["email"].strip()
            )
            return link_page(request, session, *invited)
        account = await service.accounts.create(
            form["username"], form["new_password"], *about, origin
        )
    except AccountRefused as error:
        field = _field(error)
        text = in_words(error)
        if error.code == "username_taken":
            text = gettext(
                "An account with this name already exists. If you sent this form twice, it "
                "is the one that you have just made; otherwise choose another name."
            )
        return _new_page(request, session, form.values, 422, {field: text})
    except TooBusy as error:
        log_failure(request.scope, 503, error)
        return _new_page(request, session, form.values, 503, {"new_password": in_words(error)})
    return redirect(request, f"/admin/users/{quote(account.id)}?done=created")


async def show_user(request: Request) -> Response:
    """Show an account, with what can be changed about it."""
    session = await require_administrator(request)
    account = await account_of_address(request)
    return await user_page(request, session, account)


async def ask_about_user(request: Request) -> Response:
    """Ask once more, before what can't be undone."""
    session = await require_administrator(request)
    account = await account_of_address(request)
    change = request.path_params["change"]
    if change not in QUESTIONS:
        raise HTTPException(404)
    title, text, button = QUESTIONS[change]
    return render(
        request,
        "confirm.html",
        session=session,
        title=gettext(title).format(account.username),
        text=gettext(text),
        button=gettext(button),
        values={"id": request.query_params.get("id", "")},
        back=f"/admin/users/{account.id}",
        action=f"/admin/users/{account.id}/{change}",
    )


async def change_user(request: Request) -> Response:
    """Change one thing about an account; done already, it is answered alike."""
    service: Service = request.app.state.service
    form = await Form.read(request)
    session = await require_administrator(request)
    account = await account_of_address(request)
    origin = origin_of(request, session.account.id)
    change = request.path_params["change"]
    if change == "delete":
        return await _delete(request, session, account)
    if change not in CHANGED:
        raise HTTPException(404)
    try:
        if change == "rename":
            await service.accounts.rename(account.id, form["username"], origin)
        elif change == "roles":
            roles = form["roles"].split()
            _keep_own_role(service, session, account, roles)
            await service.accounts.set_roles(account.id, roles, origin)
        elif change == "claims":
            await service.accounts.set_claims(account.id, _claims(form["claims"]), origin)
        elif change == "disable":
            _keep_own_account(session, account)
            await service.accounts.disable(account.id, origin)
        elif change == "enable":
            await service.accounts.enable(account.id, origin)
        elif change == "keep":
            await service.deletions.keep(account.id, origin)
        elif change == "end":
            await service.sessions.end_of_account(account.id, form["id"], REASON, origin)
        elif change == "link":
            await service.identities.link(account.id, form["issuer"], form["subject"], origin)
        elif change == "unlink":
            await service.identities.unlink(account.id, form["issuer"], form["subject"], origin)
        elif change == "stop":
            await service.agents.stop(account.id, form["id"], origin)
        elif change == "remove-factor":
            await service.factors.remove(account, form["id"], None, origin)
        elif change == "reset-factors":
            await service.factors.reset(account.id, origin)
        else:
            await service.sessions.end_all(account.id, REASON, origin)
    except AccountRefused as error:
        errors = {_field(error): in_words(error)}
        return await user_page(request, session, account, 422, form.values, errors)
    return redirect(request, f"/admin/users/{quote(account.id)}?done={change}")


async def _delete(request: Request, session: BrowserSession, account: Account) -> Response:
    service: Service = request.app.state.service
    try:
        _keep_own_account(session, account)
    except AccountRefused as error:
        return await user_page(request, session, account, 422, errors={"account": in_words(error)})
    await service.deletions.delete(account.id, origin_of(request, session.account.id))
    return redirect(request, "/admin/users?done=deleted")


def _keep_own_role(
    service: Service, session: BrowserSession, account: Account, roles: list[str]
) -> None:
    role = service.settings.admin_role
    if account.id == session.account.id and role not in roles:
        raise AccountRefused(
            f"you would lose the role {role} that you are using here; ask another administrator "
            "to remove it",
            code="role_own",
            member="roles",
        )


def _keep_own_account(session: BrowserSession, account: Account) -> None:
    if account.id == session.account.id:
        raise AccountRefused(
            "you can't do that to the account that you are signed in with", code="account_own"
        )


def _claims(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise AccountRefused(
            'claims must be a JSON object, such as {"department": "sales"}',
            code="claims_invalid",
            member="claims",
        ) from None


def _field(error: AccountRefused) -> str:
    """Tell which field of a form an error is about."""
    return {"": "account", "password": "new_password"}.get(error.member, error.member)


async def account_of_address(request: Request) -> Account:
    """Give the account that the address of a request names.

    Raises:
        HTTPException: 404.
    """
    service: Service = request.app.state.service
    account_id = request.path_params["account_id"]
    account = await service.accounts.by_id(account_id) if account_id.isprintable() else None
    if account is None:
        raise HTTPException(404)
    return account


def _new_page(
    request: Request,
    session: BrowserSession,
    values: Mapping[str, str],
    status: int = 200,
    errors: Mapping[str, str] = NO_ERRORS,
) -> Response:
    return render(
        request, "admin_user_new.html", status, session=session, values=values, errors=errors
    )


async def user_page(
    request: Request,
    session: BrowserSession,
    account: Account,
    status: int = 200,
    values: Mapping[str, str] = NO_ERRORS,
    errors: Mapping[str, str] = NO_ERRORS,
) -> Response:
    """Make the page of an account."""
    service: Service = request.app.state.service
    claims = msgspec.json.format(msgspec.json.encode(account.claims), indent=2).decode()
    return render(
        request,
        "admin_user.html",
        status,
        session=session,
        user=account,
        sessions=await service.sessions.of_account(account.id),
        agents=await service.agents.of_account(account.id),
        emails=await service.addresses.of_account(account.id),
        identities=await service.identities.of_account(account.id),
        factors=await service.factors.of_account(account.id),
        kinds=KIND_NAMES,
        codes_left=await service.factors.recovery_codes_left(account.id),
        name_of=service.registry.name_of,
        values={
            "username": account.username,
            "roles": " ".join(account.roles),
            "claims": claims,
            **values,
        },
        errors=errors,
        device_kind=device_kind,
        device_name=device_name,
        through=through,
        done=gettext(DONE.get(request.query_params.get("done", ""), "")),
    )
