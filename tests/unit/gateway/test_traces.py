"""OTLP over real HTTP on loopback, from OpenTelemetry's own encoders and its own exporter."""

import asyncio
import gzip
from dataclasses import replace

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace.export import SpanExportResult
from tests.support.genai import Recorder, as_json, as_protobuf
from tests.unit.gateway.support import CONFIG, Kept, serving

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "router"}


@pytest.fixture
def spans() -> Recorder:
    recorder = Recorder(service="desk")
    with recorder.tracer.start_as_current_span("a", attributes=AGENT):
        recorder.tracer.start_span("chat").end()
    return recorder


@pytest.mark.parametrize("packed", [False, True])
async def test_otlp_in_both_encodings(spans: Recorder, packed: bool) -> None:  # noqa: FBT001  a parameter
    kept = Kept()
    pack = gzip.compress if packed else bytes
    headers = {"Content_Encoding": "gzip"} if packed else {}
    async with serving(kept) as gateway:
        proto = await gateway.post(
            "/v1/traces",
            pack(as_protobuf(spans.ended())),
            Content_Type="application/x-protobuf",
            **headers,
        )
        text = await gateway.post(
            "/v1/traces",
            pack(as_json(spans.ended())),
            Content_Type="application/json; charset=utf-8",
            **headers,
        )
    assert (proto.status, proto.headers["Content-Type"]) == (200, "application/x-protobuf")
    assert not ExportTraceServiceResponse.FromString(proto.body).HasField("partial_success")
    assert (text.status, text.said) == (200, {})
    assert text.headers["Content-Type"].startswith("application/json")
    assert len(kept.events) == 4
    assert kept.events[:2] == kept.events[2:]


async def test_otlp_spans_refused_are_a_partial_success() -> None:
    recorder = Recorder()
    recorder.tracer.start_span("a", attributes=AGENT, start_time=2_000_000_000).end(1_000_000_000)
    recorder.tracer.start_span("a", attributes=AGENT).end()
    async with serving(Kept()) as gateway:
        proto = await gateway.post(
            "/v1/traces", as_protobuf(recorder.ended()), Content_Type="application/x-protobuf"
        )
        text = await gateway.post(
            "/v1/traces", as_json(recorder.ended()), Content_Type="application/json"
        )
    partial = ExportTraceServiceResponse.FromString(proto.body).partial_success
    assert (proto.status, partial.rejected_spans) == (200, 1)
    assert "span_times" in partial.error_message
    assert text.said["partialSuccess"]["rejectedSpans"] == "1"


async def test_a_span_whose_task_the_client_refuses_is_not_asked_for_again(spans: Recorder) -> None:
    seen = Kept()
    async with serving(seen) as gateway:
        await gateway.post("/v1/traces", as_json(spans.ended()), Content_Type="application/json")
    unfit = seen.events[0].task_id
    kept = Kept(unfit={unfit})
    async with serving(kept) as gateway:
        answer = await gateway.post(
            "/v1/traces", as_json(spans.ended()), Content_Type="application/json"
        )
    assert answer.status == 200
    assert answer.said["partialSuccess"]["rejectedSpans"] == "1"
    assert kept.events == [event for event in seen.events if event.task_id != unfit]


async def test_otlp_that_cannot_be_read_has_a_status_for_body() -> None:
    async with serving(Kept()) as gateway:
        proto = await gateway.post("/v1/traces", b"\x0a\xff", Content_Type="application/x-protobuf")
        text = await gateway.post("/v1/traces", b"[]", Content_Type="application/json")
        other = await gateway.post("/v1/traces", b"", Content_Type="text/plain")
    assert (proto.status, text.status, other.status) == (400, 400, 415)
    assert "not_otlp" in Status.FromString(proto.body).message
    assert "not_otlp" in text.said["message"]


async def test_otlp_without_room_is_to_be_sent_again(spans: Recorder) -> None:
    async with serving(Kept(room=0)) as gateway:
        answer = await gateway.post(
            "/v1/traces", as_protobuf(spans.ended()), Content_Type="application/x-protobuf"
        )
    assert (answer.status, int(answer.headers["Retry-After"])) == (429, 5)
    assert Status.FromString(answer.body).message


async def test_the_real_exporter_delivers(spans: Recorder) -> None:
    kept = Kept()
    async with serving(kept, replace(CONFIG, token="s3cret")) as gateway:  # noqa: S106  no secret
        exporter = OTLPSpanExporter(
            f"{gateway.url}/v1/traces", headers={"authorization": "Bearer s3cret"}
        )
        try:
            result = await asyncio.to_thread(exporter.export, spans.ended())
        finally:
            exporter.shutdown()  # type: ignore[no-untyped-call]
    assert result is SpanExportResult.SUCCESS
    assert len(kept.events) == 2
