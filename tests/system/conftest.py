"""The server's fixtures, for tests of the whole system."""

from tests.server.conftest import add_user, server, start  # noqa: F401 - fixtures
from tests.server.oauth import oauth  # noqa: F401 - a fixture
