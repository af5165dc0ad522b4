"""Verifying: which key, which type, which token; and that nothing but InvalidToken comes out."""

import contextlib
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet import Claims, InvalidToken, Key, KeySet, Signer, Verifier
from carnet.errors import ConfigurationError, InvalidKey
from carnet.jose import jws
from carnet.jose.encoding import b64url_decode, b64url_encode
from carnet.jwt import UNCHECKED
from carnet.jwt.verifier import MAX_JUDGED, MAX_TOKEN

ISSUER, AUDIENCE = "https://auth.example.com", "orders"
NOW = 1_700_000_000
FULL = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": NOW, "exp": NOW + 60}
KEY = Key.generate("HS256", kid="k1")
OTHER = Key.generate("HS256", kid="k2")
EC = Key.generate("ES256", kid="e1")


def options(**changes):
    return {"issuer": ISSUER, "audience": AUDIENCE, "clock": lambda: NOW, **changes}


def verifier(keys=KEY, **changes):
    return Verifier(keys, **options(**changes))


def signed(claims=FULL, key=KEY, header=None):
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jws.sign(payload, key, header)


def refused(token, code, claim=None, keys=KEY, **changes):
    one = keys if isinstance(keys, Verifier) else verifier(keys, **changes)
    with pytest.raises(InvalidToken) as refusal:
        one.verify(token)
    assert refusal.value.code == code
    assert claim is None or refusal.value.claim == claim
    with pytest.raises(InvalidToken) as complete:
        one.verify_complete(token)
    # It looks for other characters than ASCII at once, and not only where they stand.
    is_ascii = not isinstance(token, str) or token.isascii()
    assert complete.value.code == (code if is_ascii else "malformed")
    assert complete.value.claim == refusal.value.claim
    return refusal.value


def test_a_good_token_gives_its_claims_again_and_again():
    one, token = verifier(), signed()
    for _ in range(3):
        claims = one.verify(token)
        assert isinstance(claims, Claims)
        assert claims == FULL


def test_a_token_that_is_wanted_whole_gives_header_and_key_too():
    keys = KeySet([OTHER, KEY, EC.public])
    for cache in (0, 100_000):
        one, token = verifier(keys, cache=cache), signed(header={"typ": "JWT", "x": [1]})
        for _ in range(2):
            found = one.verify_complete(token)
            assert found.claims == one.verify(token) == FULL
            assert isinstance(found.claims, Claims)
            assert found.header == {"alg": "HS256", "kid": "k1", "typ": "JWT", "x": [1]}
            assert found.key is KEY
            found.header.clear()
    assert verifier(keys).verify_complete(signed(key=EC)).key == EC.public


def test_a_token_that_is_wanted_whole_is_tried_with_each_key_that_may_have_signed_it():
    keys = [Key.generate("HS256", kid=f"k{number}") for number in range(3)]
    token = signed(key=Key.from_secret(keys[2]._material, "HS256"))
    assert verifier(KeySet(keys)).verify_complete(token).key is keys[2]


def test_the_claims_of_a_token_that_is_wanted_whole_have_the_form_that_was_asked_for():
    found = verifier(claims_type=dict[str, str | int]).verify_complete(signed())
    assert found.claims == FULL
    assert type(found.claims) is dict


def test_text_and_bytes_and_texts_of_other_classes_are_taken():
    class Text(str):
        __slots__ = ()

    class Bytes(bytes):
        pass

    token = signed()
    for one in (verifier(), verifier(cache=100_000)):
        raw = token.encode()
        for kind in (token, raw, Text(token), Bytes(raw), bytearray(raw), memoryview(raw)):
            assert one.verify(kind).subject == "ada"
            assert one.verify_complete(kind).claims.subject == "ada"


@pytest.mark.parametrize("value", [None, 5, 1.5, [], {}, object(), bytearray(b"a.b.c"), ()])
def test_what_is_no_text_is_refused(value):
    refused(value, "malformed")
    refused(value, "malformed", cache=100_000)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b", "a.b.c.d", "a.b.c.d.e", "....", "a..c"])
def test_another_form_is_refused(token):
    refused(token, "malformed")


@pytest.mark.parametrize("token", ["\u00e9.b.c", "\ud800.b.c", b"\xff.b.c", "a.\U0001f600.c"])
def test_what_is_not_ascii_is_refused(token):
    refused(token, "malformed")


