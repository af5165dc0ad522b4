"""Finding an issuer's keys where the plain way does not do."""

import asyncio
import gzip
import json
import ssl
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from tests.verifier.conftest import METADATA
from tests.verifier.internet import Internet
from tests.verifier.providers import RSA

from carnet import ConfigurationError, InvalidToken, IssuerUnavailable, Key, KeySet
from carnet.jwt.key_source import COOLDOWN
from carnet.verifier import AccessTokenVerifier, AsyncAccessTokenVerifier, Issuer
from carnet.verifier.access import Access
from carnet.verifier.bearer import refusal_of
from carnet.verifier.fetch import MAX_ANSWER

OPENID = "/.well-known/openid-configuration"


def published(*keys):
    return json.dumps(KeySet([key.public for key in keys]).to_jwks()).encode()


@pytest.fixture(params=["blocking", "async"])
def verify(request):
    """Verify with a fresh verifier, blocking or in a loop."""

    def blocking(token, *arguments, **options):
        return AccessTokenVerifier(*arguments, **options).verify(token)

    def in_loop(token, *arguments, **options):
        return asyncio.run(AsyncAccessTokenVerifier(*arguments, **options).verify(token))

    return blocking if request.param == "blocking" else in_loop


# Metadata


@pytest.mark.parametrize(
    "document", [{}, {"issuer": "another"}, {"issuer": "this"}, {"issuer": "this", "jwks_uri": 7}]
)
def test_metadata_that_can_not_be_used_leads_on_to_the_next(verify, issuer, document):
    if document.get("issuer") == "this":
        document["issuer"] = issuer.url
    issuer.replies[METADATA] = (200, json.dumps(document).encode())
    good = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/jwks"}
    issuer.replies[OPENID] = (200, json.dumps(good).encode())
    assert verify(issuer.token(), issuer.url, "orders", revocations="off").subject == "ada"
    assert issuer.requests == [METADATA, OPENID, "/jwks"]


def test_metadata_that_never_comes_costs_a_part_of_the_limit_only(verify, issuer):
    issuer.hanging.add(METADATA)
    good = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/jwks"}
    issuer.replies[OPENID] = (200, json.dumps(good).encode())
    assert verify(issuer.token(), issuer.url, "orders", revocations="off").subject == "ada"


def test_the_address_of_metadata_may_be_given(verify, issuer):
    good = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/jwks"}
    issuer.replies["/elsewhere"] = (200, json.dumps(good).encode())
    options = {"metadata": f"{issuer.url}/elsewhere", "revocations": "off"}
    assert verify(issuer.token(), issuer.url, "orders", **options)
    assert issuer.requests == ["/elsewhere", "/jwks"]


# Files


def test_a_key_set_in_a_file_is_read_and_read_again(verify, issuer, tmp_path):
    file = tmp_path / "jwks.json"
    file.write_bytes(published(issuer.key))
    assert verify(issuer.token(), issuer.url, "orders", keys=file)
    assert issuer.requests == []


def test_a_new_key_in_the_file_is_found(issuer, tmp_path, clock):
    file = tmp_path / "jwks.json"
    file.write_bytes(published(issuer.key))
    verifier = AccessTokenVerifier(issuer.url, "orders", keys=file, clock=clock)
    verifier.verify(issuer.token(clock=clock))
    issuer.rotate()
    file.write_bytes(published(issuer.key))
    clock.now += COOLDOWN
    assert verifier.verify(issuer.token(clock=clock))


def test_a_file_that_is_not_there_is_told_at_the_start_and_one_that_went_is_told_later(
    issuer, tmp_path
):
    file = tmp_path / "jwks.json"
    for option in ("keys", "bearer_file", "ca_file"):
        with pytest.raises(ConfigurationError, match=f"{option} must name an existing file"):
            AccessTokenVerifier(issuer.url, "orders", **{option: file})
    file.write_bytes(published(issuer.key))
    verifier = AccessTokenVerifier(issuer.url, "orders", keys=file)
    file.unlink()
    with pytest.raises(IssuerUnavailable, match="can't be read"):
        verifier.verify(issuer.token())


def test_metadata_can_not_send_the_verifier_to_a_file(verify, issuer, tmp_path):
    file = tmp_path / "jwks.json"
    file.write_bytes(published(issuer.key))
    document = {"issuer": issuer.url, "jwks_uri": file.as_uri()}
    issuer.replies[METADATA] = (200, json.dumps(document).encode())
    with pytest.raises(IssuerUnavailable, match="must begin with https"):
        verify(issuer.token(), issuer.url, "orders", revocations="off")


