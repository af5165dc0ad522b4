"""`carnet key`, `sign`, `verify`, `encrypt`, `decrypt`: as a person at a shell uses them."""

from __future__ import annotations

import json
import stat

import jwt as pyjwt
import pytest

ISSUER = "https://auth.example.com"
SIGN = ("--iss", ISSUER, "--aud", "orders", "--sub", "ada")
VERIFY = ("--issuer", ISSUER, "--audience", "orders")


@pytest.fixture(scope="module")
def files(carnet, tmp_path_factory):
    """A signing key in each form, and its public half."""
    folder = tmp_path_factory.mktemp("keys")
    for arguments in (
        ("generate", "ES256", "-o", folder / "signing.jwk"),
        ("convert", folder / "signing.jwk", "--to", "pem", "-o", folder / "signing.pem"),
        ("public", folder / "signing.jwk", "-o", folder / "public.jwk"),
        ("public", folder / "signing.jwk", "--format", "pem", "-o", folder / "public.pem"),
        ("generate", "HS256", "-o", folder / "secret.jwk"),
        ("generate", "ECDH-ES+A256KW", "-o", folder / "orders.jwk"),
    ):
        done = carnet("key", *map(str, arguments))
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def token(carnet, files):
    return carnet("sign", "--key", str(files / "signing.jwk"), *SIGN).stdout.strip()


def test_a_private_key_is_its_owners_alone_and_is_not_overwritten(carnet, files):
    path = files / "signing.jwk"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((files / "public.jwk").stat().st_mode) == 0o644
    before = path.read_bytes()
    done = carnet("key", "generate", "ES256", "-o", str(path))
    assert (done.returncode, path.read_bytes()) == (2, before)
    assert "--force replaces it" in done.stderr
    assert not list(files.glob(".*"))


def test_every_form_of_a_key_has_one_thumbprint(carnet, files):
    prints = {
        carnet("key", "thumbprint", str(files / name), "--alg", "ES256").stdout
        for name in ("signing.jwk", "signing.pem", "public.jwk", "public.pem")
    }
    assert len(prints) == 1
    known = json.loads((files / "public.jwk").read_text())["kid"]
    assert prints == {known + "\n"}


def test_keys_go_through_pipes(carnet, files):
    made = carnet("key", "generate", "Ed25519")
    shown = carnet("key", "public", "-", stdin=made.stdout)
    assert "d" in json.loads(made.stdout)
    assert "d" not in json.loads(shown.stdout)


def test_an_encrypted_pem_needs_its_passphrase(carnet, files, tmp_path):
    path, passphrase = tmp_path / "encrypted.pem", tmp_path / "passphrase"
    passphrase.write_text("paper boat\n")
    flags = ("--to", "pem", "--encrypt", "--new-passphrase-file", str(passphrase))
    assert carnet("key", "convert", str(files / "signing.jwk"), *flags, "-o", str(path))
    assert b"ENCRYPTED" in path.read_bytes()
    sign = ("sign", "--key", str(path), "--alg", "ES256", *SIGN, "--passphrase-file")
    assert carnet(*sign, str(passphrase)).returncode == 0
    passphrase.write_text("another\n")
    done = carnet(*sign, str(passphrase))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "another" not in done.stderr


@pytest.mark.parametrize("key", ["public.jwk", "public.pem", "signing.jwk"])
def test_what_is_signed_is_accepted(carnet, files, token, key):
    flags = ("--key", str(files / key), "--alg", "ES256", *VERIFY)
    done = carnet("verify", token, *flags)
    assert (done.returncode, done.stdout.split()[0]) == (0, "ACCEPTED")
    read = carnet("verify", "-", *flags, "--json", stdin=token + "\n")
    assert json.loads(read.stdout)["claims"]["sub"] == "ada"


def test_a_token_is_accepted_by_pyjwt_too(files, token):
    key = (files / "public.pem").read_text()
    claims = pyjwt.decode(token, key, ["ES256"], audience="orders", issuer=ISSUER)
    assert claims["sub"] == "ada"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("--audience", "billing"), "audience_mismatch"),
        (("--issuer", "https://other.example"), "issuer_mismatch"),
        (("--type", "at+jwt"), "type_mismatch"),
    ],
)
def test_a_refusal_says_which_check_failed_and_what_would_change_it(
    carnet, files, token, change, code
):
    given = dict(zip(VERIFY[::2], VERIFY[1::2], strict=True)) | dict([change])
    flags = [part for pair in given.items() for part in pair]
    done = carnet("verify", token, "--key", str(files / "public.jwk"), *flags)
    assert (done.returncode, done.stdout.split()[0]) == (1, "REFUSED")
    assert code in done.stdout
    assert "try" in done.stdout
    assert token not in done.stdout + done.stderr
    read = carnet("verify", token, "--key", str(files / "public.jwk"), *flags, "--json")
    assert json.loads(read.stdout)["code"] == code


