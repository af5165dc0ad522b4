"""What a person is told whom a provider can't sign in, or with whom it can't be connected."""

from __future__ import annotations

from typing import Final, NamedTuple

import structlog
from starlette.requests import Request
from starlette.responses import Response

from carnet.server.accounts.throttle import Delayed
from carnet.server.languages import gettext, marked
from carnet.server.metrics import SIGN_INS
from carnet.server.pages.rendering import render
from carnet.server.upstream.provider import Provider, UpstreamRefused
from carnet.server.web.bearer import origin_of

__all__ = ["FACTORS", "refused", "told"]

FACTORS: Final = "/me/factors"

_log = structlog.get_logger()


class _Words(NamedTuple):
    """What a person is told; {label} stands for the provider."""

    status: int
    title: str
    text: str


WORDS: Final = {
    "unavailable": _Words(
        502,
        marked("{label} does not answer"),
        marked("Try again in a moment, or sign in another way."),
    ),
    "answer_wrong": _Words(
        502,
        marked("{label} has not answered as it should"),
        marked(
            "Nobody is signed in. Try again, or sign in another way; if it happens again, tell"
            " those who run this service."
        ),
    ),
    "refused_there": _Words(
        403,
        marked("{label} has not signed you in"),
        marked("You, or {label}, did not allow it. Try again, or sign in another way."),
    ),
    "not_begun_here": _Words(
        400,
        marked("This sign-in can't go on"),
        marked(
            "It was begun in another browser, was finished already, took too long, or another "
            "one was begun since. Begin again."
        ),
    ),
    "not_asked_again": _Words(
        403,
        marked("{label} did not ask you again"),
        marked(
            "What you want to do needs a fresh sign-in. Sign out of {label} first, or sign in "
            "another way."
        ),
    ),
    "level_not_reached": _Words(
        403,
        marked("{label} has asked for too little"),
        marked(
            "This service needs a stronger sign-in at {label}, such as one with a second factor."
        ),
    ),
    "not_let_in": _Words(
        403,
        marked("This {label} account can't sign in here"),
        marked("Sign in with another one, or ask those who run this service."),
    ),
    "not_linked": _Words(
        403,
        marked("No account here is connected to this {label} account"),
        marked(
            "If you have an account here, sign in to it another way, and connect {label} on "
            "its page “Sign-in”. If you have none, ask those who run this service."
        ),
    ),
    "account_disabled": _Words(
        403, marked("Your account here is disabled"), marked("Ask those who run this service.")
    ),
    "identity_taken": _Words(
        409,
        marked("This {label} account is connected with another account"),
        marked("Sign in with it to get to that one, and disconnect it there, or connect another."),
    ),
    "last_way_in": _Words(
        409,
        marked("You would no longer be able to sign in"),
        marked(
            "This is the only way to sign in to your account. Set a password, or add a passkey or "
            "another provider first."
        ),
    ),
    "account_changed": _Words(
        409,
        marked("Your account was changed meanwhile"),
        marked("Nothing was connected. Sign in again, and try once more."),
    ),
    "address_of_another": _Words(
        409,
        marked("This account does not have that address"),
        marked(
            "You are signed in to another account than the one with the address that {label} "
            "knows you by, or the address was removed from it meanwhile. Nothing was "
            "connected."
        ),
    ),
    "claims_unusable": _Words(
        502,
        marked("Your account can't hold what {label} says of you"),
        marked("Tell those who run this service."),
    ),
    "too_long": _Words(
        400,
        marked("This sign-in can't go on"),
        marked(
            "What the program that sent you here asks for is too long to be kept meanwhile. "
            "Sign in another way."
        ),
    ),
    "too_many_failures": _Words(
        429, marked("Too many failed attempts"), marked("Wait {wait}, then try again.")
    ),
}


def refused(
    request: Request,
    provider: Provider,
    error: UpstreamRefused | Delayed,
    following: str,
    wait: str = "",
) -> Response:
    """Tell the person what they can do, and the operator the cause.

    Args:
        request: what is answered.
        provider: which it is about.
        error: why.
        following: the path to go on to after another sign-in.
        wait: how long to wait, in words.
    """
    SIGN_INS.labels("refused").inc()
    level = _log.warning if WORDS[error.code].status >= 500 else _log.info
    level(
        "provider_sign_in_refused",
        provider=provider.name,
        reason=error.code,
        cause=str(error),
        address=origin_of(request).address,
    )
    return told(request, provider.label, error.code, following, wait)


def told(request: Request, label: str, code: str, following: str, wait: str = "") -> Response:
    """Tell a person what can't be done, and what they can do instead."""
    words = WORDS[code]
    return render(
        request,
        "provider_refused.html",
        words.status,
        title=gettext(words.title).format(label=label),
        text=gettext(words.text).format(label=label, wait=wait),
        following=following,
        is_own=following == FACTORS,
    )
