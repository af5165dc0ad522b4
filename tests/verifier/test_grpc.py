"""grpcio's servers, blocking and asynchronous, answer what the table of all adapters says."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from tests.verifier.conformance import CASES

from carnet.verifier.grpc import AsyncBearerInterceptor, BearerInterceptor, current_claims

STATUS = {
    200: grpc.StatusCode.OK,
    400: grpc.StatusCode.UNAUTHENTICATED,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    503: grpc.StatusCode.UNAVAILABLE,
}


def subject():
    return current_claims().subject.encode()


class Blocking:
    """The service's methods, one of each of gRPC's four kinds."""

    @staticmethod
    def one(_request, context):
        return subject()

    @staticmethod
    def many(_request, context):
        for _ in range(3):
            yield subject()

    @staticmethod
    def taking_many(requests, context):
        return b"".join(requests) + subject()

    @staticmethod
    def both(requests, context):
        for request in requests:
            yield request + subject()

    @staticmethod
    def public(_request, context):
        try:
            return subject()
        except LookupError:
            return b"open"


class InLoop:
    """The same, as coroutines and asynchronous generators."""

    @staticmethod
    async def one(_request, context):
        return subject()

    @staticmethod
    async def many(_request, context):
        for _ in range(3):
            yield subject()

    @staticmethod
    async def taking_many(requests, context):
        return b"".join([request async for request in requests]) + subject()

    @staticmethod
    async def both(requests, context):
        async for request in requests:
            yield request + subject()

    @staticmethod
    async def public(_request, context):
        return Blocking.public(_request, context)


def handlers(methods):
    return grpc.method_handlers_generic_handler(
        "shop.Shop",
        {
            "open": grpc.unary_unary_rpc_method_handler(methods.public),
            "orders": grpc.unary_unary_rpc_method_handler(methods.one),
            "reports": grpc.unary_stream_rpc_method_handler(methods.many),
            "writing": grpc.stream_unary_rpc_method_handler(methods.taking_many),
            "both": grpc.stream_stream_rpc_method_handler(methods.both),
        },
    )


def options(world):
    return {
        "issuer": [world.issuer.url, world.dead],
        "audience": "orders",
        "revocations": "required",
        "exempt": ["/shop.Shop/open"],
        "roles": {"/shop.Shop/reports": "ADMIN"},
        "scopes": {"/shop.Shop/writing": "a:write b"},
    }


def serve_blocking(world, port, until):
    interceptor = BearerInterceptor(**options(world))
    server = grpc.server(ThreadPoolExecutor(4), interceptors=[interceptor])
    server.add_generic_rpc_handlers([handlers(Blocking)])
    port.append(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    until[0].set()
    until[1].wait()
    server.stop(None).wait()
    interceptor.close()


def serve_in_loop(world, port, until):
    async def run():
        interceptor = AsyncBearerInterceptor(**options(world))
        server = grpc.aio.server(interceptors=[interceptor])
        server.add_generic_rpc_handlers([handlers(InLoop)])
        port.append(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        until[0].set()
        await asyncio.to_thread(until[1].wait)
        await server.stop(None)
        await interceptor.aclose()

    asyncio.run(run())


@pytest.fixture(scope="module", params=[serve_blocking, serve_in_loop], ids=["blocking", "aio"])
def channel(request, world):
    port, until = [], (threading.Event(), threading.Event())
    thread = threading.Thread(target=request.param, args=(world, port, until))
    thread.start()
    assert until[0].wait(60)
    with grpc.insecure_channel(f"127.0.0.1:{port[0]}") as one:
        yield one
    until[1].set()
    thread.join(60)


def call(channel, path, authorization):
    """Call a method; give its status, the code of a refusal and the answers."""
    name = f"/shop.Shop{path}"
    metadata = [("authorization", value) for value in authorization]
    kinds = {"/reports": "unary_stream", "/writing": "stream_unary", "/both": "stream_stream"}
    kind = kinds.get(path, "unary_unary")
    argument = iter([b"x", b"y"]) if kind.startswith("stream") else b""
    method = getattr(channel, kind)(name)
    try:
        if kind.endswith("stream"):
            answers = list(method(argument, metadata=metadata, timeout=60))
        else:
            answers = [method(argument, metadata=metadata, timeout=60)]
    except grpc.RpcError as error:
        trailing = dict(error.trailing_metadata())
        return error.code(), trailing.get("carnet-code"), None
    return grpc.StatusCode.OK, None, answers


@pytest.mark.parametrize("name", [name for name in CASES if name != "token in the query"])
def test_every_call_is_answered_as_the_table_says(channel, world, name):
    asked = CASES[name](world)
    status, code, answers = call(channel, asked.path, asked.authorization)
    assert (status, code) == (STATUS[asked.status], asked.code)
    if code is None:
        subjects = {
            "/open": [b"open"],
            "/orders": [b"ada"],
            "/reports": [b"ada"] * 3,
            "/writing": [b"xyada"],
        }
        assert answers == subjects[asked.path]


def test_a_stream_both_ways_knows_its_claims(channel, world):
    status, _, answers = call(channel, "/both", [f"Bearer {world.issuer.token()}"])
    assert (status, answers) == (grpc.StatusCode.OK, [b"xada", b"yada"])
    assert call(channel, "/both", [])[:2] == (grpc.StatusCode.UNAUTHENTICATED, "token_missing")


def test_a_method_that_is_not_there_is_unimplemented_for_who_may_come_in(channel, world):
    good = [f"Bearer {world.issuer.token()}"]
    assert call(channel, "/nothing", good)[0] == grpc.StatusCode.UNIMPLEMENTED
