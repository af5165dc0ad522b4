"""A real Patroni cluster loses its primary in every way, under load; what was confirmed is there.

In every scene the standbys are named before the primary, and so answer first.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import threading
from contextlib import closing, contextmanager
from types import SimpleNamespace

import pytest
from tests import processes
from tests.patroni import Cable, block
from tests.patroni import cluster as cluster
from tests.server.conftest import PASSWORD
from tests.server.inside import register
from tests.system.cluster_load import ClusterLoad, hash_of
from tests.system.waiting import followed, refusal, until

from carnet.server.service import open_service
from carnet.server.settings import Settings

CLIENTS = [f"app-{number}" for number in range(12)]
HEARTBEATS = {"CARNET_REVOCATION_HEARTBEAT": "1"}


class Scene:
    """Two servers of a fresh database of the cluster, their verifiers, and what they log."""

    def __init__(self, cluster, database, servers, issuer, verifiers):
        self.cluster = cluster
        self.database = database
        self.servers = servers
        self.verifiers = verifiers
        self.load = ClusterLoad(servers, SimpleNamespace(url=issuer), CLIENTS)
        self.logs = [[] for _ in servers]
        for server, lines in zip(servers, self.logs, strict=True):
            threading.Thread(
                target=lambda s=server, told=lines: told.extend(s.process.stderr), daemon=True
            ).start()

    def goes_on(self):
        """Wait until everything is confirmed again, by both servers."""
        until(self.load.progress(), processes.PATIENCE)

    def run(self, sql):
        return self.cluster.run(sql, self.database)

    def check(self):
        """Count: what was confirmed is there, what has ended does not live, nothing forks."""
        load = self.load
        assert load.refused == []
        self._check_chains()
        self._check_sessions()
        revoked = {value for (value,) in self.run("SELECT value FROM revocation")}
        assert {body["session_id"] for body in load.ended} <= revoked
        assert set(load.revoked) <= revoked
        codes = dict(self.run("SELECT code_hash, session_id FROM authorization_code"))
        assert {hash_of(code) for code, _ in load.codes} <= codes.keys()
        assert all(codes[hash_of(code)] is not None for code in load.exchanged)
        consents = {client_id for (client_id,) in self.run("SELECT client_id FROM consent")}
        assert {client_id for _, client_id in load.codes} <= consents
        for verifier in self.verifiers:
            for body in load.ended:
                assert refusal(verifier, body["access_token"]).claim == "sid"
            for chain in load.chains:
                assert verifier.verify(chain.access_token).session_id == chain.session_id

    def _check_chains(self):
        generations = dict(self.run("SELECT id, generation FROM session"))
        for chain in self.load.chains:
            assert chain.refused == []
            assert [found for found in chain.successors.values() if len(found) != 1] == []
            confirmed = len(chain.successors)
            # One rotation at most is open: the last one, should its answer have been lost.
            assert generations[chain.session_id] in (confirmed, confirmed + 1)
            assert self.servers[0].refresh(chain.token).status_code == 200

    def _check_sessions(self):
        load, server = self.load, self.servers[1]
        for body in load.begun:
            assert server.refresh(body["refresh_token"]).status_code == 200
        for body in load.ended:
            assert server.refresh(body["refresh_token"]).json()["error"] == "invalid_grant"
        for body in load.exchanged.values():
            bearer = {"Authorization": f"Bearer {body['access_token']}"}
            assert server.client.get("/userinfo", headers=bearer).status_code == 200
        # Ending a session and revoking what it gave are one, also where no answer came.
        assert (
            self.run(
                "SELECT session.id FROM session LEFT JOIN revocation ON value = session.id "
                "WHERE (ended_at IS NULL) <> (value IS NULL)"
            )
            == []
        )

    def was_unready(self):
        """Tell whether each server said so, and why in its log."""
        return all(503 in states for states in self.load.readiness) and all(
            any("background_failed" in line and "the database" in line for line in lines)
            for lines in self.logs
        )


def prepare(data):
    """Make an account, alice, and the clients."""

    async def scene():
        settings = Settings(data=str(data), database=os.environ["CARNET_DATABASE"])
        async with open_service(settings) as service:
            await service.accounts.create("alice", PASSWORD, ("ADMIN",))
            for client_id in CLIENTS:
                await register(service, client_id)

    asyncio.run(scene())


@pytest.fixture
def play(cluster, start, verify, tmp_path, monkeypatch):
    """Run a scene on the whole cluster, with everything confirmed before it and after it."""

    @contextmanager
    def run():
        primary = cluster.heal()
        database = cluster.new_database()
        standbys_first = sorted(cluster.nodes.values(), key=lambda node: node is primary)
        monkeypatch.setenv("CARNET_DATABASE", cluster.url(database, standbys_first))
        prepare(tmp_path / "data")
        with closing(Cable()) as front:
            issuer = f"http://127.0.0.1:{front.port}"
            flags = ("--issuer", issuer, "--refresh-grace", "120")
            servers = [start(*flags, env=HEARTBEATS) for _ in range(2)]
            front.targets = tuple(int(one.url.rpartition(":")[2]) for one in servers)
            verifiers = [verify(issuer) for _ in range(4)]
            scene = Scene(cluster, database, servers, issuer, verifiers)
            try:
                for verifier in verifiers:
                    verifier.verify(scene.load.chains[0].access_token)
                until(lambda: all(map(followed, verifiers)))
                with scene.load.running():
                    scene.goes_on()
                    yield scene
                    scene.goes_on()
                # Not at a former primary that has yet to learn that it is none any more.
                cluster.heal()
                scene.check()
            except BaseException:
                print(cluster.logs())
                for lines in scene.logs:
                    faults = [line for line in lines if '"exception"' in line or " 500" in line]
                    print("".join([*faults[:20], *lines[-20:]]))
                raise

    return run


def test_nothing_confirmed_is_lost_when_the_primary_is_killed(play, cluster):
    with play() as scene:
        primary = cluster.leader
        primary.kill()
        cluster.wait_for_leader(other_than=primary)
    assert scene.was_unready()


def test_nothing_confirmed_is_lost_when_another_is_made_primary(play, cluster, tmp_path):
    with play():
        before = cluster.leader
        words = shlex.split(block("sh"))
        said = {
            "patronictl": str(cluster.programs["patronictl"]),
            "patroni.yml": str(before.configuration),
            "db1": before.name,
            "db2": cluster.synchronous.name,
        }
        assert said.keys() <= {*words}
        done = processes.run(
            [said.get(word, word) for word in words], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert cluster.wait_for_leader(other_than=before) is not before


def test_nothing_confirmed_is_lost_when_the_primary_is_cut_off_from_etcd(play, cluster):
    with play() as scene:
        primary = cluster.leader
        primary.cable.cut()
        cluster.wait_for_leader(other_than=primary)
    assert scene.was_unready()


def test_a_primary_whose_patroni_hangs_confirms_nothing_once_another_is_promoted(play, cluster):
    with play():
        primary = cluster.leader
        primary.signal_patroni(signal.SIGSTOP)
        cluster.wait_for_leader(other_than=primary)
        # As the watchdog does to a machine whose Patroni hangs.
        primary.kill()


def test_nothing_confirmed_is_lost_when_the_primary_s_machine_goes_silent(play, cluster):
    with play() as scene:
        primary = cluster.leader
        primary.signal_patroni(signal.SIGSTOP)
        primary.signal_postgres(signal.SIGSTOP)
        try:
            cluster.wait_for_leader(other_than=primary)
            # Connections to it stay open, and nothing answers there.
            scene.goes_on()
        finally:
            primary.kill()
    assert scene.was_unready()


def test_nothing_confirmed_is_lost_when_everything_is_restarted(play, cluster):
    with play() as scene:
        for node in cluster.nodes.values():
            node.kill()
        cluster.stop_etcd()
        cluster.start_etcd()
        cluster.heal()
    assert scene.was_unready()