# What requests carry


def test_headers_and_a_token_of_a_file_are_sent_and_the_file_is_read_anew(verify, issuer, tmp_path):
    file = tmp_path / "token"
    issuer.demands = {"X-Api-Key": "k", "Authorization": "Bearer one"}
    options = {"headers": {"X-Api-Key": "k"}, "bearer_file": file, "revocations": "off"}
    file.write_text("one\n")
    assert verify(issuer.token(), issuer.url, "orders", **options)
    file.write_text("two\n")
    issuer.demands["Authorization"] = "Bearer two"
    assert verify(issuer.token(), issuer.url, "orders", **options)
    for wrong in ("", "a b", "a\nb", "ä"):
        file.write_text(wrong)
        with pytest.raises(IssuerUnavailable, match="bearer_file"):
            verify(issuer.token(), issuer.url, "orders", **options)


@pytest.mark.parametrize(
    "headers", [{"Host": "a"}, {"a b": "c"}, {"a": "b\r\nc: d"}, {"a": 7}, ["a"], {"a": "ä"}]
)
def test_headers_that_can_not_be_sent_are_told_at_the_start(headers):
    with pytest.raises(ConfigurationError, match="headers must map"):
        AccessTokenVerifier("https://auth.example.com", "orders", headers=headers)


def test_secrets_of_the_way_to_the_keys_are_in_no_text(tmp_path):
    issuer = Issuer("https://auth.example.com", headers={"X-Api-Key": "hidden"}, audience="orders")
    verifier = AccessTokenVerifier(issuer)
    assert "hidden" not in repr(issuer) + repr(verifier._only.access)


# TLS and plain http


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    one = Internet(tmp_path_factory.mktemp("internet"))
    yield one
    one.close()


def at(net, issuer):
    net.publish(f"{net.url}{OPENID}", {"issuer": net.url, "jwks_uri": f"{net.url}/jwks"})
    net.publish(f"{net.url}/jwks", json.loads(published(issuer.key)))
    return issuer.token(iss=net.url)


def test_an_authority_of_ones_own_may_be_trusted(verify, net, issuer):
    token = at(net, issuer)
    with pytest.raises(IssuerUnavailable):
        verify(token, net.url, "orders", revocations="off")
    assert verify(token, net.url, "orders", ca_file=net.ca_file, revocations="off")
    context = ssl.create_default_context(cafile=net.ca_file)
    assert verify(token, net.url, "orders", ssl_context=context, revocations="off")


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (
            "certificate",
            "its certificate is not accepted (unable to get local issuer certificate); the option",
        ),
        ("plain", "TLS fails there (WRONG_VERSION_NUMBER)"),
        ("nobody", "nothing answers there"),
        ("missing", "answered 404 instead of 200"),
        ("document", "answered something that is not a JSON object"),
        ("another", "is of another issuer, https://another.example"),
        ("open", "for a set, give the verifier algorithms=['RS256']"),
    ],
)
def test_a_503_logs_its_reason_as_a_warning(verify, net, issuer, world, caplog, problem, told):
    open_key = {name: RSA.public.to_jwk()[name] for name in ("kty", "n", "e")}
    issuer.replies |= {
        "/document": (200, b"<html>"),
        "/another": (200, b'{"issuer": "https://another.example"}'),
        "/keys": (200, json.dumps({"keys": [open_key]}).encode()),
    }
    address = {
        "certificate": f"{net.url}/jwks",
        "plain": f"{issuer.url.replace('http:', 'https:')}/jwks",
        "nobody": f"{world.dead}/jwks",
        "open": f"{issuer.url}/keys",
    }.get(problem, f"{issuer.url}/{problem}")
    where = "metadata" if problem in ("missing", "document", "another") else "jwks_uri"
    with pytest.raises(IssuerUnavailable) as error:
        verify(issuer.token(), issuer.url, "orders", revocations="off", **{where: address})
    refusal_of(error.value).log("/orders")
    [record] = [record for record in caplog.records if record.name == "carnet.verifier"]
    assert record.levelname == "WARNING"
    assert address in record.message
    assert told in record.message


def test_tls_that_checks_nothing_is_refused(net, tmp_path):
    blind = ssl.create_default_context()
    blind.check_hostname = False
    blinder = ssl.create_default_context()
    blinder.check_hostname = False
    blinder.verify_mode = ssl.CERT_NONE
    empty = tmp_path / "ca.pem"
    empty.write_text("no certificate")
    for options in (
        {"ssl_context": blind},
        {"ssl_context": blinder},
        {"ssl_context": True},
        {"ca_file": empty},
        {"ca_file": net.ca_file, "ssl_context": ssl.create_default_context()},
    ):
        with pytest.raises(ConfigurationError):
            AccessTokenVerifier(net.url, "orders", **options)


