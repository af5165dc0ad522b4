"""Applications of others: people let them and devices in, take that back, and are taken at it.

What people do is in the functions that take `People`, what a process does for it in those that take
a `Process`, and what must hold in `CHECKS`, for the tables that this is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from carnet.errors import CarnetError
from carnet.server.clients.clients import Client, ClientMetadata, Secrets
from carnet.server.oauth.authorization_request import AuthorizationRequest
from carnet.server.oauth.device_codes import Issued
from carnet.server.sessions.sessions import BROWSER, Grant
from carnet.server.store import StoreUnavailable
from simulation.ground import CALLBACK, REQUEST

if TYPE_CHECKING:
    from simulation.facts import Facts
    from simulation.people import Device, People
    from simulation.process import Process

WITHIN_CONSENT: Final = "no grant goes beyond consent"
DECIDED_ONCE: Final = "a device is decided about once"

INVARIANTS: Final = {
    WITHIN_CONSENT: "at the commit that begins a session with somebody else's application, the "
    "consent to it covers what it may do; and what it had has ended where the answer to a "
    "withdrawal is given",
    DECIDED_ONCE: "what was decided stays, and brings one session of whoever has allowed it, as "
    "long as the account is as it was then",
}
NEVER: Final = {
    "nobody else's application has a session without a consent": (
        "it ends with the consent",
        "SELECT id FROM session WHERE client_id = 'other' AND ended_at IS NULL AND NOT EXISTS "
        "(SELECT 1 FROM consent WHERE consent.account_id = session.account_id "
        "AND consent.client_id = session.client_id AND resource = audience)",
    ),
}

OTHER: Final = Client(
    "other",
    Secrets(),
    ClientMetadata(redirect_uris=(CALLBACK,), token_endpoint_auth_method="none"),
)
MOST_DEVICES: Final = 2
"""How many devices ask for codes in a history: each is then decided about, and asks again."""
SCOPES: Final = ("profile", "profile email")
CONSENT: Final = (
    "SELECT scope FROM consent WHERE account_id = ? AND client_id = 'other' AND resource = ?"
)
LIVING: Final = (
    "SELECT id FROM session WHERE client_id = 'other' AND account_id = ? AND ended_at IS NULL"
)


def let_in(people: People) -> Any:
    """Let an application of somebody else in."""
    device = people.device(browser=True)
    if device is None or device.token is None:
        return None
    request = msgspec.structs.replace(
        REQUEST, client_id=OTHER.id, scope=people.world.choices.one_of(SCOPES)
    )
    return _let_in(people, device, device.token, request)


async def _let_in(
    people: People, device: Device, cookie: str, request: AuthorizationRequest
) -> None:
    from simulation.people import Code

    people.world.tell("{} lets somebody's application in, to {}.", device.name, request.scope)
    code = await people.world.call(device.name, lambda to: _authorized(to, cookie, request))
    if isinstance(code, str):
        people.codes.append(Code(code, OTHER, request))


async def _authorized(process: Process, cookie: str, request: AuthorizationRequest) -> str | None:
    login = await process.sessions.by_token(cookie, BROWSER, process.origin.address)
    if login is None:
        return None
    account = login.account
    asked = account.id, OTHER.id, request.audience, request.scope
    if await process.consents.is_needed(
        account.id, OTHER, request.redirect_uri, request.audience, request.scope
    ):
        await process.consents.grant(*asked, process.origin)
    return await process.codes.issue(
        request, account.id, login.session_id, login.authenticated_at, login.amr
    )


def withdraw(people: People) -> Any:
    """Throw the application out."""
    device = people.device()
    name = people.account()[0] if device is None else device.owner
    account_id = people.world.ground.accounts[name]
    people.world.tell("{} throws the application out.", name.title())
    people.world.facts.may_end.add((account_id, OTHER.id))
    return people.ask(name, lambda to: _withdrawn(to, account_id))


def take_back(people: People) -> Any:
    """Throw the application out while it exchanges its newest code."""
    if people.codes and people.codes[-1].client is OTHER:
        people.world.start(people.exchange_code(people.codes[-1]))
    return withdraw(people)


async def _withdrawn(process: Process, account_id: str) -> None:
    facts = process.world.facts
    before = {one for (one,) in process.world.database.read(LIVING, (account_id,))}
    await process.consents.withdraw(account_id, OTHER.id, process.origin)
    after = {one for (one,) in process.world.database.read(LIVING, (account_id,))}
    if before & after:
        facts.violate(WITHIN_CONSENT, "a session lives after an answered withdrawal")


def ask_as_device(people: People) -> Any:
    """Begin on a device without a browser."""
    return _ask_as_device(people) if len(people.issued) < MOST_DEVICES else None


async def _ask_as_device(people: People) -> None:
    people.world.tell("A device asks for its codes.")
    issued = await people.world.call(
        "the device",
        lambda to: to.device_codes.issue(OTHER, REQUEST.audience, SCOPES[0], "", to.origin),
    )
    if isinstance(issued, Issued):
        people.issued.append(issued)


def decide(people: People) -> Any:
    """Type a device's code, and allow or deny it."""
    device = people.device(browser=True)
    if device is None or device.token is None or not people.issued:
        return None
    issued = people.world.choices.one_of(people.issued[::-1])
    allowed = people.world.choices.one_of((True, True, False))
    people.world.tell("{} {} the device.", device.name, "allows" if allowed else "denies")
    cookie = device.token
    return people.world.call(device.name, lambda to: _decided(to, cookie, issued, allowed))


