"""What every adapter answers: one table of requests, passed by each under its real server."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from carnet import Key, Signer

CASES = {}


@dataclass
class World:
    """The issuer that the services trust, and the address of another, which is down."""

    issuer: Any
    dead: str


@dataclass
class Asked:
    """A request and what must come of it.

    `code` None means that it is let in; `challenge` is the beginning of WWW-Authenticate.
    """

    path: str = "/orders"
    authorization: list[str] = field(default_factory=list)
    query: str = ""
    status: int = 200
    code: str | None = None
    challenge: str | None = None


def case(make: Callable[[World], Asked]) -> Callable[[World], Asked]:
    CASES[make.__name__.replace("_", " ")] = make
    return make


def bearing(world, path="/orders", **claims):
    return Asked(path, [f"Bearer {world.issuer.token(**claims)}"])


def signed_by_a_stranger(issuer):
    signer = Signer(Key.generate("ES256"), issuer=issuer, audience="orders", type="at+jwt")
    return Asked(authorization=[f"Bearer {signer.sign({'sub': 'ada', 'client_id': 'c'})}"])


def refused(asked, status, code, error=None):
    asked.status, asked.code = status, code
    asked.challenge = None if status == 503 else f'Bearer error="{error}"' if error else "Bearer"
    return asked


@case
def good_token(world):
    return bearing(world)


@case
def scheme_in_lower_case(world):
    return Asked(authorization=[f"bearer {world.issuer.token()}"])


@case
def open_to_all(_world):
    return Asked("/open")


@case
def role_held(world):
    return bearing(world, "/reports", roles=["USER", "ADMIN"])


@case
def scopes_held(world):
    return bearing(world, "/writing", scope="b a:write c")


@case
def no_token(_world):
    return refused(Asked(), 401, "token_missing")


@case
def no_token_where_a_role_is_needed(_world):
    return refused(Asked("/reports"), 401, "token_missing")


@case
def two_headers(world):
    value = f"Bearer {world.issuer.token()}"
    return refused(Asked(authorization=[value] * 2), 400, "invalid_request", "invalid_request")


@case
def two_headers_of_two_schemes(world):
    values = ["Basic YTpi", f"Bearer {world.issuer.token()}"]
    return refused(Asked(authorization=values), 400, "invalid_request", "invalid_request")


@case
def other_scheme(_world):
    return refused(Asked(authorization=["Basic YTpi"]), 401, "token_missing")


@case
def token_in_the_query(world):
    asked = Asked(query=f"?access_token={world.issuer.token()}")
    return refused(asked, 401, "token_missing")


@case
def not_a_token(_world):
    values = ['Bearer "x" y']
    return refused(Asked(authorization=values), 400, "invalid_request", "invalid_request")


@case
def garbage(_world):
    return refused(Asked(authorization=["Bearer abc.def.ghi"]), 401, "malformed", "invalid_token")


@case
def expired(world):
    asked = bearing(world, clock=lambda: time.time() - 3600)
    return refused(asked, 401, "expired", "invalid_token")


@case
def wrong_audience(world):
    return refused(bearing(world, aud="billing"), 401, "audience_mismatch", "invalid_token")


@case
def unknown_issuer(_world):
    asked = signed_by_a_stranger("https://stranger.example")
    return refused(asked, 401, "issuer_mismatch", "invalid_token")


@case
def revoked_session(world):
    return refused(bearing(world, sid="ended"), 401, "revoked", "invalid_token")


@case
def role_missing(world):
    asked = bearing(world, "/reports", roles=["USER", "admin"])
    return refused(asked, 403, "role_missing", "insufficient_scope")


@case
def scope_missing(world):
    asked = bearing(world, "/writing", scope="b")
    return refused(asked, 403, "scope_missing", "insufficient_scope")


@case
def issuer_down(world):
    return refused(signed_by_a_stranger(world.dead), 503, "issuer_unavailable")
