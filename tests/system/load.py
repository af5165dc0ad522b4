"""Requests that never stop, at several verifiers."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from carnet import CarnetError


class Load:
    """Each verifier checks all good tokens over and over, in a thread of its own.

    Attributes:
        tokens: the tokens that are good.
        refused: the code of each refusal.
        rounds: how often each verifier has been through the tokens.
    """

    def __init__(self, verifiers, tokens):
        self.tokens = tuple(tokens)
        self.refused = []
        self.rounds = [0] * len(verifiers)
        self._verifiers = verifiers
        self._stop = threading.Event()

    def add(self, token):
        self.tokens = (*self.tokens, token)

    def run(self, number):
        verifier = self._verifiers[number]
        # The pause leaves the other threads, and the machine, their turn.
        while not self._stop.wait(0.005):
            for token in self.tokens:
                try:
                    verifier.verify(token)
                except CarnetError as error:
                    self.refused.append(f"{error.code}: {error}")
            self.rounds[number] += 1

    @contextmanager
    def running(self):
        threads = [
            threading.Thread(target=self.run, args=(number,))
            for number in range(len(self._verifiers))
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def each_has_been_through(self):
        """Make a condition: each verifier has seen all the tokens that are good now."""
        before = list(self.rounds)
        return lambda: all(now > then + 1 for now, then in zip(self.rounds, before, strict=True))
