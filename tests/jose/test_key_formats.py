"""Keys in the forms that other programs have: DER, OpenSSH, and cryptography's own objects."""

from shutil import which

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from tests import processes

from carnet import InvalidKey, Key
from carnet.jose import jwe, jws
from carnet.jose.pem import _OPENSSH_BEGIN, _OPENSSH_END

KEYS = {
    alg: Key.generate(alg, kid="k", size=2048 if alg == "RS256" else None)
    for alg in ("ES256", "ES384", "ES512", "ES256K", "Ed25519", "Ed448", "ML-DSA-44", "RS256")
}
AGREEING = Key.generate("ECDH-ES", crv="X25519")
OF_OPENSSH = ("ES256", "ES384", "ES512", "Ed25519", "RS256")
ELSEWHERE = Key.from_signer(KEYS["ES256"].public, KEYS["ES256"].signing())


def same(one, other):
    return one.thumbprint() == other.thumbprint() and one.is_private == other.is_private


@pytest.mark.parametrize("alg", KEYS)
def test_der_goes_out_and_in(alg):
    key = KEYS[alg]
    assert same(Key.from_der(key.to_der(), alg), key.public)
    assert same(Key.from_der(key.to_der(private=True), alg), key)
    locked = key.to_der(private=True, password="password")
    assert same(Key.from_der(locked, alg, password=b"password"), key)
    with pytest.raises(InvalidKey):
        Key.from_der(locked, alg, password="other")
    assert serialization.load_der_public_key(key.to_der()) == key.to_cryptography()


@pytest.mark.parametrize("alg", KEYS)
def test_objects_of_cryptography_go_out_and_in(alg):
    key = KEYS[alg]
    private, public = key.to_cryptography(private=True), key.to_cryptography()
    assert private.public_key() == public == key.public.to_cryptography()
    assert same(Key.from_cryptography(private, alg), key)
    made = Key.from_cryptography(public, alg, kid="k")
    assert made == key.public
    assert jws.verify(jws.sign(b"x", key), made).payload == b"x"


def test_the_kind_of_an_object_says_its_algorithm_where_it_leaves_none_open():
    assert Key.from_cryptography(ec.generate_private_key(ec.SECP384R1())).alg == "ES384"
    assert Key.from_cryptography(ed25519.Ed25519PrivateKey.generate()).alg == "Ed25519"
    open_ones = (rsa.generate_private_key(65537, 2048), x25519.X25519PrivateKey.generate())
    for object_ in open_ones:
        with pytest.raises(InvalidKey, match="pass alg="):
            Key.from_cryptography(object_)
    agreeing = Key.from_cryptography(open_ones[1], "ECDH-ES")
    assert jwe.decrypt(jwe.encrypt(b"x", agreeing.public), agreeing).plaintext == b"x"


@pytest.mark.parametrize(
    "wrong",
    [
        rsa.generate_private_key(65537, 1024),
        ec.generate_private_key(ec.BrainpoolP256R1()),
        dsa.generate_private_key(2048),
        b"secret" * 8,
        "-----BEGIN",
        None,
        5,
        object(),
        KEYS["ES256"],
        rsa.RSAPrivateKey,
    ],
    ids=lambda wrong: type(wrong).__name__,
)
def test_an_object_that_is_no_key_for_jose_is_refused(wrong):
    with pytest.raises(InvalidKey):
        Key.from_cryptography(wrong, "RS256" if isinstance(wrong, rsa.RSAPrivateKey) else None)


def test_what_has_no_such_form_is_told():
    secret = Key.generate("HS256")
    for work in (
        secret.to_cryptography,
        secret.to_der,
        secret.to_openssh,
        lambda: secret.to_cryptography(private=True),
        *(
            lambda key=key, name=name: getattr(key, name)(private=True)
            for key in (ELSEWHERE, KEYS["ES256"].public)
            for name in ("to_cryptography", "to_pem", "to_der", "to_openssh")
        ),
        *(
            lambda alg=alg, private=private: KEYS[alg].to_openssh(private)
            for alg in set(KEYS).difference(OF_OPENSSH)
            for private in (False, True)
        ),
        AGREEING.to_openssh,
    ):
        with pytest.raises(InvalidKey):
            work()


