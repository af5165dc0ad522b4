"""Extensions of a caller's own in ``crit``: named, handled, or refused."""

import json

import pytest

from carnet import ConfigurationError, InvalidKey, InvalidToken, Key, Signer, Verifier
from carnet.jose import jwe, jws

MAC, WRAP = Key.generate("HS256"), Key.generate("A128KW")
NOW = 1_700_000_000
CLAIMS = json.dumps({"iss": "i", "aud": "a", "exp": NOW + 60}).encode()
HEADER = {"tenant": "t1", "crit": ["tenant"]}


def verifier(extensions, **options):
    return Verifier(
        MAC, issuer="i", audience="a", clock=lambda: NOW, extensions=extensions, **options
    )


def sealed_json(header, extensions):
    return jwe.encrypt_json(CLAIMS, WRAP, header=header, extensions=extensions)


# How a token is made, and how it is read.
WAYS = {
    "jws": (
        lambda header, names: jws.sign(CLAIMS, MAC, header, extensions=names),
        lambda token, own: jws.verify(token, MAC, extensions=own),
    ),
    "jws, JSON": (
        lambda header, names: jws.sign_json(CLAIMS, MAC, header, extensions=names),
        lambda token, own: jws.verify_json(token, MAC, extensions=own),
    ),
    "jwe": (
        lambda header, names: jwe.encrypt(CLAIMS, WRAP, header=header, extensions=names),
        lambda token, own: jwe.decrypt(token, WRAP, extensions=own),
    ),
    "jwe, JSON": (
        sealed_json,
        lambda token, own: jwe.decrypt_json(token, WRAP, extensions=own),
    ),
    "Verifier": (
        lambda header, names: jws.sign(CLAIMS, MAC, header, extensions=names),
        lambda token, own: verifier(own).verify(token),
    ),
    "Verifier, whole": (
        lambda header, names: Signer(
            MAC, issuer="i", audience="a", clock=lambda: NOW, header=header, extensions=names
        ).sign({}),
        lambda token, own: verifier(own).verify_complete(token),
    ),
}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


def refused(read, token, own, code, claim):
    with pytest.raises(InvalidToken) as refusal:
        read(token, own)
    assert (refusal.value.code, refusal.value.claim) == (code, claim)
    return refusal.value


def test_an_extension_that_is_handled_is_accepted(way):
    make, read = way
    seen = []
    token = make({**HEADER, "n": [1]}, ["tenant", "other"])
    assert read(token, {"tenant": lambda value: seen.append(value) or True, "other": len})
    assert seen == ["t1"]


def test_an_extension_that_nobody_named_is_refused(way):
    make, read = way
    token = make(HEADER, ["tenant"])
    for own in (None, {}, {"Tenant": lambda _: True}):
        refused(read, token, own, "crit_unsupported", "crit")


def test_of_several_extensions_each_must_be_named_and_handled(way):
    make, read = way
    token = make({"a": 1, "b": 2, "crit": ["a", "b"]}, ["a", "b"])
    assert read(token, {"a": lambda value: value == 1, "b": lambda value: value == 2})
    refused(read, token, {"a": lambda _: True}, "crit_unsupported", "crit")
    refused(read, token, {"a": lambda _: True, "b": lambda _: False}, "header_invalid", "b")


@pytest.mark.parametrize("given", [False, None, 1, "yes"])
def test_what_is_not_true_refuses(way, given):
    make, read = way
    refused(read, make(HEADER, ["tenant"]), {"tenant": lambda _: given}, "header_invalid", "tenant")


def test_a_function_that_fails_refuses_and_its_error_is_kept(way):
    make, read = way
    own = {"tenant": lambda value: value["x"]}
    error = refused(read, make(HEADER, ["tenant"]), own, "header_invalid", "tenant")
    assert isinstance(error.__cause__, TypeError)


def test_an_error_of_ours_comes_through(way):
    make, read = way

    def broken(_value):
        raise InvalidKey("no")

    with pytest.raises(InvalidKey):
        read(make(HEADER, ["tenant"]), {"tenant": broken})


