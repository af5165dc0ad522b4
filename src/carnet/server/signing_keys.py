"""The service's own keys, kept in the database encrypted under the master key."""

from __future__ import annotations

import secrets

from carnet.jose.encoding import json_encode
from carnet.jose.key import Key
from carnet.jose.key_set import KeySet
from carnet.server.clock import Clock
from carnet.server.master_key import MasterKey
from carnet.server.store import Store, Transaction
from carnet.server.store import statements as sql

__all__ = ["Keys", "load_keys"]


class Keys:
    """What the service signs with and what it publishes.

    Attributes:
        signing: the private key that signs new tokens.
        published: the public keys that verifiers are given.
        peppers: the secrets of the refresh tokens, by their number.
        pepper_id: the number of the one that new refresh tokens get.
    """

    def __init__(self, private: list[Key], peppers: dict[int, bytes]) -> None:
        self.signing = private[0]
        self.published = KeySet(key.public for key in private)
        self.peppers = peppers
        self.pepper_id = max(peppers)


async def load_keys(store: Store, master_key: MasterKey, algorithm: str, clock: Clock) -> Keys:
    """Read the keys from the database; at the first start, make them.

    Args:
        store: the database.
        master_key: what they are encrypted under.
        algorithm: of the first signing key.
        clock: gives the microseconds since 1970.

    Raises:
        ServerError: ``master_key_wrong``.
        InvalidKey: if the algorithm is unknown.
    """
    key = Key.generate(algorithm)
    encrypted_key = master_key.encrypt(json_encode(key.to_jwk(private=True)))
    encrypted_pepper = master_key.encrypt(secrets.token_bytes(32))

    def make_what_is_missing() -> Transaction[tuple[list[str], dict[int, str]]]:
        keys = yield sql.SIGNING_KEYS, ()
        if not keys:
            yield sql.ADD_SIGNING_KEY, (key.kid, key.alg, encrypted_key, clock())
            keys = [(encrypted_key,)]
        peppers = yield sql.PEPPERS, ()
        if not peppers:
            yield sql.ADD_PEPPER, (1, encrypted_pepper, clock())
            peppers = [(1, encrypted_pepper)]
        return [row[0] for row in keys], {row[0]: row[1] for row in peppers}

    keys, peppers = await store.transact(make_what_is_missing)
    return Keys(
        [Key.from_jwk(master_key.decrypt(token)) for token in keys],
        {number: master_key.decrypt(token) for number, token in peppers.items()},
    )
