"""Certificates of keys: kept where they are the key's own, trusted where they lead to a root."""

import hashlib
import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from carnet import ConfigurationError, InvalidKey, InvalidToken, Key, KeySet, Verifier
from carnet.jose import jws
from carnet.jose.encoding import b64url_encode

NOW = datetime(2026, 11, 27, tzinfo=UTC)
DAY = timedelta(days=1)
ROOT, BETWEEN, LEAF, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
AUTHORITY = [
    (x509.BasicConstraints(True, None), True),
    (x509.KeyUsage(*[False] * 5, True, True, *[False] * 2), True),
]


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(
    subject, key, issuer, by, extensions=(), *, begins=NOW - DAY, ends=NOW + DAY, hash=None
):
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(by, hash or hashes.SHA256()).public_bytes(Encoding.DER)


def usage(*, signs=False, encrypts=False):
    return (x509.KeyUsage(signs, False, encrypts, *[False] * 6), True)


ROOTS = [certificate("root", ROOT, "root", ROOT, AUTHORITY)]
MIDDLE = certificate("between", BETWEEN, "root", ROOT, AUTHORITY)
OWN = certificate("leaf", LEAF, "between", BETWEEN)
CHAIN = [OWN, MIDDLE]
KEY = Key.from_cryptography(LEAF, kid="k")


def pem(*chain):
    return b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in chain)


def texts(*chain):
    return [b64encode(der).decode() for der in chain]


def leaf(*extensions, key=LEAF, **options):
    return [certificate("leaf", key, "between", BETWEEN, extensions, **options), MIDDLE]


def trusted(chain, alg=None, roots=ROOTS, at=NOW, **options):
    return Key.from_certificates(chain, alg, roots=roots, at=at, **options)


# Chains that lead to a root


@pytest.mark.parametrize(
    "chain",
    [
        CHAIN,
        tuple(CHAIN),
        texts(*CHAIN),
        pem(*CHAIN),
        pem(*CHAIN).decode(),
        bytearray(pem(*CHAIN)),
        [bytearray(OWN), memoryview(MIDDLE)],
        [OWN, certificate("other", STRANGER, "root", ROOT, AUTHORITY), MIDDLE],
    ],
)
def test_a_chain_that_leads_to_a_root_gives_its_first_key(chain):
    key = trusted(chain, kid="k")
    assert key == KEY.public
    assert key.certificates[0] == OWN
    assert jws.verify(jws.sign(b"x", KEY), key).payload == b"x"


def test_roots_may_be_given_in_every_form():
    for roots in (ROOTS, pem(*ROOTS), pem(*ROOTS).decode(), texts(*ROOTS)):
        assert trusted(CHAIN, roots=roots).alg == "ES256"
    other = certificate("other", STRANGER, "other", STRANGER, AUTHORITY)
    assert trusted(CHAIN, roots=[other, *ROOTS]).alg == "ES256"


def test_a_root_may_have_made_the_certificate_itself():
    assert trusted([certificate("leaf", LEAF, "root", ROOT)]).kid is None


def test_a_certificate_that_is_trusted_itself_needs_no_authority_but_the_right_moment():
    chain = [certificate("leaf", LEAF, "leaf", LEAF)]
    assert trusted(chain, roots=chain).certificates == tuple(chain)
    for wrong in (
        certificate("leaf", LEAF, "leaf", LEAF, ends=NOW - DAY / 2),
        certificate("leaf", LEAF, "leaf", LEAF, [usage(encrypts=True)]),
    ):
        with pytest.raises(InvalidKey):
            trusted([wrong], roots=[wrong])


def test_a_certificate_of_another_key_is_not_taken_for_this_one():
    with pytest.raises(InvalidKey, match="not this key's"):
        KEY.with_certificates([OTHERS])
    with pytest.raises(InvalidKey):
        trusted(CHAIN, roots=[OTHERS])


@pytest.mark.parametrize(
    "extensions",
    [
        [usage(signs=True)],
        [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), True)],
        [(x509.SubjectAlternativeName([x509.DNSName("a.example")]), False)],
        [(x509.BasicConstraints(False, None), True)],
    ],
)
def test_a_certificate_for_signatures_is_taken_whatever_else_it_is_for(extensions):
    assert trusted(leaf(*extensions)).alg == "ES256"


LATER = certificate("between", BETWEEN, "root", ROOT, AUTHORITY, begins=NOW + DAY / 2)
PAST = certificate("between", BETWEEN, "root", ROOT, AUTHORITY, ends=NOW - DAY / 2)
NO_AUTHORITY = certificate("between", BETWEEN, "root", ROOT)
LAST = certificate("between", BETWEEN, "root", ROOT, [(x509.BasicConstraints(True, 0), True)])
NARROW = certificate(
    "between",
    BETWEEN,
    "root",
    ROOT,
    [*AUTHORITY, (x509.NameConstraints([x509.DNSName("good.example")], None), True)],
)
UNDER = certificate("under", STRANGER, "between", BETWEEN, AUTHORITY)


