"""The simulation stands beside ``src``, in the repository and not in the package."""

import sys
from pathlib import Path

import pytest
from tests.postgres import postgres, postgres_store, postgres_url  # noqa: F401 - fixtures

sys.path.insert(0, str(Path(__file__).parents[2]))


@pytest.fixture(scope="session")
def made():
    """What every history begins with; it is made once."""
    from simulation.ground import Ground

    return Ground()


@pytest.fixture
def ground(made):
    """The same, with the service's time and chance in its hands."""
    with made.governed():
        yield made
