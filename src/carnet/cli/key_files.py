"""Keys in files, in whichever form: JWK, JWK Set, PEM, DER, or the bytes of a secret."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, cast

import click
import msgspec

from carnet.cli.files import ask_passphrase, read_input
from carnet.cli.nearest import algorithm_refused
from carnet.errors import ConfigurationError, InvalidKey, IssuerUnavailable
from carnet.jose.algorithms import ALGORITHMS, AlgorithmName
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet
from carnet.jwt.key_source import Answer, Call

__all__ = ["load_key", "load_keys", "passphrase_option"]

ADDRESSES: Final = ("https://", "http://")
OK: Final = 200

passphrase_option = click.option(
    "--passphrase-file",
    metavar="FILE",
    help="Read an encrypted PEM's passphrase from a file's first line; by default you are asked "
    "for it.",
)


def load_key(path: str, alg: str | None, passphrase_file: str | None = None) -> Key:
    """Read one key.

    Raises:
        ConfigurationError: if the file can't be read, or holds several keys.
        InvalidKey: if it holds no key, or one whose algorithm has to be named.
    """
    keys = load_keys(path, alg, passphrase_file)
    if len(keys) != 1:
        raise ConfigurationError(f"{path} holds {len(keys)} keys; give a file with one")
    return next(iter(keys))


def load_keys(path: str, alg: str | None, passphrase_file: str | None = None) -> KeySet:
    """Read a key, or all usable keys of a JWK Set, from a file, a pipe or an https:// address.

    Raises:
        ConfigurationError: if it can't be read.
        InvalidKey: if it holds no usable key.
    """
    if alg is not None and alg not in ALGORITHMS:
        raise ConfigurationError(algorithm_refused(alg, ALGORITHMS))
    named = cast("AlgorithmName | None", alg)
    data = _fetched(path) if path.startswith(ADDRESSES) else read_input(path, "a key")
    if data.lstrip().startswith(b"{"):
        return _of_json(data, path, named)
    if b"-----BEGIN" in data:
        passphrase = None
        if b"ENCRYPTED" in data:
            passphrase = ask_passphrase(passphrase_file, f"Passphrase of {path}")
        return KeySet((Key.from_pem(data, named, passphrase),))
    if data[:1] == b"\x30":
        return KeySet((Key.from_der(data, named),))
    if named is not None and ALGORITHMS[named].kty == "oct":
        # An editor ends the last line; a secret does not.
        return KeySet((Key.from_secret(data.rstrip(b"\r\n"), named),))
    raise InvalidKey(
        f"{path} holds no key: expected a JWK, a JWK Set, PEM or DER, or with --alg HS256 the "
        "bytes of a secret"
    )


def _fetched(address: str) -> bytes:
    from carnet.verifier.fetch import run

    def steps() -> Generator[str | Call, Answer, Answer]:
        return (yield address)

    try:
        answer = run(steps())
    except IssuerUnavailable as error:
        raise ConfigurationError(str(error)) from None
    if answer.status != OK:
        raise ConfigurationError(f"{address} answered {answer.status} instead of 200")
    return answer.body


def _of_json(data: bytes, path: str, alg: AlgorithmName | None) -> KeySet:
    try:
        document = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        raise InvalidKey(f"{path} is not JSON: expected a JWK or a JWK Set") from None
    if "keys" not in document:
        return KeySet((Key.from_jwk(data, alg),))
    keys = KeySet.from_jwks(data, None if alg is None else [alg])
    if not keys:
        reasons = "; ".join(sorted({skipped.reason for skipped in keys.skipped}))
        raise InvalidKey(f"{path} holds no usable key{': ' if reasons else ''}{reasons}")
    return keys
