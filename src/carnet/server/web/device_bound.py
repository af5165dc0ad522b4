"""Browsers' sessions that are bound to a device (W3C, Device Bound Session Credentials).

The cookie of somebody who is signed in opens their session wherever it is copied to. A browser that
can holds a key that nothing can copy, and is told so at the sign-in. From then on

    cookie           opens                          lives            worth to a thief
    ───────────────  ─────────────────────────────  ───────────────  ──────────────────────────────
    carnet           the session                    ten minutes      what is left of them
    carnet-bound     nothing: it names session,     as the session   nothing, without the key
                     key and, sealed, the token

and the browser gets the next ``carnet`` by signing a new challenge. Nothing is stored for it: both
cookies are signed, and the session's own token lies sealed in them. The token that the sign-in
itself gave, in the clear, is good until the browser first comes for another cookie. A browser that
knows nothing of this goes on as ever.
"""

from __future__ import annotations

import secrets
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from carnet.errors import InvalidKey, InvalidToken, ServerError
from carnet.jose import jws
from carnet.jose.encoding import b64url_decode, b64url_encode, json_decode
from carnet.jose.key import Key
from carnet.jose.key_types import PRIVATE_MEMBERS
from carnet.jose.serialization import read_header, segments, token_bytes
from carnet.server.clock import SECOND
from carnet.server.keys.sealed_secrets import open_secret, seal_secret
from carnet.server.service import Service
from carnet.server.web.own_cookies import SESSION, forget_cookie, held_cookie, set_own_cookie
from carnet.server.web.requests import RequestRefused, header_values
from carnet.server.web.signed_state import read_state, write_state

__all__ = [
    "PATH",
    "BoundKey",
    "bind",
    "challenge_for",
    "forget_binding",
    "held_key",
    "held_session",
    "instructions",
    "is_bound",
    "offer_binding",
    "prove",
]

PATH: Final = "/sign-in/device"
COOKIE: Final = "carnet-bound"
COOKIE_SECONDS: Final = 600
CHALLENGE_SECONDS: Final = 300
ALGORITHM: Final = "ES256"
# What browsers send to these without a person's cookie, or what anybody may have, waits for none.
LEFT_OUT: Final = ("/static", "/.well-known", "/token", "/userinfo", "/revocations")
MAX_PROOF: Final = 8 * 1024


class BoundKey(msgspec.Struct, frozen=True, array_like=True):
    """What ``carnet-bound`` says.

    Attributes:
        session_id: which session it is.
        sealed: the session's token.
        key: the public key of the browser, as a JWK.
        is_sole: whether the token that the sign-in gave in the clear is no good any more.
    """

    session_id: str
    sealed: str
    key: dict[str, str]
    is_sole: bool


class _Bound(msgspec.Struct, frozen=True, array_like=True):
    """What ``carnet`` holds of a session that is bound."""

    session_id: str
    sealed: str


class _DeviceChallenge(msgspec.Struct, frozen=True, array_like=True):
    """What a browser is asked to sign, and for which session."""

    session_id: str
    number: str


def is_bound(request: Request) -> bool:
    """Tell whether the cookie of the session is one that lives for minutes."""
    return "." in held_cookie(request, SESSION)


def held_session(request: Request) -> str:
    """Give the token of the session that a browser shows, or ""."""
    text = held_cookie(request, SESSION)
    if not is_bound(request):
        return text
    service: Service = request.app.state.service
    kept = read_state(service, text, _Bound)
    return "" if kept is None else _opened(service, kept.session_id, kept.sealed)


def held_key(request: Request) -> tuple[BoundKey, str] | None:
    """Give the key that a browser's session is bound to, and the session's token."""
    service: Service = request.app.state.service
    kept = read_state(service, held_cookie(request, COOKIE), BoundKey)
    token = "" if kept is None else _opened(service, kept.session_id, kept.sealed)
    return (kept, token) if kept is not None and token else None


def offer_binding(request: Request, response: Response, session_id: str) -> None:
    """Tell the browser of somebody who has just signed in that it may bind the session."""
    service: Service = request.app.state.service
    own = service.settings.own_url
    # Browsers bind no other.
    if service.settings.device_bound_sessions and own.startswith("https://"):
        path = f"{urlsplit(own).path}{PATH}"
        challenge = challenge_for(service, session_id)
        response.headers["Secure-Session-Registration"] = (
            f'({ALGORITHM});path="{path}";challenge="{challenge}"'
        )


def challenge_for(service: Service, session_id: str) -> str:
    """Make what a browser has to sign next."""
    asked = _DeviceChallenge(session_id, secrets.token_urlsafe(16))
    return write_state(service, asked, CHALLENGE_SECONDS)


