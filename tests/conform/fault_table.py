"""The faults that an issuer can have, and the checks that find them.

A row: its name, which client is used, what is wrong, and the checks that find it (and no other of
their groups does); None is all those of redirect addresses.
"""

from __future__ import annotations

from functools import partial

from tests.conform.faults import (
    ENCRYPTING,
    JWKS,
    OPENID,
    SECOND,
    TOKEN,
    WELL_KNOWN,
    AnyProof,
    Remembering,
    always_pkce,
    answer_without,
    answering,
    any_address,
    any_assertion,
    any_secret,
    any_type,
    any_verifier,
    basic,
    first,
    forged,
    framed,
    grants,
    headed,
    header_counts,
    in_error,
    is_silent,
    is_stranger,
    leading,
    located,
    members,
    no_proof,
    normalized,
    one,
    plain,
    pushes,
    reads_get,
    said_status,
    same_refresh_token,
    taking,
    weak,
    with_,
    with_key,
    without,
)
from tests.server.asgi import CALLBACK, ISSUER

from carnet.conform.checks.authorization import ELSEWHERE


def rows(clients):
    """Give the table."""
    secret = clients["secret"]
    right = basic(secret)
    get_token = partial(members, TOKEN)
    said_to = partial(in_error, TOKEN)
    good_type = {"content-type": "application/json"}
    codes = partial(grants, "authorization_code")
    refreshes = partial(grants, "refresh_token")
    return [
        ("another name", None, members(issuer="https://b.example"), {"discovery.issuer"}),
        (
            "a text",
            None,
            headed(f"{WELL_KNOWN}o.*", content_type="text/plain"),
            {"discovery.media_type"},
        ),
        ("no keys named", None, members(jwks_uri=None), {"discovery.members"}),
        ("no list", None, members(grant_types_supported="code"), {"discovery.types"}),
        ("an empty list", None, members(acr_values_supported=[]), {"discovery.types"}),
        ("two stories", None, members(OPENID, ui_locales_supported=["de"]), {"discovery.agree"}),
        (
            "plain http",
            None,
            members(token_endpoint="http://auth.example.com/token"),
            {"discovery.endpoints"},
        ),
        (
            "a fragment",
            None,
            members(token_endpoint=f"{ISSUER}/token#x"),
            {"discovery.endpoints"},
        ),
        ("PKCE unsaid", None, members(code_challenge_methods_supported=None), {"discovery.pkce"}),
        (
            "plain said",
            None,
            members(code_challenge_methods_supported=["S256", "plain"]),
            {"discovery.pkce"},
        ),
        (
            "implicit",
            None,
            members(response_types_supported=["code", "token"]),
            {"discovery.implicit"},
        ),
        (
            "password",
            None,
            members(grant_types_supported=["password", "authorization_code"]),
            {"discovery.password"},
        ),
        (
            "HMAC proofs",
            None,
            members(dpop_signing_alg_values_supported=["HS256"]),
            {"discovery.algorithms"},
        ),
        (
            "none",
            None,
            members(token_endpoint_auth_signing_alg_values_supported=["none"]),
            {"discovery.algorithms"},
        ),
        (
            "how to sign unsaid",
            None,
            members(token_endpoint_auth_signing_alg_values_supported=None),
            {"discovery.assertion_algorithms"},
        ),
        (
            "no RS256",
            None,
            members(id_token_signing_alg_values_supported=["ES256"]),
            {"discovery.rs256"},
        ),
        (
            "iss unsaid",
            None,
            members(authorization_response_iss_parameter_supported=None),
            {"discovery.response_issuer"},
        ),
        (
            "half a logout",
            None,
            members(frontchannel_logout_session_supported=True),
            {"discovery.logout"},
        ),
        (
            "closed metadata",
            None,
            headed(f"{WELL_KNOWN}o.*", access_control_allow_origin=None),
            {"discovery.cors"},
        ),
        ("no keys", None, with_key(lambda _: []), {"keys.served"}),
        (
            "a private key",
            None,
            with_key(lambda keys: [{**keys[0], "d": SECOND["x"]}]),
            {"keys.public"},
        ),
        (
            "nameless keys",
            None,
            with_key(lambda keys: [*without(keys, "kid"), SECOND]),
            {"keys.named"},
        ),
        (
            "one name twice",
            None,
            with_key(lambda keys: [*keys, {**SECOND, "kid": keys[0]["kid"]}]),
            {"keys.distinct"},
        ),
        (
            "use unsaid",
            None,
            with_key(lambda keys: [*without(keys, "use"), ENCRYPTING]),
            {"keys.use"},
        ),
        ("alg unsaid", None, with_key(lambda keys: without(keys, "alg")), {"keys.algorithm"}),
        ("a short key", None, with_key(weak), {"keys.strong", "keys.served"}),
        ("closed keys", None, headed(JWKS, access_control_allow_origin=None), {"keys.cors"}),
        ("no TLS", None, plain, {"transport.plain_http"}),
        ("no HSTS", None, headed(".*", strict_transport_security=None), {"transport.hsts"}),
        (
            "leads on",
            None,
            answering(TOKEN, 307, headers={"location": "https://b.example/"}),
            {"transport.redirects"},
        ),
        ("GET", None, reads_get, {"token.get"}),
        (
            "any grant",
            "secret",
            said_to({"error": "invalid_scope"}, lambda asked: "no-such-grant" in str(asked.form)),
            {"token.grant"},
        ),
        (
            "no grant",
            None,
            said_to(
                {"error": "invalid_scope"},
                lambda asked: asked.method == "POST" and "grant_type" not in dict(asked.form),
            ),
            {"token.missing"},
        ),
        ("errors in words", None, headed(TOKEN, content_type="text/html"), {"token.form"}),
        ("quotes", None, members(TOKEN, error_description='a "grant"'), {"token.form"}),
        ("twice", None, taking(TOKEN, first), {"token.twice"}),
        ("twice, with a client", "secret", taking(TOKEN, first), {"token.twice"}),
        (
            "a stranger",
            None,
            said_to(
                {"error": "invalid_grant"},
                lambda asked: (
                    "no-such-client" in str(asked.form) and grants("client_credentials", asked)
                ),
            ),
            {"token.unknown_client"},
        ),
        ("no challenge", None, headed(TOKEN, www_authenticate=None), {"token.challenge"}),
        ("any secret", "secret", partial(any_secret, right=right), {"token.wrong_secret"}),
        ("no secret", "secret", partial(no_proof, right=right), {"token.nothing_proved"}),
        ("two proofs", "secret", header_counts, {"token.both"}),
        (
            "any code",
            "secret",
            said_to({"error": "invalid_request"}, codes),
            {"token.unknown_code"},
        ),
        (
            "any refresh token",
            "secret",
            said_to({"error": "invalid_request"}, refreshes),
            {"token.unknown_refresh_token"},
        ),
        (
            "leads strangers",
            None,
            leading("/authorize", ELSEWHERE, is_stranger),
            {"authorization.unknown_client"},
        ),
        (
            "leads anywhere",
            "public",
            leading(
                "/authorize",
                ELSEWHERE,
                lambda asked: (
                    one(asked.query, "redirect_uri") == ELSEWHERE and not is_stranger(asked)
                ),
            ),
            {"authorization.unregistered"},
        ),
        ("framed", None, framed("/authorize"), {"authorization.frames"}),
        ("framed sign-in", "public", framed("/sign-in"), {"authorization.frames"}),
        (
            "CORS",
            None,
            headed("/authorize", access_control_allow_origin="*"),
            {"authorization.cors"},
        ),
        (
            "no PKCE",
            "public",
            taking(
                "/authorize",
                lambda pairs: pairs if one(pairs, "code_challenge") else always_pkce(pairs),
            ),
            {"authorization.pkce"},
        ),
        (
            "plain PKCE",
            "public",
            taking(
                "/authorize",
                lambda pairs: (
                    with_(pairs, code_challenge_method="S256")
                    if one(pairs, "code_challenge_method") == "plain"
                    else pairs
                ),
            ),
            {"authorization.plain"},
        ),
        (
            "no method",
            "public",
            taking(
                "/authorize",
                lambda pairs: (
                    pairs
                    if one(pairs, "code_challenge_method") or not one(pairs, "code_challenge")
                    else always_pkce(pairs)
                ),
            ),
            {"authorization.no_method"},
        ),
        ("parameters twice", "public", taking("/authorize", first), {"authorization.twice"}),
        (
            "tokens in addresses",
            "public",
            taking(
                "/authorize",
                lambda pairs: any_type(pairs) if one(pairs, "response_type") == "token" else pairs,
            ),
            {"authorization.implicit"},
        ),
        (
            "any type",
            "public",
            taking(
                "/authorize",
                lambda pairs: (
                    any_type(pairs) if one(pairs, "response_type") == "none-such" else pairs
                ),
            ),
            {"authorization.unknown_type"},
        ),
        (
            "state lost",
            "public",
            located(partial(answer_without, "state")),
            {"authorization.state"},
        ),
        ("iss lost", "public", located(partial(answer_without, "iss")), {"authorization.issuer"}),
        (
            "never silent",
            "public",
            taking("/authorize", lambda pairs: with_(pairs, prompt=None)),
            {"authorization.silent"},
        ),
        ("307", "public", said_status("/authorize", 307), {"authorization.redirect"}),
        ("any address", "public", any_address, None),
        ("tidied addresses", "public", normalized, {"redirect.traversal"}),
        (
            "any registration",
            None,
            answering("/registration", 201, {"client_id": "x"}),
            {"registration.dangerous"},
        ),
        (
            "half a registration",
            "register",
            members("/registration", client_secret_expires_at=None),
            {"registration.answer"},
        ),
        (
            "a kept registration",
            "register",
            headed("/registration", cache_control=None),
            {"registration.cache"},
        ),
        ("never removed", "register", answering("/registration/.*", 200), {"registration.removed"}),
        (
            "a logout that leads",
            None,
            leading(
                "/logout", ELSEWHERE, lambda asked: one(asked.query, "post_logout_redirect_uri")
            ),
            {"logout.address"},
        ),
        (
            "logout by GET",
            None,
            answering("/logout", 405, only=lambda asked: asked.method == "POST"),
            {"logout.methods"},
        ),
        (
            "logout by POST",
            None,
            answering("/logout", 405, only=lambda asked: asked.method == "GET"),
            {"logout.methods"},
        ),
        ("a framed logout", None, framed("/logout"), {"logout.frames"}),
        ("tells anybody", None, answering("/userinfo", 200, {"sub": "x"}), {"userinfo.anonymous"}),
        ("no scheme", None, headed("/userinfo", www_authenticate=None), {"userinfo.anonymous"}),
        (
            "introspects for all",
            None,
            answering("/introspection", 200, {"active": False}),
            {"introspection.anonymous"},
        ),
        ("says more", "secret", members("/introspection", exp=1), {"introspection.unknown"}),
        ("revokes for all", None, answering("/revocation", 200), {"revocation.anonymous"}),
        (
            "an unknown token is wrong",
            "secret",
            answering("/revocation", 400, {"error": "invalid_request"}),
            {"revocation.unknown"} | {"revocation.effect"},
        ),
        (
            "revokes nothing",
            "secret",
            answering(
                "/revocation", 200, only=lambda asked: "no-such-client" not in str(asked.form)
            ),
            {"revocation.effect"},
        ),
        (
            "strangers push",
            None,
            answering("/par", 201, {"request_uri": "urn:x", "expires_in": 60}),
            {"pushed.unknown_client"},
        ),
        (
            "200",
            "secret",
            said_status("/par", 200, lambda reply: reply.status == 201),
            {"pushed.answer"},
        ),
        (
            "for a day",
            "secret",
            members("/par", lambda asked, reply: reply.status == 201, expires_in=86400),
            {"pushed.short"},
        ),
        (
            "nested",
            "secret",
            taking("/par", lambda pairs: with_(pairs, request_uri=None)),
            {"pushed.nested"},
        ),
        (
            "pushed elsewhere",
            "secret",
            taking("/par", lambda pairs: with_(pairs, redirect_uri=CALLBACK)),
            {"pushed.address"},
        ),
        (
            "made up",
            "secret",
            leading(
                "/authorize", "/sign-in", lambda asked: "nobody-has-pushed" in str(asked.query)
            ),
            {"pushed.made_up"},
        ),
        ("anybody's", "secret", pushes, {"pushed.foreign"}),
        (
            "no type",
            "secret",
            get_token(token_type=None, only=lambda asked, reply: reply.status == 200),
            {"tokens.answer"},
        ),
        (
            "no lifetime",
            "secret",
            get_token(expires_in=None, only=lambda asked, reply: reply.status == 200),
            {"tokens.answer"},
        ),
        ("kept tokens", "secret", headed(TOKEN, cache_control="public"), {"tokens.cache"}),
        (
            "too much",
            "secret",
            get_token(refresh_token="x" * 20, only=lambda asked, reply: reply.status == 200),
            {"tokens.no_refresh_token"},
        ),
        ("another key", "secret", forged("access_token"), {"tokens.signature"}),
        (
            "JWT",
            "secret",
            forged("access_token", {"typ": "JWT"}),
            {"tokens.signature", "tokens.type"},
        ),
        (
            "no subject",
            "secret",
            forged("access_token", jti=None),
            {"tokens.signature", "tokens.claims"},
        ),
        (
            "any assertion",
            "signing",
            partial(any_assertion, client=clients["signing"]),
            {
                f"assertion.{name}"
                for name in ("audience", "expired", "endless", "subject", "signature", "replay")
            },
        ),
        (
            "another client",
            "secret",
            forged("access_token", client_id="x"),
            {"tokens.signature", "tokens.claims"},
        ),
        (
            "bound to another key",
            "secret",
            forged("access_token", cnf={"jkt": "x"}),
            {"dpop.bound"},
        ),
        (
            "not bound",
            "secret",
            get_token(token_type="Bearer", only=lambda asked, reply: reply.status == 200),
            {"dpop.bound"},
        ),
        (
            "any proof",
            "secret",
            AnyProof(),
            {
                f"dpop.{name}"
                for name in (
                    "bound",
                    "method",
                    "address",
                    "old",
                    "type",
                    "signature",
                    "nameless",
                    "malformed",
                    "replay",
                )
            },
        ),
        ("state lost later", "sign-in", located(partial(answer_without, "state")), {"code.answer"}),
        ("iss lost later", "sign-in", located(partial(answer_without, "iss")), {"code.issuer"}),
        ("kept", "sign-in", headed(TOKEN, cache_control="public"), {"code.tokens"}),
        ("any verifier", "sign-in", any_verifier, {"code.verifier"}),
        (
            "anywhere",
            "sign-in",
            taking(
                TOKEN,
                lambda pairs: (
                    with_(pairs, redirect_uri=CALLBACK) if one(pairs, "redirect_uri") else pairs
                ),
            ),
            {"code.address"},
        ),
        ("a code for ever", "sign-in", Remembering("code"), {"code.once"}),
        ("a thief stays", "sign-in", Remembering("code", once_more=True), {"code.once"}),
        (
            "loud",
            "sign-in",
            located(lambda location, _: f"{CALLBACK}?error=server_error", is_silent),
            {"code.silent"},
        ),
        ("an ID token of anybody", "sign-in", forged("id_token"), {"id_token.valid"}),
        (
            "another nonce",
            "sign-in",
            forged("id_token", nonce="x"),
            {"id_token.valid", "id_token.nonce"},
        ),
        (
            "another hash",
            "sign-in",
            forged("id_token", at_hash="x"),
            {"id_token.valid", "id_token.at_hash"},
        ),
        ("somebody else", "sign-in", members("/userinfo", sub="x"), {"userinfo.subject"}),
        ("one refresh token", "sign-in", same_refresh_token, {"refresh.rotation"}),
        ("refresh tokens for ever", "sign-in", Remembering("refresh_token"), {"refresh.reuse"}),
        (
            "a session for ever",
            "sign-in",
            Remembering("refresh_token", once_more=True),
            {"refresh.reuse"},
        ),
        (
            "no proof",
            "sign-in",
            answering("/userinfo", 200, {"sub": "x"}, good_type),
            {"dpop.proved", "userinfo.subject", "userinfo.anonymous"},
        ),
    ]
