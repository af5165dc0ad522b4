"""What every history begins with: a database with keys and accounts, made once a process.

Here also are the few places where the service asks the machine for time or chance, which the
simulation gives it instead: the same seed is the same history.
"""

from __future__ import annotations

import asyncio
import gc
import random
import secrets
import warnings
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, TypeVar

from carnet.jose.encoding import b64url_encode
from carnet.server.accounts.accounts import Accounts
from carnet.server.accounts.notices import Notices
from carnet.server.accounts.one_time_links import OneTimeLinks
from carnet.server.audit import OPERATOR
from carnet.server.clients.clients import Client, ClientMetadata, Secrets
from carnet.server.clock import Clock
from carnet.server.keys.master_key import MasterKey
from carnet.server.keys.signing_keys import SigningKeys
from carnet.server.mail.outbox import Outbox
from carnet.server.oauth import authorization_codes
from carnet.server.oauth.authorization_request import AuthorizationRequest
from carnet.server.revocations import stream
from carnet.server.revocations.revocations import Revocations
from carnet.server.settings import Settings
from carnet.server.store import postgres
from carnet.server.store import statements as sql
from carnet.verifier import follower
from simulation.choices import Choices
from simulation.database import Database
from simulation.signatures import remembered
from simulation.stores import Recorded, SimulatedSqlite
from simulation.world import BEGINNING, MICROSECONDS, Violation, World

__all__ = [
    "CALLBACK",
    "CLIENT",
    "EVERYBODY",
    "NAMES",
    "PASSWORD",
    "PROVIDER",
    "REQUEST",
    "SETTINGS",
    "VERIFIER",
    "Ground",
    "no_notices",
]

T = TypeVar("T")

BETWEEN: Final = 200
"""After so many histories, what they have left is let go of."""
NAMES: Final = ("alice", "bob")
EVERYBODY: Final = (*NAMES, "carol")
"""Carol has no password: she comes from a provider."""
PROVIDER: Final = "https://provider.example.com"
PASSWORD: Final = "paper-boat-harbour"
SETTINGS: Final = Settings(
    issuer="https://auth.example.com",
    session_idle_lifetime=1000,
    session_lifetime=5000,
    # The cheapest to sign and to verify: each event of the stream is.
    signing_algorithms=("Ed25519",),
    # While a quarter of an hour passes, each stream says several hundred times that it is alive.
    revocation_heartbeat=30,
    account_deletion_pause=60,
)
CALLBACK: Final = "https://app.example.com/callback"
VERIFIER: Final = "v" * 43
CLIENT: Final = Client(
    "app",
    Secrets(),
    ClientMetadata(redirect_uris=(CALLBACK,), token_endpoint_auth_method="none", first_party=True),
)
REQUEST: Final = AuthorizationRequest(
    client_id=CLIENT.id,
    redirect_uri=CALLBACK,
    redirect_given=True,
    challenge=authorization_codes._challenge(VERIFIER),
    scope="",
    audience="default",
)


def no_notices(store: Any, keys: SigningKeys, clock: Clock) -> Notices:
    """Make what would tell people by mail, in a service that has no mail."""
    return Notices(Outbox(keys, SETTINGS), OneTimeLinks(store, SETTINGS, clock))


class _Secrets:
    """The service's `secrets`, from a seed."""

    compare_digest = staticmethod(secrets.compare_digest)

    def __init__(self) -> None:
        self.random = random.Random(1)

    def token_bytes(self, size: int = 32) -> bytes:
        return self.random.randbytes(size)

    def token_urlsafe(self, size: int = 32) -> str:
        return b64url_encode(self.token_bytes(size))

    def choice(self, several: Sequence[T]) -> T:
        return self.random.choice(several)

    def randbelow(self, bound: int) -> int:
        return self.random.randrange(bound)

    def token_hex(self, size: int = 32) -> str:
        return self.token_bytes(size).hex()


class _Time:
    """The clock that never jumps."""

    def monotonic(self) -> float:
        loop = asyncio._get_running_loop()
        return 0.0 if loop is None else loop.time()


class _Silence:
    """A log that nobody reads."""

    def info(self, event: str, **fields: object) -> None:
        """Write nothing."""


class _Alone:
    """The process that makes what every history begins with; nobody else is there."""

    def __init__(self) -> None:
        self.world = self

    async def statement(self, sql: str) -> str:
        return "goes on"

    async def hash(self, password: str) -> str:
        return f"hash of {password}"

    async def is_breached(self, password: str) -> bool:
        return False


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run what waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waits for something")


