"""Tokens good and bad, with the policy they are shown to: made by the library and by hand."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from carnet import Key, KeySet
from carnet.jose import jwe, jws
from carnet.jose.encoding import b64url_encode

__all__ = ["AUDIENCE", "CASES", "ES", "ISSUER", "NOW", "Case", "said"]

NOW = 1_800_000_000
ISSUER, AUDIENCE = "https://auth.example.com", "orders"

ES = Key.generate("ES256", kid="es")
RS = Key.generate("RS256", kid="rs", size=2048)
PS = Key.generate("PS384", kid="ps", size=2048)
HS = Key.generate("HS256", kid="hs")
ED = Key.generate("Ed25519", kid="ed")
OTHER = Key.generate("ES256", kid="es")
STRANGER = Key.generate("ES256", kid="stranger")
KEYS = KeySet([ES, RS, PS, HS, ED])

CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "1dfee8d8", "iat": NOW, "exp": NOW + 300}


class Case(NamedTuple):
    """A token, and what differs from the usual verifier."""

    name: str
    token: str
    policy: Mapping[str, Any] = MappingProxyType({})
    keys: KeySet = KEYS


def signed(payload: bytes | str, key: Key = ES, **header: Any) -> str:
    """Sign a payload as it stands, under a header that nobody checks."""
    head = {"alg": key.alg, "kid": key.kid, **header}
    return raw(json.dumps({k: v for k, v in head.items() if v is not ...}), payload, key)


def raw(header: bytes | str, payload: bytes | str, key: Key = ES) -> str:
    parts = [part.encode() if isinstance(part, str) else part for part in (header, payload)]
    data = ".".join(map(b64url_encode, parts))
    return f"{data}.{b64url_encode(key.signing()(data.encode()))}"


def said(key: Key = ES, **changes: Any) -> str:
    """Sign the usual claims with changes; ``...`` leaves one out."""
    return signed(written(**changes), key)


def written(**changes: Any) -> str:
    claims = {**CLAIMS, **changes}
    return json.dumps({name: value for name, value in claims.items() if value is not ...})


def parts_of(token: str) -> list[str]:
    return token.split(".")


GOOD = said()
HEAD, BODY, MARK = parts_of(GOOD)
ACCESS = {"type": "at+jwt"}


def access(**changes: Any) -> str:
    claims = {"client_id": "shop", "scope": "a b", "sid": "s", "sub_ver": 1, "roles": ["A"]}
    return signed(written(**{**claims, **changes}), typ="at+jwt")


def non_canonical(text: str) -> str:
    """Set an unused bit of a text's last character."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) | 1]


def confused() -> str:
    """Sign with the published key as if it were a secret (CVE-2015-9235)."""
    head = b64url_encode(json.dumps({"alg": "HS256", "kid": "rs"}).encode())
    data = f"{head}.{b64url_encode(written().encode())}"
    mac = hmac.digest(RS.to_pem(), data.encode(), hashlib.sha256)
    return f"{data}.{b64url_encode(mac)}"


def nested(depth: int) -> str:
    return written()[:-1] + ', "deep": ' + "[" * depth + "]" * depth + "}"


SHORT_BODY = b64url_encode(b'{"a":1}  ')[:-1]
UNSIGNED = b64url_encode(b'{"alg":"nOnE"}')
ENCRYPTED = jwe.encrypt(b"{}", Key.generate("A256KW"))
DETACHED = jws.sign(b"{}", ES, detached=True)

