"""A client under a profile of FAPI 2.0, as the Foundation's suite sends its requests."""

import json
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.server.flows import CALLBACK, Request
from tests.server.inside import Inside, register
from tests.server.oauth_clients import Prover

from carnet import Key
from carnet.jose import jws
from carnet.jose.encoding import json_decode, json_encode

ISSUER = "https://auth.example.com"
KEY = Key.generate("ES256")
OTHER_KEY = Key.generate("ES256")
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
REQUEST = {"typ": "oauth-authz-req+jwt"}


def jwks_of(*keys):
    return {"keys": [key.public.to_jwk() for key in keys]}


async def add_client(service, client_id="app", key=KEY, profile="fapi2", **metadata):
    """Register one: what the profile switches is left out."""
    given = {
        "profile": profile,
        "token_endpoint_auth_method": "client_secret_basic",
        "jwks": jwks_of(key),
        "redirect_uris": (CALLBACK,),
        **metadata,
    }
    await register(service, client_id, **given)
    return Fapi(service, client_id, key)


def without_none(members):
    return {name: value for name, value in members.items() if value is not None}


class Fapi:
    """The client, with a key for its assertions and another for its proofs."""

    def __init__(self, service, client_id="app", key=KEY):
        self.service = service
        self.id = client_id
        self.key = key
        self.prover = Prover()
        self.nonce = None
        self.number = 0
        self.http = Inside(service).client
        self.http.headers["Accept"] = "application/json"
        # What the suite changes of one thing that it sends.
        self.assertion = {}
        self.proof = {}

    @property
    def now(self):
        return self.service.clock() // 1_000_000

    def asserted(self, key=None, **more):
        self.number += 1
        claims = {
            "iss": self.id,
            "sub": self.id,
            "aud": ISSUER,
            "jti": f"{self.id} {self.number}",
            "iat": self.now,
            "exp": self.now + 60,
            **self.assertion,
            **more,
        }
        text = jws.sign(json_encode(without_none(claims)), key or self.key, {"typ": "JWT"})
        return {"client_assertion": text, "client_assertion_type": ASSERTION}

    def signed(self, asked, key=None, header=REQUEST, **more):
        """Sign a request (RFC 9101)."""
        claims = {
            **asked.parameters,
            "iss": self.id,
            "aud": ISSUER,
            "nbf": self.now,
            "exp": self.now + 300,
            **more,
        }
        return jws.sign(json_encode(without_none(claims)), key or self.key, header)

    async def post(self, path, form, prover=None, token=None):
        """Send a form with an assertion and a proof, again with the server's nonce."""
        for _ in range(2):
            sent = without_none({**self.asserted(), **form})
            headers = {}
            if prover is not None:
                proof = {"iat": self.now, "nonce": self.nonce, **self.proof}
                headers["DPoP"] = prover.proof(f"{ISSUER}{path}", **proof)
            answer = await self.http.post(path, data=sent, headers=headers)
            self.nonce = answer.headers.get("dpop-nonce", self.nonce)
            if answer.status_code != 400 or answer.json()["error"] != "use_dpop_nonce":
                break
        return answer

    async def push(self, asked, prover=None, **more):
        return await self.post("/par", {**asked.parameters, **more}, prover)

    async def push_signed(self, asked, prover=None, **more):
        form = {"client_id": self.id, "request": self.signed(asked, **more)}
        return await self.post("/par", form, prover)

    def request(self, **more):
        return Request(client_id=self.id, **{"nonce": "n-1", **more})

    async def come(self, person, pushed, **more):
        """Let the browser come with what was pushed, and give what the client is answered."""
        query = {"client_id": self.id, "request_uri": pushed.json()["request_uri"], **more}
        end = await person.go(f"/authorize?{urlencode(query)}")
        assert end.startswith(CALLBACK), end
        return dict(parse_qsl(urlsplit(end).query))

    async def exchange(self, asked, code, prover=None, **more):
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asked.parameters["redirect_uri"],
            "code_verifier": asked.verifier,
            **more,
        }
        return await self.post("/token", form, prover)

    async def sign_in(self, person, **more):
        """Go all the way, and give the token endpoint's answer."""
        asked = self.request(**more)
        pushed = await self.push(asked)
        assert pushed.status_code == 201, pushed.text
        code = (await self.come(person, pushed))["code"]
        answer = await self.exchange(asked, code, self.prover)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def userinfo(self, token, prover=None, scheme="DPoP", **more):
        url = f"{ISSUER}/userinfo"
        headers = {"Authorization": f"{scheme} {token}"}
        if prover is not None:
            proof = {"method": "GET", "token": token, "iat": self.now, **more}
            headers["DPoP"] = prover.proof(url, **proof)
        return await self.http.get("/userinfo", headers=headers)

    def read(self, text):
        """Check what the service has signed with the keys that it publishes, and read it."""
        verified = jws.verify(text, self.service.keys.published)
        return verified.header, json_decode(verified.payload, "the payload")


def error_of(answer):
    return answer.status_code, answer.json()["error"]


def claims_of(text):
    import base64

    part = text.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
