"""``carnet issuer``: what a service has to be given to trust an issuer."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

import click

from carnet.cli import ink
from carnet.cli.files import read_token
from carnet.errors import CarnetError, IssuerUnavailable
from carnet.jose.header import media_type
from carnet.jose.key_set import KeySet
from carnet.jwt.inspection import inspect
from carnet.jwt.key_source import Answer, Call, document_of, metadata_addresses
from carnet.jwt.published_keys import read_published
from carnet.verifier.access import check_address
from carnet.verifier.fetch import run
from carnet.verifier.issuer_profiles import PROFILES

__all__ = ["issuer"]

CLOCK_SECONDS: Final = 30
# Where the issuers of the world have what Claims' properties give, the standard's place first.
PLACES: Final = {
    "roles_claim": ("roles", "realm_access.roles", "permissions", "groups", "cognito:groups"),
    "scope_claim": ("scope", "scp"),
    "client_id_claim": ("client_id", "azp", "cid", "appid"),
}
ALGORITHM_OF: Final = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}


class Found(NamedTuple):
    """An issuer's metadata.

    Attributes:
        name: the issuer that the metadata names.
        keys: where its keys are.
    """

    name: str
    keys: str


@click.group()
def issuer() -> None:
    """Look at an issuer as a service does that trusts it."""


@issuer.command()
@click.argument("url")
@click.argument("token", required=False)
@click.option("--audience", "--aud", "audience", metavar="NAME", help="The audience of its tokens.")
def check(url: str, token: str | None, audience: str | None) -> None:
    """Go through an issuer's metadata, its keys, its clock and a token, and say what to configure.

    URL is the issuer as it stands in its tokens, TOKEN one of its access tokens: a file, its
    text, or - for a pipe.

    \b
    Examples:
      carnet issuer check https://auth.example.com
      carnet issuer check https://sso.example.com/realms/shop --audience orders - < token.txt

    \b
    Exit status: 0 a service can trust it, 1 it can't, or the token is refused; 2 wrong use.
    """
    check_address(url)
    text = None if token is None else read_token(token, "a token")
    options: dict[str, Any] = {}
    try:
        found = _metadata(url)
        if found.name != url:
            _note("bad", f"the metadata names {found.name}, as its tokens will: use that name")
        answer = run(_get(found.keys))
        document = document_of(answer, found.keys)
        keys = _keys(document, found.keys, options)
    except CarnetError as error:
        _note("bad", str(error))
        raise click.exceptions.Exit(1) from None
    _clock(answer)
    _profile(found.name)
    good = True
    if text is not None:
        audience = _token(text, options, audience)
        good = _try(text, found, keys, audience, options)
    _line(found.name, audience, options)
    if not good:
        raise click.exceptions.Exit(1)


def _get(address: str) -> Generator[str | Call, Answer, Answer]:
    return (yield address)


def _metadata(url: str) -> Found:
    failure: Found | None = None
    for address in metadata_addresses(url):
        try:
            document = document_of(run(_get(address)), address)
        except IssuerUnavailable as error:
            _note("no", str(error))
            continue
        name, keys = document.get("issuer"), document.get("jwks_uri")
        if not isinstance(name, str) or not name.isprintable() or not isinstance(keys, str):
            _note("no", f"{address} names no issuer or no jwks_uri")
            continue
        if name == url:
            _note("good", f"metadata at {address}")
            return Found(name, keys)
        failure = failure or Found(name, keys)
    if failure is None:
        raise IssuerUnavailable(
            f"{url} publishes no metadata that can be used: give jwks_uri=, where its keys are"
        )
    return failure


def _keys(document: Mapping[str, Any], address: str, options: dict[str, Any]) -> KeySet:
    members = document.get("keys")
    jwks = [jwk for jwk in members if isinstance(jwk, Mapping)] if isinstance(members, list) else []
    signing = [jwk for jwk in jwks if jwk.get("use") != "enc"]
    if any(jwk.get("alg") is None and jwk.get("kty") == "RSA" for jwk in signing):
        wanted = {ALGORITHM_OF.get(str(jwk.get("kty"))) for jwk in signing} - {None}
        options["algorithms"] = sorted(map(str, wanted))
        _note("say", f"its keys name no algorithm: algorithms={options['algorithms']}")
    keys = read_published(document, options.get("algorithms"), lambda _: True)
    usable = [key for key in keys if not key.is_private]
    if not usable:
        raise IssuerUnavailable(f"{address} holds no key that can be used")
    names = ", ".join(sorted({key.alg for key in usable}))
    _note("good", f"{len(usable)} key{'' if len(usable) == 1 else 's'} at {address}: {names}")
    for skipped in keys.skipped:
        _note("no", f"a key is left out: {skipped.reason}")
    return KeySet(usable)


def _clock(answer: Answer) -> None:
    try:
        told = parsedate_to_datetime(answer.date).timestamp()
    except ValueError:
        return
    differs = time.time() - told
    if abs(differs) > CLOCK_SECONDS:
        _note("bad", f"the clock here differs from its own by {differs:.0f} seconds: set it right")
    else:
        _note("good", "its clock and the one here agree")


def _profile(name: str) -> None:
    for method, profile in PROFILES.items():
        for text in profile.names:
            if text.startswith("{"):
                continue
            pattern = re.escape(re.sub(r"\{\w+\}", "\0", text)).replace("\0", "[^/]+")
            # A domain alone says nothing.
            if re.fullmatch(pattern, name) and text.rstrip("/") != "https://{domain}":
                _note("say", f"this has the form of Issuer.{method}(…), see docs/tokens-from.md")


def _token(text: bytes, options: dict[str, Any], audience: str | None) -> str | None:
    """Say how the token differs from what is expected without options; give its audience."""
    seen = inspect(text)
    claims = seen.claims or {}
    type_ = seen.header.get("typ", "JWT")
    if isinstance(type_, str) and media_type(type_) != "at+jwt":
        options["type"] = type_
        _note("say", f"its tokens are of the type {type_!a}: type={type_!r}")
    for option, places in PLACES.items():
        there = next((place for place in places if _at(claims, place) is not None), None)
        if there not in (None, places[0]):
            options[option] = there
            _note("say", f"{places[0]} stands in {there}: {option}={there!r}")
    said = claims.get("aud")
    if audience is None and said is not None:
        named = said if isinstance(said, list) else [said]
        audience = next((name for name in named if isinstance(name, str) and name), None)
        _note("say", f"the token is for {said!a}: check that this is your service")
    if said is None:
        _note("bad", "the token has no aud: audience=UNCHECKED, and claims={…} to say whose it is")
    return audience


def _at(claims: Mapping[str, Any], place: str) -> object:
    value: Any = claims
    for step in (place,) if ":" in place else place.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _try(
    text: bytes, found: Found, keys: KeySet, audience: str | None, options: dict[str, Any]
) -> bool:
    from carnet.jwt import UNCHECKED
    from carnet.verifier import AccessTokenVerifier

    given = {name: value for name, value in options.items() if name != "algorithms"}
    with AccessTokenVerifier(found.name, audience or UNCHECKED, keys=keys, **given) as verifier:
        try:
            claims = verifier.verify(text)
        except CarnetError as error:
            click.echo(f"\n{ink.refused('REFUSED')}  {error}  ({error.code})")
            return False
    roles, scopes = ", ".join(claims.roles) or "-", " ".join(sorted(claims.scopes)) or "-"
    click.echo(f"\n{ink.accepted('ACCEPTED')}  client {claims.client_id or '-'}")
    click.echo(f"  roles   {roles}\n  scopes  {scopes}")
    return True


def _line(name: str, audience: str | None, options: Mapping[str, Any]) -> None:
    more = "".join(f", {option}={value!r}" for option, value in options.items())
    said = repr(audience) if audience is not None else '"…"'
    click.echo(f"\nfor your service:\n  AccessTokenVerifier({name!r}, {said}{more})")


def _note(kind: str, text: str) -> None:
    mark = {"good": ink.accepted("ok "), "bad": ink.refused("!! "), "say": "-> ", "no": "   "}[kind]
    click.echo(f"{mark} {text if kind != 'no' else ink.faint(text)}")
