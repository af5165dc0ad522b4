"""Bound tokens at a protected service: with a proof of the key, or not at all."""

import time

import pytest
from tests.server.oauth_clients import Prover

from carnet import Claims, InvalidToken, Key, Signer
from carnet.verifier import AccessTokenVerifier
from carnet.verifier.asgi import credentials
from carnet.verifier.dpop import Presented, Proofs

URL = "https://orders.example.com/orders"


@pytest.fixture
def prover():
    return Prover()


@pytest.fixture
def verifier(issuer):
    with AccessTokenVerifier(issuer.url, "orders", revocations="off") as one:
        yield one


def refusal(verifier, token, presented):
    with pytest.raises(InvalidToken) as raised:
        verifier.verify(token, presented)
    return raised.value.code, raised.value.claim


def test_a_bound_token_needs_a_proof_for_this_request(issuer, verifier, prover):
    token = issuer.token(cnf={"jkt": prover.thumbprint})

    def shown(by=prover, method="GET", url=URL, bound=True, ath=token, **claims):
        return Presented([by.proof(url, method, ath, **claims)], "GET", URL, bound)

    good = shown()
    assert verifier.verify(token, good).subject == "ada"
    assert refusal(verifier, token, good) == ("proof_invalid", "jti")
    assert refusal(verifier, token, None) == ("proof_missing", "cnf")
    assert refusal(verifier, token, shown(bound=False)) == ("proof_missing", "cnf")
    assert refusal(verifier, token, shown(Prover())) == ("proof_invalid", "cnf")
    assert refusal(verifier, token, shown(method="POST")) == ("proof_invalid", "htm")
    assert refusal(verifier, token, shown(url=f"{URL}/1")) == ("proof_invalid", "htu")
    assert refusal(verifier, token, shown(ath=None)) == ("proof_invalid", "ath")
    assert refusal(verifier, token, shown(ath="another")) == ("proof_invalid", "ath")
    assert refusal(verifier, token, shown(iat=int(time.time()) - 600)) == ("proof_invalid", "iat")
    assert refusal(verifier, token, Presented([], "GET", URL))[0] == "proof_invalid"
    # What may come once may come with another proof any number of times.
    assert verifier.verify(token.encode(), shown()).subject == "ada"


def test_a_token_that_is_not_bound_is_not_passed_off_as_one_that_is(issuer, verifier, prover):
    token = issuer.token()
    presented = Presented([prover.proof(URL, "GET", token)], "GET", URL)
    assert refusal(verifier, token, presented) == ("proof_invalid", "cnf")
    assert verifier.verify(token).subject == "ada"


@pytest.mark.parametrize("cnf", [{"x5t#S256": "x"}, {}, "x", {"jkt": ""}, {"jkt": 1}])
def test_a_token_that_is_bound_in_another_way_is_refused(issuer, verifier, cnf):
    assert refusal(verifier, issuer.token(cnf=cnf), None) == ("claim_invalid", "cnf")


def test_what_is_remembered_is_bounded_and_forgotten_in_time(prover, monkeypatch):
    monkeypatch.setattr("carnet.verifier.dpop.MAX_REMEMBERED", 3)
    proofs, claims = Proofs(), Claims({"cnf": {"jkt": prover.thumbprint}})
    now = time.time()

    def show(text, at=now):
        proofs.check(claims, "token", Presented([text], "GET", URL), at)

    texts = [prover.proof(URL, "GET", "token") for _ in range(5)]
    for text in texts:
        show(text)
    assert len(proofs._seen) == 3
    with pytest.raises(InvalidToken):
        show(texts[-1])
    later = prover.proof(URL, "GET", "token", iat=int(now) + 300)
    show(later, now + 300)
    assert len(proofs._seen) == 1


def test_an_encrypted_token_is_opened_with_the_services_own_key(issuer):
    key = Key.generate("ECDH-ES+A256KW")
    signer = Signer(
        issuer.key, issuer=issuer.url, audience="orders", type="at+jwt", encrypt_to=key.public
    )
    token = signer.sign({"sub": "ada", "client_id": "c"})
    options = {"revocations": "off"}
    with AccessTokenVerifier(issuer.url, "orders", decryption=key, **options) as verifier:
        assert verifier.verify(token).subject == "ada"
    with AccessTokenVerifier(issuer.url, "orders", **options) as verifier:
        assert refusal(verifier, token, None)[0]


def test_with_two_hosts_a_proof_is_for_neither(issuer, verifier, prover):
    token = issuer.token(cnf={"jkt": prover.thumbprint})

    def sent(*hosts):
        headers = [
            (b"authorization", f"DPoP {token}".encode()),
            (b"dpop", prover.proof(URL, "GET", token).encode()),
            *((b"host", host) for host in hosts),
        ]
        return credentials({"scheme": "https", "path": "/orders", "headers": headers})[1]

    ours, other = b"orders.example.com", b"billing.example.com"
    assert verifier.verify(token, sent(ours)).subject == "ada"
    for hosts in ((ours, other), (other, ours), (ours, ours), ()):
        assert refusal(verifier, token, sent(*hosts)) == ("proof_invalid", "htu")
