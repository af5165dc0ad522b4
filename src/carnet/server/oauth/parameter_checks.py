"""What has to hold of each parameter of an authorization request, as a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from carnet.server.clients.clients import Client

__all__ = ["CHECKS", "INVALID", "MAX_TEXT", "RESPONSE_MODES", "SIGNED_MODES", "prompts_of"]

MAX_TEXT: Final = 2048
# How an answer goes back, by what was asked for; ``fragment`` is for tokens, which none brings.
# Those that end in ``jwt`` are signed (JARM section 2.3).
RESPONSE_MODES: Final = {
    "query": "query",
    "form_post": "form_post",
    "jwt": "query.jwt",
    "query.jwt": "query.jwt",
    "form_post.jwt": "form_post.jwt",
}
SIGNED_MODES: Final = tuple(name for name in RESPONSE_MODES if name.endswith("jwt"))
PROMPTS: Final = frozenset(("none", "login", "consent", "select_account"))

INVALID: Final = "invalid_request"
_CHALLENGE = re.compile(r"[A-Za-z0-9_\-]{43}")
_NUMBER = re.compile(r"[0-9]{1,9}")

_Parameters: TypeAlias = Mapping[str, str]
# Tells of a parameter, None where it is not given, whether it is as it has to be; of a client, and
# beside all other parameters.
_Check: TypeAlias = Callable[[str | None, Client, _Parameters], bool]


def _is_given(text: str | None, _client: Client, _others: _Parameters) -> bool:
    return text is not None


def _is_not_given(text: str | None, _client: Client, _others: _Parameters) -> bool:
    return text is None


def _is_short(text: str | None, _client: Client, _others: _Parameters) -> bool:
    return text is None or len(text) <= MAX_TEXT


def _is_prompt(text: str | None, _client: Client, _others: _Parameters) -> bool:
    prompts = prompts_of(text)
    return prompts <= PROMPTS and ("none" not in prompts or len(prompts) == 1)


def _may_get_codes(_text: str | None, client: Client, _others: _Parameters) -> bool:
    return "authorization_code" in client.metadata.grant_types


def _is_challenge_enough(text: str | None, client: Client, _others: _Parameters) -> bool:
    return text is not None or not client.metadata.require_pkce


def _is_method(text: str | None, _client: Client, others: _Parameters) -> bool:
    return text == ("S256" if "code_challenge" in others else None)


def _is_nonce_enough(text: str | None, client: Client, others: _Parameters) -> bool:
    protected = text is not None or "code_challenge" in others
    return protected or not client.metadata.require_nonce


def _is(*accepted: str | None) -> _Check:
    return lambda text, _client, _others: text in accepted


def _matches(pattern: re.Pattern[str]) -> _Check:
    return lambda text, _client, _others: text is None or pattern.fullmatch(text) is not None


# The parameters with what has to hold of each, and with what the client is told where it does not;
# the first that fails counts. Resource and scope, which need more than their own text, come after.
CHECKS: Final[tuple[tuple[str, _Check, str, str], ...]] = (
    *(
        (name, _is_not_given, f"{name}_not_supported", f"the parameter {name} is not supported")
        for name in ("request_uri", "registration")
    ),
    *(
        (name, _is_short, INVALID, f"{name} is longer than {MAX_TEXT} characters")
        for name in ("state", "nonce", "login_hint", "acr_values", "claims")
    ),
    ("response_type", _is_given, INVALID, "the parameter response_type is missing"),
    ("response_type", _is("code"), "unsupported_response_type", "the response_type must be code"),
    (
        *("response_type", _may_get_codes, "unauthorized_client"),
        "the client may not use the authorization code grant",
    ),
    (
        *("response_mode", _is(None, *RESPONSE_MODES), INVALID),
        f"the response_mode must be one of {', '.join(RESPONSE_MODES)}",
    ),
    (
        *("code_challenge", _is_challenge_enough, INVALID),
        "the parameter code_challenge is missing (RFC 7636)",
    ),
    # Without a method the challenge would be the verifier itself (RFC 7636 section 4.3).
    (
        *("code_challenge_method", _is_method, INVALID),
        "the code_challenge_method must be S256, beside a code_challenge",
    ),
    (
        *("nonce", _is_nonce_enough, INVALID),
        "a request without code_challenge needs a nonce (RFC 9700 section 2.1.1)",
    ),
    (
        *("code_challenge", _matches(_CHALLENGE), INVALID),
        "the code_challenge must be 43 characters of base64url",
    ),
    (
        *("prompt", _is_prompt, INVALID),
        "prompt must be none alone, or a combination of login, consent and select_account",
    ),
    ("max_age", _matches(_NUMBER), INVALID, "max_age must be a whole number of seconds"),
    (
        *("dpop_jkt", _matches(_CHALLENGE), INVALID),
        "dpop_jkt must be the SHA-256 thumbprint of a key",
    ),
)


def prompts_of(text: str | None) -> frozenset[str]:
    """Give what the parameter ``prompt`` asks for."""
    return frozenset((text or "").split())
