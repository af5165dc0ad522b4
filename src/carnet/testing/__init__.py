"""An issuer in memory, for the tests of services that use ``carnet.verifier``.

It signs tokens for anyone who asks, so it belongs in tests; a service trusts it only while a test
has put it in an issuer's place with ``TestIssuer.override``.
"""

from carnet.testing.clock import Clock
from carnet.testing.issuer import TestIssuer
from carnet.testing.override import Override

__all__ = ["Clock", "Override", "TestIssuer"]
