"""The server's fixtures, for tests of the whole system, and verifiers of it."""

import pytest
from tests.postgres import postgres, postgres_store, postgres_url  # noqa: F401 - fixtures
from tests.server.conftest import add_user, server, start  # noqa: F401 - fixtures
from tests.server.oauth_clients import oauth  # noqa: F401 - a fixture
from tests.system.wire import wire  # noqa: F401 - a fixture

from carnet.verifier import AccessTokenVerifier


@pytest.fixture
def verify():
    """Make verifiers of an issuer; all are closed with the test."""
    made = []

    def make(issuer, **options):
        verifier = AccessTokenVerifier(issuer, "orders", **options)
        made.append(verifier)
        return verifier

    yield make
    for verifier in made:
        verifier.close()
