"""What the tests of the checker share."""

import pytest
from tests.conform.carnet_issuer import running


@pytest.fixture(scope="package")
def carnet_issuer(tmp_path_factory):
    """Carnet in this process, which each test may put a fault in front of."""
    with running(tmp_path_factory.mktemp("conform") / "data") as asked:
        yield asked