def test_characters_outside_ascii_in_a_known_header_s_token_are_refused():
    one, token = verifier(), signed()
    one.verify(token)
    head, body, signature = token.split(".")
    refused(f"{head}.{body}\u00e9.{signature}", "signature_invalid", keys=one)
    refused(f"{head}.{body}.{signature}\u00e9", "signature_invalid", keys=one)
    refused(f"{head}.{body}.\ud800{signature}", "malformed", keys=one)


def test_a_token_may_be_as_long_as_max_size_and_no_longer():
    token = signed()
    assert verifier(max_size=len(token)).verify(token) == FULL
    refused(token, "too_large", max_size=len(token) - 1)
    refused(token.encode(), "too_large", max_size=len(token) - 1)
    refused("a" * (MAX_TOKEN + 1), "too_large")


def test_every_change_of_a_character_is_refused():
    one, token = verifier(), signed()
    one.verify(token)
    for place, old in enumerate(token):
        changed = token[:place] + ("B" if old == "A" else "A") + token[place + 1 :]
        with pytest.raises(InvalidToken):
            one.verify(changed)


def test_a_signature_that_is_cut_or_prolonged_is_refused():
    for key in (KEY, EC):
        token = signed(key=key)
        for changed in (token[:-1], token[:-4], token + "A", token + "AAAA", token + "="):
            with pytest.raises(InvalidToken):
                verifier(key).verify(changed)


# typ


@pytest.mark.parametrize("typ", ["JWT", "jwt", "Jwt", "application/jwt", "APPLICATION/JWT"])
def test_the_type_is_compared_without_case_and_without_its_prefix(typ):
    assert verifier().verify(signed(header={"typ": typ})) == FULL
    assert verifier(type=typ).verify(signed()) == FULL


@pytest.mark.parametrize("typ", ["", "at+jwt", "jwt2", "JOSE", "secevent+jwt", "application/json"])
def test_a_token_of_another_type_is_refused(typ):
    error = refused(signed(header={"typ": typ}), "type_mismatch", "typ")
    assert error.expected == "JWT"


def test_an_access_token_must_say_that_it_is_one():
    token = signed(header={"typ": "at+jwt"})
    assert verifier(type="at+jwt").verify(token) == FULL
    assert verifier(type="application/at+jwt").verify(token) == FULL
    error = refused(signed(), "type_mismatch", "typ", type="at+jwt")
    assert error.expected == "at+jwt"
    refused(signed(header={"typ": "JWT"}), "type_mismatch", "typ", type="at+jwt")


def test_an_access_token_says_whose_it_is():
    nobodys = {name: value for name, value in FULL.items() if name != "sub"}
    token = signed(nobodys, header={"typ": "at+jwt"})
    refused(token, "claim_missing", "sub", type="at+jwt")
    # Issuers that give tokens of several types are not held to this one's rules.
    assert verifier(type=["JWT", "at+jwt"]).verify(token) == nobodys
    assert verifier().verify(signed(nobodys)) == nobodys


def test_several_types_may_be_accepted_and_any_only_in_so_many_words():
    one = verifier(type=["JWT", "application/at+jwt"])
    for header in (None, {"typ": "jwt"}, {"typ": "AT+JWT"}):
        assert one.verify(signed(header=header)) == FULL
    error = refused(signed(header={"typ": "secevent+jwt"}), "type_mismatch", "typ", keys=one)
    assert error.expected == "at+jwt or JWT"
    refused(signed(), "type_mismatch", "typ", type=["at+jwt", "logout+jwt"])
    assert verifier(type=UNCHECKED).verify(signed(header={"typ": "anything"})) == FULL
    for wrong in ("", [], [""], [7], None, 7, {"JWT": 1}):
        with pytest.raises(ConfigurationError, match="type must be"):
            verifier(type=wrong)


def test_a_type_that_is_no_text_is_refused():
    head = b64url_encode(b'{"alg":"HS256","kid":"k1","typ":["JWT"]}')
    refused(f"{head}.e30.AA", "header_invalid", "typ")


# alg and kid


@pytest.mark.parametrize("alg", ["HS384", "HS512", "RS256", "ES256", "none", "hs256", ""])
def test_the_algorithm_is_the_keys_and_not_the_tokens(alg):
    head = b64url_encode(json.dumps({"alg": alg, "kid": "k1"}).encode())
    body = b64url_encode(json.dumps(FULL).encode())
    signature = b64url_encode(KEY.signing()(f"{head}.{body}".encode()))
    error = refused(f"{head}.{body}.{signature}", "algorithm_mismatch", "alg")
    assert error.expected == "HS256"


