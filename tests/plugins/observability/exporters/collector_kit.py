"""A collector for tests: real HTTP, the official messages, and every kind of bad manners."""

import gzip
import socket
import threading
from contextlib import contextmanager

from answering_server import serving
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

OK = (200, {"content-type": "application/x-protobuf"}, b"")


def rejecting(count):
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = count
    return (200, {}, answer.SerializeToString())


def value_of(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def attributes_of(message):
    found = [(pair.key, value_of(pair.value)) for pair in message.attributes]
    assert len(dict(found)) == len(found)
    return dict(found)


def bodies(server, path):
    for got in list(server.got):
        if got.path == path:
            assert got.headers["content-type"] == "application/x-protobuf"
            yield gzip.decompress(got.body) if got.headers.get("content-encoding") == "gzip" else got.body


def traces(server, path="/v1/traces"):
    """Every span that arrived."""
    for body in bodies(server, path):
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                yield from scope.spans


def metric_requests(server, path="/v1/metrics"):
    return [ExportMetricsServiceRequest.FromString(body) for body in bodies(server, path)]


def metrics(request):
    return {
        metric.name: metric
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


@contextmanager
def silent():
    """Takes connections and whatever is sent, and never answers."""
    listening = socket.create_server(("127.0.0.1", 0))
    open_ones = []
    came = threading.Event()

    def accept():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            open_ones.append(connection)
            came.set()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1], came
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for connection in open_ones:
            connection.close()


__all__ = ["OK", "attributes_of", "metric_requests", "metrics", "rejecting", "serving", "silent", "traces"]
