"""Every file of the RFC test data: accepted as it stands, or refused for a written reason."""

import json
from binascii import unhexlify
from pathlib import Path

import pytest

from carnet import InvalidKey, InvalidToken, Key, KeySet, Verifier
from carnet.jose import jwe, jws

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "vectors"
COOKBOOK, LATCHSET, ML_DSA = (
    FOLDER / name for name in ("ietf-jose-cookbook", "latchset-jose", "cose-wg-ml-dsa")
)
WEAK = ("RSA1_5", "PBES2-HS512+A256KW", "PBES2-HS256+A128KW")


def files(folder, pattern):
    found = sorted(folder.glob(pattern))
    return pytest.mark.parametrize("path", found or [None], ids=lambda path: path and path.name)


@pytest.fixture(autouse=True)
def _there(vectors):
    """Skip with the reason where the test data is missing."""


def read(path):
    """The bytes of a file; in the second collection a short file may name the one that is meant."""
    data = path.read_bytes()
    named = path.parent / data.decode("utf-8", "replace").strip() if len(data) < 32 else None
    return read(named) if named is not None and named.is_file() else data


def load(path):
    return json.loads(read(path))


def keys_of(given):
    """The keys of a cookbook file, each bound to its algorithm."""
    jwks, algs = given["key"], given["alg"]
    if isinstance(jwks, dict):
        jwks, algs = [jwks], [algs]
    bound = [Key.from_jwk(jwk, None if alg == "dir" else alg) for jwk, alg in zip(jwks, algs)]  # noqa: B905 - nesting gives one of each
    return KeySet(bound)


SIGNED = [
    *sorted(COOKBOOK.glob("jws/*.json")),
    COOKBOOK / "curve25519" / "jws.json",
    COOKBOOK / "rfc7797" / "hmac-sha2_b64_false.json",
]


@pytest.mark.parametrize("path", SIGNED, ids=lambda path: path.name)
def test_every_signed_example_of_the_cookbook_is_verified_in_every_form(path):
    document = load(path)
    given, output = document["input"], document["output"]
    keys, payload = keys_of(given), given["payload"].encode()
    detached = payload if "detached" in path.name else None
    seen = 0
    for name, form in output.items():
        if name == "compact":
            assert jws.verify(form, keys, payload=detached).payload == payload
        else:
            verified = jws.verify_json(form, keys, payload=detached)
            assert verified.payload == payload
            assert len(verified.signatures) == len(form.get("signatures", [1]))
        seen += 1
    assert seen


@pytest.mark.parametrize("path", SIGNED, ids=lambda path: path.name)
def test_no_signed_example_is_accepted_with_another_payload(path):
    document = load(path)
    keys = keys_of(document["input"])
    for form in document["output"].values():
        if not isinstance(form, dict):
            continue
        changed = {**form, "payload": "eHh4"}
        with pytest.raises(InvalidToken):
            jws.verify_json(changed, keys)


@pytest.mark.parametrize(
    "path",
    [path for path in SIGNED if path.name[:3] in ("4_1", "4_4", "jws")],
    ids=lambda path: path.name,
)
def test_what_is_reproducible_is_signed_to_the_same_bytes(path):
    document = load(path)
    header = json.loads(jws_header(document["output"]["compact"]))
    [key] = keys_of(document["input"])
    token = jws.sign(document["input"]["payload"].encode(), key, header)
    if jws_header(token) == jws_header(document["output"]["compact"]):
        assert token == document["output"]["compact"]
    else:
        # The order of the parameters is free; RSA PKCS1, HMAC and EdDSA are not.
        assert jws.verify(token, key if key.kty == "oct" else key.public)


def jws_header(token):
    from carnet.jose.encoding import b64url_decode

    return b64url_decode(token.partition(".")[0])


def test_an_unencoded_payload_whose_crit_does_not_say_so_is_refused():
    # This file is the draft's: RFC 7797 section 6 asks for 'crit'.
    document = load(COOKBOOK / "rfc7797" / "4.2.hmac-sha2_b64_false.json")
    keys = keys_of(document["input"])
    for form in document["output"].values():
        with pytest.raises(InvalidToken) as refused:
            jws.verify_json(form, keys)
        assert refused.value.claim == "b64"


ENCRYPTED = [*sorted(COOKBOOK.glob("jwe/*.json")), COOKBOOK / "curve25519" / "ecdh-es.json"]


