"""Fixtures for pytest, which finds them by itself where Carnet is installed.

They need to know the issuer that the service trusts, and the service's name, from pytest's
configuration: ``carnet_issuer`` and ``carnet_audience``. A project that says more, such as the
shape of the tokens, has a fixture ``carnet_issuer`` of its own; ``carnet_headers`` uses that one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from carnet.testing import TestIssuer

__all__ = ["carnet_headers", "carnet_issuer", "pytest_addoption"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings."""
    parser.addini("carnet_issuer", "the address of the issuer that carnet_issuer stands for")
    parser.addini("carnet_audience", "the audience of its tokens: the service's name")


@pytest.fixture
def carnet_issuer(pytestconfig: pytest.Config) -> Iterator[TestIssuer]:
    """An issuer in memory; what it overrides is put back after the test."""
    name, audience = pytestconfig.getini("carnet_issuer"), pytestconfig.getini("carnet_audience")
    if not name or not audience:
        raise pytest.UsageError(
            "the fixture carnet_issuer needs carnet_issuer and carnet_audience in pytest's "
            "configuration, such as 'https://auth.example.com' and 'orders'; or define a fixture "
            "carnet_issuer of your own"
        )
    issuer = TestIssuer(name, audience)
    yield issuer
    issuer.restore()


@pytest.fixture
def carnet_headers(carnet_issuer: TestIssuer) -> Callable[..., dict[str, str]]:
    """Makes the header of a request: ``carnet_headers(roles=["ADMIN"])``, as ``token`` does."""
    return carnet_issuer.headers
