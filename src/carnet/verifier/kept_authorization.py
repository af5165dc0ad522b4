"""What a program keeps of an authorization: all of it together, as one text of its store.

A refresh token goes to its own issuer and nowhere else, and a token that is bound to a key is
nothing without it.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from carnet.errors import ConfigurationError, InvalidKey
from carnet.verifier.bearer import not_installed
from carnet.verifier.prover import Prover
from carnet.verifier.token_store import TokenStore

try:
    import anyio
    from mcp.client.auth import OAuthFlowError
    from mcp.client.auth.oauth2 import OAuthContext
    from mcp.shared.auth import (
        OAuthClientInformationFull,
        OAuthMetadata,
        OAuthToken,
        ProtectedResourceMetadata,
    )
    from pydantic import BaseModel
except ModuleNotFoundError:
    raise not_installed("mcp") from None

__all__ = ["keep", "take_up"]

M = TypeVar("M", bound=BaseModel)


class _Kept(msgspec.Struct, omit_defaults=True):
    """The text, as JSON."""

    tokens: dict[str, Any] | None = None
    expires_at: float | None = None
    client: dict[str, Any] | None = None
    issuer: dict[str, Any] | None = None
    resource: dict[str, Any] | None = None
    key: dict[str, Any] | None = None


async def take_up(store: TokenStore, context: OAuthContext) -> Prover | None:
    """Put into the SDK's context what was kept, and give the key that its tokens are bound to.

    Raises:
        OAuthFlowError: if the store holds something else.
    """
    text = await anyio.to_thread.run_sync(store.load)
    if text is None:
        return None
    try:
        kept = msgspec.json.decode(text, type=_Kept)
        prover = None if kept.key is None else Prover.from_jwk(kept.key)
        context.current_tokens = _model(OAuthToken, kept.tokens)
        context.client_info = _model(OAuthClientInformationFull, kept.client)
        context.oauth_metadata = _model(OAuthMetadata, kept.issuer)
        context.protected_resource_metadata = _model(ProtectedResourceMetadata, kept.resource)
    except (msgspec.MsgspecError, ValueError, ConfigurationError, InvalidKey):
        raise OAuthFlowError(
            "the store holds something else than this program's data: remove it, or use another "
            "store"
        ) from None
    context.token_expiry_time = kept.expires_at
    return prover


async def keep(
    store: TokenStore,
    context: OAuthContext,
    client: OAuthClientInformationFull | None,
    prover: Prover | None,
) -> None:
    """Keep what the SDK's context holds.

    Args:
        store: where.
        context: the tokens, and the servers that they are from and for.
        client: what the program is known by, unless it was given that itself.
        prover: has the key that the tokens are bound to; None where they are not.
    """
    kept = _Kept(
        _plain(context.current_tokens),
        context.token_expiry_time,
        _plain(client),
        _plain(context.oauth_metadata),
        _plain(context.protected_resource_metadata),
        None if prover is None or context.current_tokens is None else prover.to_jwk(),
    )
    await anyio.to_thread.run_sync(store.save, msgspec.json.encode(kept).decode())


def _model(kind: type[M], value: dict[str, Any] | None) -> M | None:
    return None if value is None else kind.model_validate(value)


def _plain(model: BaseModel | None) -> dict[str, Any] | None:
    return None if model is None else model.model_dump(mode="json", exclude_none=True)
