"""What ``@modelcontextprotocol/conformance`` asks of clients: all of its scenarios of ``auth/``."""

import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from tests import processes
from tests.verifier.conformance_client import clients

HERE = Path(__file__).parent
PACKAGE = Path("@modelcontextprotocol") / "conformance" / "dist" / "index.js"
# A version of it that is somewhere else can be tried by this variable.
FOLDER = Path(os.environ.get("MCP_CONFORMANCE", HERE.parent / "node" / "node_modules"))
SUITE = FOLDER / PACKAGE

SCENARIOS = [
    *(f"metadata-{name}" for name in ("default", "var1", "var2", "var3", "issuer-mismatch")),
    "basic-cimd",
    *(f"scope-{name}" for name in ("from-www-authenticate", "from-scopes-supported")),
    *(f"scope-{name}" for name in ("omitted-when-undefined", "step-up", "retry-limit")),
    *(f"token-endpoint-auth-{name}" for name in ("basic", "post", "none")),
    "pre-registration",
    "resource-mismatch",
    *(f"offline-access-{name}" for name in ("scope", "not-supported")),
    "authorization-server-migration",
    *(f"iss-{name}" for name in ("supported", "not-advertised", "supported-missing")),
    *(f"iss-{name}" for name in ("wrong-issuer", "unexpected", "normalized")),
    "enterprise-managed-authorization",
    *("client-credentials-jwt", "client-credentials-basic", "wif-jwt-bearer"),
    *("dpop", "dpop-nonce"),
    *(f"2025-03-26-oauth-{name}" for name in ("metadata-backcompat", "endpoint-fallback")),
]
# The client has to stop here, since something is wrong with the servers.
REFUSED = {
    "metadata-issuer-mismatch",
    "resource-mismatch",
    "scope-retry-limit",
    *(f"iss-{name}" for name in ("supported-missing", "wrong-issuer", "unexpected", "normalized")),
}


@pytest.fixture(scope="module")
def results(node, tmp_path_factory):
    """Run the whole suite once: its scenarios by their names, and how our clients have failed."""
    if not SUITE.is_file():
        pytest.skip("npm's @modelcontextprotocol/conformance is not there: run 'make .venv/node'")
    folder = tmp_path_factory.mktemp("suite")
    address = str(folder / "clients")
    relay = shlex.join([sys.executable, "-I", "-S", str(HERE / "conformance_relay.py"), address])
    with clients(address) as served:
        done = processes.run(
            [
                *(node, SUITE, "client", "--command", relay, "--suite", "all"),
                *("--timeout", "120000", "-o", folder / "results", "--verbose"),
            ],
            capture_output=True,
            text=True,
            timeout=processes.PATIENCE,
        )
    found = re.findall(
        r"^(.) auth/(\S+): (\d+) passed, (.*(?:\n    .*)*)", done.stdout, re.MULTILINE
    )
    assert found, done.stdout + done.stderr
    return {name: result for _, name, *result in found}, served.failures


def test_no_scenario_of_the_suite_is_left_out(results):
    assert set(results[0]) == {*SCENARIOS}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_client_with_our_auth_does_what_a_scenario_asks(results, name):
    found, failures = results
    failure = failures[f"auth/{name}"]
    passed, others = found[name]
    assert (int(passed) > 0, others) == (True, "0 failed"), failure
    assert bool(failure) == (name in REFUSED), failure
