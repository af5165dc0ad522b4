"""How soon a chain of programs is stopped: ``python -m benchmarks.agents``.

Five programs act for a person, each with a token that it got in exchange for that of the one before
it. A thousand verifiers in four processes follow the server and accept the token of the last one.
In a round the session of the person ends, or that of one of the programs, each in turn, and the
time runs until the last of the verifiers refuses the token of the last program (``ended.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

import httpx

from benchmarks.ended import (
    Round,
    circumstances,
    counted,
    end,
    following,
    options,
    percentiles,
    report,
    serving,
    settings_for,
)
from benchmarks.token_servers import PASSWORD, USERNAME
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import TOKEN_EXCHANGE, ClientMetadata
from carnet.server.service import open_service
from carnet.server.settings import Settings

DEPTH = 5
LINKS = ("the person", *(f"program {number}" for number in range(1, DEPTH + 1)))
FOR_EACH_LINK = ("from the request: p50 ms", "from the request: p99 ms")
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"

Program = tuple[str, str]


async def prepare(settings: Settings) -> list[Program]:
    """Make an account, and the programs with their secrets."""
    metadata = ClientMetadata(
        client_name="agent",
        grant_types=(TOKEN_EXCHANGE,),
        exchange_from=("orders",),
        exchange_to=("orders",),
    )
    async with open_service(settings) as service:
        await service.accounts.create(USERNAME, PASSWORD)
        made = [await service.registry.add_client(metadata, OPERATOR) for _ in range(DEPTH)]
    return [(client.id, secret or "") for client, secret in made]


def main() -> None:
    """Measure, and print the figures."""
    given = options("agents", __doc__ or "", verifiers=1000).parse_args()
    with settings_for(given) as settings:
        programs = asyncio.run(prepare(settings))
        with (
            serving(settings, given.verifiers) as client,
            following(str(client.base_url).rstrip("/"), given.verifiers) as pipes,
        ):
            taken = take_rounds(client, pipes, programs, given.rounds)
            rounds = list(counted(taken, given.rounds))
    figures = {**circumstances(given), "programs": DEPTH, **percentiles(rounds)}
    for number, link in enumerate(LINKS[: given.rounds]):
        of_link = percentiles(rounds[number :: len(LINKS)])
        figures |= {f"{link} ended, {name}": of_link[name] for name in FOR_EACH_LINK}
    report("agents", figures, rounds, given.json)


def take_rounds(
    client: httpx.Client, pipes: Sequence[Connection], programs: Sequence[Program], count: int
) -> Iterator[Round]:
    """End the person's session, or a link's, and so on in turn."""
    for number in range(count):
        # Anew each time: a program that was stopped gets nothing more from an older sign-in.
        given = {"username": USERNAME, "password": PASSWORD}
        tokens = [_token(client.post("/sessions", json=given))]
        for program in programs:
            form = {
                "grant_type": TOKEN_EXCHANGE,
                "subject_token": tokens[-1],
                "subject_token_type": ACCESS_TOKEN,
            }
            tokens.append(_token(client.post("/token", data=form, auth=program)))
        yield end(client, pipes, tokens[number % len(LINKS)], tokens[-1])


def _token(answer: httpx.Response) -> str:
    return answer.raise_for_status().json()["access_token"]


if __name__ == "__main__":
    main()
