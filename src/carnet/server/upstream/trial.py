"""Trying a provider's rules on a token of its, before anybody is signed in by them.

The rules are ``required``, ``roles`` and ``claims`` of the provider's table, in the form of
``carnet.toml``: what was tried is what is put into the file. Nothing is verified and nothing kept.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import structs

from carnet.errors import ConfigurationError, InvalidToken
from carnet.jose.encoding import json_decode
from carnet.jwt.inspection import inspect
from carnet.server.provider_settings import ProviderSettings
from carnet.server.upstream.mapping import (
    check_mapping,
    is_let_in,
    map_claims,
    proves_second_factor,
    username_of,
)
from carnet.server.upstream.provider import Provider

__all__ = ["Outcome", "read_rules", "read_sample", "try_claims", "write_rules"]

RULES: Final = ("required", "roles", "claims")

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Outcome(NamedTuple):
    """What somebody's claims come to.

    Attributes:
        let_in: whether they may sign in.
        username: that a new account might have, or "" where the person is asked.
        roles: names of roles.
        claims: more claims for the account's tokens.
        second_factor: whether the provider has proved one.
    """

    let_in: bool
    username: str
    roles: tuple[str, ...]
    claims: dict[str, Any]
    second_factor: bool


def try_claims(provider: Provider, claims: Mapping[str, Any], admin_role: str) -> Outcome:
    """Say what a provider's claims come to.

    Args:
        provider: with the rules that are tried.
        claims: what it says.
        admin_role: the administrators' role.
    """
    settings, kind = provider.settings, provider.kind
    # Claims that were written by hand may name no issuer, or that of a test.
    is_known = not (provider.has_tenants and "iss" in claims) or provider.lets_in(
        provider.issuer_of(claims)
    )
    mapped = map_claims(settings, kind, claims, admin_role)
    return Outcome(
        let_in=is_known and is_let_in(settings, claims),
        username=username_of(kind, claims),
        roles=mapped.roles,
        claims=mapped.claims,
        second_factor=proves_second_factor(settings, claims),
    )


def read_sample(text: str) -> dict[str, Any]:
    """Read the claims of an ID token, or those of a JSON object.

    Raises:
        ConfigurationError: if it is neither.
    """
    given = text.strip()
    try:
        is_object = given.startswith("{")
        found = json_decode(given.encode(), "it") if is_object else inspect(given).claims
    except InvalidToken:
        found = None
    if found is None:
        raise ConfigurationError("the sample is no ID token, and no JSON object of claims")
    return dict(found)


def read_rules(provider: Provider, text: str) -> Provider:
    """Give a provider with other rules, as ``write_rules`` writes them.

    Raises:
        ConfigurationError: saying what was expected.
    """
    try:
        tables = msgspec.toml.decode(text)
    # It goes down into lists as deep as they are.
    except (msgspec.DecodeError, RecursionError) as error:
        raise ConfigurationError(f"the rules are no TOML: {error}") from None
    table = tables.pop("providers", {})
    given = table.pop(provider.name, {}) if isinstance(table, dict) else None
    if tables or table or not isinstance(given, dict) or not given.keys() <= set(RULES):
        raise ConfigurationError(
            f"the rules are {', '.join(RULES)} of the table [providers.{provider.name}], and no "
            "other settings"
        )
    try:
        changed = msgspec.convert({"client_id": "x", **given}, ProviderSettings)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"the rules are wrong: {error}") from None
    rules = {name: getattr(changed, name) for name in RULES}
    other = dataclasses.replace(provider, settings=structs.replace(provider.settings, **rules))
    check_mapping(other.settings, other.settings.required, other.wrong)
    return other


def write_rules(provider: Provider) -> str:
    """Write a provider's rules as ``carnet.toml`` has them."""
    given = msgspec.to_builtins(provider.settings)
    where = f"providers.{provider.name}"
    lines = []
    if given["required"]:
        lines += [f"[{where}]", f"required = {_value(given['required'])}", ""]
    for name in ("roles", "claims"):
        if given[name]:
            lines += [f"[{where}.{name}]"]
            lines += [f"{_key(key)} = {_value(one)}" for key, one in _said(given[name])]
            lines += [""]
    return "\n".join(lines)


def _said(table: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(key, one) for key, one in table.items() if one not in ("", None, {}, [], ())]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {_value(one)}' for key, one in _said(value))} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return _text(value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    # A basic string of TOML is one of JSON, but for this sign.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
