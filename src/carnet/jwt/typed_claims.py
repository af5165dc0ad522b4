"""Claims in the form that a service asks for, and the functions of its own that they must pass."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec

from carnet.errors import CarnetError, ConfigurationError, InvalidToken
from carnet.jwt.claims import Claims

__all__ = ["typed"]

Validator = Callable[[Any], bool]


def typed(
    claims_type: Any, validators: Collection[Validator], clock: Callable[[], float]
) -> Callable[[bytes], Any] | None:
    """Give what makes of a payload what a verifier gives; None where plain Claims will do.

    Args:
        claims_type: a msgspec Struct, dataclass or TypedDict; None is Claims.
        validators: functions of what is given, each of which must give True.
        clock: gives the seconds since 1970, for Claims.

    Raises:
        ConfigurationError: if an argument is not of its kind.
    """
    if not isinstance(validators, Collection) or not all(map(callable, validators)):
        raise ConfigurationError("validators must be a list of functions of the claims")
    asked = tuple(validators)
    if claims_type is None and not asked:
        return None
    decode = _decoder(claims_type, clock)

    def make(payload: bytes) -> Any:
        try:
            said = decode(payload)
        except (msgspec.MsgspecError, ValueError, TypeError):
            raise InvalidToken(
                "the claims don't fit the type that this service expects",
                code="claim_invalid",
                expected="claims of the verifier's claims_type",
            ) from None
        for validator in asked:
            _ask(validator, said)
        return said

    return make


def _ask(validator: Validator, said: Any) -> None:
    cause = None
    try:
        holds = validator(said)
    except CarnetError:
        raise
    except Exception as error:
        # It did not expect such claims; what it says is kept for whoever looks for the reason.
        holds, cause = False, error
    if holds is not True:
        raise InvalidToken(
            "a validator of this service refuses the claims",
            code="claim_mismatch",
            expected="claims that the verifier's validators accept",
        ) from cause


def _decoder(claims_type: Any, clock: Callable[[], float]) -> Callable[[bytes], Any]:
    if claims_type is None:
        decode = msgspec.json.Decoder(dict[str, Any]).decode
        return lambda payload: Claims(decode(payload), clock)
    try:
        return msgspec.json.Decoder(claims_type).decode
    except TypeError:
        raise ConfigurationError(
            "claims_type must be a msgspec Struct, a dataclass or a TypedDict, of types that "
            "JSON has"
        ) from None
