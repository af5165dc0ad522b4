"""What pages say that templates don't: why something is refused, how long to wait, with what."""

from __future__ import annotations

from typing import Final

from carnet.errors import CarnetError
from carnet.server.accounts.email_addresses import MOST_ADDRESSES
from carnet.server.accounts.passwords import MAX_PASSWORD, MIN_PASSWORD
from carnet.server.accounts.usernames import MAX_USERNAME
from carnet.server.factors.factor_record import MAX_NAME, MOST_FACTORS
from carnet.server.languages import gettext, marked, ngettext

__all__ = [
    "CAUSES",
    "PASSKEY_WRONG",
    "cause_in_words",
    "duration",
    "field_label",
    "in_words",
]

PASSKEY_WRONG: Final = marked(
    "This passkey was not accepted, or the page was open for too long. Try again."
)

_LIMITS: Final = {
    "addresses": MOST_ADDRESSES,
    "factors": MOST_FACTORS,
    "least_password": MIN_PASSWORD,
    "most_name": MAX_NAME,
    "most_password": MAX_PASSWORD,
    "most_username": MAX_USERNAME,
}
_OF_CODES: Final = {
    "username_invalid": marked(
        "A username has 1 to {most_username} letters, digits and signs such as . _ - @, without "
        "spaces, and letters of one script only."
    ),
    "username_taken": marked("There is an account of this name already; choose another username."),
    "username_alike": marked("This username looks like another account's; choose another."),
    "password_invalid": marked("A password has {least_password} to {most_password} characters."),
    "too_many_emails": marked("An account has at most {addresses} addresses; remove one first."),
    "too_many_factors": marked("An account has at most {factors} of them; remove one first."),
    "name_invalid": marked("A name has at most {most_name} characters that can be seen."),
}
"""What errors say that hold a number or a name, by their codes."""

CAUSES: Final = (
    marked(
        "This password is too common; choose another, such as four words that don't belong "
        "together."
    ),
    marked(
        "This password has been in a leak of some service, from where it is tried everywhere; "
        "choose another, such as four words that don't belong together."
    ),
    marked(
        "The account was changed at the same moment, or this session has ended, and the password "
        "was not changed; sign in again, then try again."
    ),
    marked(
        "The account was changed at the same moment, or this session has ended, and nothing was "
        "done; sign in again, then try again."
    ),
    marked("The account is being changed at this moment; try again."),
    marked("Another account has this address already."),
    marked(
        "An e-mail address must look like alice@example.com, with letters, digits and signs of"
        " ASCII "
        "before the @."
    ),
    marked(
        "This is not the code that the app shows now; if it happens again, compare the clocks of "
        "both devices."
    ),
    marked(
        "It is the only way to sign in to your account: set a password, or connect another "
        "account first."
    ),
    marked("Too many failed attempts; wait before the next one."),
    marked("Too many people are signing in at this moment; try again shortly."),
    marked("The current password is wrong."),
    marked("A username has no @ here: an address is added to the account by itself."),
    marked("A role must be a name without white space."),
    marked('Claims must be a JSON object, such as {"department": "sales"}.'),
    marked("You can't do that to the account that you are signed in with."),
    marked(
        "Issuer is the URL of another issuer, exactly as its tokens name it, or ldap: with the "
        "name of a directory of the settings."
    ),
    marked("This subject of this issuer is another account's: unlink it there first."),
    marked("The client that sent you here is not known."),
    marked("The request names no client, or more than one."),
    marked("The address to go back to is not one that the client has registered."),
    marked("The request does not name the address to go back to."),
    marked("The address to go on to is not one that a known client has registered."),
    marked("Too many programs that are not known here have been looked up for you."),
    marked("The ID token belongs to another client."),
    marked("A parameter is given more than once."),
    marked("Nobody is signed in."),
)
"""What errors say otherwise, as it stands on a page; what is not among these stays English."""

_LABELS: Final = {
    "username": marked("Username"),
    "password": marked("Password"),
    "current_password": marked("Current password"),
    "new_password": marked("New password"),
    "email": marked("E-mail address"),
    "code": marked("Code"),
    "name": marked("Name"),
    "roles": marked("Roles"),
    "claims": marked("Custom claims"),
}


def in_words(error: CarnetError) -> str:
    """Write an error as a sentence for a page."""
    # What is said of one case alone says more than what its code says of all.
    sentence = _sentence(str(error))
    if error.code in _OF_CODES and sentence not in CAUSES:
        return gettext(_OF_CODES[error.code]).format(**_LIMITS)
    return gettext(sentence)


def cause_in_words(text: str) -> str:
    """Write what an error says as a sentence for a page."""
    return gettext(_sentence(text))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def duration(seconds: int) -> str:
    """Write how long to wait, for people."""
    if seconds < 100:
        return ngettext("a second", "{number} seconds", seconds).format(number=seconds)
    minutes = -(-seconds // 60)
    return ngettext("a minute", "{number} minutes", minutes).format(number=minutes)


def field_label(name: str) -> str:
    """Give what stands before a field of a form that is sent again."""
    return gettext(_LABELS.get(name) or name.replace("_", " ").capitalize())