def test_plain_http_is_for_whom_says_so_and_for_that_host_only(verify, issuer):
    # This address leads to loopback, and is no loopback address.
    address = issuer.url.replace("127.0.0.1", "0.0.0.0")
    document = {"issuer": address, "jwks_uri": f"{address}/jwks"}
    issuer.replies[METADATA] = (200, json.dumps(document).encode())
    token = issuer.token(iss=address)
    with pytest.raises(ConfigurationError, match="insecure_http=True"):
        verify(token, address, "orders")
    options = {"insecure_http": True, "revocations": "off"}
    assert verify(token, address, "orders", **options)
    document["jwks_uri"] = "http://10.0.0.1/jwks"
    issuer.replies[METADATA] = (200, json.dumps(document).encode())
    with pytest.raises(IssuerUnavailable, match="must begin with https"):
        verify(token, address, "orders", **options)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("http://keycloak:8080", True),
        ("http://10.1.2.3", True),
        ("http://[fd00::1]:8080", True),
        ("http://8.8.8.8", False),
        ("http://[2600::1]", False),
        ("ftp://10.1.2.3", False),
        ("http://[::bad", False),
        ("http://user:pass@10.1.2.3", False),
    ],
)
def test_plain_http_stays_inside_a_private_network(address, allowed):
    if allowed:
        assert AccessTokenVerifier(address, "orders", insecure_http=True)
    else:
        with pytest.raises(ConfigurationError):
            AccessTokenVerifier(address, "orders", insecure_http=True)


def test_headers_go_to_the_configured_origin_by_scheme_host_and_port():
    access = Access.make(["https://a.example/x"], headers={"X": "1"})
    assert access.headers_for("https://a.example:443/jwks") == {"X": "1"}
    for other in ("http://a.example/x", "https://a.example:8443/", "https://b.a.example/"):
        assert access.headers_for(other) == {}


def test_the_revocations_are_followed_by_the_same_way_as_the_keys(issuer):
    issuer.revoked = ["ended"]
    address = issuer.url.replace("127.0.0.1", "0.0.0.0")
    # The stream's events are signed in the name that the issuer has.
    metadata = json.loads(issuer.answer(METADATA)[1])
    issuer.replies[METADATA] = (
        200,
        json.dumps(
            {
                **metadata,
                "issuer": address,
                "jwks_uri": f"{address}/jwks",
                "revocations_uri": f"{address}/revocations",
            }
        ).encode(),
    )
    issuer.url = address
    options = {"insecure_http": True, "headers": {"X-Api-Key": "k"}, "revocations": "required"}
    issuer.demands = {"X-Api-Key": "k"}
    with AccessTokenVerifier(address, "orders", **options) as verifier:
        assert verifier.verify(issuer.token(sid="lives"))
        with pytest.raises(InvalidToken) as refused:
            verifier.verify(issuer.token(sid="ended"))
        assert refused.value.code == "revoked"


# Compression


def test_an_answer_in_gzip_is_understood(verify, issuer):
    issuer.encoding = "gzip"
    for path in (METADATA, "/jwks"):
        issuer.replies[path] = (200, gzip.compress(issuer.answer(path)[1]))
    assert verify(issuer.token(), issuer.url, "orders", revocations="off")


@pytest.mark.parametrize(
    ("encoding", "body", "said"),
    [
        ("gzip", gzip.compress(b" " * (MAX_ANSWER + 1)), "more than"),
        ("gzip", gzip.compress(b" " * (64 * MAX_ANSWER)), "more than"),
        ("gzip", gzip.compress(b'{"keys": []}')[:-4], "broken"),
        ("gzip", gzip.compress(b'{"keys": []}') + b"x", "broken"),
        ("gzip", b'{"keys": []}', "broken"),
        ("deflate", zlib.compress(b'{"keys": []}'), "other than gzip"),
        ("br", b"x", "other than gzip"),
    ],
)
def test_what_is_compressed_is_bounded_and_whole(verify, issuer, encoding, body, said):
    issuer.encoding = encoding
    issuer.replies["/jwks"] = (200, body)
    options = {"jwks_uri": f"{issuer.url}/jwks"}
    with pytest.raises(IssuerUnavailable, match=said):
        verify(issuer.token(), issuer.url, "orders", **options)


