"""``carnet sign``: make a signed token."""

from __future__ import annotations

import time
from typing import Any

import click
import msgspec

from carnet.cli.durations import parse_moment
from carnet.cli.files import read_input
from carnet.cli.key_files import load_key, passphrase_option
from carnet.errors import ConfigurationError, InvalidToken
from carnet.jose.encoding import json_decode
from carnet.jwt.policy import UNCHECKED
from carnet.jwt.signer import Signer

__all__ = ["sign"]

MOMENTS = ("exp", "nbf", "iat")


@click.command()
@click.argument("claims", default="", metavar="[FILE]")
@click.option("--key", "key_file", required=True, metavar="FILE", help="A private key or a secret.")
@click.option("--alg", metavar="ALG", help="The algorithm, if the key doesn't name one.")
@click.option("--iss", "--issuer", "iss", required=True, metavar="TEXT", help="The issuer.")
@click.option(
    "--aud",
    "--audience",
    "aud",
    multiple=True,
    metavar="TEXT",
    help="An audience; may be repeated.",
)
@click.option("--no-audience", is_flag=True, help="Make a token without an audience.")
@click.option("--sub", metavar="TEXT", help="The subject.")
@click.option(
    "--exp",
    metavar="WHEN",
    default="+5m",
    show_default=True,
    help="When it expires: +30m, or a date.",
)
@click.option("--nbf", metavar="WHEN", help="When it becomes valid.")
@click.option("--iat", metavar="WHEN", help="When it is made. [default: now]")
@click.option(
    "--claim",
    "more",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another claim; VALUE is JSON, or else a text. May be repeated.",
)
@click.option("--type", "type_", default="JWT", show_default=True, help="The token's typ.")
@passphrase_option
def sign(
    claims: str,
    key_file: str,
    alg: str | None,
    iss: str,
    aud: tuple[str, ...],
    no_audience: bool,
    sub: str | None,
    more: tuple[str, ...],
    type_: str,
    passphrase_file: str | None,
    **moments: str | None,
) -> None:
    """Sign claims, from FILE (JSON, or - for a pipe) and from the flags.

    What a verifier would refuse is refused here already.

    \b
    Examples:
      carnet sign --key signing.jwk --iss https://auth.example.com --aud orders --sub ada
      echo '{"roles": ["ADMIN"]}' | carnet sign - --key signing.jwk \\
        --iss https://auth.example.com --aud orders --exp +30m
    """
    if bool(aud) == no_audience:
        raise ConfigurationError("name an audience with --aud, or say --no-audience")
    now = int(time.time())
    said = _read_claims(claims) if claims else {}
    said.update(_claim(text) for text in more)
    if sub is not None:
        said["sub"] = sub
    if aud:
        said["aud"] = aud[0] if len(aud) == 1 else list(aud)
    for name in MOMENTS:
        written = moments[name]
        if written is not None and (name != "exp" or "exp" not in said or written != "+5m"):
            said[name] = parse_moment(written, now)
    key = load_key(key_file, alg, passphrase_file)
    signer = Signer(key, issuer=iss, audience=UNCHECKED, type=type_, clock=lambda: now)
    try:
        click.echo(signer.sign(said))
    except InvalidToken as error:
        raise ConfigurationError(f"no verifier would take this: {error}") from None


def _read_claims(path: str) -> dict[str, Any]:
    try:
        return json_decode(read_input(path, "claims"), "the claims")
    except InvalidToken as error:
        raise ConfigurationError(f"{path}: {error}; expected {error.expected}") from None


def _claim(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ConfigurationError("--claim is NAME=VALUE, such as --claim department=press")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.MsgspecError:
        return name, value