def test_an_expired_token_is_told_and_leeway_helps(carnet, files):
    made = carnet(
        "sign", "--key", str(files / "secret.jwk"), *SIGN, "--iat", "-1h", "--exp", "-10s"
    )
    assert made.returncode == 2
    claims = {"iss": ISSUER, "aud": "orders", "exp": 1_700_000_000}
    secret = json.loads((files / "secret.jwk").read_text())
    key = pyjwt.PyJWK(secret, "HS256").key
    token = pyjwt.encode(claims, key, "HS256")
    flags = ("--key", str(files / "secret.jwk"), *VERIFY)
    done = carnet("verify", token, *flags)
    assert (done.returncode, "expired" in done.stdout) == (1, True)
    assert carnet("verify", token, *flags, "--leeway", "5200w").returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "x", "--key", "KEY"),
        ("verify", "x", "--key", "KEY", "--issuer", ISSUER),
        ("verify", "x", *VERIFY, "--key", "missing.jwk"),
        ("verify", "x", "--any-issuer", "--any-audience"),
        ("verify", "x", *VERIFY, "--key", "KEY", "--leeway", "soon"),
        ("verify", "x", "--issuer", "http://auth.example.com", "--audience", "a"),
        ("sign", "--key", "KEY", "--iss", ISSUER),
        ("sign", "--key", "KEY", *SIGN, "--exp", "tomorrow"),
        ("sign", "--key", "KEY", *SIGN, "--claim", "nonsense"),
        ("sign", "--key", "KEY", *SIGN, "--claim", "sub=7", "--claim", "exp=true"),
        ("sign", "KEY", "--key", "NOKEY", *SIGN),
        ("key", "generate", "none"),
        ("key", "generate", "RS256", "--size", "512"),
        ("key", "thumbprint", "NOKEY"),
        ("key", "convert", "KEY", "--to", "jwk", "--encrypt"),
        ("key", "public", "KEY", "-o", "no/such/folder/key"),
        ("encrypt", "NOKEY", "--key", "NOKEY"),
        ("encrypt", "NOKEY", "--key", "KEY"),
        ("encrypt", "NOKEY", "--key", "ORDERS", "--enc", "A1"),
        ("decrypt", "x.y.z", "--key", "ORDERS"),
    ],
)
def test_what_is_wrong_is_one_line_or_clicks_three_and_status_2(carnet, files, tmp_path, arguments):
    nokey = tmp_path / "notes.txt"
    nokey.write_text("a secret note")
    paths = {"KEY": files / "signing.jwk", "NOKEY": nokey, "ORDERS": files / "orders.jwk"}
    done = carnet(*(str(paths.get(part, part)) for part in arguments))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 4
    assert "a secret note" not in done.stderr


def test_what_is_encrypted_for_a_key_is_opened_by_it_and_checked_after(carnet, files, token):
    orders = ("--key", str(files / "orders.jwk"))
    sealed = carnet("encrypt", "-", *orders, "--cty", "JWT", stdin=token).stdout.strip()
    assert sealed.count(".") == 4
    opened = carnet("decrypt", "-", *orders, stdin=sealed).stdout
    assert opened == token
    checked = carnet("verify", "-", "--key", str(files / "public.jwk"), *VERIFY, stdin=opened)
    assert checked.returncode == 0


def test_a_mistyped_command_is_told_its_neighbour(carnet):
    done = carnet("verfy")
    assert done.returncode == 2
    assert "did you mean verify?" in done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completions_are_printed(carnet, shell):
    done = carnet("completion", shell)
    assert done.returncode == 0
    assert "_CARNET_COMPLETE" in done.stdout


def test_help_imports_no_server_and_no_client(carnet):
    code = "import sys, carnet.cli.commands; print(*sys.modules)"
    loaded = carnet("-c", code, program=()).stdout.split()
    assert not {"httpx", "starlette", "apsw", "asyncpg", "uvicorn"} & set(loaded)
