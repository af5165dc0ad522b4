"""A wrong argument is told with one of our errors: never a foreign exception, whatever it is."""

import inspect as introspection
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

import carnet
from carnet import (
    UNCHECKED,
    CarnetError,
    Claims,
    ConfigurationError,
    InvalidKey,
    Key,
    KeySet,
    Signer,
    Verifier,
    inspect,
)
from carnet.jose import jwe, jws

NOW = 1_800_000_000
EC = Key.generate("ES256", kid="ec")
MAC = Key.generate("HS256")
WRAP = Key.generate("A128KW")
TOKEN = Signer(EC, issuer="a", audience="b", clock=lambda: NOW).sign({})
VERIFIER = Verifier(EC.public, issuer="a", audience="b", clock=lambda: NOW)
SIGNER = Signer(EC, issuer="a", audience="b", clock=lambda: NOW)
CLAIMS = VERIFIER.verify(TOKEN)
CRITICAL = jws.sign(b"x", EC, {"x": 1, "crit": ["x"]}, extensions=["x"])


BEGINS = datetime(2026, 11, 27, tzinfo=UTC)
NAMED = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
CERTIFICATE = (
    x509.CertificateBuilder(NAMED, NAMED, EC.to_cryptography(), 1, BEGINS, BEGINS)
    .sign(EC.to_cryptography(private=True), hashes.SHA256())
    .public_bytes(Encoding.DER)
)


class Odd:
    """Has nothing that anybody would call."""

    __slots__ = ()


WRONG = [
    *(None, True, False, 0, 1, -1, 10**30, 1.5, float("nan"), float("inf"), 1j, Decimal(1)),
    *("", "x", "\ud800", b"", b"x", b"\xff", bytearray(b"x"), memoryview(b"x")),
    *((), [], {}, set(), [1], ["x"], [None], [[]], {"x": 1}, {1: "x"}, {"x": object()}, {"x"}),
    *(Odd, Odd(), object(), len, lambda: "text", lambda *_: None, range(3), timedelta(-1)),
    *(UNCHECKED, EC, MAC, EC.public, KeySet(), KeySet([EC]), CLAIMS),
]