def test_a_leading_zero_octet_is_tolerated_nowhere_else():
    jwk = RSA.public.to_jwk()
    jwk["n"] = urlsafe_b64encode(b"\0" + urlsafe_b64decode(jwk["n"] + "==")).rstrip(b"=").decode()
    with pytest.raises(ConfigurationError, match="no usable key"):
        AccessTokenVerifier(Issuer("a", keys={"keys": [jwk]}), "orders")


# New keys


def test_a_new_key_under_an_old_kid_is_fetched_on_a_bad_signature(issuer, clock):
    issuer.key = Key.generate("ES256", kid="always")
    verifier = AccessTokenVerifier(issuer.url, "orders", clock=clock, revocations="off")
    verifier.verify(issuer.token(clock=clock))
    issuer.key = Key.generate("ES256", kid="always")
    with pytest.raises(InvalidToken):
        verifier.verify(issuer.token(clock=clock))  # within the cooldown
    assert issuer.asked("/jwks") == 1
    clock.now += COOLDOWN
    assert verifier.verify(issuer.token(clock=clock))
    assert issuer.asked("/jwks") == 2


def test_a_new_key_without_kid_or_of_another_algorithm_is_found_too(issuer, clock):
    def publish(key):
        jwk = {name: value for name, value in key.public.to_jwk().items() if name != "kid"}
        issuer.replies["/jwks"] = (200, json.dumps({"keys": [jwk]}).encode())
        return key

    first, second = publish(Key.generate("ES256")), Key.generate("ES256")
    verifier = AsyncAccessTokenVerifier(issuer.url, "orders", clock=clock, revocations="off")

    async def rotations():
        await verifier.verify(issuer.token(first, clock=clock))
        for key in (second, Key.generate("EdDSA")):
            publish(key)
            clock.now += COOLDOWN
            assert await verifier.verify(issuer.token(key, clock=clock))

    asyncio.run(rotations())


def test_bad_signatures_cause_at_most_one_fetch_for_each_cooldown(issuer, clock):
    verifier = AccessTokenVerifier(issuer.url, "orders", clock=clock, revocations="off")
    good = issuer.token(clock=clock)
    verifier.verify(good)
    forger = Key.generate("ES256", kid=issuer.key.kid)
    for expected in (2, 3, 4):
        clock.now += COOLDOWN
        for _ in range(50):
            with pytest.raises(InvalidToken) as refused:
                verifier.verify(issuer.token(forger, clock=clock))
            assert refused.value.code == "signature_invalid"
        assert issuer.asked("/jwks") == expected
    assert verifier.verify(good)


# Staleness


def test_keys_that_could_not_be_confirmed_for_too_long_count_no_more(issuer, clock):
    verifier = AccessTokenVerifier(
        issuer.url, "orders", clock=clock, max_stale=600, revocations="off"
    )
    token = issuer.token(clock=clock, exp=clock.now + 7200)
    verifier.verify(token)
    issuer.replies["/jwks"] = (500, b"")
    clock.now += 599
    verifier.verify(token)
    clock.now += 1
    with pytest.raises(IssuerUnavailable, match="answered 500"):
        verifier.verify(token)
    assert not verifier.health()[0].ready
    del issuer.replies["/jwks"]
    clock.now += 5
    assert verifier.verify(token)


def test_stale_keys_are_dropped_in_a_loop_too(issuer, clock):
    verifier = AsyncAccessTokenVerifier(
        issuer.url, "orders", clock=clock, max_stale=100, revocations="off"
    )
    token = issuer.token(clock=clock, exp=clock.now + 7200)

    async def both():
        await verifier.verify(token)
        issuer.replies["/jwks"] = (500, b"")
        clock.now += 100
        with pytest.raises(IssuerUnavailable):
            await verifier.verify(token)
        # Others do not wait anew until the next try is due.
        with pytest.raises(IssuerUnavailable):
            await verifier.verify(token)

    asyncio.run(both())
    assert issuer.asked("/jwks") == 2


# Clocks


def test_nbf_may_lie_as_far_ahead_as_iat_by_default(issuer, clock):
    verifier = AccessTokenVerifier(issuer.url, "orders", clock=clock, revocations="off")
    begins = int(clock.now) + 30
    assert verifier.verify(issuer.token(clock=lambda: begins, nbf=begins))
    begins = int(clock.now) + 90
    with pytest.raises(InvalidToken) as refused:
        verifier.verify(issuer.token(clock=lambda: begins, nbf=begins, iat=int(clock.now)))
    assert (refused.value.code, refused.value.claim) == ("not_yet_valid", "nbf")
