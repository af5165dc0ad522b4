"""Traces and metrics of the requests for OpenTelemetry (``carnet[otel]``), where that is set up.

Only its API is used: what becomes of the spans and the figures is decided by whoever runs the
service, with the SDK. Where nobody has set that up, nothing of this runs: other packages bring the
API, too, and a span that goes nowhere takes time all the same. Names and
attributes are those of OpenTelemetry's conventions for HTTP servers, without those that tell of
people or hold what they sent: no path as it was asked for, only the route; no query, no address, no
user agent, and of an error no words.

A span ends, and the duration is measured, when the answer begins, as ``carnet_request_seconds``
does: the stream of revocations has no end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from opentelemetry import context, metrics, propagate, trace
from prometheus_client import Counter, Gauge
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from carnet import __version__
from carnet.server.metrics import OWN_FIGURES

__all__ = ["Traced", "is_set_up"]

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT")
FAILED: Final = 500
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Traced:
    """ASGI application: another one, with a span and a measurement for each of its requests.

    Args:
        app: the other one.
        routes: its addresses.
        tracers: make the spans; by default those that the program has set up.
        meters: make the measurements; the same.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Sequence[BaseRoute],
        tracers: trace.TracerProvider | None = None,
        meters: metrics.MeterProvider | None = None,
    ) -> None:
        self._app = app
        self._routes = [route for route in routes if isinstance(route, Route)]
        self._tracer = trace.get_tracer("carnet", __version__, tracers)
        meter = metrics.get_meter("carnet", __version__, meters)
        self._duration = meter.create_histogram(
            "http.server.request.duration",
            unit="s",
            description="Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        for figure in OWN_FIGURES:
            [told] = figure.collect()
            name = told.name.replace("carnet_", "carnet.", 1)
            make = (
                meter.create_observable_counter
                if isinstance(figure, Counter)
                else meter.create_observable_gauge
            )
            make(name, [_observed(figure)], description=told.documentation)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        attributes = {"http.request.method": method, "url.scheme": scope["scheme"]}
        span = self._tracer.start_span(
            method,
            None if _is_traced() else propagate.extract(headers),
            trace.SpanKind.SERVER,
            {**attributes, "network.protocol.version": scope["http_version"]},
            record_exception=False,
            set_status_on_exception=False,
        )

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._end(span, scope, attributes, message["status"], start)
            await send(message)

        token = context.attach(trace.set_span_in_context(span))
        try:
            await self._app(scope, receive, sending)
        finally:
            if span.is_recording():
                # No answer has begun: the client has gone.
                span.end()
            context.detach(token)

    def _end(
        self, span: trace.Span, scope: Scope, attributes: dict[str, Any], status: int, start: float
    ) -> None:
        found = {**attributes, "http.response.status_code": status}
        route = self._route(scope)
        if route is not None:
            found["http.route"] = route
            span.update_name(f"{attributes['http.request.method']} {route}")
        if status >= FAILED:
            found["error.type"] = str(status)
            span.set_status(trace.StatusCode.ERROR)
        span.set_attributes(found)
        self._duration.record(time.perf_counter() - start, found, trace.set_span_in_context(span))
        span.end()

    def _route(self, scope: Scope) -> str | None:
        """Give the route that has answered, as it is written."""
        endpoint = scope.get("endpoint")
        for route in self._routes:
            if route.endpoint is endpoint and route.matches(scope)[0] is not Match.NONE:
                return route.path
        return None


def is_set_up() -> bool:
    """Tell whether the program has told OpenTelemetry what becomes of its spans."""
    nowhere = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)
    return not isinstance(trace.get_tracer_provider(), nowhere)


def _is_traced() -> bool:
    """Tell whether somebody else, nearer to the client, has begun a span for the request."""
    return trace.get_current_span().get_span_context().is_valid


def _observed(
    figure: Counter | Gauge,
) -> Callable[[metrics.CallbackOptions], Iterable[metrics.Observation]]:
    """Make what reads a figure that Prometheus gets, too."""

    def observe(_options: metrics.CallbackOptions) -> Iterable[metrics.Observation]:
        for family in figure.collect():
            for sample in family.samples:
                if not sample.name.endswith("_created"):
                    yield metrics.Observation(sample.value, sample.labels)

    return observe