def test_the_kid_chooses_among_several_keys():
    keys = KeySet([KEY, OTHER, EC.public])
    for key in (KEY, OTHER, EC):
        assert verifier(keys).verify(signed(key=key)) == FULL


def test_a_kid_that_no_key_has_is_refused():
    refused(signed(key=OTHER), "key_not_found", "kid")
    refused(signed(), "key_not_found", "kid", keys=KeySet([OTHER, EC.public]))


def test_a_set_without_keys_refuses_every_token():
    refused(signed(), "key_not_found", keys=KeySet())


def test_a_signature_by_another_key_under_this_kid_is_refused():
    forged = signed(key=Key.from_secret(OTHER._material, "HS256", kid="k1"))
    refused(forged, "signature_invalid", keys=KeySet([KEY, OTHER]))


def test_a_token_without_a_kid_is_tried_with_every_key_of_its_algorithm():
    keys = [Key.generate("HS256", kid=f"k{number}") for number in range(5)]
    bare = Key.from_secret(keys[3]._material, "HS256")
    assert verifier(KeySet([EC.public, *keys])).verify(signed(key=bare)) == FULL
    refused(signed(key=Key.from_secret(bytes(32), "HS256")), "signature_invalid", keys=KeySet(keys))


def test_keys_without_a_kid_are_tried_for_every_kid():
    bare = KeySet([Key.from_secret(key._material, "HS256") for key in (KEY, OTHER)])
    assert verifier(bare).verify(signed(key=OTHER)) == FULL


def test_no_more_keys_are_tried_than_are_allowed():
    keys = [Key.generate("HS256", kid=f"k{number}") for number in range(17)]
    last = Key.from_secret(keys[-1]._material, "HS256")
    refused(signed(key=last), "signature_invalid", keys=KeySet(keys))
    assert verifier(KeySet(keys[1:])).verify(signed(key=last)) == FULL


def test_a_header_is_remembered_only_once_its_signature_held():
    one = verifier(KeySet([KEY]))
    for number in range(10):
        head = b64url_encode(json.dumps({"alg": "HS256", "n": number}).encode())
        refused(f"{head}.e30.AAAA", "signature_invalid", keys=one)
    assert len(one._judged) == 0
    for _ in range(2):
        one.verify(signed())
    assert len(one._judged) == 1


def test_the_headers_that_are_remembered_are_bounded():
    one = verifier()
    for number in range(MAX_JUDGED + 10):
        assert one.verify(signed(header={"number": number})) == FULL
    assert 0 < len(one._judged) <= MAX_JUDGED


def test_a_signature_that_failed_under_a_remembered_header_is_refused_each_time():
    one, token = verifier(), signed()
    one.verify(token)
    forged = token[:-43] + b64url_encode(bytes(32))
    for _ in range(3):
        refused(forged, "signature_invalid", keys=one)
    assert one.verify(token) == FULL


# changing the keys


def test_a_key_that_has_left_the_set_signs_nothing_any_more():
    for cache in (0, 100_000):
        one = verifier(KeySet([KEY, OTHER]), cache=cache)
        first, second = signed(), signed(key=OTHER)
        assert one.verify(first) == one.verify(second) == FULL
        one.keys = KeySet([OTHER])
        refused(first, "key_not_found", keys=one)
        assert one.verify(second) == FULL
        assert list(one.keys) == [OTHER]


def test_a_single_key_may_be_set_too():
    one = verifier(EC.public)
    one.keys = KEY
    assert one.verify(signed()) == FULL
    for wrong in (None, [KEY], "k1"):
        with pytest.raises(ConfigurationError, match="keys"):
            one.keys = wrong
    with pytest.raises(InvalidKey):
        one.keys = Key.generate("A256KW")
    assert one.verify(signed()) == FULL


