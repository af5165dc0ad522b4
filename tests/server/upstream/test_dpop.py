"""Access tokens of a provider that are bound to a key (RFC 9449)."""

import json

import pytest
from tests.server.upstream.imitation import SUBJECT, answer
from tests.server.upstream.test_sign_in import CREATE

from carnet import inspect
from carnet.jwt.dpop import read_proof

OFFERED = {"dpop_signing_alg_values_supported": ["RS256", "ES256"]}


class Guarded:
    """An endpoint of the imitation's that wants proofs, with a nonce of its own or without."""

    def __init__(self, provider, path, nonce=None, always=False):
        self.provider, self.path, self.nonce, self.always = provider, path, nonce, always
        self.proofs, self.tokens, self.before = [], [], provider._respond
        provider._respond = self.respond

    def respond(self, path, headers, body):
        if path != self.path:
            return self.before(path, headers, body)
        text = headers.get("dpop")
        assert text is not None
        method = "POST" if body else "GET"
        scheme, _, token = headers.get("authorization", "").partition(" ")
        access_token = token if scheme == "DPoP" else None
        self.tokens.append((scheme, access_token))
        now = self.provider.clock() / 1_000_000
        url = f"{self.provider.url}{path}"
        proof = read_proof([text], method, url, now, access_token)
        self.proofs.append(proof)
        if self.nonce is not None and (proof.nonce != self.nonce or self.always):
            self.nonce = f"{self.nonce}+" if self.always else self.nonce
            found = answer({"error": "use_dpop_nonce"}, 400 if body else 401)
            return found.replace(b"\r\n", f"\r\nDPoP-Nonce: {self.nonce}\r\n".encode(), 1)
        found = self.before(path, headers, body)
        if body:
            _, _, text = found.partition(b"\r\n\r\n")
            found = answer({**json.loads(text), "token_type": "DPoP"})
        return found


@pytest.mark.parametrize("nonce", [None, "a-nonce"])
def test_where_it_is_offered_the_token_is_bound_and_shown_with_a_proof(scene_of, nonce):
    async def scene(browser, provider):
        provider.metadata = OFFERED
        provider.user_info = {"preferred_username": "bob"}
        users = Guarded(provider, "/userinfo", nonce)
        tokens = Guarded(provider, "/token", nonce)
        await browser.enter(provider)
        assert await browser.username() == "bob"
        assert {one.thumbprint for one in users.proofs} == {one.thumbprint for one in tokens.proofs}
        assert set(users.tokens) == {("DPoP", f"token-of-{SUBJECT}")}
        first = len(tokens.proofs)
        # The nonce is known from then on.
        await browser.enter(provider, auth_time=browser.clock() // 1_000_000)
        assert len({one.token_id for one in tokens.proofs}) == len(tokens.proofs)
        return first, len(tokens.proofs), len(provider.asked)

    assert scene_of(scene, **CREATE) == ((1, 2, 2) if nonce is None else (2, 3, 2))


def test_a_provider_that_wants_another_nonce_again_and_again_is_not_asked_for_ever(scene_of):
    async def scene(browser, provider):
        provider.metadata = OFFERED
        tokens = Guarded(provider, "/token", "n", always=True)
        answer = await browser.enter(provider, preferred_username="bob")
        return answer.status_code, len(tokens.proofs)

    assert scene_of(scene, **CREATE) == (502, 2)


@pytest.mark.parametrize("offered", [None, [], ["RS256"]])
def test_where_it_is_not_offered_there_is_no_proof(scene_of, offered):
    async def scene(browser, provider):
        if offered is not None:
            provider.metadata = {"dpop_signing_alg_values_supported": offered}
        await browser.enter(provider, preferred_username="bob")
        [(_, headers)] = provider.asked
        assert await browser.username() == "bob"
        return "dpop" in headers

    assert scene_of(scene, **CREATE) is False


def test_a_token_that_the_provider_has_not_bound_is_shown_as_it_is(scene_of):
    async def scene(browser, provider):
        provider.metadata = OFFERED
        provider.user_info = {"preferred_username": "bob"}
        await browser.enter(provider)
        assert await browser.username() == "bob"
        [(_, headers)] = provider.asked
        return inspect(headers["dpop"]).header["typ"]

    assert scene_of(scene, **CREATE) == "dpop+jwt"
