"""JSON Web Tokens: claims, signing and verifying."""

from carnet.jwt.claims import Claims
from carnet.jwt.inspection import Inspection, inspect
from carnet.jwt.policy import UNCHECKED
from carnet.jwt.signer import Signer
from carnet.jwt.verifier import VerifiedToken, Verifier

__all__ = ["UNCHECKED", "Claims", "Inspection", "Signer", "VerifiedToken", "Verifier", "inspect"]