def test_what_is_not_critical_is_not_handled(way):
    make, read = way
    assert read(make({"tenant": "t1"}, []), {"tenant": lambda _: False})


def test_nothing_is_handled_before_the_token_is_proved(way):
    make, read = way
    asked = []
    token = make(HEADER, ["tenant"])
    if isinstance(token, dict):
        name = "signature" if "signature" in token else "tag"
        forged = {**token, name: "A" * len(token[name])}
    else:
        front, _, last = token.rpartition(".")
        forged = f"{front}.{'A' * len(last)}"
    with pytest.raises(InvalidToken):
        read(forged, {"tenant": lambda value: asked.append(value) or True})
    assert asked == []


def test_it_is_handled_for_each_token_and_not_only_the_first_of_its_header():
    allowed = [True]
    one, token = (
        verifier({"tenant": lambda _: allowed[0]}),
        jws.sign(CLAIMS, MAC, HEADER, extensions=["tenant"]),
    )
    assert one.verify(token).issuer == one.verify(token).issuer == "i"
    allowed[0] = False
    refused(lambda given, _: one.verify(given), token, None, "header_invalid", "tenant")


def test_extensions_and_a_cache_exclude_each_other():
    with pytest.raises(ConfigurationError, match=r"^cache "):
        verifier({"tenant": len}, cache=10_000)


def test_an_extension_stands_in_the_protected_header():
    document = jws.sign_json(CLAIMS, MAC, HEADER, extensions=["tenant"])
    moved = {**jws.sign_json(CLAIMS, MAC), "header": HEADER}
    assert jws.verify_json(document, MAC, extensions={"tenant": lambda _: True})
    with pytest.raises(InvalidToken):
        jws.verify_json(moved, MAC, extensions={"tenant": lambda _: True})


def test_a_signature_whose_extension_is_refused_does_not_count():
    other = Key.generate("HS256")
    document = jws.sign_json(CLAIMS, [jws.Signatory(MAC, HEADER), other], extensions=["tenant"])
    from carnet import KeySet

    keys, own = KeySet([MAC, other]), {"tenant": lambda _: False}
    (held,) = jws.verify_json(document, keys, require="any", extensions=own).signatures
    assert held[1] is other
    for require in ("all", [MAC]):
        with pytest.raises(InvalidToken):
            jws.verify_json(document, keys, require=require, extensions=own)


def test_the_payloads_form_is_handled_here_beside_extensions_of_a_callers_own():
    header = {"b64": False, "tenant": "t1", "crit": ["b64", "tenant"]}
    token = jws.sign(b"plain", MAC, header, extensions=["tenant"])
    assert jws.verify(token, MAC, extensions={"tenant": lambda _: True}).payload == b"plain"
    with pytest.raises(InvalidToken):
        verifier({"tenant": lambda _: True}).verify(token)


@pytest.mark.parametrize("name", ["b64", "alg", "kid", "crit", "exp ", "enc"])
def test_what_the_standards_have_is_no_extension(way, name):
    make, read = way
    token = make(None, [])
    if name == "exp ":
        assert read(token, {name: len})
        return
    with pytest.raises(ConfigurationError, match=r"^extensions "):
        read(token, {name: lambda _: True})


@pytest.mark.parametrize("wrong", [5, "x", ["x"], {"x": 1}, {"x": None}, {1: len}])
def test_extensions_are_functions_by_their_names(way, wrong):
    make, read = way
    with pytest.raises(ConfigurationError, match=r"^extensions "):
        read(make(None, []), wrong)


@pytest.mark.parametrize("wrong", [5, "x", None, [1], {"x": 1}])
def test_who_makes_a_token_lists_the_names(way, wrong):
    make, _ = way
    with pytest.raises(ConfigurationError, match=r"^extensions "):
        make(HEADER, wrong)


def test_who_makes_a_token_names_every_extension(way):
    make, _ = way
    with pytest.raises(InvalidToken) as refusal:
        make(HEADER, ["other"])
    assert refusal.value.code == "crit_unsupported"
