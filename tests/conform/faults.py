"""Kinds of faults: what is done to the requests of a client, and to Carnet's answers."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from urllib.parse import parse_qsl, urlencode

from tests.conform.carnet_issuer import ISSUER, Reply
from tests.server.asgi import CALLBACK

from carnet import Key
from carnet.conform.proofs import Prover, sign_assertion
from carnet.jose import jws
from carnet.jose.encoding import b64url_encode, json_encode
from carnet.jwt.inspection import inspect

WELL_KNOWN = "/.well-known/"
OAUTH = f"{WELL_KNOWN}oauth-authorization-server"
OPENID = f"{WELL_KNOWN}openid-configuration"
JWKS = f"{WELL_KNOWN}jwks.json"
TOKEN = "/token"


def said(path, change, status=None, only=lambda asked, reply: True):
    """Change the JSON of answers."""

    async def fault(asked, forward):
        reply = await forward(asked)
        kind = reply.headers.get("content-type", "")
        if re.fullmatch(path, asked.path) and "json" in kind and only(asked, reply):
            document = json.loads(reply.body)
            changed = change(document)
            reply.body = json.dumps(document if changed is None else changed).encode()
            reply.status = status or reply.status
        return reply

    return fault


def members(path=f"{WELL_KNOWN}o.*", only=lambda asked, reply: True, **changes):
    """Set members of answers; None takes one out."""

    def change(document):
        document.update(changes)
        return {name: value for name, value in document.items() if value is not None}

    return said(path, change, only=only)


def headed(path, only=lambda asked: True, **headers):
    """Set headers of answers; None takes one out."""

    async def fault(asked, forward):
        reply = await forward(asked)
        if re.fullmatch(path, asked.path) and only(asked):
            for name, value in headers.items():
                reply.headers.pop(name.replace("_", "-"), None)
                if value is not None:
                    reply.headers[name.replace("_", "-")] = value
        return reply

    return fault


def answering(path, status, document=None, headers=None, only=lambda asked: True):
    """Give an answer of one's own."""

    async def fault(asked, forward):
        if not (re.fullmatch(path, asked.path) and only(asked)):
            return await forward(asked)
        kind = {"content-type": "application/json", **(headers or {})}
        reply = Reply(status, body=json.dumps(document or {}).encode())
        reply.headers.update(kind)
        return reply

    return fault


def taking(path, change):
    """Change the form or the query of requests."""

    async def fault(asked, forward):
        if asked.path == path:
            pairs = asked.form if asked.method == "POST" else asked.query
            changed = change(pairs)
            if asked.method == "POST":
                asked.form = changed
            else:
                asked.query = changed
        return await forward(asked)

    return fault


def with_(pairs, **changes):
    kept = [(name, value) for name, value in pairs if name not in changes]
    return [*kept, *((name, value) for name, value in changes.items() if value is not None)]


def first(pairs):
    return list(dict(reversed(pairs)).items())


def one(pairs, name):
    return dict(pairs).get(name)


def located(change, only=lambda asked: True):
    """Change where the authorization endpoint leads."""

    async def fault(asked, forward):
        reply = await forward(asked)
        if asked.path == "/authorize" and "location" in reply.headers and only(asked):
            reply.headers["location"] = change(reply.headers["location"], asked)
        return reply

    return fault


def answer_without(name, location, _asked):
    """Take a parameter out of an address."""
    base, _, query = location.partition("?")
    return f"{base}?{urlencode([pair for pair in parse_qsl(query) if pair[0] != name])}"


def leading(path, address, only):
    """Lead on to where a request says."""

    async def fault(asked, forward):
        if asked.path == path and only(asked):
            reply = Reply(302)
            reply.headers["location"] = address
            return reply
        return await forward(asked)

    return fault


# Keys.


def with_key(change):
    return said(JWKS, lambda document: {"keys": change(document["keys"])})


def weak(keys):
    number = b64url_encode((2**1023 + 15).to_bytes(128))
    return [
        *keys,
        {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "w", "n": number, "e": "AQAB"},
    ]


def without(keys, name):
    return [{key: value for key, value in jwk.items() if key != name} for jwk in keys]


SECOND = Key.generate("ES256").public.to_jwk()
ENCRYPTING = Key.generate("ECDH-ES").public.to_jwk() | {"use": "enc"}

# The token endpoint.


def reads_get(asked, forward):
    if asked.asks(TOKEN, "GET"):
        asked.method, asked.form = "POST", asked.query
        asked.headers["content-type"] = "application/x-www-form-urlencoded"
    return forward(asked)


def any_secret(asked, forward, right=None):
    """Take any secret of the client's for the right one."""
    given = asked.headers.get("authorization", "Basic ").partition(" ")[2]
    if asked.asks(TOKEN) and b64decode(given).startswith(b"secret:"):
        asked.headers["authorization"] = right
    return forward(asked)


def basic(client):
    return f"Basic {b64encode(f'{client.id}:{client.secret}'.encode()).decode()}"


def no_proof(asked, forward, right=None):
    if asked.asks(TOKEN) and one(asked.form, "client_id") == "secret":
        asked.headers["authorization"] = right
    return forward(asked)


