"""Where tokens are kept: by the system's keyring, or else in a file; one process at a time."""

from __future__ import annotations

import subprocess
import sys
import threading

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError, PasswordSetError
from tests import processes

from carnet.login.stores import KeyringStore, locked, state_folder, store_of
from carnet.verifier.token_store import FileStore

HOLDER = """
import sys
from carnet.login.stores import locked
with locked("one"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


class Memory(KeyringBackend):
    """A keyring of the package's own kind, in memory; it takes texts of up to 100 characters."""

    priority = 5

    def __init__(self):
        super().__init__()
        self.held = {}

    def get_password(self, service, username):
        return self.held.get((service, username))

    def set_password(self, service, username, password):
        if len(password) > 100:
            raise PasswordSetError("too long")
        self.held[service, username] = password

    def delete_password(self, service, username):
        if self.held.pop((service, username), None) is None:
            raise PasswordDeleteError("there is none")


@pytest.fixture
def ring():
    before, memory = keyring.get_keyring(), Memory()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def test_the_systems_keyring_is_used_where_there_is_one(ring):
    store = store_of("shop")
    assert isinstance(store, KeyringStore)
    assert store.load() is None
    store.save("secret")
    assert ring.held == {("carnet", "shop"): "secret"}
    assert store_of("shop").load() == "secret"
    assert not state_folder().exists()


def test_what_the_keyring_does_not_take_is_kept_in_the_file(ring):
    store = store_of("shop")
    store.save("short")
    store.save("long" * 100)
    assert ring.held == {}
    assert store.load() == "long" * 100
    store.save("short")
    assert store.load() == "short"


def test_a_keyring_that_keeps_nothing_safely_is_none(ring, monkeypatch):
    monkeypatch.setattr(type(ring), "priority", 0.5)
    assert isinstance(store_of("shop"), FileStore)


def test_the_keyring_of_whoever_runs_the_tests_is_left_alone():
    assert keyring.get_keyring().priority == 0
    assert isinstance(store_of("shop"), FileStore)


def test_without_the_package_there_is_the_file(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    store = store_of("shop")
    assert isinstance(store, FileStore)
    store.save("secret")
    assert (state_folder() / "shop.json").read_text() == "secret"


def test_one_process_at_a_time_goes_on():
    entered = threading.Event()

    def wait():
        with locked("one"):
            entered.set()

    with processes.start(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        waiting = threading.Thread(target=wait)
        waiting.start()
        with locked("another"):
            assert not entered.is_set()
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert entered.wait(processes.PATIENCE)
        waiting.join()
