"""Traces and metrics for OpenTelemetry, as its own SDK sees them."""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import urlencode

import pytest
from tests.server.asgi import FORM, JSON, ask, opened, routes
from tests.server.conftest import PASSWORD

from carnet.server.app import ROUTES, build_app

WHY = "NOT TESTED WITH OPENTELEMETRY: install the dependency group 'dev'"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def built_with(tmp_path, monkeypatch, provider):
    """Build the application beside a provider of tracers, and tell whether it is traced."""
    from carnet.server import tracing

    made = []
    monkeypatch.setattr(tracing.trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(tracing, "Traced", lambda app, _: made.append(app) or app)

    async def scene():
        async with opened(tmp_path) as asked:
            build_app(asked.service)

    asyncio.run(scene())
    return bool(made)


def test_without_its_api_the_application_is_built_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "carnet.server.tracing", raising=False)

    async def scene():
        async with opened(tmp_path) as asked:
            return (await asked("GET", "/healthz")).status

    assert asyncio.run(scene()) == 200


def test_nothing_of_it_runs_where_nobody_has_set_it_up(tmp_path, monkeypatch):
    trace = pytest.importorskip("opentelemetry.trace", reason=WHY)
    assert not built_with(tmp_path, monkeypatch, trace.ProxyTracerProvider())


def test_where_it_is_disabled_nothing_runs_either(tmp_path, monkeypatch):
    trace = pytest.importorskip("opentelemetry.trace", reason=WHY)
    assert not built_with(tmp_path, monkeypatch, trace.NoOpTracerProvider())


def test_where_it_is_set_up_requests_are_traced(tmp_path, monkeypatch):
    sdk = pytest.importorskip("opentelemetry.sdk.trace", reason=WHY)
    assert built_with(tmp_path, monkeypatch, sdk.TracerProvider())


@pytest.fixture
def watched(tmp_path):
    """Run a scene with the application in the SDK's sight, and give its spans and figures."""
    pytest.importorskip("opentelemetry.sdk", reason=WHY)
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from carnet.server.tracing import Traced

    def run(scene):
        spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracers, meters = TracerProvider(), MeterProvider([reader])
        tracers.add_span_processor(SimpleSpanProcessor(spans))

        async def opened_and_watched():
            async with opened(tmp_path) as asked:
                asked.app = Traced(build_app(asked.service), ROUTES, tracers, meters)
                return await scene(asked)

        result = asyncio.run(opened_and_watched())
        found = reader.get_metrics_data()
        meters.shutdown()
        figures = {
            metric.name: list(metric.data.data_points)
            for resource in found.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }
        return result, spans.get_finished_spans(), figures

    return run


def test_a_request_is_a_span_named_by_its_route_and_tells_of_nobody(watched):
    async def scene(asked):
        account = (await asked.service.accounts.find("alice")).id
        trail = [(b"traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode())]
        agent = [(b"user-agent", b"Alice's browser")]
        await asked(
            "GET",
            f"/accounts/{account}/sessions",
            query=b"x=private",
            headers=[*asked.bearer, *trail, *agent],
        )
        form = {"grant_type": "refresh_token", "refresh_token": "secret-token"}
        await asked("POST", "/token", headers=[FORM], body=urlencode(form).encode())
        await asked("GET", "/nothing/private")
        await asked("BREW", "/healthz")
        return account

    account, spans, _ = watched(scene)
    names = [span.name for span in spans]
    assert names[0] == "GET /accounts/{account_id}/sessions"
    assert names[1] == "POST /token"
    assert spans[0].attributes == {
        "http.request.method": "GET",
        "http.route": "/accounts/{account_id}/sessions",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "network.protocol.version": "1.1",
    }
    assert f"{spans[0].context.trace_id:032x}" == TRACE
    assert f"{spans[0].parent.span_id:016x}" == "b7ad6b7169203331"
    assert spans[0].kind.name == "SERVER"
    assert spans[1].attributes["http.response.status_code"] == 400
    assert spans[1].parent is None
    assert not any(span.status.status_code.name == "ERROR" for span in spans)
    assert names[2] == "GET"
    assert spans[3].attributes["http.request.method"] == "_OTHER"
    told = str([(span.name, dict(span.attributes), span.events) for span in spans])
    for hidden in (account, "private", "secret-token", "alice", "browser", "192.0.2.1"):
        assert hidden not in told


def test_every_route_has_its_name(watched):
    async def scene(asked):
        for method, path in routes():
            await asked(method, path.replace("{name:path}", "x").replace("{", "").replace("}", ""))

    _, spans, _ = watched(scene)
    assert [span.name for span in spans] == [f"{method} {path}" for method, path in routes()]


def test_what_fails_is_an_error_without_its_words(watched, monkeypatch):
    async def scene(asked):
        async def fail(*_):
            raise ZeroDivisionError("private words")

        monkeypatch.setattr(type(asked.service.accounts), "check", fail)
        said = f'{{"username": "alice", "password": "{PASSWORD}"}}'.encode()
        return (await asked("POST", "/sessions", headers=[JSON], body=said)).status

    status, [span], _ = watched(scene)
    assert (status, span.attributes["error.type"]) == (500, "500")
    assert span.status.status_code.name == "ERROR"
    assert "private words" not in str((span.events, span.status.description, dict(span.attributes)))


def test_durations_and_the_services_own_figures_are_measured(watched):
    async def scene(asked):
        await asked("GET", "/healthz")
        await asked("GET", "/healthz")

    _, _, figures = watched(scene)
    [point] = figures["http.server.request.duration"]
    assert point.count == 2
    assert dict(point.attributes) == {
        "http.request.method": "GET",
        "http.route": "/healthz",
        "http.response.status_code": 200,
        "url.scheme": "http",
    }
    accepted = [p for p in figures["carnet.sign_ins"] if p.attributes == {"outcome": "accepted"}]
    assert accepted[0].value >= 1
    assert {point.attributes["task"] for point in figures["carnet.background_failures"]} >= {"keys"}
    assert figures["carnet.database_connections"]


def test_what_an_answer_does_belongs_to_its_span(watched):
    async def scene(asked):
        from opentelemetry import trace

        seen, read = [], asked.service.store.read

        async def reading(sql, *values):
            seen.append(trace.get_current_span().get_span_context().span_id)
            return await read(sql, *values)

        asked.service.store.read = reading
        await asked("GET", "/readyz")
        return seen, trace.get_current_span().get_span_context().span_id

    (inside, outside), [span], _ = watched(scene)
    assert inside == [span.context.span_id]
    assert outside == 0


def test_a_stream_without_end_is_a_span_that_ends_as_it_begins(watched):
    async def scene(asked):
        await ask(asked.app, "GET", "/revocations")

    _, [span], _ = watched(scene)
    assert (span.name, span.attributes["http.response.status_code"]) == ("GET /revocations", 200)
