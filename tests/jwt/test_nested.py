"""Tokens within encrypted tokens: decryption proves nothing, the signature within does."""

import json

import pytest

from carnet import InvalidToken, Key, KeySet, Signer, Verifier
from carnet.errors import InvalidKey
from carnet.jose import jwe, jws
from carnet.jose.encoding import b64url_encode
from carnet.jwt.token_cache import ENDING

NOW = 1_700_000_000
SETTINGS = {"issuer": "i", "audience": "a", "clock": lambda: NOW}
KEY = Key.generate("ES256", kid="sign")
RECIPIENTS = {
    "RSA-OAEP": Key.generate("RSA-OAEP", size=2048, kid="r1"),
    "RSA-OAEP-256": Key.generate("RSA-OAEP-256", size=2048, kid="r2"),
    **{
        alg: Key.generate(alg, kid=alg)
        for alg in (
            *("A128KW", "A256KW", "A192GCMKW", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"),
            *("A256GCM", "A128CBC-HS256"),
        )
    },
}
RECIPIENT = RECIPIENTS["ECDH-ES"]


def verifier(decryption=RECIPIENT, **options):
    return Verifier(KEY.public, decryption=decryption, **SETTINGS, **options)


def inner(**claims):
    return Signer(KEY, **SETTINGS).sign(claims)


def sealed(text, key=RECIPIENT, header=(("cty", "JWT"),), **options):
    return jwe.encrypt(text.encode(), key, header=dict(header), **options)


def refused(token, code, one=None, complete=None):
    with pytest.raises(InvalidToken) as refusal:
        (one or verifier()).verify(token)
    with pytest.raises(InvalidToken) as whole:
        (one or verifier()).verify_complete(token)
    assert (refusal.value.code, whole.value.code) == (code, complete or code)
    return refusal.value


@pytest.mark.parametrize("alg", RECIPIENTS)
def test_a_signed_token_is_read_out_of_an_encrypted_one(alg):
    key = RECIPIENTS[alg]
    token = Signer(KEY, encrypt_to=key if key.kty == "oct" else key.public, **SETTINGS).sign(
        {"sub": "ada"}
    )
    one = verifier(key)
    for _ in range(2):
        assert one.verify(token).subject == "ada"
        whole = one.verify_complete(token)
        assert (whole.claims.subject, whole.key) == ("ada", KEY.public)
        assert whole.header == {"alg": "ES256", "kid": "sign", "typ": "JWT"}


def test_of_several_recipients_keys_the_kid_chooses():
    one = verifier(KeySet(RECIPIENTS.values()))
    for key in RECIPIENTS.values():
        assert one.verify(sealed(inner(sub="ada"), key)).subject == "ada"


@pytest.mark.parametrize("cty", ["JWT", "jwt", "application/jwt"])
def test_the_content_type_says_that_there_is_a_token_within(cty):
    assert verifier().verify(sealed(inner(sub="ada"), header={"cty": cty})).subject == "ada"


@pytest.mark.parametrize("header", [{}, {"cty": "json"}, {"cty": ""}, {"cty": "JWE"}])
def test_another_content_is_refused(header):
    assert refused(sealed(inner(), header=header), "type_mismatch").claim == "cty"


def test_claims_that_are_only_encrypted_are_refused():
    claims = {"iss": "i", "aud": "a", "exp": NOW + 60}
    refused(sealed(json.dumps(claims)), "malformed")


def test_the_token_within_is_checked_like_any_other():
    stranger = Key.generate("ES256", kid="sign")
    refused(sealed(Signer(stranger, **SETTINGS).sign({})), "signature_invalid")
    refused(sealed(jws.sign(b"{}", KEY)), "claim_missing")
    refused(sealed(jws.sign(b"{}", KEY, {"typ": "at+jwt"})), "type_mismatch")
    refused(sealed(inner(aud="b")), "audience_mismatch")
    refused(sealed(inner().rpartition(".")[0] + "."), "malformed")
    refused(sealed("not a token"), "malformed")


def test_a_token_is_decrypted_once_and_no_deeper():
    refused(sealed(sealed(inner())), "malformed")


def test_encrypted_tokens_are_refused_where_there_is_no_key_for_them():
    token = sealed(inner())
    refused(token, "malformed", Verifier(KEY.public, **SETTINGS))
    refused(token, "key_not_found", verifier(RECIPIENTS["A256KW"]))


def test_a_plain_signed_token_is_accepted_beside_encrypted_ones():
    assert verifier().verify(inner(sub="ada")).subject == "ada"


def test_every_changed_part_of_an_encrypted_token_is_refused():
    parts = sealed(inner(), RECIPIENTS["A256KW"]).split(".")
    one = verifier(RECIPIENTS["A256KW"])
    for place, part in enumerate(parts):
        changed = part[:4] + ("B" if part[4] == "A" else "A") + part[5:]
        with pytest.raises(InvalidToken):
            one.verify(".".join([*parts[:place], changed, *parts[place + 1 :]]))


def test_a_compressed_token_is_refused():
    refused(sealed(inner(), zip="DEF"), "header_invalid")


def test_an_encrypted_token_is_bounded_like_any_other():
    token = sealed(inner())
    refused(token, "too_large", verifier(max_size=len(token) - 1))


def test_an_encrypted_token_is_cached_by_its_own_text():
    one = verifier(cache=100_000)
    token = sealed(inner(sub="ada"))
    assert one.verify(token) == one.verify(token)
    assert one._cache.entries.get(token[ENDING])
    assert len(one._cache) == 1
    refused(token[:-2] + ("BA" if token.endswith("AA") else "AA"), "decryption_failed", one)


def test_a_remembered_header_of_a_signed_token_opens_no_encrypted_one():
    one = verifier()
    one.verify(inner())
    head = inner().split(".")[0]
    refused(f"{head}.AA.AA.AA.AA", "signature_invalid", one, complete="header_invalid")
    fresh = b64url_encode(b'{"alg":"ES256","kid":"sign","x":1}')
    refused(f"{fresh}.AA.AA.AA.AA", "header_invalid", one)


def test_keys_that_can_not_decrypt_are_refused_before_the_first_token():
    for keys in (KEY, RECIPIENT.public, KeySet(), KeySet([KEY, RECIPIENT.public])):
        with pytest.raises(InvalidKey, match="decryption"):
            verifier(keys)