@pytest.mark.parametrize(
    ("chain", "roots"),
    [
        ([OWN], ROOTS),
        ([OWN, LATER], ROOTS),
        ([OWN, PAST], ROOTS),
        ([OWN, NO_AUTHORITY], ROOTS),
        ([MIDDLE], ROOTS),
        (ROOTS, ROOTS),
        (CHAIN, [certificate("root", STRANGER, "root", STRANGER, AUTHORITY)]),
        (CHAIN, [certificate("root", ROOT, "root", ROOT, AUTHORITY, ends=NOW - DAY / 2)]),
        (leaf(begins=NOW + DAY / 2), ROOTS),
        (leaf(ends=NOW - DAY / 2), ROOTS),
        ([certificate("leaf", LEAF, "between", STRANGER), MIDDLE], ROOTS),
        ([certificate("leaf", LEAF, "leaf", LEAF)], ROOTS),
        ([certificate("leaf", LEAF, "leaf", LEAF), *ROOTS], ROOTS),
        (leaf(*AUTHORITY), ROOTS),
        (leaf((x509.BasicConstraints(True, None), True), usage(signs=True)), ROOTS),
        (leaf(usage(encrypts=True)), ROOTS),
        (leaf((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), True)), ROOTS),
        ([certificate("leaf", LEAF, "under", STRANGER), UNDER, LAST], ROOTS),
        (
            [
                leaf((x509.SubjectAlternativeName([x509.DNSName("a.bad.example")]), False))[0],
                NARROW,
            ],
            ROOTS,
        ),
        ([OWN, MIDDLE[:-8] + bytes(8)], ROOTS),
    ],
)
def test_a_chain_that_does_not_lead_to_a_root_gives_no_key(chain, roots):
    with pytest.raises(InvalidKey):
        trusted(chain, roots=roots)


def test_a_certificate_is_for_signatures_or_for_encryption_as_the_key_is():
    key = rsa.generate_private_key(65537, 2048)
    for extensions, good, bad in (
        ([usage(signs=True)], "RS256", "RSA-OAEP-256"),
        ([usage(encrypts=True)], "RSA-OAEP-256", "RS256"),
    ):
        chain = leaf(*extensions, key=key)
        assert trusted(chain, good).alg == good
        with pytest.raises(InvalidKey, match="not for this use"):
            trusted(chain, bad)
    with pytest.raises(InvalidKey, match="pass alg="):
        trusted(leaf(key=key))


def test_the_moment_decides_and_has_a_time_zone():
    for at in (NOW + 2 * DAY, NOW - 2 * DAY):
        with pytest.raises(InvalidKey):
            trusted(CHAIN, at=at)
    zone = datetime.fromisoformat("2026-11-27T05:30:00+05:30")
    assert trusted(CHAIN, at=zone).alg == "ES256"
    for wrong in (None, NOW.replace(tzinfo=None), NOW.timestamp(), NOW.date(), "2026-11-27"):
        with pytest.raises(ConfigurationError, match=r"^at "):
            trusted(CHAIN, at=wrong)


def test_a_chain_in_a_header_is_trusted_only_where_the_caller_asks_whether_it_is():
    roots = pem(*ROOTS)

    def find(header):
        return Key.from_certificates(header["x5c"], roots=roots, at=NOW)

    now = int(NOW.timestamp())
    claims = json.dumps({"iss": "i", "aud": "a", "exp": now + 60}).encode()
    options = {"issuer": "i", "audience": "a", "clock": lambda: now}
    signing = Key.from_cryptography(LEAF)
    token = jws.sign(claims, signing, {"x5c": texts(*CHAIN)})
    assert Verifier(find, **options).verify(token).issuer == "i"
    forged = jws.sign(
        claims,
        Key.from_cryptography(STRANGER),
        {"x5c": texts(certificate("leaf", STRANGER, "leaf", STRANGER))},
    )
    for wrong in (forged, jws.sign(claims, signing), jws.sign(claims, signing, {"x5c": 5})):
        with pytest.raises(InvalidToken) as refusal:
            Verifier(find, **options).verify(wrong)
        assert refusal.value.code == "key_not_found"


# Certificates that come with a key


def test_the_certificates_of_a_jwk_are_kept():
    with_them = KEY.with_certificates(CHAIN)
    for private in (False, True):
        jwk = with_them.to_jwk(private)
        assert jwk["x5c"] == texts(*CHAIN)
        assert jwk["x5t#S256"] == b64url_encode(hashlib.sha256(OWN).digest())
        for key in (Key.from_jwk(jwk), Key.from_jwk(json.dumps(jwk))):
            assert key.certificates == tuple(CHAIN)
            assert key.to_jwk(private) == jwk
    assert with_them.public.certificates == tuple(CHAIN)
    assert KeySet.from_jwks({"keys": [jwk]}, ["ES256"]).to_jwks()["keys"][0]["x5c"] == jwk["x5c"]


