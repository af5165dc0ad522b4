"""Getting tokens from an issuer: a protocol without I/O.

RFC 6749, RFC 7009, RFC 8628, RFC 8707, RFC 9449.

Each method is a generator that yields what to send and is sent what came back; ``fetch`` runs it.
The endpoints are found by the issuer's metadata, once. A request whose answer is lost is sent once
more with the same refresh token: the issuer may have rotated it, and then gives the same successor
again.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus, urlencode
from uuid import uuid4

from carnet.errors import (
    ConfigurationError,
    GrantRefused,
    InvalidToken,
    IssuerBusy,
    IssuerUnavailable,
)
from carnet.jose.encoding import json_decode, json_encode
from carnet.jose.key import Key
from carnet.jwt.key_source import Answer, Call, discover
from carnet.jwt.signer import Signer
from carnet.verifier.fetch import check_address
from carnet.verifier.prover import Prover

__all__ = ["Client", "DeviceAuthorization", "Steps", "TokenEndpoint", "Tokens"]

TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:"
IDENTITY_ASSERTION: Final = f"{TOKEN_TYPE}id-jag"
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
DEVICE_INTERVAL: Final = 5
ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEFAULT_LIFETIME: Final = 60
RETRY_SECONDS: Final = 5

_CODE = re.compile(r"[a-z_]{1,64}")

_ADVICE = {
    "invalid_grant": "the session is over, or the credentials are wrong: sign in again",
    "invalid_client": "it does not know this client, or its credentials are wrong",
    "invalid_scope": "the client may not have this scope",
    "invalid_target": "it gives no tokens for this resource",
    "unauthorized_client": "the client may not ask in this way",
    "access_denied": "the person did not allow it",
    "expired_token": "nobody has allowed it in time: begin again",
}

Steps = Generator[str | Call, Answer, "Tokens"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an issuer has given.

    Attributes:
        access: the access token.
        lifetime: seconds that it is good for.
        refresh: the refresh token that continues the session, or None.
    """

    access: str = field(repr=False)
    lifetime: float
    refresh: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeviceAuthorization:
    """What a device shows while it waits (RFC 8628 section 3.2).

    Attributes:
        device_code: what it asks for tokens with.
        user_code: what the person types.
        page: where.
        page_with_code: the same with the code in it, for a QR code; or None.
        lifetime: seconds that the codes are good for.
        interval: seconds from one question to the next.
    """

    device_code: str = field(repr=False)
    user_code: str
    page: str
    page_with_code: str | None
    lifetime: float
    interval: float


class Client:
    """A program that the issuer knows by a name.

    Args:
        client_id: the name.
        secret: what both know (``client_secret_basic``), or
        key: a private key of which the issuer knows the public one (``private_key_jwt``), or
        assertion: gives a token of another issuer that says who this is (``federated_jwt``); with
            none of them it can't prove who it is (``none``).

    Raises:
        ConfigurationError: if more than one is given.
    """

    def __init__(
        self,
        client_id: str,
        secret: str | None = None,
        key: Key | None = None,
        assertion: Callable[[], str] | None = None,
    ) -> None:
        if not isinstance(client_id, str) or not client_id:
            raise ConfigurationError(
                "client_id must be the name under which the issuer knows this client"
            )
        if sum(one is not None for one in (secret, key, assertion)) > 1 or secret == "":
            raise ConfigurationError("give exactly one of client_secret, key and assertion")
        if assertion is not None and not callable(assertion):
            raise ConfigurationError("assertion must be a function that returns the token")
        self.id = client_id
        self._secret = secret
        self._assertion = assertion
        self._signer = None if key is None else Signer(key, issuer=client_id, lifetime=60)

    def authenticate(self, issuer: str) -> tuple[dict[str, str], dict[str, str]]:
        """Give the headers and the parameters that prove who asks (RFC 6749 section 2.3)."""
        if self._signer is not None:
            # RFC 7523 section 3, with the issuer as the audience: an assertion for one issuer is
            # nothing at another.
            claims = {"sub": self.id, "aud": issuer, "jti": str(uuid4())}
            return {}, {
                "client_id": self.id,
                "client_assertion_type": ASSERTION,
                "client_assertion": self._signer.sign(claims),
            }
        if self._assertion is not None:
            # In a file it ends with a line break.
            return {}, {
                "client_id": self.id,
                "client_assertion_type": ASSERTION,
                "client_assertion": self._assertion().strip(),
            }
        if self._secret is None:
            return {}, {"client_id": self.id}
        pair = f"{quote_plus(self.id)}:{quote_plus(self._secret)}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}, {}