# the payload


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"{",
        b"{} {}",
        b'{"sub":"a","sub":"b"}',
        b'{"sub":"a","su\\u0062":"b"}',
        b'{"a":{"b":1,"b":2}}',
        b'\xef\xbb\xbf{"sub":"a"}',
        '{"sub":"a"}'.encode("utf-16"),
        '{"sub":"a"}'.encode("utf-16-le"),
        b'{"sub":"\xff"}',
        b'{"sub":"\xed\xa0\x80"}',
        b'{"sub":"\\ud800"}',
        b'{"x":NaN}',
        b'{"x":Infinity}',
        b'{"x":-Infinity}',
        b'{"x":1e400}',
        b'{"x":' + b"9" * 5000 + b"}",
        b'{"x":01}',
        b"{'x':1}",
        b'{"x":1,}',
        b'{"x":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"x":' * 33 + b"1" + b"}" * 33,
        b'{"x":' * 100_0 + b"1" + b"}" * 100_0,
        b'{"x":1}\x00',
    ],
)
def test_a_payload_that_is_no_strict_json_object_is_refused_though_it_is_signed(payload):
    refused(signed(payload), "malformed")


@pytest.mark.parametrize(
    "spelling",
    [
        lambda text: text,
        lambda text: text.replace('":', '" :\t').replace(',"', ',\r\n"'),
        lambda text: f" {text}\n",
        lambda text: text.replace("ada", "\\u0061da"),
        lambda text: text.replace("/", "\\/"),
    ],
)
def test_json_may_be_spelled_in_other_ways(spelling):
    text = spelling(json.dumps(FULL, separators=(",", ":")))
    assert verifier().verify(signed(text.encode())) == FULL


def test_claims_may_hold_any_json():
    claims = {**FULL, "x": [1, 1.5, None, {"y": [True, "\u00e9\U0001f600", [[]]]}], "n": 2**64}
    assert verifier().verify(signed(claims)) == claims


def test_many_flat_lists_are_not_deep():
    claims = {**FULL, "x": [[]] * 50, "y": [{}] * 50}
    assert verifier().verify(signed(claims)) == claims
    compact = json.dumps(claims, separators=(",", ":")).encode()
    assert verifier().verify(signed(compact)) == claims


@pytest.mark.parametrize("name", ["sub", "xx", "xxx", "xxxx"])
def test_the_payload_has_one_spelling_in_base64url(name):
    payload = json.dumps({**FULL, name: "y"}, separators=(",", ":")).encode()
    head, body = b64url_encode(b'{"alg":"HS256","kid":"k1"}'), b64url_encode(payload)
    sign = KEY.signing()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(body[-1])
    others = [body[:-1] + alphabet[last ^ 1], body + "=", body + "\n", " " + body]
    if len(body) % 4 == 0:
        others[0] = body + "A"
    for other in others:
        data = f"{head}.{other}"
        token = f"{data}.{b64url_encode(sign(data.encode()))}"
        with pytest.raises(InvalidToken) as refusal:
            verifier().verify(token)
        assert refusal.value.code == "malformed"


def test_an_unencoded_payload_is_refused():
    token = jws.sign(b'{"sub":"ada"}', KEY, {"b64": False, "crit": ["b64"]})
    refused(token, "crit_unsupported", "crit")
    head = b64url_encode(b'{"alg":"HS256","kid":"k1","b64":false}')
    refused(f"{head}.e30.AAAA", "header_invalid", "b64")


# the clock


def test_the_clock_is_asked_for_every_token():
    now = [NOW]
    for cache in (0, 100_000):
        now[0] = NOW
        one, token = verifier(clock=lambda: now[0], cache=cache), signed()
        one.verify(token)
        now[0] = NOW + 59.9
        one.verify(token)
        now[0] = NOW + 60
        refused(token, "expired", "exp", keys=one)


def test_the_clock_is_the_systems_unless_said_otherwise():
    maker = Signer(KEY, issuer=ISSUER, audience=AUDIENCE)
    one = Verifier(KEY, issuer=ISSUER, audience=AUDIENCE)
    assert one.verify(maker.sign({"sub": "ada"})).subject == "ada"
    refused(signed(), "expired", keys=one)


def test_the_policys_options_reach_the_policy():
    refused(signed(), "claim_missing", "jti", required=["jti"])
    refused(signed(), "too_old", "iat", max_age=10, clock=lambda: NOW + 10)
    refused(signed({**FULL, "nbf": NOW + 6}), "not_yet_valid", "nbf", leeway={"nbf": 5})
    assert verifier(leeway=5, clock=lambda: NOW + 64).verify(signed()) == FULL


