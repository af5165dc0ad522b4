"""Which programs a person's token can come to, that then act for the person (RFC 8693).

Nobody is asked when a program exchanges a token. So whoever is asked whether a client may have
tokens for a resource is told which programs can act for them with those, there and further on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from carnet.server.clients.registry import Registry
from carnet.server.clients.scopes import ALWAYS_GRANTABLE

__all__ = ["MOST_ACTORS", "ProgramAtResource", "programs_that_may_act"]

MOST_ACTORS: Final = 5
"""How many programs may act one for the other."""


class ProgramAtResource(NamedTuple):
    """A program, and where it may act.

    Attributes:
        name: what it calls itself, or else its id.
        resource: what its tokens are for.
    """

    name: str
    resource: str


def programs_that_may_act(
    registry: Registry, audience: str, scopes: Iterable[str]
) -> list[ProgramAtResource]:
    """Give the programs that may act for a person with a token, or with what they get for it.

    Args:
        registry: the clients and the resources.
        audience: what the person's token is for.
        scopes: what it allows.
    """
    found: set[ProgramAtResource] = set()
    tokens = {audience: frozenset(scopes)}
    for _ in range(MOST_ACTORS):
        made: dict[str, frozenset[str]] = {}
        for presented, allowed in tokens.items():
            for program, granted in _exchanged(registry, presented, allowed):
                found.add(program)
                made[program.resource] = made.get(program.resource, frozenset()) | granted
        tokens = made
    return sorted(found)


def _exchanged(
    registry: Registry, audience: str, allowed: frozenset[str]
) -> Iterator[tuple[ProgramAtResource, frozenset[str]]]:
    """Give who may exchange a token for one of its own, and what that allows."""
    resource = registry.resource(audience)
    if resource is None or resource.key is not None:
        # The issuer can't read a token again that is encrypted to its resource.
        return
    for client in registry.exchanging:
        if audience not in map(registry.spelled, client.metadata.exchange_from):
            continue
        wanted = set(map(registry.spelled, client.metadata.exchange_to))
        for target in wanted.intersection(registry.audiences_of(client)):
            granted = registry.permitted(client, target, allowed - ALWAYS_GRANTABLE)
            # Where nothing is left of what a token allowed, there is none for it.
            if granted or not allowed:
                yield ProgramAtResource(registry.name_of(client.id), target), granted