def test_a_key_has_no_certificates_unless_they_came_with_it():
    with_them = KEY.with_certificates(pem(*CHAIN))
    assert KEY.certificates == KEY.public.certificates == ()
    assert "x5c" not in KEY.to_jwk()
    assert with_them == KEY
    assert jws.verify(jws.sign(b"x", with_them), KEY.public).payload == b"x"


def test_a_key_that_is_kept_elsewhere_may_have_certificates():
    for key in (
        Key.from_signer(KEY.public, KEY.signing()).with_certificates(CHAIN),
        Key.from_signer(KEY.public.with_certificates(CHAIN), KEY.signing()),
    ):
        assert key.certificates == key.public.certificates == tuple(CHAIN)
        assert jws.verify(jws.sign(b"x", key), KEY.public).payload == b"x"
        assert key.to_jwk()["x5c"] == texts(*CHAIN)


def test_what_a_key_may_be_used_for_stays():
    jwk = {**KEY.to_jwk(private=True), "key_ops": ["verify"]}
    del jwk["use"]
    key = Key.from_jwk(jwk).with_certificates(CHAIN)
    assert key.can_verify
    assert not key.can_sign
    assert key.to_jwk(private=True)["key_ops"] == ["verify"]
    assert "key_ops" not in key.public.to_jwk()


def jwk_with(**members):
    return {**KEY.to_jwk(), **members}


OTHERS = certificate("leaf", STRANGER, "between", BETWEEN)


@pytest.mark.parametrize(
    "members",
    [
        {"x5c": texts(OTHERS, MIDDLE)},
        {"x5c": texts(MIDDLE, OWN)},
        {"x5c": []},
        {"x5c": [""]},
        {"x5c": ["AAAA"]},
        {"x5c": ["!"]},
        {"x5c": [texts(OWN)[0].rstrip("=") + "\n"]},
        {"x5c": [pem(OWN).decode()]},
        {"x5c": ["\ud800"]},
        {"x5c": texts(OWN, b"x" * 17_000)},
        {"x5c": texts(*[OWN] * 11)},
        {"x5c": texts(OWN), "x5t#S256": b64url_encode(hashlib.sha256(MIDDLE).digest())},
        {"x5c": texts(OWN), "x5t#S256": ""},
    ],
)
def test_certificates_that_are_not_the_keys_own_are_refused(members):
    with pytest.raises(InvalidKey):
        Key.from_jwk(jwk_with(**members))
    found = KeySet.from_jwks({"keys": [jwk_with(**members), KEY.to_jwk()]})
    assert (len(found), len(found.skipped)) == (1, 1)


def test_the_private_half_of_a_jwk_is_compared_with_its_certificate_too():
    jwk = {**KEY.to_jwk(private=True), "x5c": texts(OTHERS)}
    with pytest.raises(InvalidKey, match="not this key's"):
        Key.from_jwk(jwk)


def test_a_thumbprint_alone_is_kept():
    thumbprint = b64url_encode(hashlib.sha256(OWN).digest())
    key = Key.from_jwk(jwk_with(**{"x5t#S256": thumbprint}))
    assert key.to_jwk()["x5t#S256"] == key.public.to_jwk()["x5t#S256"] == thumbprint
    assert key.certificates == ()


def test_a_secret_has_no_certificate():
    secret = Key.generate("HS256")
    with pytest.raises(InvalidKey, match="secret"):
        secret.with_certificates(CHAIN)
    with pytest.raises(InvalidKey, match="secret"):
        Key.from_jwk({**secret.to_jwk(private=True), "x5c": texts(OWN)})


def unknown_algorithm():
    """A certificate whose key says that it is of no known kind."""
    return OWN.replace(bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d0209"))


@pytest.mark.parametrize(
    "chain",
    [
        None,
        5,
        {},
        {"x5c"},
        [],
        (),
        "",
        "text",
        b"\xff",
        [None],
        [5],
        [b""],
        [b"x"],
        [OWN[:-1]],
        [b"x" * 17_000],
        [OWN] * 11,
        pem(OWN) * 11,
        pem(OWN).replace(b"-----END", b"-----FIN"),
        b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
        pem(OWN) + b" " * 270_000,
        "-----BEGIN CERTIFICATE-----\n" + "QUJD" * 9000 + "\n-----END CERTIFICATE-----",
        [unknown_algorithm()],
        [certificate("leaf", dsa.generate_private_key(2048), "between", BETWEEN)],
        iter(CHAIN),
    ],
    ids=lambda chain: type(chain).__name__,
)
def test_what_is_no_chain_is_told(chain):
    for work in (
        lambda: KEY.with_certificates(chain),
        lambda: trusted(chain, roots=[OTHERS]),
        lambda: trusted([OTHERS], roots=chain),
    ):
        with pytest.raises(InvalidKey):
            work()


def test_certificates_may_stand_among_other_text():
    text = b"subject=leaf\n" + pem(OWN) + b"issuer\n" + pem(MIDDLE) + b"end\n"
    assert trusted(text).certificates == tuple(CHAIN)
    assert [b64decode(one) for one in KEY.with_certificates(text).to_jwk()["x5c"]] == CHAIN
