"""What a client of SCIM is told when its request can't be carried out."""

from __future__ import annotations

from typing import Final

from carnet.errors import CarnetError

__all__ = ["ScimRefused"]

STATUS: Final = {"uniqueness": 409, "notFound": 404, "notImplemented": 501, "changed": 412}
"""Of what is refused, by its code; of everything else 400."""
OWN: Final = frozenset(("notFound", "notImplemented", "changed"))
"""The codes that RFC 7644 has no ``scimType`` for."""


class ScimRefused(CarnetError):
    """A request of SCIM can't be carried out.

    Codes: those of RFC 7644 section 3.12 (``invalidFilter``, ``tooMany``, ``uniqueness``,
    ``mutability``, ``invalidSyntax``, ``invalidPath``, ``noTarget``, ``invalidValue``), and
    ``notFound``, ``notImplemented``, ``changed``.
    """

    code = "invalidValue"

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS.get(self.code, 400)

    @property
    def scim_type(self) -> str | None:
        """The ``scimType``, where RFC 7644 has one."""
        return None if self.code in OWN else self.code