async def prove(request: Request, session_id: str, key: dict[str, str] | None) -> dict[str, str]:
    """Check that a browser has signed the challenge of a session, and use that up.

    Args:
        request: with the proof in its header.
        session_id: which session.
        key: the public key that it is bound to; None takes the one that the proof shows.

    Returns:
        The public key, as a JWK.

    Raises:
        RequestRefused: ``device_proof_invalid``, with 403.
    """
    service: Service = request.app.state.service
    try:
        shown, challenge = _read(header_values(request, b"secure-session-response"), key)
    except (InvalidToken, InvalidKey):
        raise _refused() from None
    asked = read_state(service, challenge, _DeviceChallenge)
    if asked is None or asked.session_id != session_id:
        raise _refused()
    about = "device", session_id, asked.number
    if not await service.used_once.first_use(*about, microseconds=CHALLENGE_SECONDS * SECOND):
        raise _refused()
    return shown


def bind(
    request: Request,
    response: Response,
    session_id: str,
    token: str,
    key: dict[str, str],
    *,
    is_sole: bool,
) -> None:
    """Give the browser the cookies of a session that is bound.

    Args:
        request: from that browser.
        response: to it.
        session_id: which session.
        token: the session's, which the browser gets sealed.
        key: the browser's public key, as a JWK.
        is_sole: whether no token in the clear is good any more.
    """
    service: Service = request.app.state.service
    sealed = b64url_encode(seal_secret(service.keys, token.encode(), _row(session_id)))
    lifetime = service.settings.session_lifetime
    kept = write_state(service, BoundKey(session_id, sealed, key, is_sole), lifetime)
    set_own_cookie(request, response, COOKIE, kept, lifetime)
    opens = write_state(service, _Bound(session_id, sealed), COOKIE_SECONDS)
    set_own_cookie(request, response, SESSION, opens, COOKIE_SECONDS)


def forget_binding(request: Request, response: Response) -> None:
    """Take the cookie away that names the key."""
    if held_cookie(request, COOKIE):
        forget_cookie(request, response, COOKIE)


def instructions(service: Service, session_id: str) -> dict[str, Any]:
    """Write for the browser which cookie it has to keep fresh, and for what."""
    own = urlsplit(service.settings.own_url)
    return {
        "session_identifier": session_id,
        "refresh_url": f"{own.path}{PATH}",
        "scope": {
            "origin": f"{own.scheme}://{own.netloc}",
            "include_site": False,
            "scope_specification": [
                {"type": "exclude", "domain": own.hostname, "path": f"{own.path}{path}"}
                for path in LEFT_OUT
            ],
        },
        # People are sent here by applications at other sites, and are not to sign in for that.
        "allowed_refresh_initiators": ["*"],
        "credentials": [
            {
                "type": "cookie",
                "name": f"__Host-{SESSION}",
                "attributes": "Path=/; Secure; HttpOnly; SameSite=Lax",
            }
        ],
    }


def _read(proofs: list[str], key: dict[str, str] | None) -> tuple[dict[str, str], str]:
    """Read a proof: a JWT whose signature is by the key, and which names the challenge."""
    if len(proofs) != 1:
        raise _refused()
    raw = token_bytes(proofs[0], MAX_PROOF)
    header = read_header(segments(raw)[0])
    shown = _public_key(header.get("jwk")) if key is None else key
    if header.get("typ") != "dbsc+jwt" or shown is None:
        raise _refused()
    verified = jws.verify(raw, Key.from_jwk(shown, ALGORITHM, public=True), max_size=MAX_PROOF)
    claims = json_decode(verified.payload, "the payload")
    challenge = claims.get("jti") if isinstance(claims, dict) else None
    if not isinstance(challenge, str):
        raise _refused()
    return shown, challenge


def _public_key(shown: object) -> dict[str, str] | None:
    if not isinstance(shown, dict) or not PRIVATE_MEMBERS.isdisjoint(shown):
        return None
    return shown if all(isinstance(value, str) for value in shown.values()) else None


def _opened(service: Service, session_id: str, sealed: str) -> str:
    try:
        content = b64url_decode(sealed, "the cookie")
        return open_secret(service.keys, content, _row(session_id)).decode()
    except (InvalidToken, ServerError):
        return ""


def _row(session_id: str) -> str:
    return f"device-bound session {session_id}"


def _refused() -> RequestRefused:
    text = "this proves no device: sign the newest challenge with the key of the session"
    return RequestRefused("device_proof_invalid", text, 403)
