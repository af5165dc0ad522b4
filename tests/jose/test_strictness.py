"""What a JWS and a JWE must be, rule by rule; and how little work a refusal costs."""

import json
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet import CarnetError, ConfigurationError, InvalidKey, InvalidToken, Key, KeySet, Verifier
from carnet.jose import content_encryption, jwe, jws
from carnet.jose.algorithms import ENCRYPTIONS
from carnet.jose.encoding import b64url_decode, b64url_encode, json_encode

EC = Key.generate("ES256")
MAC = Key.generate("HS256", kid="mac")
WRAP = Key.generate("A256KW", kid="wrap")
DIRECT = Key.generate("A256GCM", kid="direct")
AGREE = Key.generate("ECDH-ES", crv="P-256")
AGREE_AND_WRAP = Key.generate("ECDH-ES+A256KW", crv="X25519")
GCM_WRAP = Key.generate("A256GCMKW")
RSA = Key.generate("RSA-OAEP-256", size=2048)


def mac_over(header, payload=b"payload", key=MAC):
    """A token with whatever header, rightly signed."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    data = f"{b64url_encode(text)}.{b64url_encode(payload)}".encode()
    return (data + b"." + b64url_encode(key.signing()(data)).encode()).decode()


@pytest.mark.parametrize(
    ("header", "code", "claim"),
    [
        ({}, "header_invalid", "alg"),
        ({"alg": None}, "header_invalid", "alg"),
        ({"alg": ["HS256"]}, "header_invalid", "alg"),
        ({"alg": "none"}, "algorithm_mismatch", "alg"),
        ({"alg": "hs256"}, "algorithm_mismatch", "alg"),
        ({"alg": "HS384"}, "algorithm_mismatch", "alg"),
        ({"alg": "HS256", "kid": 1}, "header_invalid", "kid"),
        ({"alg": "HS256", "kid": "k" * 257}, "header_invalid", "kid"),
        ({"alg": "HS256", "kid": "other"}, "key_not_found", "kid"),
        ({"alg": "HS256", "typ": 1}, "header_invalid", "typ"),
        ({"alg": "HS256", "cty": []}, "header_invalid", "cty"),
        ({"alg": "HS256", "crit": []}, "header_invalid", "crit"),
        ({"alg": "HS256", "crit": "b64"}, "header_invalid", "crit"),
        ({"alg": "HS256", "crit": [1]}, "header_invalid", "crit"),
        ({"alg": "HS256", "crit": None}, "header_invalid", "crit"),
        ({"alg": "HS256", "crit": ["alg"]}, "header_invalid", "crit"),
        ({"alg": "HS256", "crit": ["exp"]}, "header_invalid", "crit"),
        ({"alg": "HS256", "crit": ["exp"], "exp": 1}, "crit_unsupported", "crit"),
        ({"alg": "HS256", "crit": ["b64", "b64"], "b64": True}, "header_invalid", "crit"),
        ({"alg": "HS256", "crit": ["b64"]}, "header_invalid", "crit"),
        ({"alg": "HS256", "crit": ["b64", "x"], "b64": True, "x": 1}, "crit_unsupported", "crit"),
        ({"alg": "HS256", "b64": False}, "header_invalid", "b64"),
        ({"alg": "HS256", "b64": 0, "crit": ["b64"]}, "header_invalid", "b64"),
        ({"alg": "HS256", "b64": "false", "crit": ["b64"]}, "header_invalid", "b64"),
        (b'{"alg":"HS256","alg":"HS256"}', "malformed", None),
        (b'\xef\xbb\xbf{"alg":"HS256"}', "malformed", None),
        (b"[]", "malformed", None),
        (b'{"alg":"HS256"}}', "malformed", None),
        (b'{"alg":"HS256","x":NaN}', "malformed", None),
        (b'{"alg":"HS256","x":"' + b"x" * 9000 + b'"}', "too_large", None),
    ],
)
def test_a_header_that_is_not_right_is_refused_though_rightly_signed(header, code, claim):
    token = mac_over(header)
    with pytest.raises(InvalidToken) as refused:
        jws.verify(token, MAC)
    assert (refused.value.code, refused.value.claim) == (code, claim)
    verifier = Verifier(MAC, issuer="i", audience="a")
    with pytest.raises(InvalidToken) as refused:
        verifier.verify(token)
    assert (refused.value.code, refused.value.claim) == (code, claim) or "b64" in str(header)


def test_keys_in_a_header_are_not_looked_at():
    attacker = Key.generate("ES256")
    header = {"jwk": attacker.public.to_jwk(), "jku": "https://x.example", "x5c": ["AA=="]}
    token = jws.sign(b"x", attacker, {**header, "kid": EC.kid})
    with pytest.raises(InvalidToken) as refused:
        jws.verify(token, EC.public)
    assert refused.value.code == "signature_invalid"
    assert jws.verify(jws.sign(b"x", EC, header), EC.public).payload == b"x"


TOKEN = jws.sign(b"payload", EC)
HEAD, BODY, SIGNATURE = TOKEN.split(".")


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", "...", f"{HEAD}.{BODY}", f"{HEAD}.{BODY}.", f".{BODY}.{SIGNATURE}"),
        *(f"{TOKEN}.", f".{TOKEN}", f"{TOKEN}.x", f"{TOKEN}=", f" {TOKEN}", f"{TOKEN}\n"),
        *(f"{HEAD}=.{BODY}.{SIGNATURE}", f"{HEAD}.{BODY}=.{SIGNATURE}", f"{HEAD}.{BODY} .x"),
        *("é.é.é", "\ud800.x.x", TOKEN.encode("utf-16"), 5, None, [TOKEN]),
    ],
)
def test_what_is_no_compact_jws_is_malformed(token):
    with pytest.raises(InvalidToken) as refused:
        jws.verify(token, EC.public)
    assert refused.value.code == "malformed"


def raw(signature):
    return f"{HEAD}.{BODY}.{b64url_encode(signature)}"


N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.mark.parametrize(
    "signature",
    [
        b"\0" * 64,
        b"\0" * 63 + b"\1",
        b"\xff" * 64,
        N.to_bytes(32, "big") * 2,
        b"",
        b"\0",
        b64url_decode(SIGNATURE) + b"\0",
        b64url_decode(SIGNATURE)[:-1],
        b"\0" + b64url_decode(SIGNATURE),
        (int.from_bytes(b64url_decode(SIGNATURE)[:32], "big") + N).to_bytes(33, "big")
        + b64url_decode(SIGNATURE)[32:],
        b"\x30\x06\x02\x01\x01\x02\x01\x01",
    ],
)
def test_no_signature_but_the_right_one_holds(signature):
    with pytest.raises(InvalidToken):
        jws.verify(raw(signature), EC.public)


def test_an_encoding_of_the_signature_that_is_not_canonical_is_refused():
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    accepted = []
    for key in (EC, MAC, Key.generate("Ed25519")):
        token = jws.sign(b"payload", key)
        public = key if key is MAC else key.public
        for character in last:
            try:
                jws.verify(token[:-1] + character, public)
            except InvalidToken:
                continue
            accepted.append(character == token[-1])
    assert accepted == [True, True, True]


DOCUMENT = jws.sign_json(b"payload", EC)
GENERAL = jws.sign_json(b"payload", [EC, MAC])
BOTH = KeySet([EC.public, MAC])


@pytest.mark.parametrize(
    "document",
    [
        *({}, [], None, 5, "", "[]", b"\xff", "\ud800", '{"payload":"x","payload":"x"}'),
        {**DOCUMENT, "signatures": []},
        {"payload": DOCUMENT["payload"], "signatures": []},
        {"payload": DOCUMENT["payload"], "signatures": {}},
        {"payload": DOCUMENT["payload"], "signatures": [5]},
        {**GENERAL, "signatures": GENERAL["signatures"] * 9},
        {**GENERAL, "signature": DOCUMENT["signature"]},
        {**GENERAL, "protected": DOCUMENT["protected"]},
        {**GENERAL, "header": {}},
        {**DOCUMENT, "header": {"alg": "ES256"}},
        {**DOCUMENT, "header": []},
        {**DOCUMENT, "header": {"crit": ["b64"], "b64": True}},
        {**DOCUMENT, "header": {"b64": True}},
        {**DOCUMENT, "protected": ""},
        {**DOCUMENT, "protected": 5},
        {**DOCUMENT, "signature": 5},
        {**DOCUMENT, "signature": "\ud800"},
        {**DOCUMENT, "payload": 5},
        {**DOCUMENT, "payload": DOCUMENT["payload"] + "="},
        {name: value for name, value in DOCUMENT.items() if name != "payload"},
        {name: value for name, value in DOCUMENT.items() if name != "signature"},
        {**DOCUMENT, "protected": "e30" * 3000},
        " " * 2_000_000,
    ],
)
def test_what_is_no_jws_in_json_form_is_refused(document):
    with pytest.raises(InvalidToken):
        jws.verify_json(document, BOTH)


def test_signatures_of_one_document_agree_about_the_payloads_form():
    plain, unencoded = (
        jws.sign_json(b"payload", MAC),
        jws.sign_json(b"payload", MAC, {"b64": False, "crit": ["b64"]}),
    )
    document = {
        "payload": "payload",
        "signatures": [
            {name: one[name] for name in ("protected", "signature")} for one in (plain, unencoded)
        ],
    }
    with pytest.raises(InvalidToken) as refused:
        jws.verify_json(document, MAC, require="any")
    assert refused.value.claim == "b64"


def test_which_signatures_must_hold_is_said_in_one_of_three_ways():
    broken = json.loads(json.dumps(GENERAL))
    broken["signatures"][0]["signature"] = b64url_encode(b"\1" * 64)
    assert len(jws.verify_json(GENERAL, BOTH).signatures) == 2
    assert len(jws.verify_json(broken, BOTH, require="any").signatures) == 1
    assert jws.verify_json(broken, BOTH, require=[MAC]).payload == b"payload"
    for wanted in ("all", [EC.public], [EC.public, MAC], [Key.generate("ES256").public]):
        with pytest.raises(InvalidToken):
            jws.verify_json(broken, BOTH, require=wanted)
    for wrong in ("some", [], [5], ""):
        with pytest.raises(ConfigurationError):
            jws.verify_json(GENERAL, BOTH, require=wrong)


@pytest.mark.parametrize("payload", [b"with.dot", b"new\nline", b"\x7f", "é".encode(), b"\xff"])
def test_a_compact_token_carries_an_unencoded_payload_only_where_it_is_printable(payload):
    header = {"b64": False, "crit": ["b64"]}
    with pytest.raises(InvalidToken) as refused:
        jws.sign(payload, MAC, header)
    assert refused.value.claim == "b64"
    head = b64url_encode(json_encode({"alg": "HS256", **header})).encode()
    signature = b64url_encode(MAC.signing()(head + b"." + payload)).encode()
    with pytest.raises(InvalidToken):
        jws.verify(head + b"." + payload + b"." + signature, MAC)
    token = jws.sign(payload, MAC, header, detached=True)
    assert jws.verify(token, MAC, payload=payload).payload == payload


def test_a_json_document_carries_an_unencoded_payload_that_is_text():
    header = {"b64": False, "crit": ["b64"]}
    document = jws.sign_json("é.\n".encode(), MAC, header)
    assert document["payload"] == "é.\n"
    assert jws.verify_json(document, MAC).payload == "é.\n".encode()
    with pytest.raises(InvalidToken):
        jws.sign_json(b"\xff", MAC, header)


def test_a_payload_stands_in_the_token_or_beside_it_never_both():
    with pytest.raises(InvalidToken):
        jws.verify(TOKEN, EC.public, payload=b"payload")
    with pytest.raises(InvalidToken):
        jws.verify_json(DOCUMENT, EC.public, payload=b"payload")
    detached = jws.sign_json(b"payload", EC, detached=True)
    with pytest.raises(InvalidToken):
        jws.verify_json(detached, EC.public)
    assert jws.verify_json(detached, EC.public, payload=b"payload").payload == b"payload"


@pytest.mark.parametrize(
    "header",
    [{"alg": "none"}, {"alg": "ES384"}, {"kid": 5}, {"crit": ["x"]}, {"crit": []}, {"b64": False}],
)
def test_nothing_is_signed_that_would_not_be_verified(header):
    with pytest.raises(InvalidToken):
        jws.sign(b"x", EC, header)
    with pytest.raises(InvalidToken):
        jws.sign_json(b"x", EC, header)


@pytest.mark.parametrize("header", [{1: 2}, [("a", "b")], "text", 5])
def test_a_header_that_is_no_mapping_of_names_is_told(header):
    for work in (
        lambda: jws.sign(b"x", EC, header),
        lambda: jws.sign_json(b"x", EC, header),
        lambda: jwe.encrypt(b"x", WRAP, header=header),
        lambda: jwe.encrypt_json(b"x", WRAP, header=header),
    ):
        with pytest.raises(ConfigurationError):
            work()


def test_wrong_arguments_are_told():
    for work in (
        lambda: jws.sign("text", EC),
        lambda: jwe.encrypt("text", WRAP),
        lambda: jwe.encrypt(b"", WRAP, enc="A512GCM"),
        lambda: jwe.encrypt(b"", WRAP, enc=["A256GCM"]),
        lambda: jwe.encrypt(b"", WRAP, zip="GZIP"),
        lambda: jws.verify(TOKEN, [EC.public]),
        lambda: jwe.decrypt(jwe.encrypt(b"", WRAP), [WRAP]),
        lambda: jws.sign_json(b"", [EC, MAC], flattened=True),
        lambda: jwe.encrypt_json(b"", [WRAP, GCM_WRAP], flattened=True),
        lambda: jws.sign_json(b"", [MAC] * 17),
        lambda: jwe.encrypt_json(b"", [WRAP] * 17),
        lambda: jwe.encrypt_json(b"", [WRAP, AGREE.public]),
        lambda: jwe.encrypt_json(b"", [WRAP, DIRECT]),
        lambda: jwe.encrypt(b"", Key.from_secret(b"password", "PBES2-HS256+A128KW")),
        lambda: jwe.encrypt(b"", WRAP, header={"alg": "dir"}),
        lambda: jwe.encrypt(b"", WRAP, header={"enc": "A128GCM"}),
        lambda: jwe.encrypt_json(b"", WRAP, header={"kid": "other"}),
        lambda: jwe.encrypt_json(b"", WRAP, unprotected={"enc": "A128GCM"}),
    ):
        with pytest.raises(CarnetError):
            work()


def seal(header, cek, wrapped=b"", plaintext=b"x", enc="A256GCM"):
    """A compact JWE with whatever header and encrypted key."""
    head = b64url_encode(json_encode({"enc": enc, **header})).encode()
    iv, ciphertext, tag = content_encryption.encrypt(ENCRYPTIONS[enc], cek, plaintext, head)
    parts = (wrapped, iv, ciphertext, tag)
    return ".".join([head.decode(), *(b64url_encode(part) for part in parts)])


def refusal(token, key, **options):
    with pytest.raises(InvalidToken) as refused:
        jwe.decrypt(token, key, **options)
    return refused.value


def test_every_failure_to_decrypt_looks_the_same():
    seen = set()
    for key in (WRAP, DIRECT, AGREE, AGREE_AND_WRAP, GCM_WRAP, RSA):
        for enc in ("A256GCM",) if key is DIRECT else ("A256GCM", "A128CBC-HS256"):
            token = jwe.encrypt(b"secret text", key if key.kty == "oct" else key.public, enc)
            parts = token.split(".")
            stranger = Key.from_jwk(
                {
                    **Key.generate(
                        key.alg,
                        size=2048 if key is RSA else None,
                        crv=key.to_jwk(private=True).get("crv"),
                    ).to_jwk(private=True),
                    "kid": key.kid,
                }
            )
            attempts = [(token, stranger)]
            for place, part in enumerate(parts[1:], 1):
                data = b64url_decode(part)
                changes = [
                    data[:-1],
                    data + b"\0",
                    b"",
                    bytes([data[0] ^ 1]) + data[1:] if data else b"x",
                ]
                attempts += [
                    (".".join([*parts[:place], b64url_encode(change), *parts[place + 1 :]]), key)
                    for change in changes
                    if change != data
                ]
            for attempt, with_key in attempts:
                error = refusal(attempt, with_key)
                assert "secret text" not in str(error)
                seen.add((error.code, error.claim, error.expected, str(error)))
    assert len(seen) == 1
    assert {code for code, *_ in seen} == {"decryption_failed"}


@pytest.mark.parametrize("size", [0, 4, 8, 12, 15, 17])
def test_a_shortened_tag_opens_nothing(size):
    for enc in ENCRYPTIONS:
        key = Key.generate(enc)
        *rest, tag = jwe.encrypt(b"x", key).split(".")
        short = (b64url_decode(tag) + b"\0" * 8)[:size]
        if len(short) != len(b64url_decode(tag)):
            assert refusal(".".join([*rest, b64url_encode(short)]), key).code == (
                "decryption_failed"
            )


def point(**changes):
    jwk = Key.generate("ECDH-ES", crv="P-256").public.to_jwk()
    epk = {name: jwk[name] for name in ("kty", "crv", "x", "y")}
    return {name: value for name, value in {**epk, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("header", "claim"),
    [
        ({}, "epk"),
        ({"epk": None}, "epk"),
        ({"epk": "text"}, "epk"),
        ({"epk": {}}, "epk"),
        ({"epk": point(y=b64url_encode(b"\1" * 32))}, "epk"),
        ({"epk": point(crv="P-384")}, "epk"),
        ({"epk": point(kty="OKP")}, "epk"),
        ({"epk": point(d=b64url_encode(b"\1" * 32))}, "epk"),
        ({"epk": point(x=None)}, "epk"),
        ({"epk": point(), "apu": 5}, "apu"),
        ({"epk": point(), "apv": "=="}, "apv"),
        ({"epk": point(), "apu": "A" * 2000}, "apu"),
    ],
)
def test_a_key_agreement_needs_a_point_on_the_right_curve(header, claim):
    token = seal({"alg": "ECDH-ES", **header}, b"k" * 32)
    error = refusal(token, AGREE)
    assert (error.code, error.claim) == ("header_invalid", claim)


def test_a_point_of_low_order_agrees_on_nothing():
    epk = {"kty": "OKP", "crv": "X25519", "x": b64url_encode(b"\0" * 32)}
    token = seal({"alg": "ECDH-ES+A256KW", "epk": epk}, b"k" * 32, b"w" * 40)
    assert refusal(token, AGREE_AND_WRAP).claim == "epk"


@pytest.mark.parametrize(
    ("header", "claim"),
    [
        ({"iv": 5, "tag": "A" * 22}, "iv"),
        ({"tag": "A" * 22}, "iv"),
        ({"iv": "A" * 16}, "tag"),
        ({"iv": "A" * 15, "tag": "A" * 22}, "iv"),
        ({"iv": "A" * 16, "tag": "AAAA"}, "tag"),
    ],
)
def test_gcm_key_wrapping_needs_its_parameters(header, claim):
    token = seal({"alg": "A256GCMKW", **header}, b"k" * 32, b"w" * 32)
    assert refusal(token, GCM_WRAP).claim == claim


PASSWORD = Key.from_secret(b"some password", "PBES2-HS256+A128KW")


@pytest.mark.parametrize(
    ("header", "claim"),
    [
        ({"p2c": 999, "p2s": "A" * 12}, "p2c"),
        ({"p2c": 10**9, "p2s": "A" * 12}, "p2c"),
        ({"p2c": 10**30, "p2s": "A" * 12}, "p2c"),
        ({"p2c": True, "p2s": "A" * 12}, "p2c"),
        ({"p2c": 1000.0, "p2s": "A" * 12}, "p2c"),
        ({"p2c": -1, "p2s": "A" * 12}, "p2c"),
        ({"p2s": "A" * 12}, "p2c"),
        ({"p2c": 1000}, "p2s"),
        ({"p2c": 1000, "p2s": "A" * 8}, "p2s"),
        ({"p2c": 1000, "p2s": 5}, "p2s"),
    ],
)
def test_passwords_are_derived_within_bounds_only(header, claim):
    head = b64url_encode(
        json.dumps({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", **header}).encode()
    )
    token = f"{head}.{'A' * 32}.{'A' * 16}.AA.{'A' * 22}"
    error = refusal(token, PASSWORD, allow_weak=["PBES2-HS256+A128KW"])
    assert error.claim in (claim, None)
    assert refusal(token, PASSWORD).code in ("algorithm_mismatch", "malformed")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"enc": None}, "header_invalid"),
        ({"enc": "A512GCM"}, "header_invalid"),
        ({"alg": "dir"}, "key_not_found"),
        ({"alg": "RSA1_5"}, "key_not_found"),
        ({"kid": "other"}, "key_not_found"),
        ({"crit": ["x"], "x": 1}, "crit_unsupported"),
        ({"crit": ["b64"], "b64": False}, "crit_unsupported"),
        ({"crit": ["enc"]}, "header_invalid"),
        ({"zip": "DEF"}, "header_invalid"),
        ({"zip": "GZIP"}, "header_invalid"),
        ({"zip": 1}, "header_invalid"),
    ],
)
def test_a_jwe_header_that_is_not_right_is_refused(header, code):
    full = {"alg": "A256KW", "kid": "wrap", "enc": "A256GCM", **header}
    head = b64url_encode(json_encode(full))
    assert refusal(f"{head}.{'A' * 54}.{'A' * 16}.AA.{'A' * 22}", WRAP).code == code


@pytest.mark.parametrize(
    "token",
    ["", "....", "a.b.c", "a.b.c.d", "a.b.c.d.e.f", "e30.A.A.A.A", "." * 10_000, 5, None],
)
def test_what_is_no_compact_jwe_is_refused(token):
    with pytest.raises(InvalidToken):
        jwe.decrypt(token, WRAP)


SEALED = jwe.encrypt_json(b"x", WRAP)
SHARED = jwe.encrypt_json(b"x", [WRAP, GCM_WRAP])


@pytest.mark.parametrize(
    "document",
    [
        *({}, [], None, "", b"\xff"),
        {**SEALED, "recipients": []},
        {**SHARED, "recipients": []},
        {**SHARED, "encrypted_key": SEALED["encrypted_key"]},
        {**SHARED, "header": {}},
        {**SEALED, "header": {**SEALED["header"], "enc": "A256GCM"}},
        {**SEALED, "unprotected": {"alg": "A256KW"}},
        {**SEALED, "unprotected": {"crit": ["x"], "x": 1}},
        {**SEALED, "unprotected": {"zip": "DEF"}},
        {**SEALED, "unprotected": []},
        {**SEALED, "iv": 5},
        {**SEALED, "tag": SEALED["tag"] + "="},
        {**SEALED, "aad": "eHh4"},
        {**SEALED, "protected": ""},
        {name: value for name, value in SEALED.items() if name != "ciphertext"},
        {name: value for name, value in SEALED.items() if name != "encrypted_key"},
        {name: value for name, value in SEALED.items() if name != "header"},
    ],
)
def test_what_is_no_jwe_in_json_form_is_refused(document):
    with pytest.raises(InvalidToken):
        jwe.decrypt_json(document, KeySet([WRAP, GCM_WRAP]))


def bomb(size):
    squeeze = zlib.compressobj(9, wbits=-15)
    packed = squeeze.compress(b"\0" * size) + squeeze.flush()
    return seal({"alg": "dir", "zip": "DEF", "kid": "direct"}, secret(), plaintext=packed)


def secret():
    return b64url_decode(DIRECT.to_jwk(private=True)["k"])


def test_compression_is_bounded_while_it_inflates():
    token = bomb(50_000_000)
    assert len(token) < 100_000
    tracemalloc.start()
    assert refusal(token, DIRECT, max_inflated=10_000).code == "too_large"
    assert refusal(token, DIRECT).code == "header_invalid"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
    assert jwe.decrypt(bomb(10_000), DIRECT, max_inflated=10_000).plaintext == b"\0" * 10_000
    assert refusal(bomb(10_001), DIRECT, max_inflated=10_000).code == "too_large"


@pytest.mark.parametrize("packed", [b"", b"\xff\xff", b"\x03\x00trailing", b"\x00"])
def test_what_is_not_whole_deflate_is_not_decrypted(packed):
    token = seal({"alg": "dir", "zip": "DEF", "kid": "direct"}, secret(), plaintext=packed)
    assert refusal(token, DIRECT, max_inflated=100).code == "decryption_failed"


HUGE = "A" * 16_000_000


@pytest.mark.parametrize(
    "work",
    [
        lambda: jws.verify(HUGE, MAC),
        lambda: jws.verify(f"{HEAD}.{HUGE}.{SIGNATURE}", EC.public),
        lambda: jws.verify("." * 16_000_000, MAC),
        lambda: jws.verify_json(HUGE, MAC),
        lambda: jwe.decrypt(HUGE, WRAP),
        lambda: jwe.decrypt_json(HUGE, WRAP),
        lambda: Verifier(MAC, issuer="i", audience="a").verify(HUGE),
        lambda: Verifier(MAC, issuer="i", audience="a").verify("." * 10_000),
        lambda: jws.verify(mac_over(b"[" * 6_000), MAC),
        lambda: jws.verify_json('{"payload":' + "[" * 100_000, MAC),
        lambda: Verifier(MAC, issuer="i", audience="a").verify(
            mac_over({"alg": "HS256"}, b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}")
        ),
    ],
)
def test_a_huge_or_deep_token_is_refused_before_anything_grows_with_it(work):
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    with pytest.raises(InvalidToken):
        work()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    # The test's own texts are made inside; what is refused adds next to nothing to them.
    assert peak < 16_000_000 * 1.1


texts = st.text(max_size=100) | st.binary(max_size=100)
shapes = st.lists(st.text("ABCabc012-_", max_size=20), max_size=7).map(".".join)


@given(texts | shapes)
def test_whatever_comes_in_only_our_errors_go_out(token):
    keys = KeySet([EC.public, MAC, WRAP, DIRECT, AGREE])
    for read in (jws.verify, jws.verify_json, jwe.decrypt, jwe.decrypt_json):
        with pytest.raises(InvalidToken):
            read(token, keys)


MEMBERS = "payload protected header signature signatures aad iv tag".split()  # noqa: SIM905 - a table
PARAMETERS = "alg kid typ crit b64 enc epk p2c p2s apu apv iv tag zip".split()  # noqa: SIM905

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)


@given(
    st.sampled_from([DOCUMENT, GENERAL, SEALED, SHARED]),
    st.sampled_from(
        ["payload", "protected", "header", "signature", "signatures", "aad", "iv", "tag"]
    ),
    values,
)
def test_whatever_stands_in_a_member_only_our_errors_go_out(document, name, value):
    changed = {**document, name: value}
    keys = KeySet([EC.public, MAC, WRAP, GCM_WRAP])
    for read in (jws.verify_json, jwe.decrypt_json):
        try:
            read(changed, keys)
        except CarnetError:
            continue


@given(
    values,
    st.sampled_from(
        [
            "alg",
            "kid",
            "typ",
            "crit",
            "b64",
            "enc",
            "epk",
            "p2c",
            "p2s",
            "apu",
            "apv",
            "iv",
            "tag",
            "zip",
        ]
    ),
)
def test_whatever_stands_in_a_header_only_our_errors_go_out(value, name):
    try:
        text = json.dumps({"alg": "HS256", "kid": "mac", name: value})
        jws.verify(mac_over(text.encode()), MAC)
    except CarnetError:
        pass
    for key in (WRAP, AGREE, AGREE_AND_WRAP, GCM_WRAP, PASSWORD):
        header = {"alg": key.alg, "enc": "A256GCM", name: value}
        head = b64url_encode(json.dumps(header).encode())
        with pytest.raises(InvalidToken):
            jwe.decrypt(f"{head}.{'A' * 54}.{'A' * 16}.AA.{'A' * 22}", key, allow_weak=[key.alg])


@pytest.mark.parametrize(
    "padded",
    [
        b"\0" * 16,
        b"\1" * 15 + b"\0",
        b"x" * 14 + b"\1\2",
        b"\x10" * 15 + b"\x0f" + b"\x10" * 16 + b"\x11",
        b"\x11" * 32,
        b"x" + b"\x10" * 15,
        b"\x10" * 16 + b"\xff" * 16,
    ],
)
def test_padding_that_is_wrong_under_a_right_tag_is_not_decrypted(padded):
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    encryption = ENCRYPTIONS["A128CBC-HS256"]
    cek, iv, aad = b"k" * 32, b"i" * 16, b"a"
    encryptor = Cipher(AES(cek[16:]), CBC(iv)).encryptor()
    ciphertext = encryptor.update(padded[-(len(padded) // 16 * 16) :]) + encryptor.finalize()
    tag = content_encryption._tag(encryption, cek[:16], aad, iv, ciphertext)
    with pytest.raises(content_encryption.DecryptionFailed):
        content_encryption.decrypt(encryption, cek, iv, ciphertext, tag, aad)


def test_a_content_key_is_used_for_its_own_encryption_only():
    token = seal({"alg": "dir", "kid": "direct"}, secret(), enc="A128CBC-HS256")
    assert refusal(token, DIRECT).code == "decryption_failed"
    unbound = Key.from_secret(secret(), "dir", kid="direct")
    assert jwe.decrypt(token, unbound).plaintext == b"x"


def test_header_parameters_of_the_callers_own_travel_along():
    token = jwe.encrypt(b"x", WRAP, header={"typ": "t", "cty": "c", "alg": "A256KW"})
    assert jwe.decrypt(token, WRAP).header["cty"] == "c"
    nameless = Key.from_secret(b"k" * 32, "A256KW")
    document = jwe.encrypt_json(b"x" * 100, nameless, header={"cty": "c"}, zip="DEF")
    opened = jwe.decrypt_json(document, nameless, max_inflated=1000)
    assert (opened.plaintext, opened.header["cty"]) == (b"x" * 100, "c")
    assert "kid" not in opened.header


def test_a_password_opens_what_jwcrypto_has_sealed_with_it():
    import jwcrypto.jwe
    import jwcrypto.jwk

    alg = "PBES2-HS256+A128KW"
    theirs = jwcrypto.jwk.JWK(kty="oct", k=b64url_encode(b"some password"))
    header = json.dumps({"alg": alg, "enc": "A128GCM"})
    token = jwcrypto.jwe.JWE(b"x", header, algs=[alg, "A128GCM"], recipient=theirs)
    sealed = token.serialize(compact=True)
    assert jwe.decrypt(sealed, PASSWORD, allow_weak=[alg]).plaintext == b"x"
    other = Key.from_secret(b"another password", alg)
    assert refusal(sealed, other, allow_weak=[alg]).code == "decryption_failed"


def test_an_error_of_one_recipient_that_is_no_failure_to_decrypt_is_told():
    entries = [dict(entry) for entry in SHARED["recipients"]]
    entries[0]["header"] = {**entries[0]["header"], "alg": "A256KW", "kid": 5}
    with pytest.raises(InvalidToken) as refused:
        jwe.decrypt_json({**SHARED, "recipients": entries}, KeySet([WRAP]))
    assert refused.value.claim == "kid"
    bad = {**SHARED, "protected": b64url_encode(b'{"enc":"A512GCM"}')}
    with pytest.raises(InvalidToken) as refused:
        jwe.decrypt_json(bad, KeySet([WRAP]))
    assert refused.value.claim == "enc"


@pytest.mark.parametrize(
    ("work", "argument"),
    [
        (lambda: jws.verify(TOKEN, EC.public, max_size="x"), "max_size"),
        (lambda: jws.verify(TOKEN, EC.public, payload="x"), "payload"),
        (lambda: jws.verify_json(DOCUMENT, EC.public, payload="x"), "payload"),
        (lambda: jws.verify_json(DOCUMENT, EC.public, require=None), "require"),
        (lambda: jws.sign_json(b"x", EC, flattened="no"), "flattened"),
        (lambda: jwe.encrypt_json(b"x", WRAP, flattened="no"), "flattened"),
        (lambda: jwe.encrypt_json(b"x", WRAP, aad="text"), "aad"),
        (lambda: jwe.decrypt("", WRAP, allow_weak="RSA1_5"), "allow_weak"),
        (lambda: Key.from_signer(EC.public, "text"), "sign"),
        (lambda: EC.to_jwk(private="no"), "private"),
        (lambda: KeySet.from_jwks({"keys": []}, algorithms=5), "algorithms"),
        (lambda: KeySet([EC]).candidates(5, "ES256"), "kid"),
    ],
)
def test_a_wrong_argument_is_told_by_its_name(work, argument):
    with pytest.raises(ConfigurationError, match=f"^{argument} "):
        work()


@pytest.mark.parametrize(
    "work",
    [
        lambda: KeySet(1),
        lambda: jws.sign_json(b"x", 1),
        lambda: Key.generate("ECDH-ES", crv=5),
        lambda: Key.generate("ES256", kid=5),
        lambda: Key.generate("dir", size="256"),
    ],
)
def test_what_makes_no_key_is_told_as_such(work):
    with pytest.raises(InvalidKey):
        work()
