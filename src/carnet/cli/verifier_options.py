"""The options with which a command trusts an issuer, as a service's verifier does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from carnet.cli.durations import parse_duration
from carnet.errors import ConfigurationError

__all__ = ["issuer_of", "options_of", "verifier_options"]

F = TypeVar("F", bound=Callable[..., Any])

_PATHS: Final = ("roles_claim", "scope_claim", "client_id_claim")
_TEXTS: Final = ("jwks_uri", "metadata", "bearer_file", "ca_file", "insecure_http")
_OPTIONS: Final = (
    click.option(
        "--type",
        "types",
        multiple=True,
        metavar="TYP",
        help="The tokens' typ: JWT, at+jwt, or any; may be repeated.",
    ),
    click.option(
        "--roles-claim",
        multiple=True,
        metavar="PATH",
        help="The claim with the roles, such as realm_access.roles; if repeated, the first one "
        "present counts.",
    ),
    click.option("--scope-claim", multiple=True, metavar="PATH", help="The claim with the scopes."),
    click.option(
        "--client-id-claim", multiple=True, metavar="PATH", help="The claim with the client."
    ),
    click.option(
        "--expect",
        "expected",
        multiple=True,
        metavar="PATH=VALUE",
        help="A claim that must have this value; if repeated for a claim, one of the values.",
    ),
    click.option(
        "--require", "required", multiple=True, metavar="NAME", help="A claim that must be present."
    ),
    click.option(
        "--algorithm",
        "algorithms",
        multiple=True,
        metavar="ALG",
        help="The algorithm of keys that don't name one; may be repeated.",
    ),
    click.option("--jwks-uri", metavar="URL", help="The address of the keys."),
    click.option("--metadata", metavar="URL", help="The address of the metadata."),
    click.option(
        "--header",
        "headers",
        multiple=True,
        metavar="NAME:VALUE",
        help="A header for requests to the issuer.",
    ),
    click.option(
        "--bearer-file", metavar="FILE", help="The file with a token to send to the issuer."
    ),
    click.option(
        "--ca-file",
        metavar="FILE",
        help="The PEM file of the authorities that sign the issuer's certificate.",
    ),
    click.option(
        "--insecure-http", is_flag=True, help="Allow http:// for it, inside a private network."
    ),
    click.option(
        "--max-stale",
        metavar="TIME",
        help="How long to use keys that can't be refetched, such as 1h.",
    ),
)


def verifier_options(command: F) -> F:
    """Add the options that say how an issuer's tokens look and how its keys are reached."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def options_of(given: dict[str, Any]) -> dict[str, Any]:
    """Take the options out of a command's arguments, and give those that were used.

    Args:
        given: the command's arguments; those of ``verifier_options`` are taken out of it.

    Raises:
        ConfigurationError: if one of them can't be read.
    """
    from carnet.jwt.policy import UNCHECKED

    types = given.pop("types")
    max_stale = given.pop("max_stale")
    found = {
        "type": UNCHECKED if types == ("any",) else list(types),
        **{name: list(given.pop(name)) for name in _PATHS},
        "claims": _expected(given.pop("expected")),
        "required": list(given.pop("required")),
        "algorithms": list(given.pop("algorithms")),
        "headers": _headers(given.pop("headers")),
        "max_stale": None if max_stale is None else parse_duration(max_stale),
        **{name: given.pop(name) for name in _TEXTS},
    }
    return {name: value for name, value in found.items() if value}


def issuer_of(text: str) -> Any:
    """Give the issuer that was named: an address, or a profile with its arguments.

    Args:
        text: ``https://auth.example.com``, or ``keycloak:https://sso.example.com,shop``.

    Raises:
        ConfigurationError: if the profile's arguments are wrong.
    """
    from carnet.verifier import Issuer
    from carnet.verifier.issuer_profiles import PROFILES

    name, colon, rest = text.partition(":")
    name = name.replace("-", "_")
    if not colon or name not in PROFILES:
        return text
    try:
        issuer: Issuer = getattr(Issuer, name)(*filter(None, rest.split(",")))
    except TypeError:
        raise ConfigurationError(
            f"{name} takes what Issuer.{name} takes, with commas between: see docs/tokens-from.md"
        ) from None
    return issuer


def _expected(given: tuple[str, ...]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigurationError("--expect is a claim and its value, such as token_use=access")
        found.setdefault(name, []).append(value)
    return found


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon:
            raise ConfigurationError("--header is a name and its value, such as X-Api-Key:abc")
        found[name.strip()] = value.strip()
    return found