def header_counts(asked, forward):
    if "authorization" in asked.headers and asked.asks(TOKEN):
        asked.form = with_(asked.form, client_secret=None)
    return forward(asked)


def in_error(path=TOKEN, change=None, only=lambda asked: True, status=400):
    """Answer errors of some requests with another code."""
    return said(
        path,
        lambda _: change,
        status,
        lambda asked, reply: reply.status >= 400 and only(asked),
    )


# The authorization endpoint.


def framed(path):
    return headed(path, content_security_policy=None, x_frame_options=None)


CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


def always_pkce(pairs):
    return with_(pairs, code_challenge=CHALLENGE, code_challenge_method="S256")


def any_type(pairs):
    return always_pkce(with_(pairs, response_type="code"))


async def any_address(asked, forward):
    """Take every address for the registered one, and answer there."""
    given = one(asked.query, "redirect_uri")
    if asked.path != "/authorize" or given is None:
        return await forward(asked)
    asked.query = with_(asked.query, redirect_uri=CALLBACK)
    reply = await forward(asked)
    location = reply.headers.get("location", "")
    if location.startswith(CALLBACK):
        reply.headers["location"] = given + location.removeprefix(CALLBACK)
    return reply


async def normalized(asked, forward):
    """Take the dots out of an address, and look no closer at what is left than at its host."""
    if "/../" not in (one(asked.query, "redirect_uri") or ""):
        return await forward(asked)
    reply = await any_address(asked, forward)
    if "location" in reply.headers:
        reply.headers["location"] = "https://app.example/elsewhere?error=login_required"
    return reply


# Client assertions and DPoP proofs.


def any_assertion(asked, forward, client=None):
    if asked.asks(TOKEN) and one(asked.form, "client_assertion"):
        good = sign_assertion(client.id, ISSUER, client.key)
        asked.form = with_(asked.form, client_assertion=good)
    return forward(asked)


class AnyProof:
    """Takes whatever comes as a proof, by making a good one in its place."""

    def __init__(self):
        self.prover = Prover.make(["ES256"])

    async def __call__(self, asked, forward):
        if not asked.asks(TOKEN) or "dpop" not in asked.headers:
            return await forward(asked)
        url = f"{ISSUER}{TOKEN}"
        asked.headers["dpop"] = self.prover.proof(url)
        reply = await forward(asked)
        nonce = reply.headers.get("dpop-nonce")
        if reply.status == 400 and nonce:
            asked.headers["dpop"] = self.prover.proof(url, nonce=nonce)
            reply = await forward(asked)
        return reply


# Tokens, with what is said in them changed: they can't be signed again, and so are no good either.


def forged(name, header=None, **claims):
    def change(document):
        if name not in document:
            return document
        seen = inspect(document[name])
        payload = {**(seen.claims or {}), **claims}
        payload = {key: value for key, value in payload.items() if value is not None}
        head = {key: value for key, value in seen.header.items() if key != "alg"}
        signer = Key.generate("ES256", kid=seen.header.get("kid"))
        return {
            **document,
            name: jws.sign(json_encode(payload), signer, {**head, **(header or {})}),
        }

    return said(TOKEN, change)


# What remembers.


class Remembering:
    """Answers a request that has come before as it was answered then."""

    def __init__(self, parameter, *, once_more=False):
        self.parameter = parameter
        self.given = {}
        self.refuses = once_more

    async def __call__(self, asked, forward):
        name = one(asked.form, self.parameter) if asked.asks(TOKEN) else None
        if name is None:
            return await forward(asked)
        if name in self.given and self.refuses:
            # Refused, and nothing else is done.
            reply = Reply(400, body=b'{"error":"invalid_grant"}')
            reply.headers["content-type"] = "application/json"
            return reply
        reply = await forward(asked)
        if reply.status == 200:
            self.given[name] = reply
        return self.given.get(name, reply)


def same_refresh_token(asked, forward):
    async def work():
        old = one(asked.form, "refresh_token") if asked.asks(TOKEN) else None
        reply = await forward(asked)
        if old is not None and reply.status == 200:
            document = json.loads(reply.body)
            reply.body = json.dumps({**document, "refresh_token": old}).encode()
        return reply

    return work()


def plain(asked, forward):
    return forward(asked)


plain.plain = True


def grants(name, asked):
    return one(asked.form, "grant_type") == name


def is_stranger(asked):
    return "no-such-client" in (one(asked.query, "client_id") or "")


def is_silent(asked):
    return one(asked.query, "prompt") == "none"


def pushes(asked, forward):
    """Take a pushed request for whoever comes with its address."""
    if asked.path == "/authorize" and is_stranger(asked):
        asked.query = with_(asked.query, client_id="secret")
    return forward(asked)


def said_status(path, status, only=lambda reply: True):
    async def fault(asked, forward):
        reply = await forward(asked)
        if asked.path == path and reply.status < 400 and only(reply):
            reply.status = status
        return reply

    return fault


def any_verifier(asked, forward):
    if asked.path == "/authorize":
        asked.query = always_pkce(asked.query)
    elif asked.asks(TOKEN) and one(asked.form, "code"):
        asked.form = with_(asked.form, code_verifier=VERIFIER)
    return forward(asked)