# OpenSSH


@pytest.mark.parametrize("alg", OF_OPENSSH)
def test_openssh_s_form_goes_out_and_in(alg):
    key = KEYS[alg]
    private, public = key.to_openssh(private=True), key.to_openssh()
    assert private.startswith(_OPENSSH_BEGIN)
    assert same(Key.from_openssh(private, alg), key)
    assert same(Key.from_openssh(public, alg, kid="k"), key.public)
    for text in (public.decode() + " ada@example.com\n", b"\n " + public):
        assert same(Key.from_openssh(text, alg), key.public)
    assert same(Key.from_openssh(private.replace(b"\n", b"\r\n"), alg), key)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_keys_that_ssh_keygen_makes_are_read(kind, tmp_path):
    if which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed: ITS KEYS WERE NOT READ")
    file = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-t", kind, "-f", str(file), "-C", "ada@example.com", "-N"]
    processes.run([*command, ""], check=True, timeout=60)
    alg = "RS256" if kind == "rsa" else None
    private = Key.from_openssh(file.read_bytes(), alg)
    public = Key.from_openssh(file.with_suffix(".pub").read_text(), alg)
    assert jws.verify(jws.sign(b"x", private), public).payload == b"x"
    file.unlink()
    processes.run([*command, "password"], check=True, timeout=60)
    with pytest.raises(InvalidKey, match="encrypted"):
        Key.from_openssh(file.read_bytes(), alg)


# Made by 'ssh-keygen -t ed25519 -N password', and good for nothing else.
ENCRYPTED = b"""-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBz
AAAAAAAAAAAAAAAAAAAAAAAAABAAAAABAAAAMwAAAAtzc2gtZWQyNTUxOQAAACB
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAA
-----END OPENSSH PRIVATE KEY-----
"""
PRIVATE = KEYS["Ed25519"].to_openssh(private=True)


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"ssh-ed25519",
        b"ssh-ed25519 AAAA",
        b"ssh-unknown " + KEYS["Ed25519"].to_openssh().split()[1],
        b'command="x" ' + KEYS["Ed25519"].to_openssh(),
        KEYS["Ed25519"].to_pem(),
        KEYS["Ed25519"].to_pem(private=True),
        PRIVATE * 2,
        PRIVATE + KEYS["Ed25519"].to_pem(private=True),
        PRIVATE.replace(_OPENSSH_END, b""),
        PRIVATE.replace(_OPENSSH_BEGIN, b"-----BEGIN PRIVATE KEY-----"),
        PRIVATE.replace(PRIVATE.split()[5], b"AAAA"),
        _OPENSSH_BEGIN + b"\n" + _OPENSSH_END,
        ENCRYPTED,
        b"x" * 70_000,
        None,
        5,
    ],
)
def test_what_is_no_openssh_key_is_refused(wrong):
    with pytest.raises(InvalidKey):
        Key.from_openssh(wrong)


def test_an_rsa_key_of_openssh_is_looked_at_as_any_other():
    numbers = KEYS["RS256"].to_cryptography(private=True).private_numbers()
    broken = rsa.RSAPrivateNumbers(
        numbers.p,
        numbers.q,
        numbers.d ^ 2,
        numbers.dmp1,
        numbers.dmq1,
        numbers.iqmp,
        numbers.public_numbers,
    ).private_key(unsafe_skip_rsa_key_validation=True)
    text = broken.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    with pytest.raises(InvalidKey):
        Key.from_openssh(text, "RS256")
    with pytest.raises(InvalidKey, match="pass alg="):
        Key.from_openssh(KEYS["RS256"].to_openssh())