# Every public callable, with arguments that are right.
CALLS = {
    "Key": (Key, {}),
    "Key.generate": (Key.generate, {"alg": "ES256", "kid": None, "size": None, "crv": None}),
    "Key.generate, RSA": (Key.generate, {"alg": "RS256", "size": 2048}),
    "Key.generate, dir": (Key.generate, {"alg": "dir", "size": 256}),
    "Key.generate, ECDH": (Key.generate, {"alg": "ECDH-ES", "crv": "P-256"}),
    "Key.from_jwk": (Key.from_jwk, {"jwk": EC.to_jwk(), "alg": "ES256", "public": True}),
    "Key.from_pem": (
        Key.from_pem,
        {"data": EC.to_pem(private=True), "alg": None, "password": None, "kid": None},
    ),
    "Key.from_der": (
        Key.from_der,
        {"data": EC.to_der(private=True), "alg": None, "password": None, "kid": None},
    ),
    "Key.from_openssh": (
        Key.from_openssh,
        {"data": EC.to_openssh(private=True), "alg": None, "kid": None},
    ),
    "Key.from_openssh, public": (Key.from_openssh, {"data": EC.to_openssh()}),
    "Key.from_cryptography": (
        Key.from_cryptography,
        {"key": EC.to_cryptography(private=True), "alg": None, "kid": None},
    ),
    "Key.from_certificates": (
        Key.from_certificates,
        {"chain": [CERTIFICATE], "alg": None, "roots": [CERTIFICATE], "at": BEGINS, "kid": None},
    ),
    "Key.with_certificates": (EC.with_certificates, {"chain": [CERTIFICATE]}),
    "Key.to_der": (EC.to_der, {"private": True, "password": None}),
    "Key.to_openssh": (EC.to_openssh, {"private": True}),
    "Key.to_cryptography": (EC.to_cryptography, {"private": True}),
    "Key.from_secret": (Key.from_secret, {"secret": b"k" * 32, "alg": "HS256", "kid": None}),
    "Key.from_signer": (Key.from_signer, {"public": EC.public, "sign": EC.signing()}),
    "Key.to_jwk": (EC.to_jwk, {"private": True}),
    "Key.to_pem": (EC.to_pem, {"private": True, "password": None}),
    "Key.thumbprint": (EC.thumbprint, {"algorithm": "sha256"}),
    "Key.thumbprint_uri": (EC.thumbprint_uri, {"algorithm": "sha256"}),
    "Key.accepts": (EC.accepts, {"alg": "ES256"}),
    "Key.signing": (EC.signing, {}),
    "Key.verifying": (EC.verifying, {}),
    "KeySet": (KeySet, {"keys": [EC]}),
    "KeySet.from_jwks": (
        KeySet.from_jwks,
        {"document": {"keys": [EC.to_jwk()]}, "algorithms": None, "public": True},
    ),
    "KeySet.to_jwks": (KeySet([EC]).to_jwks, {"private": False}),
    "KeySet.candidates": (KeySet([EC]).candidates, {"kid": None, "alg": "ES256"}),
    "Claims": (Claims, {"claims": {}, "clock": lambda: NOW}),
    "inspect": (inspect, {"token": TOKEN}),
    "Signer": (
        Signer,
        dict(  # noqa: C408 - arguments
            key=EC,
            issuer="a",
            audience="b",
            lifetime=300,
            type="JWT",
            clock=lambda: NOW,
            encrypt_to=WRAP,
            enc="A128GCM",
            header={"x": 1},
            extensions=(),
        ),
    ),
    "Signer.sign": (SIGNER.sign, {"claims": {"sub": "x"}, "lifetime": 60, "header": {"x": 1}}),
    "Verifier": (
        Verifier,
        dict(  # noqa: C408 - arguments
            keys=EC.public,
            issuer="a",
            audience="b",
            type="JWT",
            leeway=0,
            max_age=None,
            required=(),
            claims=None,
            validators=(),
            accept_expired=False,
            accept_no_expiry=False,
            claims_type=None,
            clock=lambda: NOW,
            cache=0,
            max_size=1000,
            decryption=WRAP,
            extensions=None,
        ),
    ),
    "Verifier, by date": (
        lambda **dates: Verifier(
            EC.public, issuer="a", audience="b", leeway=dates, clock=lambda: NOW
        ),
        {"exp": 0, "iat": 0, "nbf": 0},
    ),
    "Verifier.verify": (VERIFIER.verify, {"token": TOKEN}),
    "Verifier.remembered": (VERIFIER.remembered, {"token": TOKEN}),
    "Verifier.verify_complete": (VERIFIER.verify_complete, {"token": TOKEN}),
    "jws.sign": (
        jws.sign,
        dict(  # noqa: C408 - arguments
            payload=b"x", key=EC, header=None, detached=False, extensions=()
        ),
    ),
    "jws.verify": (
        jws.verify,
        dict(  # noqa: C408 - arguments
            token=TOKEN, keys=EC.public, payload=None, max_size=1000, extensions=None
        ),
    ),
    "jws.verify, a critical extension": (
        jws.verify,
        {"token": CRITICAL, "keys": EC.public, "extensions": {"x": lambda _: True}},
    ),
    "jws.Signatory": (
        lambda **parts: jws.sign_json(b"x", jws.Signatory(**parts)),
        {"key": EC, "header": {"x": 1}, "unprotected": {"y": 1}},
    ),
    "jwe.Recipient": (
        lambda **parts: jwe.encrypt_json(b"x", jwe.Recipient(**parts)),
        {"key": WRAP, "header": {"x": 1}},
    ),
    "jws.verify, detached": (
        jws.verify,
        {"token": jws.sign(b"x", EC, detached=True), "keys": EC.public, "payload": b"x"},
    ),
    "jws.sign_json": (
        jws.sign_json,
        dict(  # noqa: C408 - arguments
            payload=b"x",
            keys=EC,
            header=None,
            unprotected=None,
            detached=False,
            flattened=None,
            extensions=(),
        ),
    ),
    "jws.verify_json": (
        jws.verify_json,
        dict(  # noqa: C408 - arguments
            document=jws.sign_json(b"x", EC),
            keys=EC.public,
            require="all",
            payload=None,
            max_size=1000,
            extensions=None,
        ),
    ),
    "jws.verify_json, text": (
        jws.verify_json,
        {"document": b"{}", "keys": EC.public, "max_size": 1000},
    ),
    "jwe.encrypt": (
        jwe.encrypt,
        dict(  # noqa: C408 - arguments
            plaintext=b"x", key=WRAP, enc="A128GCM", header=None, zip=None, extensions=()
        ),
    ),
    "jwe.decrypt": (
        jwe.decrypt,
        dict(  # noqa: C408 - arguments
            token=jwe.encrypt(b"x", WRAP),
            keys=WRAP,
            allow_weak=(),
            max_inflated=0,
            max_size=1000,
            extensions=None,
        ),
    ),
    "jwe.encrypt_json": (
        jwe.encrypt_json,
        dict(  # noqa: C408 - arguments
            plaintext=b"x",
            keys=WRAP,
            enc="A128GCM",
            header=None,
            unprotected=None,
            aad=None,
            zip=None,
            flattened=None,
            extensions=(),
        ),
    ),
    "jwe.decrypt_json": (
        jwe.decrypt_json,
        dict(  # noqa: C408 - arguments
            document=jwe.encrypt_json(b"x", WRAP),
            keys=WRAP,
            allow_weak=(),
            max_inflated=0,
            max_size=1000,
            extensions=None,
        ),
    ),
}


def use(made):
    """Use what was made, since some arguments are used only then."""
    if isinstance(made, Signer):
        made.sign({"sub": "x"})
    elif isinstance(made, Verifier):
        made.verify(TOKEN)
        made.verify_complete(TOKEN)
    elif isinstance(made, Key) and made.can_sign:
        jws.sign(b"x", made)
    elif isinstance(made, Claims):
        list(made)


