"""``carnet encrypt`` and ``carnet decrypt``: JSON Web Encryption."""

from __future__ import annotations

import click

from carnet.cli.files import read_input, read_token, write_output
from carnet.cli.key_files import load_key, passphrase_option
from carnet.cli.nearest import algorithm_refused
from carnet.errors import ConfigurationError, InvalidToken
from carnet.jose import jwe
from carnet.jose.algorithms import ENCRYPTIONS, EncryptionName
from carnet.jose.key_set import KeySet

__all__ = ["decrypt", "encrypt"]


@click.command()
@click.argument("file", default="-")
@click.option("--key", "key_file", required=True, metavar="FILE", help="The recipient's key.")
@click.option("--alg", metavar="ALG", help="The algorithm, if the key doesn't name one.")
@click.option("--enc", default="A256GCM", show_default=True, metavar="ENC", help="The cipher.")
@click.option("--cty", metavar="TEXT", help="The type of the content; JWT for a token.")
def encrypt(
    file: str, key_file: str, alg: str | None, enc: EncryptionName, cty: str | None
) -> None:
    """Encrypt FILE, or a pipe, for whoever holds the private key, as a compact JWE.

    Everybody can encrypt for a public key: it says nothing about who did. Sign first, then
    encrypt.

    \b
    Examples:
      carnet encrypt notes.txt --key recipient.jwk
      carnet sign --key signing.jwk --iss https://auth.example.com --aud orders --sub ada \\
        | carnet encrypt - --key orders.jwk --cty JWT
    """
    if enc not in ENCRYPTIONS:
        raise ConfigurationError(algorithm_refused(enc, ENCRYPTIONS, "cipher"))
    key = load_key(key_file, alg)
    plaintext = read_input(file, "what is to be encrypted")
    if cty is not None and cty.upper() == "JWT":
        plaintext = plaintext.strip()
    recipient = key if key.kty == "oct" else key.public
    click.echo(jwe.encrypt(plaintext, recipient, enc=enc, header={"cty": cty} if cty else None))


@click.command()
@click.argument("token", default="-")
@click.option("--key", "key_file", required=True, metavar="FILE", help="The private key.")
@click.option("--alg", metavar="ALG", help="The algorithm, if the key doesn't name one.")
@click.option("-o", "--out", default="-", metavar="FILE", help="Write to a file.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@passphrase_option
def decrypt(
    token: str,
    key_file: str,
    alg: str | None,
    out: str,
    force: bool,
    passphrase_file: str | None,
) -> None:
    """Decrypt a compact JWE; what comes out is not verified by that.

    Anybody may have encrypted it. Where it is a token, check it with `carnet verify`.

    \b
    Examples:
      carnet decrypt --key recipient.jwk < notes.jwe
      carnet decrypt --key orders.jwk - | carnet verify --key public.jwk \\
        --issuer https://auth.example.com --audience orders -
    """
    key = load_key(key_file, alg, passphrase_file)
    try:
        opened = jwe.decrypt(read_token(token, "an encrypted token"), KeySet((key,)))
    except InvalidToken as error:
        raise ConfigurationError(f"it can't be decrypted: {error}") from None
    write_output(out, opened.plaintext, secret=True, force=force)
    if out == "-" and opened.plaintext[-1:] != b"\n":
        click.echo("", err=True)
