"""An MCP server that speaks over its standard input and output, served over HTTP.

Each MCP session has a process of its own, so that nobody sees what another person's session has
left in one. The transports are those of the ``mcp`` SDK; messages pass between them as they are.

Sessions are those of the protocol's versions with a handshake, which servers on stdio speak. A
request of a newer version, which belongs to no session, is answered 400, and clients fall back:
without a session there is nothing that a process could belong to, but a request, which would lose
what the server keeps in its memory, or a person, whose clients would find each other's.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Self
from uuid import uuid4

import anyio
import msgspec
from anyio.abc import TaskGroup, TaskStatus
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from carnet import child_processes
from carnet.errors import ConfigurationError
from carnet.mcp_proxy.asgi import Message, Receive, Scope, Send, answer, values_of
from carnet.mcp_proxy.session_ids import SESSION_ID, owner_of

__all__ = ["StdioServer"]

MOST: Final = 100
MOST_OF_ONE: Final = 20
IDLE_SECONDS: Final = 30 * 60
# What is in flight when a process has ended is answered before its session goes.
LAST_WORDS_SECONDS: Final = 2

PROGRESS: Final = "notifications/progress"
CANCELLED: Final = "notifications/cancelled"

_log = logging.getLogger("carnet.mcp_proxy")

Owner = tuple[str, ...]


@dataclass(slots=True)
class _Request:
    """A client's request that is not answered yet.

    Attributes:
        progress: the token of its progress, or None.
        end: ends its stream without an answer, as where it was cancelled.
    """

    progress: Any
    end: Callable[[], Awaitable[None]] | None


@dataclass(slots=True)
class _Session:
    """A session: its owner, its side of the client, and what is in flight.

    Attributes:
        owner: whose it is.
        transport: the SDK's, towards the client.
        in_flight: the client's requests, by their ids.
        posts: how many requests of HTTP are being answered.
        quiet: set whenever none is.
    """

    owner: Owner
    transport: StreamableHTTPServerTransport
    in_flight: dict[Any, _Request] = field(default_factory=dict)
    posts: int = 0
    quiet: anyio.Event = field(default_factory=anyio.Event)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of HTTP."""
        counted = scope["method"] == "POST"
        self.posts += counted
        try:
            await self.transport.handle_request(scope, receive, send)
        finally:
            self.posts -= counted
            if not self.posts:
                self.quiet.set()

    async def onward(self, source: Any, target: Any) -> None:
        """Hand the client's messages on until one side ends."""
        async for given in _messages(source):
            message = given.message
            if isinstance(message, JSONRPCRequest):
                progress = _id((message.params or {}).get("_meta"), "progressToken")
                ending = getattr(given.metadata, "on_request_unanswered", None)
                self.in_flight[message.id] = _Request(progress, ending)
            await target.send(SessionMessage(message))
            if isinstance(message, JSONRPCNotification) and message.method == CANCELLED:
                ended = self.in_flight.pop(_id(message.params, "requestId"), None)
                if ended is not None and ended.end is not None:
                    await ended.end()

    async def back(self, source: Any, target: Any) -> None:
        """Hand the server's messages back until one side ends.

        Progress leaves on the stream of the request that it belongs to. What else comes while
        requests are in flight leaves on the stream of the latest, which is surely open; otherwise
        on the session's own.
        """
        async for given in _messages(source):
            message = given.message
            if isinstance(message, JSONRPCResponse | JSONRPCError):
                self.in_flight.pop(message.id, None)
                await target.send(given)
                continue
            related = next(reversed(self.in_flight), None)
            if isinstance(message, JSONRPCNotification) and message.method == PROGRESS:
                token = _id(message.params, "progressToken")
                of_token = (one for one, its in self.in_flight.items() if its.progress == token)
                related = next(of_token, related)
            await target.send(SessionMessage(message, ServerMessageMetadata(related)))

    async def say_it_is_over(self, target: Any) -> None:
        """Answer what is in flight: the server has ended."""
        error = ErrorData(code=INTERNAL_ERROR, message="the MCP server has ended")
        for request_id in list(self.in_flight):
            message = JSONRPCError(jsonrpc="2.0", id=request_id, error=error)
            await target.send(SessionMessage(message))
        with anyio.move_on_after(LAST_WORDS_SECONDS):
            if self.posts:
                self.quiet = anyio.Event()
                await self.quiet.wait()


