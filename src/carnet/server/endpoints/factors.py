"""The administration over HTTP: what accounts sign in with besides their passwords."""

from __future__ import annotations

from typing import Final

import msgspec

from carnet.server.clock import SECOND
from carnet.server.endpoints.account_administration import named_account
from carnet.server.endpoints.administration import Asked, Operation
from carnet.server.web.requests import RequestRefused

__all__ = ["FACTOR_OPERATIONS"]


class FactorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What an account signs in with besides its password; times in seconds since 1970.

    ``used_at`` is not there where it was not used yet.
    """

    id: str
    kind: str
    name: str
    created_at: int
    used_at: int | msgspec.UnsetType = msgspec.UNSET


class FactorList(msgspec.Struct, frozen=True, kw_only=True):
    """The second factors of an account, and how many recovery codes it has left."""

    factors: list[FactorDocument]
    recovery_codes_left: int


async def _list_factors(asked: Asked) -> FactorList:
    account, factors = await named_account(asked), asked.service.factors
    return FactorList(
        factors=[
            FactorDocument(
                id=one.id,
                kind=one.kind,
                name=one.name,
                created_at=one.created_at // SECOND,
                used_at=msgspec.UNSET if one.used_at is None else one.used_at // SECOND,
            )
            for one in await factors.of_account(account.id)
        ],
        recovery_codes_left=await factors.recovery_codes_left(account.id),
    )


async def _remove_factor(asked: Asked) -> None:
    account, factor_id = await named_account(asked), asked.request.path_params["factor_id"]
    if "\0" in factor_id or not await asked.service.factors.remove(
        account, factor_id, None, asked.origin
    ):
        raise RequestRefused("invalid_request", "the account has no such factor", 404)


async def _reset_factors(asked: Asked) -> None:
    await asked.service.factors.reset((await named_account(asked)).id, asked.origin)


_PATH: Final = "/accounts/{name}/factors"

FACTOR_OPERATIONS: Final = (
    Operation(
        *("GET", _PATH, _list_factors, "List the second factors of an account"),
        *(None, FactorList, 200),
    ),
    Operation(
        *("DELETE", _PATH, _reset_factors),
        "Remove the second factors of an account, and end its sessions",
        *(None, None, 204),
    ),
    Operation(
        *("DELETE", f"{_PATH}/{{factor_id}}", _remove_factor),
        "Remove a second factor of an account, and end its sessions",
        *(None, None, 204),
    ),
)
