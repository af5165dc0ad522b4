"""``carnet verify``: whether a service would accept a token, and if not, why."""

from __future__ import annotations

from typing import Any

import click

from carnet.cli import ink
from carnet.cli.durations import parse_duration
from carnet.cli.files import read_token
from carnet.cli.inspect import show_claims
from carnet.cli.key_files import load_key, load_keys
from carnet.cli.options import echo_json, json_option
from carnet.cli.verifier_options import issuer_of, options_of, verifier_options
from carnet.errors import ConfigurationError, InvalidToken, IssuerUnavailable
from carnet.jose.header import media_type
from carnet.jose.key_set import KeySet
from carnet.jwt.policy import UNCHECKED
from carnet.jwt.verifier import Verifier

__all__ = ["verify"]

# What the library's own Verifier takes.
PLAIN = {"type", "leeway", "audience", "required"}

# What would change the verdict, for the checks whose code alone does not say it.
ADVICE = {
    "expired": "get a fresh token; --leeway allows for clocks that differ",
    "not_yet_valid": "wait, or check the clocks of both machines",
    "signature_invalid": "check that this is the issuer's key, and that nothing cut the token",
    "key_not_found": "the token names another key: fetch the issuer's key set again",
    "audience_mismatch": "ask the issuer for a token for this audience",
    "issuer_mismatch": "compare the issuer letter by letter, with its scheme and slashes",
    "type_mismatch": "an access token is checked with --type at+jwt",
    "algorithm_mismatch": "the key is for another algorithm than the token names",
    "claim_mismatch": "the token is meant for another use, client or tenant",
    "malformed": "the text is not a well-formed token; see `carnet inspect`",
    "revoked": "the session has ended or the account has changed: sign in or refresh",
}


@click.command()
@click.argument("token", default="-", metavar="[TOKEN]")
@click.option("--key", "key_file", metavar="FILE", help="A public key or a secret.")
@click.option("--jwks", metavar="FILE|URL", help="A JWK Set, in a file or at an https:// address.")
@click.option("--alg", metavar="ALG", help="The algorithm, if the key doesn't name one.")
@click.option(
    *("--issuer", "--iss", "issuer"),
    metavar="URL",
    help="The issuer it must come from; without a key, its keys are used.",
)
@click.option("--any-issuer", is_flag=True, help="Don't check the issuer.")
@click.option(
    "--audience",
    "--aud",
    "audiences",
    multiple=True,
    metavar="NAME",
    help="The audience it must be for.",
)
@click.option("--any-audience", is_flag=True, help="Don't check the audience.")
@click.option(
    "--leeway",
    default="0",
    metavar="TIME",
    help="The tolerance for clocks that differ, such as 30s.",
)
@verifier_options
@json_option
def verify(
    token: str,
    key_file: str | None,
    jwks: str | None,
    alg: str | None,
    issuer: str | None,
    any_issuer: bool,
    audiences: tuple[str, ...],
    any_audience: bool,
    leeway: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Check a token as a service would, and say which check failed.

    TOKEN is a file, or - for a pipe, or the token's text; `Bearer ` may stand before it. Its keys
    come from --key, from --jwks, or from the issuer itself, whose metadata is found by its URL. An
    issuer may be one that Carnet knows, such as auth0:acme.eu.auth0.com.

    \b
    Examples:
      carnet verify --issuer https://auth.example.com --audience orders < token.txt
      carnet verify --issuer okta:acme.okta.com --audience api://default token.txt
      carnet verify --jwks https://auth.example.com/jwks.json --iss https://auth.example.com \\
        --aud orders token.txt
      carnet verify --key public.jwk --issuer https://auth.example.com --audience orders -
      carnet verify --key public.pem --alg RS256 --any-issuer --any-audience -

    \b
    Exit status: 0 accepted, 1 refused, 2 it could not be checked.
    """
    if (issuer is None) != any_issuer:
        raise ConfigurationError("name the issuer with --issuer, or say --any-issuer")
    trusted = None if issuer is None else issuer_of(issuer)
    is_known = trusted is not None and not isinstance(trusted, str)
    if (audiences and any_audience) or not (audiences or any_audience or is_known):
        raise ConfigurationError("name the audience with --audience, or say --any-audience")
    if key_file is not None and jwks is not None:
        raise ConfigurationError("give --key or --jwks, not both")
    text = read_token(token, "a token")
    options = options_of(given)
    options["leeway"] = parse_duration(leeway)
    if audiences or any_audience:
        options["audience"] = UNCHECKED if any_audience else audiences
    keys = None if key_file is None and jwks is None else _keys(key_file, jwks, alg)
    if not is_known:
        options.setdefault("type", _type_of(text))
    try:
        if keys is not None and not is_known and options.keys() <= PLAIN:
            said_by: Any = UNCHECKED if issuer is None else issuer
            claims = Verifier(keys, issuer=said_by, **options).verify(text)
        elif trusted is not None or keys is not None:
            claims = _as_a_service(text, trusted, keys, alg, options)
        else:
            raise ConfigurationError("give --key, --jwks, or an --issuer whose keys are fetched")
    except InvalidToken as error:
        _refuse(error, as_json)
        raise click.exceptions.Exit(1) from None
    if as_json:
        echo_json({"accepted": True, "claims": dict(claims)})
        return
    click.echo(f"{ink.accepted('ACCEPTED')}\n")
    click.echo("\n".join(show_claims(dict(claims))))


def _keys(key_file: str | None, jwks: str | None, alg: str | None) -> KeySet:
    if key_file is not None:
        key = load_key(key_file, alg)
        return KeySet((key if key.kty == "oct" else key.public,))
    return load_keys(jwks or "-", alg)


def _as_a_service(
    text: bytes, trusted: Any, keys: KeySet | None, alg: str | None, options: dict[str, Any]
) -> Any:
    """Decide as a service with the same options would, but for what the issuer has revoked."""
    from carnet.verifier import AccessTokenVerifier, Issuer

    if alg is not None and keys is None:
        options.setdefault("algorithms", [alg])
    if keys is not None:
        options["keys"] = keys
    if trusted is None:
        trusted = Issuer(lambda _: True)
    with AccessTokenVerifier(trusted, revocations="off", **options) as checker:
        try:
            return checker.verify(text)
        except IssuerUnavailable as error:
            raise ConfigurationError(f"{error}; or give the keys with --jwks") from None


def _type_of(text: bytes) -> str:
    """Give the type to check for: an access token's, where the token says that it is one."""
    from carnet.jwt.inspection import inspect

    header = inspect(text).header or {}
    said = header.get("typ")
    is_access = isinstance(said, str) and media_type(said) == "at+jwt"
    return "at+jwt" if is_access else "JWT"


def _refuse(error: InvalidToken, as_json: bool) -> None:
    advice = ADVICE.get(error.code)
    if as_json:
        echo_json(
            {
                "accepted": False,
                "code": error.code,
                "claim": error.claim,
                "expected": error.expected,
                "message": str(error),
                "advice": advice,
            }
        )
        return
    click.echo(f"{ink.refused('REFUSED')}  {error}")
    facts = {"code": error.code, "claim": error.claim, "expected": error.expected, "try": advice}
    for name, value in facts.items():
        if value is not None:
            click.echo(f"  {name:9} {value}")
