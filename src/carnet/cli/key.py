"""``carnet key``: make, convert and name keys."""

from __future__ import annotations

from typing import cast

import click
import msgspec

from carnet.cli.files import ask_passphrase, write_output
from carnet.cli.key_files import load_key, passphrase_option
from carnet.cli.nearest import algorithm_refused
from carnet.cli.options import echo_json, json_option
from carnet.errors import ConfigurationError
from carnet.jose.algorithms import ALGORITHMS, AlgorithmName
from carnet.jose.key import Key

__all__ = ["key"]

out_option = click.option(
    "-o", "--out", default="-", metavar="FILE", help="Write to a file instead of standard output."
)
force_option = click.option("--force", is_flag=True, help="Replace the file if it exists.")
alg_option = click.option(
    "--alg", metavar="ALG", help="The algorithm, if the key doesn't name one."
)


@click.group()
def key() -> None:
    """Make, convert and name keys. A key is bound to one algorithm.

    Keys are read from files or from a pipe with -, as JWK, PEM or DER.
    """


@key.command()
@click.argument("alg")
@click.option("--format", "form", type=click.Choice(["jwk", "pem"]), default="jwk")
@click.option("--size", type=int, metavar="BITS", help="For RSA. [default: 3072]")
@click.option("--kid", metavar="TEXT", help="The key's identifier. [default: its thumbprint]")
@click.option("--encrypt", is_flag=True, help="Encrypt the PEM under a passphrase.")
@passphrase_option
@out_option
@force_option
def generate(
    alg: str,
    form: str,
    size: int | None,
    kid: str | None,
    encrypt: bool,
    passphrase_file: str | None,
    out: str,
    force: bool,
) -> None:
    """Make a private key or a secret for ALG, such as ES256.

    \b
    Examples:
      carnet key generate ES256 -o signing.jwk
      carnet key generate RS256 --format pem -o signing.pem
      carnet key generate ES256 | carnet key public -
    """
    if alg not in ALGORITHMS:
        raise ConfigurationError(algorithm_refused(alg, ALGORITHMS))
    made = Key.generate(cast("AlgorithmName", alg), kid=kid, size=size)
    _write(made, form, True, out, force, passphrase_file if encrypt else None, encrypt=encrypt)


@key.command()
@click.argument("file")
@alg_option
@click.option("--format", "form", type=click.Choice(["jwk", "pem"]), default="jwk")
@passphrase_option
@out_option
@force_option
def public(
    file: str, alg: str | None, form: str, passphrase_file: str | None, out: str, force: bool
) -> None:
    """Give the public half of a key.

    \b
    Examples:
      carnet key public signing.jwk -o public.jwk
      carnet key public signing.pem --alg RS256 --format pem
    """
    _write(load_key(file, alg, passphrase_file).public, form, False, out, force)


@key.command()
@click.argument("file")
@click.option("--to", "form", type=click.Choice(["jwk", "pem"]), required=True)
@alg_option
@click.option("--encrypt", is_flag=True, help="Encrypt the PEM under a passphrase.")
@click.option("--new-passphrase-file", metavar="FILE", help="Read that passphrase from a file.")
@passphrase_option
@out_option
@force_option
def convert(
    file: str,
    form: str,
    alg: str | None,
    encrypt: bool,
    new_passphrase_file: str | None,
    passphrase_file: str | None,
    out: str,
    force: bool,
) -> None:
    """Write a key in another form.

    \b
    Examples:
      carnet key convert signing.pem --alg ES256 --to jwk -o signing.jwk
      carnet key convert signing.jwk --to pem --encrypt -o signing.pem
    """
    given = load_key(file, alg, passphrase_file)
    private = given.is_private
    _write(given, form, private, out, force, new_passphrase_file, encrypt=encrypt)


@key.command()
@click.argument("file")
@alg_option
@click.option(
    "--hash", "algorithm", type=click.Choice(["sha256", "sha384", "sha512"]), default="sha256"
)
@click.option("--uri", is_flag=True, help="As a URI (RFC 9278).")
@passphrase_option
@json_option
def thumbprint(
    file: str,
    alg: str | None,
    algorithm: str,
    uri: bool,
    passphrase_file: str | None,
    as_json: bool,
) -> None:
    """Give a key's thumbprint (RFC 7638), the same for both of its halves.

    \b
    Examples:
      carnet key thumbprint signing.jwk
      carnet key thumbprint public.pem --alg ES256 --uri
    """
    given = load_key(file, alg, passphrase_file)
    text = given.thumbprint_uri(algorithm) if uri else given.thumbprint(algorithm)
    if as_json:
        echo_json({"thumbprint": text, "alg": given.alg, "kid": given.kid})
    else:
        click.echo(text)


def _write(
    key: Key,
    form: str,
    private: bool,
    out: str,
    force: bool,
    passphrase_file: str | None = None,
    *,
    encrypt: bool = False,
) -> None:
    if encrypt and form != "pem":
        raise ConfigurationError("only PEM can be encrypted: add --format pem, or --to pem")
    if form == "jwk":
        members = msgspec.json.encode(key.to_jwk(private=private))
        data = msgspec.json.format(members, indent=2) + b"\n"
    else:
        passphrase = None
        if encrypt:
            passphrase = ask_passphrase(passphrase_file, "New passphrase", confirm=True)
        data = key.to_pem(private=private, password=passphrase)
    write_output(out, data, secret=private, force=force)