async def _decided(process: Process, cookie: str, issued: Issued, allowed: bool) -> bool:
    login = await process.sessions.by_token(cookie, BROWSER, process.origin.address)
    device = await process.device_codes.find(issued.user_code)
    if login is None or device is None:
        return False
    account, asked = login.account, device.request
    if allowed:
        await process.consents.grant(
            account.id, OTHER.id, asked.audience, asked.scope, process.origin
        )
    said = account, login.authenticated_at, login.amr, process.origin
    return await process.device_codes.decide(device, *said, allowed=allowed)


def fetch(people: People) -> Any:
    """Ask whether somebody has decided."""
    if not people.issued:
        return None
    return _fetch(people, people.world.choices.one_of(people.issued[::-1]))


async def _fetch(people: People, issued: Issued) -> None:
    people.world.tell("The device asks whether it may.")
    answer = await people.world.call("the device", lambda to: _fetched(to, issued.device_code))
    if isinstance(answer, Grant):
        people.has_session("the device", OTHER.id, answer)


async def _fetched(process: Process, code: str) -> Grant | CarnetError:
    facts = process.world.facts
    try:
        presented = await process.device_codes.read(code, OTHER, "")
        facts.presented_code(code)
        facts.of_task(version_read=presented.account.version)
        grant = await process.device_codes.exchange(presented, OTHER, "", process.origin)
    except StoreUnavailable:
        raise
    except CarnetError as refused:
        facts.code_refused(code, refused.code)
        return refused
    facts.granted(process, grant)
    return grant


def _session_begun(facts: Facts, _: str, old: Any, new: Any, *_more: Any) -> None:
    if old is not None or new is None or new["client_id"] != OTHER.id:
        return
    rows = facts.world.database.read(CONSENT, (new["account_id"], new["audience"]))
    granted = {name for (scope,) in rows for name in scope.split()}
    if not rows or not set(new["scope"].split()) <= granted:
        facts.violate(WITHIN_CONSENT, f"{new['scope']} was granted, and {granted} consented to")


def _device_code_changed(facts: Facts, _: str, old: Any, new: Any, *_more: Any) -> None:
    if old is None or new is None:
        return
    if old["decision"] not in (None, new["decision"]):
        facts.violate(DECIDED_ONCE, "it was decided about again")
    if old["session_id"] not in (None, new["session_id"]):
        facts.violate(DECIDED_ONCE, "it has begun two sessions")
    if old["session_id"] is None and new["session_id"] is not None:
        version, _ = facts.account(new["account_id"])
        session = facts.session(new["session_id"])
        if new["decision"] != "allowed" or version != new["account_version"]:
            facts.violate(DECIDED_ONCE, f"{new['decision']} by version {new['account_version']}")
        if session is None or session["account_id"] != new["account_id"]:
            facts.violate(DECIDED_ONCE, "the session is not of whoever has allowed it")


CHECKS: Final = {"session": _session_begun, "device_code": _device_code_changed}
