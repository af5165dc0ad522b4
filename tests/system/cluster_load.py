"""People and clients that never stop, at several servers, and what was confirmed to them.

Whatever is not confirmed, by an answer, is open: it may have been done or not. What was confirmed
is counted afterwards, in the database and at the servers.
"""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from contextlib import contextmanager

import httpx
from tests.server.flows import Person, Request

from carnet import inspect

PAUSE = 0.05
AWAY = (httpx.HTTPError, AssertionError)


class Chain:
    """A session whose tokens are refreshed all the time; each sometimes twice, at two servers.

    Attributes:
        session_id: which session.
        successors: what each token was answered, for every time that it was.
        token: the newest one.
        refused: answers that no good token may get.
    """

    def __init__(self, servers, body):
        self._servers = servers
        self.session_id = body["session_id"]
        self.token = body["refresh_token"]
        self.access_token = body["access_token"]
        self.successors = defaultdict(set)
        self.refused = []
        self._rounds = 0

    def refresh(self):
        """Take a step; nothing is known of it where no answer came."""
        self._rounds += 1
        # Every third time a second tab asks the other server with the same token.
        asked = [self._rounds, self._rounds + 1] if self._rounds % 3 == 0 else [self._rounds]
        following = None
        for number in asked:
            answer = confirmed(
                lambda number=number: self._servers[number % 2].refresh(self.token), self.refused
            )
            if answer is not None:
                self.successors[self.token].add(answer.json()["refresh_token"])
                following = answer.json()
        if following is not None:
            self.token = following["refresh_token"]
            self.access_token = following["access_token"]


class ClusterLoad:
    """Chains of refresh tokens, comings and goings, and clients that are let in.

    Attributes:
        servers: two servers of one database; a browser comes to them by an address that is both's.
        chains: sessions that live on.
        begun: the body of the answer to each sign-in, of sessions that nobody tries to end.
        ended: the same for each whose sign-out was confirmed.
        revoked: the id of each token whose revocation was confirmed.
        codes: each code that a client was given, and its client.
        exchanged: the codes that were exchanged, and the session of each.
        refused: answers that should not be.
        readiness: the states of the servers, as they told them, one after the other.
    """

    def __init__(self, servers, front, clients):
        self.servers = servers
        self._front = front
        self.chains = [Chain(servers, server.sign_in().json()) for server in servers * 2]
        self.begun, self.ended = [], []
        self.revoked, self.codes, self.exchanged = [], [], {}
        self.refused = []
        self.readiness = [[] for _ in servers]
        self._clients = clients
        self._closed_at_the_end = []
        self._stop = threading.Event()

    @contextmanager
    def running(self):
        works = [chain.refresh for chain in self.chains]
        works += [self._comings_and_goings(), self._let_clients_in()]
        works += [self._look(n) for n in range(len(self.servers))]
        threads = [threading.Thread(target=self._repeat, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
            for client in self._closed_at_the_end:
                client.close()

    def progress(self):
        """Make a condition: of everything something more was confirmed, by each server."""

        def counts():
            return [
                *(len(chain.successors) for chain in self.chains),
                *map(len, (self.begun, self.ended, self.revoked, self.codes, self.exchanged)),
                *(states.count(200) for states in self.readiness),
            ]

        before = counts()

        def made():
            assert self.refused == []
            return all(now > then + 2 for now, then in zip(counts(), before, strict=True))

        return made

    def _repeat(self, work):
        while not self._stop.wait(PAUSE):
            work()

    def _comings_and_goings(self):
        number = 0

        def work():
            nonlocal number
            number += 1
            server = self.servers[number % 2]
            answer = confirmed(server.sign_in, self.refused, 201)
            if answer is None:
                return
            body = answer.json()
            if number % 4 == 0:
                self.begun.append(body)
            elif number % 4 == 1:
                token = body["access_token"]
                revoking = {"token": token}
                if confirmed(
                    lambda: server.client.post("/revocation", data=revoking), self.refused
                ):
                    self.revoked.append(inspect(token).claims["jti"])
            # Who gets no answer tries again, at the other server.
            elif any(
                confirmed(lambda at=at: at.sign_out(body["access_token"]), self.refused, 204)
                for at in (server, self.servers[(number + 1) % 2])
            ):
                self.ended.append(body)

        return work

    def _let_clients_in(self):
        person = Person(self._front)
        self._closed_at_the_end.append(person.client)
        number = 0

        def work():
            nonlocal number
            number += 1
            client_id = self._clients[number % len(self._clients)]
            asked = Request(client_id=client_id, scope="openid profile")
            try:
                code = person.authorize(**asked.parameters).get("code")
            except AWAY:
                return
            if code is None:
                return
            self.codes.append((code, client_id))
            if number % 2:
                answer = confirmed(
                    lambda: asked.exchange(self.servers[number % 4 // 2], code), self.refused
                )
                if answer is not None:
                    self.exchanged[code] = answer.json()

        return work

    def _look(self, number):
        client = httpx.Client(base_url=self.servers[number].url, trust_env=False, timeout=60)
        self._closed_at_the_end.append(client)

        def work():
            try:
                self.readiness[number].append(client.get("/readyz").status_code)
            except httpx.HTTPError:
                self.readiness[number].append(0)

        return work


def confirmed(request, refused, status=200):
    """Give an answer that confirms what was asked; None where there is none, or 503."""
    try:
        answer = request()
    except httpx.HTTPError:
        return None
    if answer.status_code == status:
        return answer
    if answer.status_code != 503:
        refused.append(f"{answer.request.url.path} {answer.status_code} {answer.text}")
    return None


def hash_of(code):
    return hashlib.sha256(code.encode()).digest()