CASES = [
    Case("good", GOOD),
    *(Case(f"good {key.alg}", said(key)) for key in (RS, PS, HS, ED)),
    Case("good EdDSA", signed(written(), ED, alg="EdDSA")),
    Case("good with typ", signed(written(), typ="JWT")),
    Case("good with application/jwt", signed(written(), typ="application/jwt")),
    Case("good without kid", signed(written(), kid=...)),
    Case("good with an audience list", said(aud=["billing", "orders"])),
    Case("good with white space", signed(json.dumps(CLAIMS, indent=2))),
    Case("good with an escape", signed(written().replace("orders", "\\u006frders"))),
    Case("good with a fraction", said(exp=NOW + 0.5)),
    Case("good, __proto__", signed(written()[:-1] + ',"__proto__":{"exp":1}}')),
    Case("good within the leeway", said(exp=NOW - 5), {"leeway": 10}),
    Case("good with any issuer and audience", said(iss=..., aud=...), {"any": True}),
    # Form.
    Case("empty", ""),
    Case("one part", "abc"),
    Case("two parts", f"{HEAD}.{BODY}"),
    Case("four parts", GOOD + ".x"),
    Case("no header", f".{BODY}.{MARK}"),
    Case("no signature", f"{HEAD}.{BODY}."),
    Case("encrypted", ENCRYPTED),
    Case("detached", DETACHED),
    Case("padded header", f"{HEAD}=.{BODY}.{MARK}"),
    Case("padded signature", f"{GOOD}=="),
    Case("signature with a stray bit", f"{HEAD}.{BODY}.{non_canonical(MARK)}"),
    Case("MAC with a stray bit", non_canonical(said(HS))),
    Case("MAC with padding", said(HS) + "="),
    Case("signature cut", GOOD[:-8]),
    Case("signature of the other alphabet", f"{HEAD}.{BODY}.{MARK[:-2]}+/"),
    Case("space before", " " + GOOD),
    Case("new line after", GOOD + "\n"),
    Case("Bearer", "Bearer " + GOOD),
    Case("not ASCII", f"{HEAD}.{BODY}é.{MARK}"),
    Case("MAC not ASCII", said(HS) + "é"),
    Case("header is no JSON", raw("alg", "{}")),
    Case("header is a list", raw("[]", "{}")),
    Case("header with a BOM", raw(b"\xef\xbb\xbf" + b'{"alg":"ES256"}', written())),
    Case("header names twice", raw('{"alg":"none","alg":"ES256"}', written())),
    Case("header of 9 kB", signed(written(), x="y" * 9000)),
    Case("token of 70 kB", said(x="y" * 70_000)),
    Case("payload names twice", signed(written()[:-1] + ',"sub":"admin"}')),
    Case("payload names twice, escaped", signed(written()[:-1] + ',"s\\u0075b":"admin"}')),
    Case("payload names twice, deep", signed(written()[:-1] + ',"a":[{"b":1,"b":2}]}')),
    Case("payload with a BOM", signed(b"\xef\xbb\xbf" + written().encode())),
    Case("payload with NaN", said(exp=float("nan"))),
    Case("payload with Infinity", said(exp=float("inf"))),
    Case("payload not UTF-8", signed(b'{"sub":"\xff"}')),
    Case("payload with a lone surrogate", signed(written()[:-1] + ',"a":"\\ud800"}')),
    Case("payload with a control character", signed(written()[:-1] + ',"a":"\x01"}')),
    Case("payload is a list", signed("[1]")),
    Case("payload is a text", signed('"a"')),
    Case("payload is empty", signed("")),
    Case("payload with more after", signed(written() + "x")),
    Case("payload with a comma too many", signed(written()[:-1] + ",}")),
    Case("payload with a leading zero", signed(written()[:-1] + ',"a":01}')),
    Case("payload with a huge number", signed(written()[:-1] + ',"a":1e999}')),
    Case("payload 31 deep", signed(nested(31))),
    Case("payload 32 deep", signed(nested(32))),
    # Header.
    Case("no alg", signed(written(), alg=...)),
    Case("alg is a number", signed(written(), alg=1)),
    Case("alg none", signed(written(), alg="none")),
    Case("alg nOnE, no signature", f"{UNSIGNED}.{BODY}."),
    Case("alg of another case", signed(written(), alg="es256")),
    Case("alg of another key", signed(written(), alg="RS256")),
    Case("alg unknown", signed(written(), alg="XX1", kid=...)),
    Case("kid is a number", signed(written(), kid=1)),
    Case("kid is null", signed(written(), kid=None)),
    Case("kid too long", signed(written(), kid="k" * 257)),
    Case("kid unknown", said(STRANGER)),
    Case("kid unknown, one key without", said(STRANGER), keys=KeySet([RS])),
    Case("no keys", GOOD, keys=KeySet()),
    Case("no keys, no kid", signed(written(), kid=...), keys=KeySet()),
    Case("another key of that kid", said(OTHER)),
    Case("typ of an access token", signed(written(), typ="at+jwt")),
    Case("typ is null", signed(written(), typ=None)),
    Case("typ is a list", signed(written(), typ=["JWT"])),
    Case("cty is a number", signed(written(), cty=1)),
    Case("crit", signed(written(), crit=["exp"], exp=1)),
    Case("crit empty", signed(written(), crit=[])),
    Case("crit twice", signed(written(), crit=["a", "a"], a=1)),
    Case("crit absent parameter", signed(written(), crit=["a"])),
    Case("crit registered", signed(written(), crit=["alg"])),
    Case("crit b64", signed(written(), crit=["b64"], b64=True)),
    Case("b64 false", signed(written(), b64=False)),
    Case("b64 true", signed(written(), b64=True)),
    Case("a key brought along", signed(written(), OTHER, jwk=OTHER.public.to_jwk())),
    Case("HS/RS confusion", confused()),
    Case("payload changed", f"{HEAD}.{b64url_encode(written(sub='admin').encode())}.{MARK}"),
    Case("payload no base64", f"{HEAD}.{SHORT_BODY}!.{MARK}"),
    # Claims, in the order of the checks.
    Case("no iss", said(iss=...)),
    Case("iss null", said(iss=None)),
    Case("iss is a number", said(iss=1)),
    Case("iss another", said(iss=ISSUER + "/")),
    Case("iss one of two", GOOD, {"issuer": ["https://b.example", ISSUER]}),
    Case("iss none of two", GOOD, {"issuer": ["https://b.example", "https://a.example"]}),
    Case("iss a number where any will do", said(iss=1), {"any": True}),
    Case("no aud", said(aud=...)),
    Case("aud null", said(aud=None)),
    Case("aud empty", said(aud=[])),
    Case("aud mixed", said(aud=["orders", 1])),
    Case("aud another", said(aud="billing")),
    Case("aud others", said(aud=["billing", "order"])),
    Case("aud null where any will do", said(aud=None), {"any": True}),
    Case("no exp", said(exp=...)),
    Case("exp null", said(exp=None)),
    Case("exp true", said(exp=True)),
    Case("exp a text", said(exp=str(NOW + 300))),
    Case("exp negative", said(exp=-1)),
    Case("exp in milliseconds", said(exp=(NOW + 300) * 1000)),
    Case("expired", said(exp=NOW)),
    Case("expired beyond the leeway", said(exp=NOW - 10), {"leeway": 10}),
    Case("iat true", said(iat=True)),
    Case("iat 60 ahead", said(iat=NOW + 60)),
    Case("iat 61 ahead", said(iat=NOW + 61)),
    Case("iat missing for the age", said(iat=...), {"max_age": 60}),
    Case("too old", said(iat=NOW - 60), {"max_age": 60}),
    Case("not too old", said(iat=NOW - 59), {"max_age": 60}),
    Case("nbf ahead", said(nbf=NOW + 61)),
    Case("nbf within a minute", said(nbf=NOW + 60)),
    Case("nbf within the leeway", said(nbf=NOW + 90), {"leeway": 90}),
    Case("nbf false", said(nbf=False)),
    Case("sub a number", said(sub=1)),
    Case("sub null", said(sub=None)),
    Case("jti a number", said(jti=1)),
    Case("required missing", GOOD, {"required": ["email"]}),
    Case("required null", said(email=None), {"required": ["email"]}),
    Case("required there", said(email=0), {"required": ["email"]}),
    Case("several wrong: expired first", said(exp=1, sub=1)),
    # Access tokens.
    Case("access token", access(), ACCESS),
    Case("access token bare", signed(written(), typ="AT+JWT"), ACCESS),
    Case("no access token", GOOD, ACCESS),
    Case("access token, scope a list", access(scope=["a"]), ACCESS),
    Case("access token, client_id a number", access(client_id=1), ACCESS),
    Case("access token, sid null", access(sid=None), ACCESS),
    Case("access token, sub_ver true", access(sub_ver=True), ACCESS),
    Case("access token, sub_ver a fraction", access(sub_ver=1.0), ACCESS),
    Case("access token, roles a text", access(roles="ADMIN"), ACCESS),
    Case("access token, roles mixed", access(roles=["A", 1]), ACCESS),
    Case("access token, expired", access(exp=1, scope=1), ACCESS),
]
