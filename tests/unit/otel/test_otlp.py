"""Tests of both encodings of OTLP against OpenTelemetry's own encoders and example."""

import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as conventions
from opentelemetry.trace import Status, StatusCode
from tests.support.genai import SECOND_NS, Recorder, as_json, as_protobuf

from gnomon.errors import EventError
from gnomon.otel import Span, decode_json
from gnomon.otel.names import READ, TASKS
from gnomon.otel.otlp_proto import decode_protobuf

START_NS = 1_760_000_000_000_000_000
ENCODINGS = pytest.mark.parametrize(
    ("encode", "decode"),
    [(as_json, decode_json), (as_protobuf, decode_protobuf)],
    ids=["json", "protobuf"],
)
Encode = Callable[[Sequence[ReadableSpan]], bytes]
Decode = Callable[[bytes], list[Span | EventError]]

# One span as opentelemetry-proto's examples/trace.json writes it: capitals in the ids, times as
# strings; with a status, unknown names and every kind of value added.
EXAMPLE: dict[str, Any] = {
    "traceId": "5B8EFFF798038103D269B633813FC60C",
    "spanId": "EEE19B7EC3C1B174",
    "parentSpanId": "EEE19B7EC3C1B173",
    "name": "I'm a server span",
    "startTimeUnixNano": "1544712660000000000",
    "endTimeUnixNano": "1544712661000000000",
    "kind": 2,
    "attributes": [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "invoke_agent"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "12"}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": 13}},
        {"key": "gen_ai.agent.name", "value": {"stringValue": "my.agent"}},
        {"key": "an.array", "value": {"arrayValue": {"values": [{"stringValue": "a"}]}}},
        {"key": "a.map", "value": {"kvlistValue": {"values": []}}},
        {"key": "some.bytes", "value": {"bytesValue": "AAE="}},
        {"key": "nothing", "value": {}},
        {"key": "null", "value": None},
    ],
    "status": {"code": 2, "message": "unread"},
    "aNameOfTheFuture": {"a": [1]},
}


def request(*spans: object) -> bytes:
    service = {"key": "service.name", "value": {"stringValue": "my.service"}}
    return json.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": [service]},
                    "scopeSpans": [{"scope": {"name": "my.library"}, "spans": list(spans)}],
                }
            ]
        }
    ).encode()


def test_the_specifications_example() -> None:
    assert decode_json(request(EXAMPLE)) == [
        Span(
            trace_id="5b8efff798038103d269b633813fc60c",
            span_id="eee19b7ec3c1b174",
            parent_span_id="eee19b7ec3c1b173",
            start_ns=1_544_712_660_000_000_000,
            end_ns=1_544_712_661_000_000_000,
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.usage.input_tokens": 12,
                "gen_ai.usage.output_tokens": 13,
                "gen_ai.agent.name": "my.agent",
            },
            failed=True,
            service="my.service",
        )
    ]


@ENCODINGS
def test_what_the_sdk_exports_is_read(encode: Encode, decode: Decode) -> None:
    recorder = Recorder(service="desk")
    with recorder.tracer.start_as_current_span("invoke_agent router", start_time=START_NS) as outer:
        outer.set_attributes(
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "router"}
        )
        with recorder.tracer.start_as_current_span("chat"):
            pass
        inner = recorder.tracer.start_span("execute_tool search", start_time=START_NS + SECOND_NS)
        inner.set_attributes(
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "search",
                "gen_ai.usage.input_tokens": 7,
                "gen_ai.tool.call.arguments": "secret",
            }
        )
        inner.set_status(Status(StatusCode.ERROR, "secret"))
        inner.end(START_NS + 2 * SECOND_NS)
    found = decode(encode(recorder.ended()))
    trace_id = format(outer.get_span_context().trace_id, "032x")
    outer_id = format(outer.get_span_context().span_id, "016x")
    tool, agent = found
    assert tool == Span(
        trace_id=trace_id,
        span_id=format(inner.get_span_context().span_id, "016x"),
        parent_span_id=outer_id,
        start_ns=START_NS + SECOND_NS,
        end_ns=START_NS + 2 * SECOND_NS,
        attributes={
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "search",
            "gen_ai.usage.input_tokens": 7,
        },
        failed=True,
        service="desk",
    )
    assert isinstance(agent, Span)
    assert (agent.span_id, agent.parent_span_id, agent.failed) == (outer_id, "", False)


@given(st.binary(max_size=200))
def test_whatever_the_bytes_are_they_are_read_or_refused(body: bytes) -> None:
    for decode in (decode_json, decode_protobuf):
        with contextlib.suppress(EventError):
            assert all(isinstance(span, Span | EventError) for span in decode(body))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"x"', b'{"resourceSpans": 1}', b"{" * 5000, b'{"resourceSpans":[{]}']
)
def test_json_that_is_no_request(body: bytes) -> None:
    with pytest.raises(EventError, match="not_otlp"):
        decode_json(body)


def test_protobuf_that_is_no_request() -> None:
    with pytest.raises(EventError, match="not_otlp"):
        decode_protobuf(b"\x0a\xff")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"resourceSpans": null}',
        b'{"resourceSpans": [{"resource": null, "scopeSpans": null}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": null}]}]}',
        b'{"resource_spans": 1}',
    ],
)
def test_nothing_in_it_is_no_error(body: bytes) -> None:
    assert decode_json(body) == []


def test_one_bad_span_costs_itself_only() -> None:
    bad = [
        {**EXAMPLE, "traceId": 5},
        {**EXAMPLE, "status": {"code": "STATUS_CODE_ERROR"}},
        "no span",
    ]
    found = decode_json(request(*bad, EXAMPLE))
    assert [getattr(span, "reason", "read") for span in found] == [*["invalid_span"] * 3, "read"]
    assert "5b8e" not in str(found[0]).lower()


@pytest.mark.parametrize("time", ["tomorrow", "1.5e9", "", None, "9" * 30])
def test_a_time_that_is_no_whole_number_is_none(time: str | None) -> None:
    (span,) = decode_json(request({**EXAMPLE, "startTimeUnixNano": time}))
    assert isinstance(span, Span)
    assert span.start_ns == 0


def test_the_names_are_those_of_the_conventions() -> None:
    """Every name read of GenAI is published by OpenTelemetry; so is every operation."""
    published = {
        value
        for name, value in vars(conventions).items()
        if name.startswith("GEN_AI") and isinstance(value, str)
    }
    of_genai = {name for name in READ if name.startswith("gen_ai.")}
    assert len(of_genai) > 15
    assert of_genai - published == set()
    operations = {member.value for member in conventions.GenAiOperationNameValues}
    assert operations >= TASKS
