"""Settings to paste into what a client is made with, for the client's page.

Each is a template of its own, with the client's id, its first redirect URI and the issuer. No
secret is in any of them: they name a variable or a file that holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from carnet.server.clients.clients import DEVICE_CODE, Client, ClientMetadata

__all__ = ["Recipe", "recipe_values", "recipes_for"]

SCOPES: Final = ("openid", "profile")


class Recipe(NamedTuple):
    """Settings for one program or framework.

    Attributes:
        name: of its template.
        title: what people call it.
        suits: tells for which clients it is.
    """

    name: str
    title: str
    suits: Callable[[ClientMetadata], bool]


def _signs_in_with_secret(known: ClientMetadata) -> bool:
    return "authorization_code" in known.grant_types and known.has_secret


def _signs_in_without(known: ClientMetadata) -> bool:
    return "authorization_code" in known.grant_types and known.is_public


def _acts_for_itself(known: ClientMetadata) -> bool:
    return "client_credentials" in known.grant_types and known.has_secret


def _is_device(known: ClientMetadata) -> bool:
    return DEVICE_CODE in known.grant_types and known.is_public


RECIPES: Final = (
    Recipe("fastapi", "FastAPI", _signs_in_with_secret),
    Recipe("flask", "Flask", _signs_in_with_secret),
    Recipe("django", "Django", _signs_in_with_secret),
    Recipe("express", "Express", _signs_in_with_secret),
    Recipe("grafana", "Grafana", _signs_in_with_secret),
    Recipe("oauth2_proxy", "oauth2-proxy", _signs_in_with_secret),
    Recipe("oidc_client_ts", "oidc-client-ts", _signs_in_without),
    Recipe("curl", "curl", _acts_for_itself),
    Recipe("device", "curl", _is_device),
)


def recipes_for(client: Client) -> list[Recipe]:
    """Give what there is for a client: what its name names first, then the most usual."""
    name = client.metadata.client_name.casefold()
    suiting = [recipe for recipe in RECIPES if recipe.suits(client.metadata)]
    return sorted(suiting, key=lambda recipe: recipe.title.casefold() not in name)


def recipe_values(client: Client, issuer: str) -> dict[str, Any]:
    """Give what the templates show besides the client."""
    known = client.metadata
    redirect_uri = next(iter(known.redirect_uris), "")
    parts = urlsplit(redirect_uri)
    scopes = known.scope.split() or list(SCOPES)
    return {
        "issuer": issuer,
        "scope": " ".join(scopes if "openid" in scopes else ["openid", *scopes]),
        "redirect_uri": redirect_uri,
        "redirect_origin": f"{parts.scheme}://{parts.netloc}",
        "redirect_path": parts.path or "/",
    }