@pytest.mark.parametrize("cache", [0, 100_000])
def test_the_checks_that_are_given_up_in_so_many_words_are_given_up(cache):
    late = verifier(accept_expired=True, cache=cache, clock=lambda: NOW + 10**8)
    ageless = verifier(accept_no_expiry=True, cache=cache, clock=lambda: NOW + 10**8)
    eternal = signed({name: value for name, value in FULL.items() if name != "exp"})
    for _ in range(2):
        assert late.verify(signed()).subject == "ada"
        refused(eternal, "claim_missing", "exp", keys=late)
        assert ageless.verify(eternal).subject == "ada"
        refused(signed(), "expired", "exp", keys=ageless)


@pytest.mark.parametrize("name", ["accept_expired", "accept_no_expiry"])
@pytest.mark.parametrize("value", [None, 1, "yes", UNCHECKED, {"verify_exp": False}])
def test_a_check_is_given_up_by_true_and_by_nothing_that_is_like_it(name, value):
    with pytest.raises(ConfigurationError, match=name):
        verifier(**{name: value})


# threads


def test_threads_may_share_a_verifier():
    one = verifier(KeySet([KEY, OTHER]), cache=60_000)
    tokens = [signed({**FULL, "jti": str(n)}, key) for n in range(40) for key in (KEY, OTHER)]
    wrong = []

    def work():
        for number, token in enumerate(tokens * 5):
            if one.verify(token)["jti"] != str(number % 80 // 2):
                wrong.append(number)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
    assert one._cache.used == sum(entry[3] for entry in one._cache.entries.values()) <= 60_000


# arguments


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuer", None),
        ("audience", ""),
        ("type", ""),
        ("type", None),
        ("leeway", -1),
        ("leeway", True),
        ("max_age", "60"),
        ("required", "sub"),
        ("clock", NOW),
        ("cache", -1),
        ("cache", True),
        ("cache", 1.5),
        ("max_size", 0),
        ("max_size", "64"),
        ("claims_type", 5),
        ("decryption", 5),
    ],
)
def test_an_argument_that_is_not_of_its_kind_is_refused_with_its_name(name, value):
    with pytest.raises(ConfigurationError, match=name):
        verifier(**{name: value})


@pytest.mark.parametrize("keys", [None, "key", [KEY], {"keys": []}, b"secret"])
def test_keys_are_a_key_or_a_key_set(keys):
    with pytest.raises(ConfigurationError, match="keys must be a Key, a KeySet, or a function"):
        verifier(keys)


def test_a_key_that_can_not_verify_is_refused_before_the_first_token():
    with pytest.raises(InvalidKey, match="can't verify"):
        verifier(Key.generate("A256KW"))


def test_issuer_and_audience_are_not_optional():
    with pytest.raises(TypeError):
        Verifier(KEY, issuer=ISSUER)
    with pytest.raises(TypeError):
        Verifier(KEY, audience=AUDIENCE)


# anything at all

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)
REGISTERED = {"iss", "aud", "exp", "nbf", "iat", "sub", "jti"}
CLAIMS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"])).filter(lambda name: name not in REGISTERED),
    JSON,
    max_size=6,
)
MAKER = Signer(KEY, **options())
SHARED = verifier(cache=1_000_000)


@given(CLAIMS)
def test_any_claims_come_out_as_they_went_in(claims):
    found = dict(verifier().verify(MAKER.sign(claims)))
    assert found == {"iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 300, **claims}
    assert repr(found) == repr({**found, **claims})


DATES = st.integers(NOW - 200, NOW + 400) | st.floats(NOW - 200, NOW + 400)
NAMES = st.sampled_from(["a", "b", "c"])
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "iss": NAMES | JSON,
        "aud": NAMES | st.lists(NAMES, max_size=3) | JSON,
        "exp": DATES | JSON,
        "nbf": DATES | JSON,
        "iat": DATES | JSON,
        "sub": NAMES | JSON,
        "jti": NAMES | JSON,
    },
)


@given(LIKELY)
def test_what_a_signer_makes_a_verifier_of_its_audience_accepts(claims):
    try:
        token = MAKER.sign(claims)
    except InvalidToken:
        return
    made = json.loads(b64url_decode(token.split(".")[1]))
    moment = max(NOW, made.get("nbf", 0))
    judge = verifier(issuer=UNCHECKED, audience=UNCHECKED, clock=lambda: moment)
    assert judge.verify(token) == made


