"""Running a piece of work on the service's data, without serving."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from carnet.server.service import Service, open_service
from carnet.server.settings import Settings

__all__ = ["with_service"]

T = TypeVar("T")


def with_service(
    settings: Settings, work: Callable[[Service], Awaitable[T]], *, reading: bool = False
) -> T:
    """Open the service's data, do the work, and close it again.

    Args:
        settings: where the data is.
        work: what to do with it.
        reading: write nothing, and make nothing that is missing.

    Raises:
        ServerError: if the data can't be opened.
    """

    async def opened() -> T:
        async with open_service(settings, reading=reading) as service:
            return await work(service)

    return asyncio.run(opened())
