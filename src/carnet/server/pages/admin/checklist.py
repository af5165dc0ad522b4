"""What is still to do before the service is ready for people, for the overview."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit

from carnet.server.accounts.account_list import count_administrators
from carnet.server.activity import DAY
from carnet.server.languages import marked
from carnet.server.service import Service
from carnet.server.settings import LOOPBACK
from carnet.server.store.backup import last_backup

__all__ = ["Item", "checklist"]

BACKED_UP_WITHIN: Final = 7 * DAY
EXPLAINED: Final = {
    "issuer": (
        marked("A public address"),
        marked(
            "Set issuer to the https address at which people and services reach this service, such "
            "as https://auth.example.com."
        ),
    ),
    "mail": (
        marked("Mail"),
        marked(
            "Set smtp_host and mail_from, so that people can confirm their addresses and choose a "
            "new password by themselves."
        ),
    ),
    "administrators": (
        marked("A second administrator"),
        marked("With only one, whoever loses that account needs the command line to get in again."),
    ),
    "factors": (
        marked("A second factor for every administrator"),
        marked(
            "Add a passkey or an authenticator app at Sign-in of your account; the setting "
            "second_factor_roles can require one."
        ),
    ),
    "backup": (
        marked("A backup of the last seven days"),
        marked("Run carnet backup regularly, and keep master.key as well, in another place."),
    ),
    "client": (
        marked("A client"),
        marked("Register the first application that signs people in, or asks for tokens."),
    ),
}
"""By the name of an item: its title, and what to do."""


class Item(NamedTuple):
    """One thing of the list.

    Attributes:
        name: of the item.
        title: what is wanted.
        text: what to do, where it is not done.
        done: whether it is done.
        at: when it was done last, in microseconds since 1970, where that is known.
    """

    name: str
    title: str
    text: str
    done: bool
    at: int | None = None


async def checklist(service: Service) -> list[Item]:
    """Give what is wanted of a service that people rely on, and what of it is done.

    Raises:
        StoreUnavailable: if the database does not answer.
    """
    settings = service.settings
    issuer = urlsplit(settings.own_url)
    counted = await count_administrators(service.store, settings.admin_role)
    done = {
        "issuer": issuer.scheme == "https" and issuer.hostname not in LOOPBACK,
        "mail": service.outbox.is_open,
        "administrators": counted.number > 1,
        "factors": counted.number > 0 and counted.with_factor == counted.number,
        "client": bool(service.registry.clients()),
    }
    moments = {}
    if not settings.database:
        # PostgreSQL has tools of its own, and nothing here can see whether they are used.
        moments["backup"] = last_backup(service.folder.database)
        at = moments["backup"]
        done["backup"] = at is not None and service.clock() - at < BACKED_UP_WITHIN
    return [
        Item(name, title, text, done[name], moments.get(name))
        for name, (title, text) in EXPLAINED.items()
        if name in done
    ]