class Ground:
    """Made once, and used by every history of this process.

    Args:
        more: statements that make tables besides those of the service.

    Attributes:
        database: the simulated one.
        keys: the service's.
        accounts: the ids of the accounts, by their names.
        names: what each statement is called.
        refreshes: how often each row of the table of ``sessions`` was reached.
    """

    def __init__(self, more: str = "") -> None:
        self.database = Database(more)
        self.names = {
            text: name
            for name, text in vars(sql).items()
            if isinstance(text, str) and name.isupper()
        }
        alone: Any = _Alone()
        store: Any = SimulatedSqlite(alone, self.database)

        def clock() -> int:
            return BEGINNING * MICROSECONDS

        self.keys = SigningKeys(store, MasterKey(bytes(32)), SETTINGS, clock)
        with remembered():
            _run(self.keys.load())
        revocations = Revocations(store, SETTINGS, clock)
        accounts = Accounts(store, alone, revocations, no_notices(store, self.keys, clock), clock)
        self.accounts = {
            name: _run(accounts.create(name, PASSWORD, (), {}, OPERATOR)).id for name in NAMES
        }
        self.accounts["carol"] = _run(accounts.create("carol", None)).id
        identity = PROVIDER, "carol", clock(), self.accounts["carol"]
        _run(store.write(sql.ADD_IDENTITY, *identity))
        self.database.keep()
        self.database.outcomes.clear()
        self.never = self._never()
        self.refreshes: Counter[str] = Counter()
        self._histories = 0
        self._world: World | None = None

    def _never(self) -> dict[str, list[tuple[str, tuple[int, ...]]]]:
        """Give for each table what may never be found, and the places of the columns that it reads.

        What none of them has to do with changes nothing about it, and is not looked at.
        """
        from simulation.facts import NEVER

        found: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
        for name, (_, text) in NEVER.items():
            for table, places in self.database.places_of(text).items():
                found.setdefault(table, []).append((name, places))
        return found

    @contextmanager
    def governed(self) -> Iterator[None]:
        """Give the service the world's time and chance while histories are run."""
        from fido2 import utils as fido2

        from carnet.server import identifiers
        from carnet.server.accounts import mailed_codes, one_time_links
        from carnet.server.factors import recovery_codes
        from carnet.server.oauth import device_codes
        from carnet.server.sessions import refresh_token
        from carnet.server.web import passkey_sign_in, password_sign_in

        # What histories run on is there before the first one, and looked at by no collection.
        from simulation import people  # noqa: F401

        given = _Secrets()
        self._secrets = given
        places: list[tuple[Any, str, Any]] = [
            (identifiers, "secrets", given),
            (refresh_token, "secrets", given),
            (recovery_codes, "secrets", given),
            (authorization_codes, "secrets", given),
            (device_codes, "secrets", given),
            (one_time_links, "secrets", given),
            (mailed_codes, "secrets", given),
            (passkey_sign_in, "secrets", given),
            (passkey_sign_in, "_log", _Silence()),
            (password_sign_in, "_log", _Silence()),
            (stream, "time", _Time()),
            (follower, "time", _Time()),
            (postgres, "random", given.random),
            # Looked up for each passkey that somebody shows, and always the same.
            (fido2, "get_type_hints", cache(fido2.get_type_hints)),
        ]
        before = [(place, name, getattr(place, name)) for place, name, _ in places]
        with warnings.catch_warnings():
            # What is under way at the end of a history stays so.
            warnings.simplefilter("ignore", RuntimeWarning)
            # What a history leaves is let go of between two of them: in the middle of anything,
            # Python can't say so in every place.
            gc.freeze()
            gc.disable()
            try:
                for place, name, value in places:
                    setattr(place, name, value)
                yield
            finally:
                for place, name, value in before:
                    setattr(place, name, value)
                # What was under way in the last histories is closed while asyncio is whole: closed
                # when Python ends, a task that waits for a queue makes it crash.
                self.database.on_commit = None
                if self._world is not None:
                    self._world.let_go()
                    self._world = None
                gc.collect()
                gc.enable()
                gc.unfreeze()

    def history(
        self,
        engine: str,
        choices: Choices,
        told: list[str] | None = None,
        recorded: list[Recorded] | None = None,
        world_type: Callable[..., World] = World,
    ) -> tuple[Violation | None, World]:
        """Run one history, within `governed`; the world that it gives lasts until the next one."""
        from simulation.people import People

        if self._world is not None:
            self._world.let_go()
        self._histories += 1
        if self._histories % BETWEEN == 0:
            gc.collect()
        self._secrets.random.seed(1)
        world = world_type(self, engine, choices, told, recorded)
        if world.people is None:
            world.people = People(world)
        self._world = world
        return world.run(), world