@pytest.mark.parametrize("path", ENCRYPTED, ids=lambda path: path.name)
def test_every_encrypted_example_of_the_cookbook_is_decrypted_in_every_form(path):
    document = load(path)
    given, output = document["input"], document["output"]
    if "pwd" in given:
        keys = KeySet([Key.from_secret(given["pwd"].encode(), given["alg"])])
    else:
        keys = keys_of(given)
    plaintext = given["plaintext"].encode()
    for name, form in output.items():
        opened = (jwe.decrypt if name == "compact" else jwe.decrypt_json)(
            form, keys, allow_weak=WEAK, max_inflated=10_000
        )
        assert opened.plaintext == plaintext
        for key in keys:
            # Each recipient can open it alone.
            if name != "compact":
                alone = jwe.decrypt_json(form, key, allow_weak=WEAK, max_inflated=10_000)
                assert alone.plaintext == plaintext


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("5_1.key_encryption_using_rsa_v15_and_aes-hmac-sha2.json", "algorithm_mismatch"),
        (
            "5_3.key_wrap_using_pbes2-aes-keywrap_with-aes-cbc-hmac-sha2.json",
            "algorithm_mismatch",
        ),
        ("5_9.compressed_content.json", "header_invalid"),
    ],
)
def test_weak_algorithms_and_compression_are_refused_unless_asked_for(name, code):
    document = load(COOKBOOK / "jwe" / name)
    given = document["input"]
    key = (
        Key.from_secret(given["pwd"].encode(), given["alg"])
        if "pwd" in given
        else next(iter(keys_of(given)))
    )
    with pytest.raises(InvalidToken) as refused:
        jwe.decrypt(document["output"]["compact"], key)
    assert refused.value.code == code


def test_the_nested_example_is_opened_and_its_inner_signature_verified():
    document = load(COOKBOOK / "6.nesting_signatures_and_encryption.json")
    [recipient] = keys_of(document["encrypt"]["input"])
    [signer] = keys_of(document["sign"]["input"])
    verifier = Verifier(
        signer.public,
        issuer="hobbiton.example",
        audience=__import__("carnet").UNCHECKED,
        decryption=recipient,
        clock=lambda: 1_300_000_000,
    )
    claims = verifier.verify(document["encrypt"]["output"]["compact"])
    assert claims["http://example.com/is_root"] is True


@files(COOKBOOK, "jwk/*.json")
def test_every_key_of_the_cookbook_goes_in_and_comes_out(path):
    jwk = load(path)
    algs = {"EC": "ES512", "RSA": "RS256", "oct": None}
    key = Key.from_jwk(jwk, algs[jwk["kty"]])
    out = key.to_jwk(private=key.is_private)
    assert {name: out[name] for name in jwk} == jwk


def latchset(suffix):
    return sorted(LATCHSET.glob(f"vectors/*.{suffix}"))


def latchset_keys(path, alg):
    """The keys beside a token of this collection."""
    whole = path.with_suffix(".jwkset")
    if whole.exists():
        jwks = load(whole)["keys"]
    else:
        jwks = [load(found) for found in sorted(path.parent.glob(f"{path.stem}.jwk"))] or [
            load(found) for found in sorted(path.parent.glob(f"{path.stem}.?.jwk"))
        ]
    return jwks


def headers(document):
    from carnet.jose.encoding import b64url_decode

    if isinstance(document, str):
        return [json.loads(b64url_decode(document.strip().partition(".")[0]))]
    outer = document.get("protected")
    shared = json.loads(b64url_decode(outer)) if outer else {}
    entries = document.get("signatures") or document.get("recipients") or [document]
    found = []
    for entry in entries:
        own = entry.get("protected") if entry is not document else None
        found.append(
            shared
            | document.get("unprotected", {})
            | (json.loads(b64url_decode(own)) if own else {})
            | entry.get("header", {})
        )
    return found


@pytest.mark.parametrize(
    "path", [*latchset("jwsc"), *latchset("jwsf"), *latchset("jwsg")], ids=lambda path: path.name
)
def test_every_signed_file_of_the_second_collection_is_verified(path):
    if path.name == "rfc7515_A.5.jwsc":
        with pytest.raises(InvalidToken):  # an unsecured JWS: 'none' does not exist here
            jws.verify(read(path).decode().strip(), Key.generate("HS256"))
        return
    compact = path.suffix == ".jwsc"
    form = read(path).decode().strip() if compact else load(path)
    payload = None
    if path.stem == "rfc7520_4.5":
        payload = read(path.with_suffix(".payl"))
    found = headers(form)
    keys = KeySet(
        Key.from_jwk(jwk, header["alg"])
        for jwk, header in zip(in_order(path, found), found, strict=True)
    )
    if compact:
        assert jws.verify(form, keys, payload=payload).header["alg"] == found[0]["alg"]
    else:
        assert len(jws.verify_json(form, keys, payload=payload).signatures) == len(found)