class StdioServer:
    """The ASGI app; a context that ends its processes.

    Args:
        command: the server's program and its arguments.

    Raises:
        ConfigurationError: if there is no such program.
    """

    def __init__(self, command: Sequence[str]) -> None:
        if shutil.which(command[0]) is None:
            raise ConfigurationError(f"there is no program {command[0]}: is it installed?")
        program, *arguments = child_processes.ending_with_us(command)
        # What settings of Carnet's hold is none of the server's business.
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("CARNET_")
        }
        self._parameters = StdioServerParameters(command=program, args=arguments, env=environment)
        self._name = command[0]
        self._sessions: dict[str, _Session] = {}
        self._stack = AsyncExitStack()
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._tasks = await self._stack.enter_async_context(anyio.create_task_group())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()
        await self._stack.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of a session, or begin one."""
        versions = values_of(scope["headers"], b"mcp-protocol-version")
        if any(one.decode("latin-1") not in HANDSHAKE_PROTOCOL_VERSIONS for one in versions):
            known = ", ".join(HANDSHAKE_PROTOCOL_VERSIONS)
            await answer(
                send, 400, "unsupported_version", f"this server begins with initialize: {known}"
            )
            return
        given = values_of(scope["headers"], SESSION_ID)
        if given:
            session_id = given[0].decode("latin-1")
            session = self._sessions.get(session_id)
            if session is None:
                await answer(
                    send, 404, "session_not_found", "there is no such session; begin a new one"
                )
                return
            await session.handle(scope, receive, send)
            if session.transport.is_terminated:
                # Its place is free, though its process has yet to end.
                self._sessions.pop(session_id, None)
            return
        body = await _read(receive)
        if scope["method"] != "POST" or not _is_initialize(body):
            await answer(send, 400, "session_missing", "a session begins with POST and initialize")
            return
        await self._begin(scope, _again(body, receive), send)

    async def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        owner = owner_of(scope["carnet.claims"])
        own = sum(session.owner == owner for session in self._sessions.values())
        if self._tasks is None or len(self._sessions) >= MOST or own >= MOST_OF_ONE:
            await answer(
                send, 503, "too_many_sessions", "too many sessions are open; end one of them first"
            )
            return
        session_id = uuid4().hex
        transport = StreamableHTTPServerTransport(session_id, idle_timeout=IDLE_SECONDS)
        session = self._sessions[session_id] = _Session(owner, transport)
        if not await self._tasks.start(partial(self._serve, session_id, session)):
            await answer(send, 502, "upstream_unavailable", "the MCP server can't be started")
            return
        await session.handle(scope, receive, send)

    async def _serve(
        self,
        session_id: str,
        session: _Session,
        *,
        task_status: TaskStatus[bool] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run a process for a session until one of both ends; what fails ends this one alone."""
        is_running = False
        try:
            async with (
                session.transport.connect() as (from_client, to_client),
                stdio_client(self._parameters) as (from_server, to_server),
            ):
                is_running = True
                task_status.started(True)
                with session.transport.idle_scope or anyio.CancelScope():
                    async with anyio.create_task_group() as both:
                        both.start_soon(_first, session.onward(from_client, to_server), both)
                        both.start_soon(_first, session.back(from_server, to_client), both)
                    self._sessions.pop(session_id, None)
                    if not session.transport.is_terminated:
                        _log.warning("%s has ended in the midst of a session", self._name)
                        await session.say_it_is_over(to_client)
                await session.transport.terminate()
        except Exception as error:
            _log.error("a session of %s has failed", self._name, exc_info=error)
            if not is_running:
                task_status.started(False)
        finally:
            self._sessions.pop(session_id, None)
            if not session.transport.is_terminated:
                with anyio.CancelScope(shield=True):
                    await session.transport.terminate()


async def _first(work: Awaitable[None], group: TaskGroup) -> None:
    """Do one of two works; with it the other one ends."""
    with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        await work
    group.cancel_scope.cancel()


async def _messages(source: Any) -> AsyncIterator[SessionMessage]:
    """Give the messages of a stream; a line that is none the SDK tells the log of."""
    with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        async for message in source:
            if not isinstance(message, Exception):
                yield message


def _id(document: Any, name: str) -> str | int | None:
    """Give a member that is an id or a token; None where it is anything else."""
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str | int) else None


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that has been read once more."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return messages.pop() if messages else await receive()

    return received


def _is_initialize(body: bytes) -> bool:
    try:
        message = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(message, dict) and message.get("method") == "initialize"
