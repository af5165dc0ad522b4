"""What ``@modelcontextprotocol/conformance`` asks of clients: all of its scenarios of ``auth/``."""

import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from tests import processes

pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install 'carnet[mcp]'")

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
    *(f"2025-03-26-oauth-{name}" for name in ("metadata-backcompat", "endpoint-fallback")),
]
# Extensions, which no revision of the specification requires.
OTHERS = {
    "dpop": "the tokens that it asks for are not bound to a key",
    "dpop-nonce": "the tokens that it asks for are not bound to a key",
}


@pytest.fixture(scope="module")
def suite(node):
    """Run a command of the suite."""
    if not SUITE.is_file():
        pytest.skip("npm's @modelcontextprotocol/conformance is not there: run 'make .venv/node'")

    def run(*arguments):
        return processes.run(
            [node, SUITE, *arguments], capture_output=True, text=True, timeout=processes.PATIENCE
        )

    return run


def test_no_scenario_of_the_suite_is_left_out(suite):
    known = set(re.findall(r"- auth/([a-z0-9-]+)", suite("list").stdout))
    assert known == {*SCENARIOS, *OTHERS}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_client_with_our_auth_does_what_a_scenario_asks(suite, tmp_path, name):
    client = shlex.join([sys.executable, str(HERE / "conformance_client.py")])
    done = suite(
        *("client", "--command", client, "--scenario", f"auth/{name}"),
        *("--timeout", "120000", "-o", str(tmp_path)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Passed: (\d+)/\1, 0 failed, 0 warnings", done.stdout + done.stderr)
