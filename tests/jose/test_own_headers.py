"""Headers for one signature, and for one recipient, of a document in JSON form."""

import json

import pytest

from carnet import ConfigurationError, InvalidKey, InvalidToken, Key, KeySet
from carnet.jose import jwe, jws
from carnet.jose.encoding import b64url_decode

ONE, TWO = Key.generate("HS256", kid="one"), Key.generate("ES256", kid="two")
KEYS = KeySet([ONE, TWO.public])
WRAPS = [Key.generate("A128KW", kid="w1"), Key.generate("ECDH-ES+A128KW", kid="w2")]


def protected(entry):
    return json.loads(b64url_decode(entry["protected"]))


def test_each_signature_may_have_headers_of_its_own():
    document = jws.sign_json(
        b"x",
        [
            jws.Signatory(ONE, header={"role": "author"}, unprotected={"note": "n1"}),
            jws.Signatory(TWO, unprotected={"note": "n2"}),
            TWO,
        ],
        {"cty": "text"},
        unprotected={"shared": 1},
    )
    first, second, third = document["signatures"]
    assert protected(first) == {"alg": "HS256", "kid": "one", "cty": "text", "role": "author"}
    assert protected(second) == protected(third) == {"alg": "ES256", "kid": "two", "cty": "text"}
    assert first["header"] == {"shared": 1, "note": "n1"}
    assert second["header"] == {"shared": 1, "note": "n2"}
    assert third["header"] == {"shared": 1}
    verified = jws.verify_json(document, KEYS)
    assert verified.signatures[0][0]["role"] == "author"
    assert [header["note"] for header, _ in verified.signatures[:2]] == ["n1", "n2"]


def test_one_signatory_makes_a_flattened_document():
    document = jws.sign_json(b"x", jws.Signatory(ONE, {"role": "author"}, {"note": 1}))
    assert "signatures" not in document
    assert jws.verify_json(document, ONE).signatures[0][0]["role"] == "author"


def test_a_protected_header_of_its_own_is_covered_by_the_signature():
    document = jws.sign_json(b"x", jws.Signatory(ONE, {"role": "author"}))
    other = jws.sign_json(b"x", jws.Signatory(ONE, {"role": "editor"}))
    with pytest.raises(InvalidToken):
        jws.verify_json({**document, "protected": other["protected"]}, ONE)


@pytest.mark.parametrize(
    "signatory",
    [
        jws.Signatory(ONE, {"cty": "other"}),
        jws.Signatory(ONE, None, {"shared": 2}),
        jws.Signatory(ONE, {"shared": 2}),
        jws.Signatory(ONE, None, {"cty": "other"}),
        jws.Signatory(ONE, {"alg": "HS512"}),
        jws.Signatory(ONE, None, {"alg": "HS256"}),
        jws.Signatory(ONE, {"x": 1, "crit": ["x"]}),
        jws.Signatory(ONE, None, {"x": 1, "crit": ["x"]}),
        jws.Signatory(ONE, {"x": object()}),
    ],
)
def test_a_header_that_could_not_be_read_back_is_refused(signatory):
    with pytest.raises(InvalidToken):
        jws.sign_json(b"x", [signatory, TWO], {"cty": "text"}, unprotected={"shared": 1})


def test_signatures_that_disagree_about_the_payloads_form_are_not_made():
    plain = {"b64": False, "crit": ["b64"]}
    with pytest.raises(InvalidToken) as refusal:
        jws.sign_json(b"x", [jws.Signatory(ONE, plain), TWO])
    assert refusal.value.claim == "b64"
    both = jws.sign_json(b"x", [jws.Signatory(ONE, plain), jws.Signatory(TWO, plain)])
    assert jws.verify_json(both, KEYS).payload == b"x"


def test_each_recipient_may_have_a_header_of_its_own():
    document = jwe.encrypt_json(
        b"x", [jwe.Recipient(WRAPS[0], {"name": "ada", "n": (1,)}), WRAPS[1]]
    )
    first, second = document["recipients"]
    assert first["header"] == {"alg": "A128KW", "kid": "w1", "name": "ada", "n": [1]}
    assert "name" not in second["header"]
    opened = jwe.decrypt_json(document, WRAPS[0])
    assert (opened.plaintext, opened.header["name"]) == (b"x", "ada")
    assert jwe.decrypt_json(document, WRAPS[1]).plaintext == b"x"


def test_what_a_key_agreement_takes_in_may_stand_there():
    document = jwe.encrypt_json(b"x", jwe.Recipient(WRAPS[1], {"apu": "QWxpY2U"}))
    assert document["header"]["apu"] == "QWxpY2U"
    assert jwe.decrypt_json(document, WRAPS[1]).plaintext == b"x"
    changed = {**document, "header": {**document["header"], "apu": "Qm9i"}}
    with pytest.raises(InvalidToken):
        jwe.decrypt_json(changed, WRAPS[1])


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "A256KW"},
        {"kid": "other"},
        {"enc": "A128GCM"},
        {"shared": 1},
        {"cty": "other"},
        {"zip": "DEF"},
        {"x": 1, "crit": ["x"]},
        {"epk": {}},
        {"x": object()},
    ],
)
def test_a_recipients_header_that_could_not_be_read_back_is_refused(header):
    with pytest.raises(InvalidToken):
        jwe.encrypt_json(
            b"x", jwe.Recipient(WRAPS[1], header), header={"cty": "t"}, unprotected={"shared": 0}
        )


@pytest.mark.parametrize("wrong", [5, "x", [("a", 1)], {1: 2}])
def test_a_header_is_a_mapping_of_names(wrong):
    with pytest.raises(ConfigurationError, match=r"^header "):
        jws.sign_json(b"x", jws.Signatory(ONE, wrong))
    with pytest.raises(ConfigurationError, match=r"^unprotected "):
        jws.sign_json(b"x", jws.Signatory(ONE, None, wrong))
    with pytest.raises(ConfigurationError, match=r"^header "):
        jwe.encrypt_json(b"x", jwe.Recipient(WRAPS[0], wrong))


def test_who_takes_part_has_a_key():
    for wrong in (jws.Signatory(None), [jws.Signatory("key")], [ONE, None], jwe.Recipient(ONE), 5):
        with pytest.raises(InvalidKey):
            jws.sign_json(b"x", wrong)
    for wrong in (jwe.Recipient(None), [jwe.Recipient("key")], jws.Signatory(WRAPS[0]), 5):
        with pytest.raises(InvalidKey):
            jwe.encrypt_json(b"x", wrong)
