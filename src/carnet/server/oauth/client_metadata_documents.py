"""Clients that nobody has registered, and that publish themselves what they are.

Such a client's id is the address of a JSON document about it
(draft-ietf-oauth-client-id-metadata-document). It is fetched for somebody who is signed in, and for
nobody else; what it says is kept with the other unregistered clients, and read again when its time
is over. The token endpoint goes by what is kept, and fetches nothing.

What is asked for in vain is left alone for a few seconds, so that no crowd of accounts makes this
service knock at somebody's door; and each account and network may cause a number of fetches alone.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import structlog

from carnet.errors import CarnetError, InvalidToken
from carnet.jose.encoding import json_decode
from carnet.server.accounts.throttle import Throttle
from carnet.server.audit import Origin
from carnet.server.clients.addresses import BadAddress, check_web_address
from carnet.server.clients.clients import Client, ClientMetadata, ClientRefused
from carnet.server.clients.unregistered import (
    UnregisteredClient,
    UnregisteredClients,
)
from carnet.server.clock import SECOND, Clock
from carnet.server.metrics import CLIENT_DOCUMENTS
from carnet.server.networks import ip_address_of, is_public
from carnet.server.public_fetch import Fetched, NotFetched, PublicFetch, Resolve
from carnet.server.settings import Settings

__all__ = ["ClientMetadataDocuments", "DocumentRefused"]

# The draft recommends 5 KB (section 6.6).
MOST_BYTES: Final = 5 * 1024
FETCH_SECONDS: Final = 5.0
LONGEST_ETAG: Final = 256
# How long a document is taken for current: as its server says, within these bounds, in seconds. A
# redirect address that a client gives up is good for no longer.
SHORTEST_FRESH: Final = 60
USUALLY_FRESH: Final = 600
LONGEST_FRESH: Final = 3600
LEFT_ALONE: Final = 10 * SECOND
MOST_LEFT_ALONE: Final = 1024

_MAX_AGE = re.compile(r"max-age=\"?([0-9]{1,9})\"?")
_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]*"')
_JSON = re.compile(r"application/([a-z0-9.!#$&^_-]+\+)?json", re.ASCII)

# What a person is told with, by the code of the refusal; everything else is 400.
_STATUS: Final = {"unreachable": 502, "host_unknown": 502, "status": 502, "too_slow": 504}

_log = structlog.get_logger()


class DocumentRefused(CarnetError):
    """The document of a client can't be fetched, or can't be used; nobody but the person is told.

    Codes: ``bad_address``, ``status``, ``content_type``, ``malformed``, ``invalid_member``, and
    those of ``NotFetched``.

    Args:
        message: what is wrong, in words that follow on the host's.
        code: the code.
        host: where the document is to be.
        member: the member at fault, or "".
    """

    code = "invalid_member"

    def __init__(self, message: str, *, code: str, host: str, member: str = "") -> None:
        super().__init__(message, code=code)
        self.host = host
        self.member = member

    @property
    def status(self) -> int:
        """The HTTP status of the page that tells of it."""
        return _STATUS.get(self.code, 400)


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """The members that are known of a document, by RFC 7591 section 2; all others are ignored."""

    client_id: str
    client_name: str
    redirect_uris: tuple[str, ...]
    token_endpoint_auth_method: str = "none"  # there can be no secret
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    scope: str = ""
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    client_uri: str | None = None
    logo_uri: str | None = None
    tos_uri: str | None = None
    policy_uri: str | None = None
    contacts: tuple[str, ...] = ()
    software_id: str | None = None
    software_version: str | None = None
    dpop_bound_access_tokens: bool = False


class ClientMetadataDocuments:
    """Finds clients by their documents.

    Args:
        clients: where what a document says is kept.
        throttle: says how many fetches an account and a network may cause.
        settings: which hosts may stand at private addresses.
        clock: gives the microseconds since 1970.
        resolve: gives the addresses of a name; by default as the system does.
    """

    def __init__(
        self,
        clients: UnregisteredClients,
        throttle: Throttle,
        settings: Settings,
        clock: Clock,
        resolve: Resolve | None = None,
    ) -> None:
        self._clients = clients
        self._throttle = throttle
        self._clock = clock
        self._private_hosts = frozenset(settings.private_hosts)
        self._fetch = PublicFetch(self._private_hosts, MOST_BYTES, FETCH_SECONDS, resolve)
        self._under_way: dict[str, asyncio.Task[Client]] = {}
        # Why the last fetch was in vain, and until when there is no other.
        self._left_alone: dict[str, tuple[int, DocumentRefused]] = {}

    async def find(self, client_id: str, account_id: str, origin: Origin) -> Client:
        """Give the client of an id that is the address of its document.

        Args:
            client_id: the address.
            account_id: who is signed in.
            origin: from where.

        Raises:
            DocumentRefused: if there is no such document, or it can't be used.
            Delayed: if the account, or its network, has caused too many fetches.
        """
        known, now = await self._clients.look_up(client_id), self._clock()
        # No further ahead than it is ever written: the clock may have been set back.
        if known is not None and now < (known.fresh_until or 0) <= now + LONGEST_FRESH * SECOND:
            return known.client
        self._check_address(client_id)
        until, refused = self._left_alone.get(client_id, (0, None))
        if refused is not None and now < until <= now + LEFT_ALONE:
            raise DocumentRefused(
                str(refused), code=refused.code, host=refused.host, member=refused.member
            )
        if client_id not in self._under_way:
            await self._throttle.document(account_id, origin.address)
        task = self._under_way.get(client_id)
        if task is None:
            work = self._update(client_id, known, origin)
            task = self._under_way[client_id] = asyncio.create_task(work)
            task.add_done_callback(partial(self._done, client_id))
        # Whoever gives up waiting takes the answer from nobody else.
        return await asyncio.shield(task)

    def close(self) -> None:
        """End what is under way."""
        for task in self._under_way.values():
            task.cancel()
        self._fetch.close()

    def _done(self, client_id: str, task: asyncio.Task[Client]) -> None:
        del self._under_way[client_id]
        error = None if task.cancelled() else task.exception()
        if not isinstance(error, DocumentRefused):
            return
        if len(self._left_alone) >= MOST_LEFT_ALONE:
            del self._left_alone[next(iter(self._left_alone))]
        self._left_alone.pop(client_id, None)
        self._left_alone[client_id] = (self._clock() + LEFT_ALONE, error)

    def _check_address(self, client_id: str) -> None:
        """Check the address of a document (the draft's section 3)."""
        parts = urlsplit(client_id)
        try:
            check_web_address(client_id)
        except BadAddress as error:
            raise self._refused(client_id, f"has to be {error}", "bad_address") from None
        host = parts.hostname or ""
        literal = ip_address_of(host)
        if literal is not None and not is_public(literal) and host not in self._private_hosts:
            raise self._refused(client_id, "has to be at a public address", "bad_address")
        if parts.path in ("", "/"):
            raise self._refused(client_id, "has to be a URL with a path", "bad_address")

    async def _update(
        self, client_id: str, known: UnregisteredClient | None, origin: Origin
    ) -> Client:
        """Fetch a document, and keep what it says."""
        try:
            return await self._read(client_id, known, origin)
        except DocumentRefused as error:
            CLIENT_DOCUMENTS.labels("refused").inc()
            _log.warning(
                "client_document_refused",
                host=error.host,
                reason=error.code,
                member=error.member,
                cause=str(error),
            )
            raise

    async def _read(
        self, client_id: str, known: UnregisteredClient | None, origin: Origin
    ) -> Client:
        headers = {"Accept": "application/json"}
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        try:
            fetched = await self._fetch.fetch(client_id, headers)
        except NotFetched as error:
            raise self._refused(client_id, f"can't be fetched: {error}", error.code) from None
        fresh_until = self._clock() + _fresh_seconds(fetched) * SECOND
        if known is not None and known.etag and fetched.status == 304:
            await self._clients.freshen(client_id, fresh_until)
            CLIENT_DOCUMENTS.labels("unchanged").inc()
            return known.client
        self._check_answer(client_id, fetched)
        metadata = self._metadata(client_id, fetched.body)
        etag = fetched.headers.get("etag", "")
        if len(etag) > LONGEST_ETAG or _ETAG.fullmatch(etag) is None:
            etag = ""
        try:
            saved = await self._clients.save(
                client_id, metadata, origin, etag=etag, fresh_until=fresh_until
            )
        except ClientRefused as error:
            raise self._wrong(client_id, error.member, str(error)) from None
        CLIENT_DOCUMENTS.labels("read").inc()
        return saved.client

    def _check_answer(self, client_id: str, fetched: Fetched) -> None:
        if fetched.status != 200:
            more = ", and redirects are not followed" if 300 <= fetched.status < 400 else ""
            text = f"can't be fetched: its server answers {fetched.status}{more}"
            raise self._refused(client_id, text, "status")
        kind = fetched.headers.get("content-type", "").partition(";")[0].strip().lower()
        if _JSON.fullmatch(kind) is None:
            text = "has to have the content type application/json"
            raise self._refused(client_id, text, "content_type")

    def _metadata(self, client_id: str, body: bytes) -> ClientMetadata:
        """Read a document (the draft's section 4)."""
        try:
            members = json_decode(body)
        except InvalidToken:
            text = "has to be a JSON object, in which each name stands once"
            raise self._refused(client_id, text, "malformed") from None
        if members.get("client_id") != client_id:
            raise self._wrong(client_id, "client_id", "it is not the address of the document")
        for name in ("client_secret", "client_secret_expires_at"):
            if name in members:
                raise self._wrong(client_id, name, "what everybody can read is no secret")
        try:
            said = msgspec.convert(members, _Document)
        except msgspec.ValidationError as error:
            raise self._wrong(client_id, *_at_fault(error)) from None
        method = said.token_endpoint_auth_method
        wanted = {
            "client_name": (bool(said.client_name.strip()), "it is empty"),
            "grant_types": (
                "authorization_code" in said.grant_types,
                "authorization_code is not among them",
            ),
            "response_types": ("code" in said.response_types, "code is not among them"),
            "token_endpoint_auth_method": (
                method in ("none", "private_key_jwt"),
                "it is neither none nor private_key_jwt",
            ),
        }
        for name, (holds, text) in wanted.items():
            if not holds:
                raise self._wrong(client_id, name, text)
        try:
            return msgspec.convert(
                {
                    "client_name": said.client_name,
                    "redirect_uris": said.redirect_uris,
                    "grant_types": [
                        name
                        for name in ("authorization_code", "refresh_token")
                        if name in said.grant_types
                    ],
                    "scope": said.scope,
                    "token_endpoint_auth_method": method,
                    "jwks": said.jwks if method == "private_key_jwt" else None,
                    "jwks_uri": said.jwks_uri if method == "private_key_jwt" else None,
                    "dpop_bound_access_tokens": said.dpop_bound_access_tokens,
                },
                ClientMetadata,
            )
        except msgspec.ValidationError as error:
            raise self._wrong(client_id, *_at_fault(error)) from None

    def _wrong(self, client_id: str, member: str, text: str) -> DocumentRefused:
        return self._refused(
            client_id, f"can't be used, for its member {member}: {text}", "invalid_member", member
        )

    def _refused(self, client_id: str, text: str, code: str, member: str = "") -> DocumentRefused:
        host = urlsplit(client_id).netloc
        return DocumentRefused(text, code=code, host=host, member=member)


def _at_fault(error: msgspec.ValidationError) -> tuple[str, str]:
    """Give the member at fault, and what was expected of it."""
    text, _, place = str(error).partition(" - at `$.")
    name = place.partition("`")[0].partition("[")[0]
    if not name:
        # A member that is missing is named in the text alone.
        name = text.rpartition("field `")[2].rstrip("`")
        text = "it is missing"
    return name, text.replace("`", "")


def _fresh_seconds(fetched: Fetched) -> int:
    """Say for how long a document is current (RFC 9111 section 5.2.2), within bounds."""
    said = [part.strip().lower() for part in fetched.headers.get("cache-control", "").split(",")]
    if "no-store" in said or "no-cache" in said:
        return SHORTEST_FRESH
    found = next((match for part in said if (match := _MAX_AGE.fullmatch(part))), None)
    seconds = USUALLY_FRESH if found is None else int(found[1])
    return min(max(seconds, SHORTEST_FRESH), LONGEST_FRESH)
