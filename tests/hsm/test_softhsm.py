"""Keys that never leave a PKCS #11 token sign through ``Key.from_signer``.

SoftHSM reads its configuration when its library is loaded, so each test speaks to it in a process
of its own; what comes out of that process is public.
"""

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import jwt
import pytest
from tests import processes

from carnet import InvalidToken, Key, Verifier
from carnet.jose import jws

ROOT = Path(__file__).parents[2]
SIGNING = Path(__file__).with_name("signing.py")
LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
LABEL, PIN = "carnet", "123456"
ISSUER, AUDIENCE = "https://auth.example.com", "orders"


@pytest.fixture(scope="session")
def library():
    found = next((path for path in LIBRARIES if Path(path).exists()), None)
    if found is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed: NO HSM WAS TESTED; install the package softhsm2")
    if importlib.util.find_spec("pkcs11") is None:
        pytest.skip("python-pkcs11 is not installed: NO HSM WAS TESTED; pip install python-pkcs11")
    return found


@pytest.fixture(params=["ES256", "RS256", "PS256"])
def made(request, library, tmp_path):
    """What a process with access to the token signed: a public JWK, a JWT and a JWS."""
    tokens, configuration = tmp_path / "tokens", tmp_path / "softhsm2.conf"
    tokens.mkdir()
    configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\n")
    environment = {
        **os.environ,
        "SOFTHSM2_CONF": str(configuration),
        "PYTHONPATH": str(ROOT / "src"),
    }
    run(
        *("softhsm2-util", "--module", library, "--init-token", "--free"),
        *("--label", LABEL, "--pin", PIN, "--so-pin", PIN),
        environment=environment,
    )
    printed = run(
        *(sys.executable, str(SIGNING), library, LABEL, PIN, request.param, ISSUER, AUDIENCE),
        environment=environment,
    )
    return json.loads(printed)


def run(*command, environment):
    done = processes.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_token_signed_in_an_hsm_is_verified_with_the_public_key(made):
    verifier = Verifier(Key.from_jwk(made["jwk"]), issuer=ISSUER, audience=AUDIENCE)
    claims = verifier.verify(made["jwt"])
    assert claims.subject == "ada"


def test_another_package_accepts_a_token_signed_in_an_hsm(made):
    key = jwt.PyJWK(made["jwk"])
    claims = jwt.decode(
        made["jwt"], key, algorithms=[made["jwk"]["alg"]], issuer=ISSUER, audience=AUDIENCE
    )
    assert claims["sub"] == "ada"


def test_a_jws_signed_in_an_hsm_is_verified_with_the_public_key(made):
    assert jws.verify(made["jws"], Key.from_jwk(made["jwk"])).payload == b"any bytes"


def test_each_signature_of_an_hsm_covers_its_own_bytes(made):
    head, _, rest = made["jwt"].partition(".")
    swapped = f"{head}.{rest.partition('.')[0]}.{made['jws'].rpartition('.')[2]}"
    with pytest.raises(InvalidToken) as refusal:
        Verifier(Key.from_jwk(made["jwk"]), issuer=ISSUER, audience=AUDIENCE).verify(swapped)
    assert refusal.value.code == "signature_invalid"


def test_a_private_key_of_an_hsm_is_not_exported(made):
    assert made["not_exported"] == "key_invalid"
    assert not {"d", "p", "q"} & made["jwk"].keys()