def in_order(path, found):
    jwks = latchset_keys(path, None)
    kinds = {"H": "oct", "R": "RSA", "P": "RSA", "E": "EC"}
    return [next(jwk for jwk in jwks if jwk["kty"] == kinds[header["alg"][0]]) for header in found]


@pytest.mark.parametrize(
    "path", [*latchset("jwec"), *latchset("jwef"), *latchset("jweg")], ids=lambda path: path.name
)
def test_every_encrypted_file_of_the_second_collection_is_decrypted(path):
    compact = path.suffix == ".jwec"
    form = read(path).decode().strip() if compact else load(path)
    plaintext = read(path.with_suffix(".pt"))
    first = headers(form)[0]
    if path.stem == "rfc7520_5.3":
        key = Key.from_secret(json.loads(read(path.with_suffix(".pwd"))).encode(), first["alg"])
    else:
        jwk = latchset_keys(path, None)[0]
        key = Key.from_jwk(jwk, None if first["alg"] == "dir" else first["alg"])
    opened = (jwe.decrypt if compact else jwe.decrypt_json)(
        form, key, allow_weak=WEAK, max_inflated=10_000
    )
    assert opened.plaintext == plaintext


@files(LATCHSET, "vectors/*.jwk")
def test_every_key_of_the_second_collection_can_be_used(path):
    jwk = load(path)
    algs = {"RSA": "RS256", "EC": None, "oct": "HS256"}
    use = jwk.get("use")
    alg = jwk.get("alg") or (
        {"RSA": "RSA-OAEP", "EC": "ECDH-ES"}.get(jwk["kty"]) if use == "enc" else algs[jwk["kty"]]
    )
    if alg == "HS256" and len(jwk["k"]) < 43:
        alg = "A128KW"
    key = Key.from_jwk(jwk, alg)
    assert key.to_jwk(private=key.is_private)["kty"] == jwk["kty"]


@files(LATCHSET, "vectors/*.jwkset")
def test_every_key_set_of_the_second_collection_is_read(path):
    document = load(path)
    keys = KeySet.from_jwks(document, ["RS256", "ES256", "ES512", "HS256", "ECDH-ES", "A128KW"])
    assert len({key.thumbprint() for key in keys}) == len(document["keys"])


def test_the_thumbprint_of_rfc_7638():
    key = Key.from_jwk(load(LATCHSET / "vectors" / "rfc7638_3.1.jwk"))
    thumbprint = read(LATCHSET / "vectors" / "rfc7638_3.1.thp").decode().strip()
    assert key.thumbprint() == thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert key.thumbprint_uri() == (
        "urn:ietf:params:oauth:jwk-thumbprint:sha-256:NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    )


def test_the_token_of_cve_2023_50967_is_refused_even_where_pbes2_is_asked_for():
    folder = LATCHSET / "cve-2023-50967"
    jwk = load(folder / "cve-2023-50967.jwk")
    token = read(folder / "cve-2023-50967.jwe").decode().strip()
    found = headers(json.loads(token) if token.startswith("{") else token)[0]
    key = Key.from_jwk({**jwk, "alg": found["alg"]})
    with pytest.raises(InvalidToken) as refused:
        (jwe.decrypt_json if token.startswith("{") else jwe.decrypt)(
            token, key, allow_weak=[found["alg"]]
        )
    assert refused.value.claim == "p2c"


@files(ML_DSA, "*.json")
def test_every_ml_dsa_example_is_verified_and_its_key_is_whole(path):
    document = load(path)
    key = Key.from_jwk(document["jwk"])
    assert key.thumbprint() == document["jwk"]["kid"]
    assert jws.verify(document["jws"], key.public).header["alg"] == document["jwk"]["alg"]
    message = unhexlify(document["raw_to_be_signed"])
    signature = unhexlify(document["raw_signature"])
    assert key.public.verifying().verify(message, signature)
    assert key.public.to_jwk()["pub"] == document["jwk"]["pub"]
    wrong = {**document["jwk"], "pub": document["jwk"]["pub"][:-4] + "AAAA"}
    with pytest.raises(InvalidKey):
        Key.from_jwk(wrong)


def test_no_file_of_the_test_data_is_left_out(vectors):
    known = {".json", ".jwk", ".jwkset", ".jwsc", ".jwsf", ".jwsg", ".jwec", ".jwef", ".jweg"}
    beside = {".pt", ".thp", ".payl", ".pwd", ".jwe", ".md", ""}
    found = {path.suffix for path in vectors.rglob("*") if path.is_file()}
    assert found <= known | beside
