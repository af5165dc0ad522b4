"""docs/conformance.md has a line for each module of the plans, and names tests that exist."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()
ROWS = dict(re.findall(r"^\| ((?:oidcc|fapi2)-\S+) \| (.+) \|$", PAGE, re.MULTILINE))
# What each module's name begins with; the rest of them follows.
OIDC, FAPI = "oidcc", "fapi2-security-profile-final"
# The modules of each plan, as the suite of August 2026 names them; Dynamic's and those of Message
# Signing that are no others'.
PLANS = {
    "basic": """
        server response-type-missing idtoken-signature idtoken-unsigned userinfo-get
        userinfo-post-header userinfo-post-body
        ensure-request-without-nonce-succeeds-for-code-flow scope-profile scope-email scope-address
        scope-phone scope-all alternate-happy-flow display-page display-popup prompt-login
        prompt-none-not-logged-in prompt-none-logged-in max-age-1 max-age-10000
        ensure-request-with-unknown-parameter-succeeds id-token-hint login-hint ui-locales
        claims-locales ensure-request-with-acr-values-succeeds codereuse codereuse-30seconds
        ensure-registered-redirect-uri ensure-post-request-succeeds server-client-secret-post
        request-uri-unsigned-supported-correctly-or-rejected-as-unsupported
        unsigned-request-object-supported-correctly-or-rejected-as-unsupported claims-essential
        ensure-request-object-with-redirect-uri refresh-token
        ensure-request-with-valid-pkce-succeeds
    """,
    "config": "discovery-endpoint-verification",
    "rp-initiated-logout": """
        rp-initiated-logout-discovery-endpoint-verification rp-initiated-logout
        rp-initiated-logout-bad-post-logout-redirect-uri
        rp-initiated-logout-modified-id-token-hint rp-initiated-logout-no-id-token-hint
        rp-initiated-logout-no-params rp-initiated-logout-no-post-logout-redirect-uri
        rp-initiated-logout-no-state rp-initiated-logout-only-state
        rp-initiated-logout-query-added-to-post-logout-redirect-uri
        rp-initiated-logout-bad-id-token-hint
    """,
    "backchannel-logout": """
        backchannel-logout-discovery-endpoint-verification backchannel-rp-initiated-logout
    """,
    "frontchannel-logout": """
        frontchannel-logout-discovery-endpoint-verification frontchannel-rp-initiated-logout
    """,
    "dynamic": """
        idtoken-rs256 userinfo-rs256 ensure-redirect-uri-in-authorization-request
        redirect-uri-query-OK redirect-uri-query-mismatch redirect-uri-query-added
        redirect-uri-regfrag registration-logo-uri registration-policy-uri registration-tos-uri
        registration-jwks-uri registration-sector-uri registration-sector-bad server-rotate-keys
        refresh-token-rp-key-rotation request-uri-unsigned request-uri-signed-rs256
        ensure-client-assertion-with-iss-aud-succeeds
    """,
    "fapi2-security-profile": """
        discovery-end-point-verification happy-flow user-rejects-authentication
        ensure-authorization-request-without-state-success
        ensure-authorization-request-without-nonce-success
        ensure-authorization-request-with-64-char-nonce-success
        ensure-authorization-request-with-long-nonce ensure-authorization-request-with-long-state
        ensure-other-scope-order-succeeds test-claims-parameter-identity-claims
        par-without-duplicate-parameters access-token-type-header-case-sensitivity
        check-dpop-proof-nbf-exp ensure-dpopproof-with-iat-10seconds-before-succeeds
        ensure-dpopproof-with-iat-10seconds-after-succeeds ensure-mismatched-dpop-jkt-fails
        ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt
        ensure-token-endpoint-fails-with-mismatched-dpop-jkt
        ensure-dpopproof-at-par-endpoint-binding-success ensure-dpop-auth-code-binding-success
        dpop-negative-tests ensure-different-nonce-inside-and-outside-request-object
        ensure-different-state-inside-and-outside-request-object
        state-only-outside-request-object-not-used ensure-request-object-without-redirect-uri-fails
        ensure-registered-redirect-uri plain-fapi-tolerate-unregistered-redirect-uri
        ensure-unsigned-authorization-request-without-using-par-fails
        ensure-redirect-uri-in-authorization-request ensure-response-type-code-idtoken-fails
        ensure-response-type-token-fails ensure-client-id-in-token-endpoint
        ensure-holder-of-key-required ensure-authorization-code-is-bound-to-client
        attempt-reuse-authorization-code-after-one-second
        ensure-token-endpoint-fails-with-expired-auth-code
        ensure-signed-client-assertion-with-RS256-fails ensure-client-assertion-in-token-endpoint
        ensure-client-assertion-with-exp-is-5-minutes-in-past-fails
        ensure-client-assertion-with-wrong-aud-fails ensure-client-assertion-with-no-sub-fails
        refresh-token par-ensure-reused-request-uri-prior-to-auth-completion-succeeds
        par-attempt-reuse-request_uri par-attempt-to-use-expired-request_uri
        par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted
        par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails
        par-attempt-to-use-request_uri-for-different-client
        par-authorization-request-containing-request_uri-form-param par-attempt-invalid-http-method
        par-ensure-pkce-required ensure-pkce-code-verifier-required
        incorrect-pkce-code-verifier-rejected par-plain-pkce-rejected
        par-test-array-as-audience-fails par-test-par-endpoint-url-as-audience-fails
        par-test-token-endpoint-url-as-audience-fails ensure-server-handles-non-matching-intent-id
        test-essential-acr-sca-claim brazil-ensure-bad-payment-signature-fails
        australia-connectid-ensure-invalid-purpose-fails
        australia-connectid-test-claims-parameter-idtoken-identity-claims
    """,
    "fapi2-message-signing": """
        ensure-request-object-with-multiple-aud-succeeds
        ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted
        ensure-request-object-without-exp-fails ensure-request-object-without-nbf-fails
        ensure-expired-request-object-fails ensure-request-object-with-bad-aud-fails
        ensure-request-object-with-exp-over-60-fails ensure-request-object-with-nbf-over-60-fails
        ensure-signed-request-object-with-RS256-fails
        ensure-request-object-signature-algorithm-is-not-none
        ensure-request-object-with-invalid-signature-fails
        ensure-matching-key-in-authorization-request ensure-unsigned-request-at-par-endpoint-fails
        par-authorization-request-containing-request_uri
        australia-connectid-ensure-request-object-with-exp-over-10-fails
        australia-connectid-ensure-request-object-with-nbf-over-15-fails
    """,
}


def modules_of(plan):
    prefix = FAPI if plan.startswith("fapi2") else OIDC
    return {f"{prefix}-{name}" for name in PLANS[plan].split()}


@pytest.mark.parametrize("plan", PLANS)
def test_every_module_of_a_plan_has_a_line(plan):
    assert modules_of(plan) <= set(ROWS)


def test_every_line_is_a_module():
    assert set(ROWS) == set().union(*map(modules_of, PLANS))


@pytest.mark.parametrize("module", ROWS)
def test_every_line_names_tests_that_are_there_or_says_why_there_is_none(module):
    named = re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(test_\w+))?`", ROWS[module])
    assert named or (ROWS[module].startswith("(none: ") and may_be_left_out(module))
    for file, name in named:
        text = (TESTS / file).read_text()
        assert not name or f"def {name}(" in text, f"{file}::{name}"


def may_be_left_out(module):
    """Tell whether it is of a plan that can't be passed whole, or of one country's rules."""
    ecosystems = ("australia", "brazil", "intent-id")
    plans = modules_of("dynamic") | modules_of("frontchannel-logout")
    return module in plans or any(name in module for name in ecosystems)
