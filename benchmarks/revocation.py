"""How soon every verifier refuses an ended session: ``python -m benchmarks.revocation``.

A real server of two workers on PostgreSQL, and fifty verifiers in four processes (``ended.py``).
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
from benchmarks.token_servers import prepare


def main() -> None:
    """Measure, and print the figures."""
    given = options("revocation", __doc__ or "", verifiers=50).parse_args()
    with settings_for(given) as settings:
        made = asyncio.run(prepare(settings, given.rounds))
        form = {"grant_type": "refresh_token", "client_id": made["app"]}
        forms = [{**form, "refresh_token": token} for token in made["tokens"][: given.rounds]]
        with (
            serving(settings, given.verifiers) as client,
            following(str(client.base_url).rstrip("/"), given.verifiers) as pipes,
        ):
            rounds = list(counted(take_rounds(client, pipes, forms), given.rounds))
    report("revocation", {**circumstances(given), **percentiles(rounds)}, rounds, given.json)


def take_rounds(
    client: httpx.Client, pipes: Sequence[Connection], forms: Sequence[dict[str, str]]
) -> Iterator[Round]:
    """End a session a round."""
    for form in forms:
        token = client.post("/token", data=form).raise_for_status().json()["access_token"]
        yield end(client, pipes, token, token)


if __name__ == "__main__":
    main()