@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, argument) for name, (_, right) in CALLS.items() for argument in right],
)
def test_a_wrong_argument_is_told_by_one_of_our_errors(name, argument):
    function, right = CALLS[name]
    for wrong in WRONG:
        if argument in ("clock", "sign") and callable(wrong):
            continue  # what a function of the caller's own raises is the caller's own
        try:
            use(function(**{**right, argument: wrong}))
        except CarnetError:
            continue
        except Exception as error:
            pytest.fail(f"{argument}={wrong!r} gave {error!r}")


def test_right_arguments_are_right():
    for name, (function, right) in CALLS.items():
        if name in ("Key", "jws.verify_json, text"):
            continue
        use(function(**right))


def test_the_table_holds_every_public_callable_and_all_its_arguments():
    public = {
        **{name: getattr(carnet, name) for name in carnet.__all__},
        **{f"jws.{name}": getattr(jws, name) for name in ("sign", "verify")},
        **{f"jws.{name}": getattr(jws, name) for name in ("sign_json", "verify_json")},
        **{f"jwe.{name}": getattr(jwe, name) for name in jwe.__all__ if name.islower()},
    }
    for owner in (Key, KeySet, Signer, Verifier):
        members = {name: member for one in owner.__mro__ for name, member in vars(one).items()}
        for name, member in members.items():
            if not name.startswith("_") and not isinstance(member, property):
                public[f"{owner.__name__}.{name}"] = getattr(owner, name)
    for name, function in public.items():
        if not callable(function) or name in ("Inspection", "VerifiedToken"):
            continue
        if isinstance(function, type) and issubclass(function, CarnetError):
            continue
        known = {
            argument
            for call, (_, right) in CALLS.items()
            for argument in right
            if call.partition(",")[0] == name
        }
        wanted = set(introspection.signature(function).parameters) - {"self"}
        assert wanted <= known, name


@pytest.mark.parametrize(
    ("work", "argument"),
    [
        (lambda: jws.verify(TOKEN, EC.public, max_size="x"), "max_size"),
        (lambda: jws.verify_json({}, EC.public, require=None), "require"),
        (lambda: jws.sign("text", EC), "payload"),
        (lambda: jws.sign(b"x", EC, detached=1), "detached"),
        (lambda: jws.sign_json(b"x", EC, flattened="no"), "flattened"),
        (lambda: jwe.encrypt("text", WRAP), "plaintext"),
        (lambda: jwe.decrypt("", WRAP, allow_weak="RSA1_5"), "allow_weak"),
        (lambda: jwe.decrypt("", WRAP, max_inflated=True), "max_inflated"),
        (lambda: jwe.encrypt_json(b"x", WRAP, aad="text"), "aad"),
        (lambda: EC.to_jwk(private="no"), "private"),
        (lambda: EC.to_pem(private=0), "private"),
        (lambda: Key.from_jwk(EC.to_jwk(), public="yes"), "public"),
        (lambda: KeySet.from_jwks({"keys": []}, algorithms=5), "algorithms"),
        (lambda: KeySet.from_jwks({"keys": []}, algorithms=[5]), "algorithms"),
        (lambda: KeySet([EC]).candidates(5, "ES256"), "kid"),
        (lambda: Key.from_signer(EC.public, "text"), "sign"),
        (lambda: Claims([]), "claims"),
        (lambda: Verifier(EC, issuer="a", audience="b", cache="x"), "cache"),
        (lambda: Verifier(EC, issuer="a", audience="b", leeway={"aud": 1}), "leeway"),
        (lambda: Verifier(EC, issuer="a", audience="b", extensions=["x"]), "extensions"),
        (lambda: Signer(EC, issuer="a", extensions="x"), "extensions"),
        (lambda: Signer(EC, issuer="a", header=[]), "header"),
        (lambda: jws.verify(TOKEN, lambda _: "key"), "keys"),
    ],
)
def test_the_error_names_the_argument(work, argument):
    with pytest.raises(ConfigurationError, match=f"^{argument} "):
        work()


def test_what_is_no_key_is_told_as_such():
    for work in (lambda: KeySet(1), lambda: KeySet([1]), lambda: jws.sign_json(b"x", 1)):
        with pytest.raises(InvalidKey):
            work()


@pytest.mark.parametrize("now", ["text", None, "1800000000", [], float("nan"), 1j, b"1"])
def test_a_clock_that_gives_no_number_is_told_and_lets_nobody_in(now):
    with pytest.raises(CarnetError):
        Verifier(EC.public, issuer="a", audience="b", clock=lambda: now).verify(TOKEN)
    with pytest.raises(ConfigurationError, match="clock"):
        Signer(EC, issuer="a", audience="b", clock=lambda: now).sign({})
    if not isinstance(now, float):
        with pytest.raises(ConfigurationError, match="clock"):
            _ = Claims({"auth_time": 5}, lambda: now).authentication_age