@given(LIKELY)
def test_what_a_signer_refuses_no_verifier_accepts(claims):
    full = {"iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 300, **claims}
    judge = verifier(issuer=UNCHECKED, audience=UNCHECKED, leeway={"nbf": 0})
    try:
        judge.verify(signed(full))
    except InvalidToken:
        return
    assert MAKER.sign(claims)


@given(st.one_of(st.text(), st.binary(), st.text(alphabet="eyJ.{}\ud800\u00e9=-_A0 ")))
def test_any_text_is_refused_with_invalid_token_and_with_nothing_else(text):
    with pytest.raises(InvalidToken):
        SHARED.verify(text)


@given(st.binary())
def test_any_signed_payload_is_refused_with_invalid_token_and_with_nothing_else(payload):
    with pytest.raises(InvalidToken):
        SHARED.verify(jws.sign(payload, KEY))


@given(st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "cty", "x"]), JSON))
def test_any_header_is_refused_with_invalid_token_and_with_nothing_else(header):
    head = b64url_encode(json.dumps(header).encode())
    with pytest.raises(InvalidToken):
        SHARED.verify(f"{head}.e30.AAAA")


@given(st.dictionaries(st.sampled_from(sorted(REGISTERED)), JSON))
def test_any_signed_claims_are_accepted_or_refused_with_invalid_token(claims):
    token = jws.sign(json.dumps(claims).encode(), KEY)
    with contextlib.suppress(InvalidToken):
        assert SHARED.verify(token) == claims


@pytest.mark.parametrize(
    ("expected", "given", "accepted"),
    [
        ("JWT", "application/jwt", True),
        ("application/at+jwt", "AT+JWT", True),
        ("text/plain", "TEXT/plain", True),
        ("text/plain", "application/text/plain", False),
        ("application/text/plain", "text/plain", False),
        ("application/text/plain", "application/text/plain", True),
        ("plain", "application/application/plain", False),
        ("JWT", "application/", False),
    ],
)
def test_only_a_type_without_a_slash_stands_for_one_of_applications(expected, given, accepted):
    key = Key.generate("HS256")
    claims = {"iss": "a", "aud": "b", "exp": 2_000_000_000, "sub": "x", "client_id": "c"}
    token = jws.sign(json.dumps(claims).encode(), key, {"typ": given})
    verifier = Verifier(key, issuer="a", audience="b", type=expected, clock=lambda: 1_800_000_000)
    if accepted:
        assert verifier.verify(token).subject == "x"
        return
    with pytest.raises(InvalidToken) as refused:
        verifier.verify(token)
    assert refused.value.code == "type_mismatch"


@pytest.mark.parametrize("now", ["text", None, [], 1j])
def test_a_clock_that_gives_no_number_is_told(now):
    key = Key.generate("HS256")
    token = Signer(key, issuer="a", audience="b").sign({})
    with pytest.raises(ConfigurationError, match="clock"):
        Verifier(key, issuer="a", audience="b", clock=lambda: now).verify(token)
    with pytest.raises(ConfigurationError, match="clock"):
        Verifier(key, issuer="a", audience="b", clock=lambda: now).verify_complete(token)
    with pytest.raises(ConfigurationError, match="clock"):
        Signer(key, issuer="a", audience="b", clock=lambda: now).sign({})


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_a_time_that_is_no_number_lets_nobody_in(claim):
    key = Key.generate("HS256")
    claims = {"iss": "a", "aud": "b", "exp": 2_000_000_000, claim: 1_900_000_000}
    token = jws.sign(json.dumps(claims).encode(), key)
    for options in ({}, {"max_age": 10}, {"cache": 100_000}):
        verifier = Verifier(key, issuer="a", audience="b", clock=lambda: float("nan"), **options)
        with pytest.raises(InvalidToken):
            verifier.verify(token)
    with pytest.raises(ConfigurationError, match="clock"):
        Signer(key, issuer="a", audience="b", clock=lambda: float("nan")).sign({})


def test_claims_are_made_of_a_dict():
    with pytest.raises(ConfigurationError, match="claims"):
        Claims([("sub", "x")])


def test_the_age_of_a_sign_in_is_counted_by_the_verifiers_clock():
    now = 1_800_000_000
    key = Key.generate("ES256")
    token = Signer(key, issuer="a", audience="b", clock=lambda: now).sign({"auth_time": now - 60})
    for more in ({}, {"cache": 100_000}, {"validators": [lambda _: True]}):
        verifier = Verifier(key.public, issuer="a", audience="b", clock=lambda: now, **more)
        assert verifier.verify(token).authentication_age == 60
        assert verifier.verify_complete(token).claims.authentication_age == 60
