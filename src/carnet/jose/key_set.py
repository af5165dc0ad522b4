"""Key sets (RFC 7517 section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from carnet.errors import ConfigurationError, InvalidKey, InvalidToken
from carnet.jose.algorithms import AlgorithmName
from carnet.jose.arguments import BytesLike, bytes_of, check_flag, check_names
from carnet.jose.encoding import json_decode
from carnet.jose.key import Key, keys_of_jwk
from carnet.jose.key_binding import MAX_KID

__all__ = ["KeySet", "SkippedKey"]

MAX_KEY_SET = 1024 * 1024
MAX_KEYS = 512


@dataclass(frozen=True, slots=True)
class SkippedKey:
    """A member of a key set that couldn't be used, and why."""

    kid: str | None
    reason: str


class KeySet:
    """An ordered, unchanging set of keys.

    Args:
        keys: the keys.

    Raises:
        InvalidKey: if something in it is not a Key.
    """

    __slots__ = ("_by_kid", "_keys", "_skipped")

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        if keys.__class__ is not tuple and not isinstance(keys, Iterable):
            raise InvalidKey("a KeySet needs a list of Key objects")
        self._keys = tuple(keys)
        self._skipped: tuple[SkippedKey, ...] = ()
        if not all(isinstance(key, Key) for key in self._keys):
            raise InvalidKey("a KeySet can hold only Key objects")
        by_kid: dict[str | None, list[Key]] = {}
        for key in self._keys:
            by_kid.setdefault(key.kid, []).append(key)
        self._by_kid = {kid: tuple(named) for kid, named in by_kid.items()}

    @property
    def skipped(self) -> tuple[SkippedKey, ...]:
        """What ``from_jwks`` left out, and why."""
        return self._skipped

    @classmethod
    def from_jwks(
        cls,
        document: Mapping[str, Any] | str | BytesLike,
        algorithms: Iterable[AlgorithmName] | None = None,
        *,
        public: bool = False,
    ) -> KeySet:
        """Read a JWK Set; a key that can't be used is left out and reported in ``skipped``.

        Args:
            document: the set, decoded or as JSON text of at most 1 MiB, of at most 512 keys.
            algorithms: what keys that name no ``alg`` are bound to, as large providers publish
                them: each such key stands once for every one of these that fits its type. Keys
                that name another algorithm are skipped.
            public: skip keys with private members, before anything of them is loaded. For a set
                that others publish: a private key in it proves nothing, and loading it takes long.

        Raises:
            InvalidKey: if the document is no JWK Set at all.
            ConfigurationError: if ``algorithms`` is no list.
        """
        wanted: tuple[str, ...] | None = None
        if algorithms is not None:
            if not isinstance(algorithms, Iterable) or isinstance(algorithms, str | bytes):
                raise ConfigurationError("algorithms must be a list of names, such as ['RS256']")
            wanted = tuple(algorithms)
            check_names(wanted, "algorithms")
        check_flag(public, "public")
        keys: list[Key] = []
        skipped: list[SkippedKey] = []
        for number, jwk in enumerate(_members(document)):
            kid = jwk.get("kid") if isinstance(jwk, Mapping) else None
            try:
                if not isinstance(jwk, Mapping):
                    raise InvalidKey(f"entry {number} is not an object")
                keys.extend(keys_of_jwk(jwk, wanted, public))
            except InvalidKey as error:
                named = kid[:MAX_KID] if isinstance(kid, str) else None
                skipped.append(SkippedKey(named, str(error)))
        made = cls(keys)
        made._skipped = tuple(skipped)
        return made

    def to_jwks(self, private: bool = False) -> dict[str, Any]:
        """Give the set as a JWK Set, public members only unless ``private`` is true."""
        return {"keys": [key.to_jwk(private) for key in self._keys]}

    def candidates(self, kid: str | None, alg: str) -> tuple[Key, ...]:
        """Give the keys that may have made a token with this ``kid`` and ``alg``.

        A key without ``kid`` is a candidate for every ``kid``; a token without one for every key.
        """
        named = self._keys
        if kid is not None:
            if not isinstance(kid, str):
                raise ConfigurationError("kid must be text, or None")
            named = (*self._by_kid.get(kid, ()), *self._by_kid.get(None, ()))
        return tuple([key for key in named if key.accepts(alg)])

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __repr__(self) -> str:
        return f"<KeySet of {len(self._keys)}: {', '.join(repr(key.kid) for key in self._keys)}>"


def _members(document: Mapping[str, Any] | str | BytesLike) -> list[Any]:
    given = document if isinstance(document, str) else bytes_of(document)
    if given is not None:
        if len(given) > MAX_KEY_SET:
            raise InvalidKey(f"the key set is longer than {MAX_KEY_SET} bytes")
        try:
            raw = given.encode() if isinstance(given, str) else given
            document = json_decode(raw, "the key set")
        except (InvalidToken, UnicodeEncodeError):
            raise InvalidKey("the key set is not a JSON object in strict form") from None
    keys = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list):
        raise InvalidKey(
            "a key set must be an object with a list named 'keys' (RFC 7517 section 5)"
        )
    if len(keys) > MAX_KEYS:
        raise InvalidKey(f"the key set has more than {MAX_KEYS} keys")
    return keys