class TokenEndpoint:
    """Where an issuer gives tokens and takes them back.

    Args:
        issuer: exactly as it stands in its metadata.
        client: who asks; None is what people sign in with by their password.
        prover: has the key that the tokens are to be bound to; None where they are not.

    Raises:
        ConfigurationError: if the issuer is no address of a secure connection.
    """

    def __init__(
        self, issuer: str, client: Client | None = None, prover: Prover | None = None
    ) -> None:
        check_address(issuer)
        self.issuer = issuer
        self._client = client
        self._prover = prover
        self._metadata: Mapping[str, Any] | None = None

    def refresh(self, refresh_token: str, **more: str | None) -> Steps:
        """Exchange a refresh token (RFC 6749 section 6).

        Raises:
            GrantRefused: if the session is over.
            IssuerUnavailable: if the issuer can't be reached; the refresh token may be good.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **more}
        return (yield from self._ask(form))

    def client_credentials(self, **more: str | None) -> Steps:
        """Get a token for a program itself (RFC 6749 section 4.4).

        Raises:
            GrantRefused: if the client, the scope or the resource is wrong.
            IssuerUnavailable: if the issuer can't be reached.
        """
        return (yield from self._ask({"grant_type": "client_credentials", **more}))

    def identity_assertion(
        self, subject_token: str, subject_token_type: str, **more: str | None
    ) -> Generator[str | Call, Answer, str]:
        """Get what tells another authorization server who has signed in here (ID-JAG).

        Raises:
            GrantRefused: if the token is not good, or the program may not carry that there.
            IssuerUnavailable: if the issuer can't be reached, or does not do that.
        """
        address = yield from self._endpoint("token_endpoint")
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "requested_token_type": IDENTITY_ASSERTION,
            "subject_token": subject_token,
            "subject_token_type": f"{TOKEN_TYPE}{subject_token_type}",
            **more,
        }
        document = _document((answer := (yield self._post(address, form))), address)
        assertion = document.get("access_token")
        if (
            answer.status != 200
            or document.get("issued_token_type") != IDENTITY_ASSERTION
            or not isinstance(assertion, str)
        ):
            raise IssuerUnavailable(
                f"{address} answered {answer.status} without an identity assertion"
            )
        return assertion

    def code(self, code: str, **more: str | None) -> Steps:
        """Exchange an authorization code (RFC 6749 section 4.1.3).

        Raises:
            GrantRefused: if the code is not good.
            IssuerUnavailable: if the issuer can't be reached; the code may be used up.
        """
        form = {"grant_type": "authorization_code", "code": code, **more}
        # A code is good once: repeating it would end what it has begun (section 4.1.2).
        return (yield from self._ask(form, attempts=1))

    def device_authorization(
        self, **more: str | None
    ) -> Generator[str | Call, Answer, DeviceAuthorization]:
        """Get the codes with which a person lets this program in elsewhere (RFC 8628 section 3.1).

        Raises:
            GrantRefused: if the client, the scope or the resource is wrong.
            IssuerUnavailable: if the issuer can't be reached, or does not do that.
        """
        address = yield from self._endpoint("device_authorization_endpoint")
        return _device_authorization((yield self._post(address, more)), address)

    def device_code(self, code: str) -> Steps:
        """Ask whether the person has let this program in (RFC 8628 section 3.4).

        Raises:
            GrantRefused: ``authorization_pending``, ``slow_down``, or an end.
            IssuerUnavailable: if the issuer can't be reached; the code may be used up.
        """
        form = {"grant_type": DEVICE_CODE, "device_code": code}
        # As for an authorization code: it is good once.
        return (yield from self._ask(form, attempts=1))

    def authorization_endpoint(self) -> Generator[str | Call, Answer, str]:
        """Find where the issuer asks people.

        Raises:
            IssuerUnavailable: if it can't be reached, or does not do that.
        """
        return (yield from self._endpoint("authorization_endpoint"))

    def sign_in(self, document: Mapping[str, Any], headers: Mapping[str, str]) -> Steps:
        """Begin a session with a username and a password, at a Carnet issuer.

        Args:
            document: the body of ``POST /sessions``.
            headers: what the issuer should know of the browser.

        Raises:
            GrantRefused: if they are wrong.
            IssuerUnavailable: if the issuer can't be reached.
        """
        call = Call(
            f"{self.issuer}/sessions",
            "POST",
            {**headers, "Content-Type": "application/json"},
            json_encode(dict(document)),
        )
        answer = yield call
        return _tokens(answer, call.address)

    def revoke(self, refresh_token: str) -> Generator[str | Call, Answer, None]:
        """End the session of a refresh token (RFC 7009).

        Raises:
            IssuerUnavailable: if the issuer can't be reached, or has not done it.
        """
        address = yield from self._endpoint("revocation_endpoint")
        answer = yield self._post(address, {"token": refresh_token})
        if answer.status != 200:
            raise IssuerUnavailable(f"{address} answered {answer.status} instead of 200")

    def _ask(self, form: Mapping[str, str | None], attempts: int = 2) -> Steps:
        address = yield from self._endpoint("token_endpoint")
        for left in reversed(range(attempts)):
            try:
                answer = yield from self._answered(address, form)
            except IssuerUnavailable:
                if not left:
                    raise
            else:
                break
        return _tokens(answer, address, "bearer" if self._prover is None else "dpop")

    def _answered(
        self, address: str, form: Mapping[str, str | None]
    ) -> Generator[str | Call, Answer, Answer]:
        """Send a form, once more if the issuer wants a nonce in the proof (RFC 9449 section 8)."""
        answer = yield self._post(address, form)
        if self._prover is not None and self._prover.hear(address, None, answer.dpop_nonce):
            refused = answer.status in (400, 401) and b"use_dpop_nonce" in answer.body
            if refused:
                answer = yield self._post(address, form)
                self._prover.hear(address, None, answer.dpop_nonce)
        return answer

    def _post(self, address: str, form: Mapping[str, str | None]) -> Call:
        headers, proof = (
            ({}, {}) if self._client is None else self._client.authenticate(self.issuer)
        )
        given = {name: value for name, value in {**form, **proof}.items() if value is not None}
        headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        if self._prover is not None:
            headers["DPoP"] = self._prover.prove("POST", address)
        return Call(address, "POST", headers, urlencode(given).encode())

    def _endpoint(self, name: str) -> Generator[str | Call, Answer, str]:
        if self._metadata is None:
            _, self._metadata = yield from discover(self.issuer)
        address = self._metadata.get(name)
        if not isinstance(address, str):
            self._metadata = None
            raise IssuerUnavailable(f"the metadata of {self.issuer} names no {name}")
        return address


def _tokens(answer: Answer, address: str, kind: str = "bearer") -> Tokens:
    """Read the answer of a token endpoint (RFC 6749 sections 5.1 and 5.2)."""
    document = _document(answer, address)
    access, lifetime = document.get("access_token"), document.get("expires_in", DEFAULT_LIFETIME)
    refresh = document.get("refresh_token")
    if (
        answer.status not in (200, 201)
        or not isinstance(access, str)
        or str(document.get("token_type")).lower() != kind
        or lifetime.__class__ not in (int, float)
        or not isinstance(refresh, str | None)
    ):
        redirect = "; a redirect is not followed" if 300 <= answer.status < 400 else ""
        bound = " that are bound to a key" if kind == "dpop" else ""
        raise IssuerUnavailable(
            f"{address} answered {answer.status} without tokens{bound}{redirect}"
        )
    return Tokens(access, lifetime, refresh)


def _device_authorization(answer: Answer, address: str) -> DeviceAuthorization:
    """Read the answer of a device authorization endpoint (RFC 8628 section 3.2)."""
    document = _document(answer, address)
    lifetime, interval = document.get("expires_in"), document.get("interval", DEVICE_INTERVAL)
    device_code, user_code = document.get("device_code"), document.get("user_code")
    page, complete = (
        document.get("verification_uri"),
        document.get("verification_uri_complete"),
    )
    if (
        answer.status != 200
        or not isinstance(device_code, str)
        # A terminal shows them: nothing in them may be for the terminal itself.
        or not (isinstance(user_code, str) and user_code.isprintable())
        or not (isinstance(page, str) and page.isprintable())
        or not (complete is None or (isinstance(complete, str) and complete.isprintable()))
        or lifetime.__class__ not in (int, float)
        or interval.__class__ not in (int, float)
    ):
        raise IssuerUnavailable(f"{address} answered {answer.status} without codes for a device")
    return DeviceAuthorization(device_code, user_code, page, complete, lifetime or 0, interval)


def _document(answer: Answer, address: str) -> dict[str, Any]:
    """Read the JSON of an answer; {} where it is none.

    Raises:
        GrantRefused: if it is an error (RFC 6749 section 5.2).
        IssuerBusy: if the issuer asks to wait.
    """
    try:
        document = json_decode(answer.body, "the answer")
    except InvalidToken:
        document = {}
    if answer.status in (400, 401, 403):
        code = document.get("error")
        if not isinstance(code, str) or _CODE.fullmatch(code) is None:
            code = "grant_refused"
        raise GrantRefused(f"{address} gave no tokens: {_ADVICE.get(code, code)}", code=code)
    if answer.status == 429:
        raise IssuerBusy(
            f"{address} asks to wait before the next attempt",
            int(answer.retry_after) if answer.retry_after.isdecimal() else RETRY_SECONDS,
        )
    return document
