"""A flow of httpx2, as the MCP SDK writes them, for the clients of httpx, blocking ones too.

The flow knows of the API's own request no more than it needs: method, address and headers, and
whether it can be sent again; and of the answer the head, since what is streamed is not for it.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import suppress
from typing import Any, Final

import httpx

from carnet.errors import ConfigurationError
from carnet.verifier.access import check_address, on_loopback
from carnet.verifier.bearer import not_installed
from carnet.verifier.bound_flow import BoundFlow

try:
    import httpx2
    from mcp.client.auth import OAuthFlowError
except ModuleNotFoundError:
    raise not_installed("mcp") from None

__all__ = ["AllowedAddresses", "BothHttpx", "in_a_thread", "known_of", "received", "sent"]

_OF_THE_BODY: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class BothHttpx:
    """Makes an auth of the MCP SDK's one of httpx, too; it comes before the SDK's class.

    What it gets is sent to the origin of its resource alone, and is bound to a key of this program
    where the resource asks for that.

    Args:
        resource: the address of the API or MCP server.
        arguments: more for the SDK's class.
        dpop: whether a token that is not bound is refused.
    """

    def __init__(self, resource: str, *arguments: Any, dpop: bool) -> None:
        super().__init__(resource, *arguments)  # type: ignore[call-arg]  # the SDK's class has it
        self._turn = threading.Lock()
        self._allowed = AllowedAddresses(resource)
        self._binding = BoundFlow(dpop)

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Send a request with a token; the flow runs in a thread that has an event loop."""
        if not self._allowed.is_ours(request.url):
            yield request
            return
        with self._turn:
            yield from in_a_thread(self.async_auth_flow(request), request)

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Send a request with a token, of httpx or httpx2."""
        if not self._allowed.is_ours(request.url):
            yield request
            return
        of_httpx = isinstance(request, httpx.Request)
        given = known_of(request) if of_httpx else request
        unbound = super().async_auth_flow(given)  # type: ignore[misc]  # the SDK's class has it
        flow = self._binding.through(unbound, given)
        try:
            outgoing = await anext(flow)
            while True:
                if of_httpx:
                    answer = yield sent(outgoing, given, request)
                    outgoing = await flow.asend(await received(answer, outgoing is not given))
                else:
                    answer = yield outgoing
                    outgoing = await flow.asend(answer)
        except StopAsyncIteration:
            return
        finally:
            await flow.aclose()


class AllowedAddresses:
    """Where an auth may send what: its token to one origin, and a request to what is safe.

    Args:
        resource: the address of the API or MCP server.
    """

    def __init__(self, resource: str) -> None:
        self._origin = httpx2.URL(resource)
        self._local = on_loopback(resource)

    def is_ours(self, url: httpx.URL | httpx2.URL) -> bool:
        """Tell whether an address is of the origin that the token is for."""
        own = self._origin
        return (url.scheme, url.host, url.port) == (own.scheme, own.host, own.port)

    def check(self, address: str) -> None:
        """Check an address that another has named, before it is asked.

        Raises:
            OAuthFlowError: if it is not https, or is on this machine and the API is not.
        """
        try:
            check_address(address)
        except ConfigurationError:
            raise OAuthFlowError("the server names an address that is not https://") from None
        if not self._local and on_loopback(address):
            raise OAuthFlowError("a server elsewhere names an address on this machine")


def in_a_thread(flow: AsyncGenerator[Any, Any], request: Any) -> Generator[Any, Any, None]:
    """Run a flow for a blocking client: it has an event loop in a thread of its own.

    Args:
        flow: what yields requests and is sent their answers.
        request: the one whose answer is the client's, and is not read here.
    """
    asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = []

    async def drive() -> None:
        running.append((asyncio.get_running_loop(), asyncio.current_task()))
        try:
            outgoing = await anext(flow)
            while True:
                asked.put(outgoing)
                answer = await asyncio.to_thread(answers.get)
                if answer is None:
                    break
                outgoing = await flow.asend(answer)
        except StopAsyncIteration:
            asked.put(None)
        except BaseException as error:
            asked.put(error)
        finally:
            await flow.aclose()

    thread = threading.Thread(target=lambda: asyncio.run(drive()), name="carnet-agent")
    thread.start()
    try:
        while (outgoing := asked.get()) is not None:
            if isinstance(outgoing, BaseException):
                raise outgoing
            answer = yield outgoing
            if outgoing is not request:
                answer.read()
            answers.put(answer)
    except BaseException:
        # Such as Ctrl-C while the person is in the browser: the flow waits for no answer of theirs.
        for loop, task in running:
            if task is not None:
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        answers.put(None)
        thread.join()


def known_of(request: httpx.Request) -> httpx2.Request:
    """Give what the flow has to know of a request of httpx."""
    replayable = isinstance(request.stream, httpx.ByteStream)
    content: Any = b"" if replayable else iter(())
    return httpx2.Request(
        request.method, str(request.url), headers=request.headers.multi_items(), content=content
    )


def sent(outgoing: httpx2.Request, given: httpx2.Request, request: httpx.Request) -> httpx.Request:
    """Give what httpx sends: the API's own request with its token, or one of the flow's."""
    if outgoing is given:
        for name in ("authorization", "dpop"):
            if name in given.headers:
                request.headers[name] = given.headers[name]
            else:
                request.headers.pop(name, None)
        return request
    return httpx.Request(
        outgoing.method,
        str(outgoing.url),
        headers=outgoing.headers.multi_items(),
        content=outgoing.content,
    )


async def received(response: httpx.Response, has_body: bool) -> httpx2.Response:
    """Give what the flow has to know of a response of httpx: of the API's own, the head alone."""
    content = b""
    if has_body:
        try:
            content = response.content
        except httpx.ResponseNotRead:
            content = await response.aread()
    headers = [
        pair for pair in response.headers.multi_items() if pair[0].lower() not in _OF_THE_BODY
    ]
    request = httpx2.Request(response.request.method, str(response.request.url))
    return httpx2.Response(response.status_code, headers=headers, content=content, request=request)
