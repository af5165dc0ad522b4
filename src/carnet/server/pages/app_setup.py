"""Adding an authenticator app, by an account's owner or at a sign-in that demands one.

The secret is shown with a QR code, and goes with the form, signed: nothing is stored before a code
has proved that the app has it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import segno
from markupsafe import Markup
from starlette.requests import Request

from carnet.jose.encoding import b64url_decode, b64url_encode
from carnet.server.accounts.account_record import Account
from carnet.server.factors.factors import FactorRefused
from carnet.server.factors.totp import new_secret, provisioning_uri, written_secret
from carnet.server.identifiers import new_identifier
from carnet.server.pages.forms import Form
from carnet.server.pages.words import in_words
from carnet.server.service import Service
from carnet.server.web.bearer import origin_of
from carnet.server.web.signed_state import read_state, write_state

__all__ = ["AppSetup", "add_app_and_codes", "new_setup", "read_setup", "setup_context"]

LIFETIME_SECONDS: Final = 3600
FIELDS: Final = {"code_wrong": "code", "name_invalid": "name"}


class AppSetup(msgspec.Struct, frozen=True, array_like=True):
    """A secret that is shown, and not the account's yet."""

    account_id: str
    factor_id: str
    secret: str


def new_setup(account: Account) -> AppSetup:
    """Make a secret for an account."""
    return AppSetup(account.id, new_identifier(), b64url_encode(new_secret()))


def read_setup(request: Request, form: Form, account: Account) -> AppSetup | None:
    """Read the secret of a form; None where it was shown long ago, or to somebody else."""
    setup = read_state(request.app.state.service, form["setup"], AppSetup)
    return None if setup is None or setup.account_id != account.id else setup


async def add_app_and_codes(
    request: Request, form: Form, account: Account, setup: AppSetup, *, first: bool = False
) -> list[str]:
    """Add an app that shows the right code, and give recovery codes where it is the first factor.

    Raises:
        FactorRefused: as ``Factors.add_totp``.
    """
    factors = request.app.state.service.factors
    origin = origin_of(request, account.id)
    has_codes = bool(await factors.kinds(account.id))
    secret = b64url_decode(setup.secret, "the secret")
    values = (account, setup.factor_id, secret, form["code"], form["name"], origin)
    await factors.add_totp(*values, first=first)
    return [] if has_codes else await factors.make_recovery_codes(account, origin)


def setup_context(
    request: Request,
    account: Account,
    setup: AppSetup,
    name: str = "",
    error: FactorRefused | None = None,
) -> dict[str, Any]:
    """Give what the pages show of a secret.

    Args:
        request: what is answered.
        account: whose.
        setup: the secret.
        name: as it was typed.
        error: why the code or the name was refused, or None.
    """
    service: Service = request.app.state.service
    secret = b64url_decode(setup.secret, "the secret")
    uri = provisioning_uri(secret, service.settings.brand_name, account.username)
    # Dark on white in both schemes: many apps read no other.
    picture = segno.make(uri, error="m", micro=False).svg_inline(
        border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None
    )
    refused = {} if error is None else {FIELDS.get(error.code, "page"): in_words(error)}
    return {
        "setup": write_state(service, setup, LIFETIME_SECONDS),
        # What a person has typed stands in it as black squares alone.
        "picture": Markup(picture),  # noqa: S704
        "secret": written_secret(secret),
        "uri": uri,
        "typed_name": name,
        "error": refused,
    }
