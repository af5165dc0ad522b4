"""Passkeys: what a browser is asked for, and whether what it answers is good (Web Authentication).

Nothing here knows the database. The options name this service's host and nothing of a person but
what that one sees in the browser anyway; the user handle is the account's id, which says nothing.
What an authenticator says of itself (attestation) is not asked for.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestationConveyancePreference,
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialParameters,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from carnet.errors import CarnetError
from carnet.jose.encoding import b64url_encode
from carnet.server.accounts.account_record import Account
from carnet.server.settings import Settings

__all__ = ["Assertion", "NewPasskey", "PasskeyDetails", "PasskeyRefused", "Passkeys"]

ALGORITHMS: Final = (-8, -7, -257)
"""Those that every authenticator has one of: EdDSA, ES256, RS256 (RFC 9053, RFC 8812)."""
MAX_CREDENTIAL: Final = 4096
MAX_ANSWER: Final = 16 * 1024


class PasskeyRefused(CarnetError):
    """What a browser has answered is no good passkey; the text is for the operator's log.

    Args:
        message: why.
        account_id: of the account whose credential it names, or "" where it is nobody's.
    """

    code = "passkey_refused"

    def __init__(self, message: str, account_id: str = "") -> None:
        super().__init__(message)
        self.account_id = account_id


class PasskeyDetails(msgspec.Struct, frozen=True):
    """What is kept of a passkey besides its key.

    Attributes:
        backup_eligible: whether its provider may copy it to other devices; that never changes.
        backed_up: whether it has.
    """

    backup_eligible: bool
    backed_up: bool


class NewPasskey(NamedTuple):
    """A passkey that was made just now."""

    credential_id: bytes
    credential: bytes
    counter: int
    details: PasskeyDetails


class Assertion(NamedTuple):
    """What a passkey has signed, checked.

    Attributes:
        counter: how much it has signed, or 0 where it does not count.
        details: what it says of itself now.
        verified: whether it has verified its user, by a PIN or a finger.
    """

    counter: int
    details: PasskeyDetails
    verified: bool


class Passkeys:
    """What browsers are asked, and what they may answer.

    Args:
        settings: the issuer, of which host and origin are, and the brand's name.

    Attributes:
        available: whether browsers make passkeys for this host; an IP address has none.
    """

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.own_url)
        origin = f"{parts.scheme}://{parts.netloc}"
        host = settings.passkey_host or parts.hostname or ""
        self.available = not _is_address(host)
        self._server = Fido2Server(
            PublicKeyCredentialRpEntity(name=settings.brand_name, id=host),
            attestation=AttestationConveyancePreference.NONE,
            # The whole origin: another port or a host below this one is another site's.
            verify_origin=lambda given: given == origin,
        )
        self._server.allowed_algorithms = [
            PublicKeyCredentialParameters(type=PublicKeyCredentialType.PUBLIC_KEY, alg=alg)
            for alg in ALGORITHMS
        ]

    def creation_options(self, account: Account, known: list[bytes], challenge: bytes) -> str:
        """Write what a browser is asked to make, as JSON.

        Args:
            account: for whom.
            known: the credentials that the account has; their authenticators make no second one.
            challenge: random bytes that the answer has to hold.
        """
        user = PublicKeyCredentialUserEntity(
            id=account.id.encode(), name=account.username, display_name=account.username
        )
        options, _ = self._server.register_begin(
            user,
            _descriptors(known),
            ResidentKeyRequirement.PREFERRED,
            UserVerificationRequirement.PREFERRED,
            challenge=challenge,
        )
        return _json(options.public_key)

    def request_options(self, known: list[bytes] | None, challenge: bytes) -> str:
        """Write what a browser is asked to sign, as JSON.

        Args:
            known: the credentials of the account whose second factor it is; None for whichever the
                person chooses, who then has to be verified.
            challenge: random bytes that the answer has to hold.
        """
        options, _ = self._server.authenticate_begin(
            None if known is None else _descriptors(known),
            _verification(is_alone=known is None),
            challenge=challenge,
        )
        return _json(options.public_key)

    def signal(self, account: Account, known: list[bytes]) -> str:
        """Write which passkeys an account has, for its provider (level 3, section 5.1.10)."""
        return msgspec.json.encode(
            {
                "rpId": self._server.rp.id,
                "userId": b64url_encode(account.id.encode()),
                "allAcceptedCredentialIds": [b64url_encode(one) for one in known],
            }
        ).decode()

    def read_new(self, text: str, challenge: bytes) -> NewPasskey:
        """Check a passkey that a browser has made.

        Raises:
            PasskeyRefused: if it is not good.
        """
        answer = _read(text)
        try:
            parsed = RegistrationResponse.from_dict(answer)
            data = self._server.register_complete(_state(challenge, is_alone=False), parsed)
            credential = data.credential_data
            if (
                credential is None
                or len(credential) > MAX_CREDENTIAL
                or credential.public_key[3] not in ALGORITHMS
                or parsed.response.client_data.cross_origin
            ):
                raise ValueError("a credential that was not asked for")
        except Exception as error:
            # The library's readers raise whatever they stumble over.
            raise _refused(error) from None
        return NewPasskey(credential.credential_id, bytes(credential), data.counter, _details(data))

    def credential_id_of(self, text: str) -> bytes:
        """Give the credential that an answer says it is of.

        Raises:
            PasskeyRefused: if it is no answer.
        """
        answer = _read(text)
        try:
            return AuthenticationResponse.from_dict(answer).raw_id
        except Exception as error:
            raise _refused(error) from None

    def check(
        self,
        text: str,
        challenge: bytes,
        credential: bytes,
        details: PasskeyDetails,
        account_id: str,
        *,
        is_alone: bool,
    ) -> Assertion:
        """Check what a passkey has signed.

        Args:
            text: the browser's answer.
            challenge: what it was asked with.
            credential: what is known of the credential that it names.
            details: the same.
            account_id: whose that is.
            is_alone: whether nothing else is asked for: then the user has to be verified.

        Raises:
            PasskeyRefused: if it is not good.
        """
        answer = _read(text)
        try:
            parsed = AuthenticationResponse.from_dict(answer)
            state = _state(challenge, is_alone=is_alone)
            self._server.authenticate_complete(state, [AttestedCredentialData(credential)], parsed)
            data, user = parsed.response.authenticator_data, parsed.response.user_handle
            if parsed.response.client_data.cross_origin:
                raise ValueError("from a frame of another site")
            if user is None and is_alone:
                raise ValueError("without its user")
            if user is not None and user != account_id.encode():
                raise ValueError("of another user")
            if _details(data).backup_eligible != details.backup_eligible:
                # Level 3 section 7.2, step 18: that never changes.
                raise ValueError("another authenticator's")
        except Exception as error:
            raise _refused(error) from None
        return Assertion(data.counter, _details(data), data.is_user_verified())


def _details(data: AuthenticatorData) -> PasskeyDetails:
    flags = AuthenticatorData.FLAG(data.flags)
    return PasskeyDetails(
        backup_eligible=bool(flags & AuthenticatorData.FLAG.BE),
        backed_up=bool(flags & AuthenticatorData.FLAG.BS),
    )


def _verification(*, is_alone: bool) -> UserVerificationRequirement:
    wanted = UserVerificationRequirement
    return wanted.REQUIRED if is_alone else wanted.PREFERRED


def _state(challenge: bytes, *, is_alone: bool) -> dict[str, Any]:
    verification = _verification(is_alone=is_alone)
    return {"challenge": b64url_encode(challenge), "user_verification": verification}


def _descriptors(known: list[bytes]) -> list[PublicKeyCredentialDescriptor]:
    kind = PublicKeyCredentialType.PUBLIC_KEY
    return [PublicKeyCredentialDescriptor(type=kind, id=one) for one in known]


def _json(options: Any) -> str:
    return msgspec.json.encode(dict(options)).decode()


def _read(text: str) -> dict[str, Any]:
    try:
        if len(text) > MAX_ANSWER:
            raise ValueError("too long")
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _refused(error) from None


def _refused(error: Exception) -> PasskeyRefused:
    return PasskeyRefused(f"the passkey is refused: {type(error).__name__}: {str(error)[:100]}")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
