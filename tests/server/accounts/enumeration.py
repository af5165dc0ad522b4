"""Forms that take a name: each sent with names that are somebody's and with names that are not.

The names are of the same length, so that an answer that repeats what was typed is, too.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple
from urllib.parse import urlencode

from tests.server.asgi import FORM, ISSUER, JSON, OWN_PAGE, ask
from tests.server.conftest import PASSWORD

from carnet.server.app import build_app
from carnet.server.audit import OPERATOR

WRONG = "not-the-password"
PEOPLE = 20
# What an answer says that is another one each time, whoever is meant.
CHANGING = re.compile(
    r'name="state" value="[^"]*"|"state": ?"[^"]*"|&#34;challenge&#34;:&#34;[^&]*'
)
SETTINGS = {
    "issuer": ISSUER,
    "sign_up": True,
    "sign_up_email": True,
    "sign_in_by_mail": True,
    # Nothing is sent: the queue alone is looked at.
    "smtp_host": "127.0.0.1",
    "smtp_port": 1,
    "smtp_security": "none",
    "mail_from": "no-reply@example.com",
}


class Answer(NamedTuple):
    """What whoever asks can see, apart from how long it took."""

    status: int
    headers: str
    text: str


def _form(path, **values):
    return path, [FORM, *OWN_PAGE], urlencode(values).encode()


def _document(path, **values):
    return path, [JSON], json.dumps(values).encode()


def _address(name):
    return f"{name}@example.com"


# How each is asked for with a name; the number is another one each time.
WAYS = {
    "sign-in": lambda name, number: _form("/sign-in", username=name, password=WRONG),
    "sign-in with an address": lambda name, number: _form(
        "/sign-in", username=_address(name), password=WRONG
    ),
    "sign-in of a program": lambda name, number: _document(
        "/sessions", username=name, password=WRONG
    ),
    "sign-up with an address": lambda name, number: _form(
        "/sign-up", username=f"new-{number:06}", email=_address(name)
    ),
    "another password": lambda name, number: _form("/forgot-password", username=_address(name)),
    "a code by mail": lambda name, number: _form("/sign-in/mail", username=_address(name)),
}


async def with_people(service):
    """Make the accounts that there are, each with an address, and give the application."""
    for number in range(PEOPLE):
        account = await service.accounts.create(name_of(number, known=True), PASSWORD)
        await service.addresses.add_verified(account.id, _address(account.username), OPERATOR)
    await service.store.write("DELETE FROM mail")
    return build_app(service)


def name_of(number, *, known):
    """Give somebody's name, or nobody's."""
    return f"{'known' if known else 'other'}-{number % PEOPLE if known else number:06}"


async def answer_of(app, way, number, *, known):
    """Send a form with a name, and give what can be seen of the answer."""
    name = name_of(number, known=known)
    path, headers, body = WAYS[way](name, 2 * number + known)
    found = await ask(app, "POST", path, headers=headers, body=body)
    text = (
        CHANGING.sub("", found.body.decode())
        .replace(name, "")
        .replace(f"{2 * number + known:06}", "")
    )
    seen = sorted((key, value) for key, value in found.headers if key != b"date")
    return Answer(found.status, str(seen), text)
