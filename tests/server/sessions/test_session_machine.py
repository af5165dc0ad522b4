"""A session under everything that can happen to it, against a model that is easy to believe.

Rotate, retry, lose the response, steal, wait, end, restart, restore an old backup: in any order.
The model knows a session's state in three numbers; the service, on a real database, must agree.
"""

import asyncio
import itertools
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from carnet.server.service import open_service
from carnet.server.sessions.refresh_token import parse
from carnet.server.sessions.sessions import NewSession, RefreshRefused
from carnet.server.settings import Settings

GRACE, IDLE, LIFETIME = 30, 1000, 5000
PASSWORD = "paper-boat-harbour"


class Clock:
    def __init__(self):
        self.seconds = 1_800_000_000

    def __call__(self):
        return self.seconds * 1_000_000


class SessionMachine(RuleBasedStateMachine):
    """The client keeps every token that it was ever given; a thief may use any of them."""

    postgres = None
    numbers = itertools.count()

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(prefix="carnet-session-"))
        self.data = self.folder / "data"
        self.database = self.postgres.new_store() if self.postgres else ""
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.backup = None
        self.open()
        account = self.run(self.service.accounts.create("ada", PASSWORD))
        grant = self.run(self.service.sessions.begin(account, NewSession("carnet", "default")))
        self.session_id = grant.session_id
        self.tokens = [grant.refresh_token]
        self.generation, self.rotated_at = 0, self.clock.seconds
        self.expires_at = self.clock.seconds + LIFETIME
        self.ended = False

    def open(self):
        given = Settings(
            data=str(self.data),
            database=self.database,
            refresh_grace=GRACE,
            session_idle_lifetime=IDLE,
            session_lifetime=LIFETIME,
        )
        self.context = open_service(given, self.clock)
        self.service = self.run(self.context.__aenter__())

    def close(self):
        self.run(self.context.__aexit__(None, None, None))

    def copy(self, data, database):
        """Copy the data folder, and the database where it is PostgreSQL."""
        number = next(self.numbers)
        copied = self.folder / f"copy-{number}"
        shutil.copytree(data, copied)
        if not self.postgres:
            return copied, ""
        source = database.rpartition("/")[2]
        target = f"{source}_{number}"
        self.postgres.run(f"CREATE DATABASE {target} TEMPLATE {source}")
        return copied, self.postgres.url(target)

    def run(self, work):
        return self.runner.run(work)

    def teardown(self):
        if hasattr(self, "service"):
            self.close()
            self.runner.close()
            shutil.rmtree(self.folder)

    def expected(self, generation):
        """What the model says of presenting a generation, and what that does to it."""
        now = self.clock.seconds
        if self.ended:
            return "ended"
        if now >= self.expires_at or now - self.rotated_at >= IDLE:
            return "expired"
        if generation >= self.generation:
            self.generation, self.rotated_at = generation + 1, now
            return generation + 1
        if generation == self.generation - 1 and now - self.rotated_at <= GRACE:
            return self.generation
        self.ended = True
        return "reused"

    def present(self, generation):
        expected = self.expected(generation)
        if isinstance(expected, str):
            with pytest.raises(RefreshRefused) as refused:
                self.run(self.service.sessions.refresh(self.tokens[generation]))
            assert refused.value.code == expected
            return
        grant = self.run(self.service.sessions.refresh(self.tokens[generation]))
        parsed = parse(grant.refresh_token, self.service.keys.peppers)
        assert parsed.generation == expected
        assert grant.session_id == self.session_id
        if expected == len(self.tokens):
            self.tokens.append(grant.refresh_token)
        assert self.tokens[expected] == grant.refresh_token

    @rule()
    def rotate(self):
        self.present(len(self.tokens) - 1)

    @rule()
    def retry_after_a_lost_response(self):
        self.present(max(0, len(self.tokens) - 2))

    @rule(place=st.integers(0, 30))
    def use_some_old_token(self, place):
        self.present(place % len(self.tokens))

    @rule(seconds=st.sampled_from([1, GRACE, GRACE + 1, IDLE - 1, IDLE]))
    def wait(self, seconds):
        self.clock.seconds += seconds

    @rule()
    def end(self):
        done = self.run(self.service.sessions.end(self.session_id, "signed_out"))
        assert done is not self.ended
        self.ended = True

    @rule()
    def restart(self):
        self.close()
        self.open()

    @rule()
    def back_up(self):
        self.close()
        self.copied = self.copy(self.data, self.database)
        self.backup = (self.generation, self.rotated_at, self.ended)
        self.open()

    @precondition(lambda self: getattr(self, "backup", None) is not None)
    @rule()
    def restore_an_old_backup(self):
        self.close()
        self.data, self.database = self.copy(*self.copied)
        self.generation, self.rotated_at, self.ended = self.backup
        self.open()

    @invariant()
    def there_is_one_row_and_an_ended_session_is_revoked(self):
        if not hasattr(self, "service"):
            return
        rows = self.run(
            self.service.store.read("SELECT generation, ended_at IS NOT NULL FROM session")
        )
        assert [(row[0], bool(row[1])) for row in rows] == [(self.generation, self.ended)]
        revoked = self.run(self.service.store.read("SELECT value FROM revocation"))
        assert revoked == ([(self.session_id,)] if self.ended else [])


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_the_service_agrees_with_the_model_whatever_happens(engine, request):
    class Machine(SessionMachine):
        postgres = request.getfixturevalue("postgres") if engine == "postgres" else None

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=25 if engine == "sqlite" else 10,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
