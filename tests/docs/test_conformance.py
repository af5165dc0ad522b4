"""docs/conformance.md has a line for each module of the plans, and names tests that exist."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()
ROWS = dict(re.findall(r"^\| (oidcc-\S+) \| (.+) \|$", PAGE, re.MULTILINE))
# The modules of each plan, as the suite of August 2026 names them; Dynamic's that are no others'.
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
    "dynamic": """
        idtoken-rs256 userinfo-rs256 ensure-redirect-uri-in-authorization-request
        redirect-uri-query-OK redirect-uri-query-mismatch redirect-uri-query-added
        redirect-uri-regfrag registration-logo-uri registration-policy-uri registration-tos-uri
        registration-jwks-uri registration-sector-uri registration-sector-bad server-rotate-keys
        refresh-token-rp-key-rotation request-uri-unsigned request-uri-signed-rs256
        ensure-client-assertion-with-iss-aud-succeeds
    """,
}


@pytest.mark.parametrize("plan", PLANS)
def test_every_module_of_a_plan_has_a_line(plan):
    assert {f"oidcc-{name}" for name in PLANS[plan].split()} <= set(ROWS)


def test_every_line_is_a_module():
    assert set(ROWS) == {f"oidcc-{name}" for names in PLANS.values() for name in names.split()}


@pytest.mark.parametrize("module", ROWS)
def test_every_line_names_tests_that_are_there_or_says_why_there_is_none(module):
    named = re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(test_\w+))?`", ROWS[module])
    assert named or (ROWS[module].startswith("(none: ") and module_is_of_dynamic(module))
    for file, name in named:
        text = (TESTS / file).read_text()
        assert not name or f"def {name}(" in text, f"{file}::{name}"


def module_is_of_dynamic(module):
    return module.removeprefix("oidcc-") in PLANS["dynamic"].split()
