"""The gateway over real HTTP on loopback, with a recorder in the client's place."""

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace.export import SpanExportResult
from tests.support.genai import Recorder, as_json, as_protobuf
from tests.support.polling import eventually

from gnomon.client.stats import Stats
from gnomon.errors import ConfigurationError
from gnomon.events import TaskEvent
from gnomon.gateway.process import serve
from gnomon.gateway.server import GatewayConfig, GatewayServer

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "router"}
CONFIG = GatewayConfig(port=0, wait_s=0.0)
EVENT: dict[str, Any] = {
    "kind": "task_cancelled.v1",
    "agent_id": "a",
    "task_id": "t",
    "cancelled_at_ms": 1_760_000_000_000,
}


class Kept:
    """Keeps events, and takes no more than ``room`` of them until some are ``drained``."""

    def __init__(self, room: int = 75_000) -> None:
        self.events: list[TaskEvent] = []
        self._full = 75_000 - room  # the gateway lets three quarters of 100,000 wait
        self._drained = 0

    def emit(self, event: TaskEvent) -> bool:
        self.events.append(event)
        return True

    def stats(self) -> Stats:
        return Stats(buffered=self._full + len(self.events) - self._drained, delivered=3)

    def drain(self) -> None:
        self._full, self._drained = 0, len(self.events)

    def close(self, timeout_s: float | None = None) -> int:
        return 0


@dataclass
class Answer:
    status: int
    body: bytes
    headers: Any

    @property
    def said(self) -> Any:
        return json.loads(self.body)


class Sent:
    """A running gateway and somebody who talks to it."""

    def __init__(self, server: GatewayServer, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.url = f"http://127.0.0.1:{server.port}"

    async def post(self, path: str, body: bytes | str, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._http.post(self.url + path, data=body, headers=sent) as response:
            return Answer(response.status, await response.read(), response.headers)

    async def get(self, path: str) -> Answer:
        async with self._http.get(self.url + path) as response:
            return Answer(response.status, await response.read(), response.headers)


@asynccontextmanager
async def serving(kept: Kept, config: GatewayConfig = CONFIG) -> AsyncIterator[Sent]:
    server = GatewayServer(kept, config)
    await server.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Sent(server, http)
    finally:
        await server.stop()


def events(*numbers: int) -> bytes:
    return json.dumps([{**EVENT, "task_id": f"t{number}"} for number in numbers]).encode()


def ids(kept: Kept) -> list[str]:
    return [event.task_id for event in kept.events]


async def test_events_are_taken_in_their_order() -> None:
    kept = Kept()
    async with serving(kept) as gateway:
        answer = await gateway.post("/v1/events", events(*range(200)))
    assert answer.status == 202
    assert answer.said == {"accepted": 200, "refused": 0, "errors": []}
    assert ids(kept) == [f"t{number}" for number in range(200)]


async def test_some_refused_is_a_mixed_answer_and_all_refused_a_bad_request() -> None:
    kept = Kept()
    async with serving(kept) as gateway:
        mixed = await gateway.post("/v1/events", json.dumps(EVENT) + '\n{"kind": "x"}')
        bad = await gateway.post("/v1/events", '{"kind": "x"}')
        broken = await gateway.post("/v1/events", "[1")
    assert (mixed.status, mixed.said["accepted"], mixed.said["refused"]) == (207, 1, 1)
    assert mixed.said["errors"][0] | {"detail": ""} == {
        "index": 1,
        "reason": "unknown_kind",
        "detail": "",
    }
    assert (bad.status, broken.status) == (400, 400)
    assert "not_json" in broken.said["error"]
    assert len(kept.events) == 1


async def test_refusals_are_counted_even_where_they_are_not_all_listed() -> None:
    async with serving(Kept()) as gateway:
        answer = await gateway.post("/v1/events", b"x\n" * 500)
    assert (answer.said["refused"], len(answer.said["errors"])) == (500, 100)


async def test_without_room_the_sender_is_told_where_to_go_on() -> None:
    kept = Kept(room=1)
    body = b"nonsense\n" + b"\n".join(
        json.dumps({**EVENT, "task_id": f"t{number}"}).encode() for number in range(150)
    )
    async with serving(kept) as gateway:
        answer = await gateway.post("/v1/events", body)
        assert (await gateway.get("/readyz")).status == 503
        kept.drain()
        assert (await gateway.get("/readyz")).status == 200
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0
    taken = answer.said["accepted"]
    assert ids(kept) == [f"t{number}" for number in range(taken)]
    assert 0 < taken < 150
    assert answer.said["resend_from"] == taken + 1  # the line of nonsense came first


async def test_a_request_waits_for_room() -> None:
    kept = Kept(room=1)
    async with serving(kept, replace(CONFIG, wait_s=30.0)) as gateway:
        sending = asyncio.create_task(gateway.post("/v1/events", events(*range(300))))
        await eventually(lambda: kept.events, what="the first events are taken")
        assert not sending.done()
        kept.drain()
        answer = await sending
    assert (answer.status, answer.said["accepted"]) == (202, 300)


async def test_a_body_that_is_too_large() -> None:
    async with serving(Kept(), replace(CONFIG, max_body_bytes=1000)) as gateway:
        plain = await gateway.post("/v1/events", b" " * 1001)
        otlp = await gateway.post("/v1/traces", b" " * 1001, Content_Type="application/x-protobuf")
        packed = await gateway.post(
            "/v1/events", gzip.compress(b" " * 1001), Content_Encoding="gzip"
        )
    assert (plain.status, packed.status, otlp.status) == (413, 413, 413)
    assert Status.FromString(otlp.body).message


async def test_a_body_that_unpacks_without_end_is_given_up_early() -> None:
    bomb = gzip.compress(b" " * (128 << 20))
    async with serving(Kept()) as gateway:
        tracemalloc.start()
        answer = await gateway.post("/v1/events", bomb, Content_Encoding="gzip")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert answer.status == 413
    assert peak < 50 << 20


async def test_a_body_that_is_not_packed_as_it_says() -> None:
    async with serving(Kept()) as gateway:
        answer = await gateway.post("/v1/events", b"no gzip at all", Content_Encoding="gzip")
    assert answer.status == 400


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic s3cret"}, 401),
        ({"Authorization": "s3cret"}, 401),
        ({"Authorization": "Bearer s3cret"}, 202),
        ({"Authorization": "bearer s3cret", "Origin": "https://page.example"}, 202),
    ],
)
async def test_with_a_token_only_who_knows_it_may_send(
    authorization: dict[str, str], status: int
) -> None:
    kept = Kept()
    async with serving(kept, replace(CONFIG, token="s3cret")) as gateway:  # noqa: S106  no secret
        answer = await gateway.post("/v1/events", events(1), **authorization)
        assert (await gateway.get("/livez")).status == 200
    assert answer.status == status
    assert len(kept.events) == (status == 202)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert "s3cret" not in repr(replace(CONFIG, token="s3cret"))  # noqa: S106


async def test_a_page_in_a_browser_may_not_send() -> None:
    kept = Kept()
    async with serving(kept) as gateway:
        answer = await gateway.post("/v1/events", events(1), Origin="https://page.example")
    assert (answer.status, kept.events) == (403, [])


async def test_figures_for_prometheus() -> None:
    async with serving(Kept()) as gateway:
        await gateway.post("/v1/events", events(1, 2))
        await gateway.post("/v1/anything", b"")
        lines = (await gateway.get("/metrics")).body.decode().splitlines()
    assert 'gnomon_gateway_requests_total{route="/v1/events",status="202"} 1.0' in lines
    assert 'gnomon_gateway_requests_total{route="other",status="404"} 1.0' in lines
    assert 'gnomon_gateway_events_total{route="/v1/events",state="taken"} 2.0' in lines
    assert 'gnomon_gateway_delivery{state="delivered"} 3.0' in lines


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


async def test_a_port_that_is_taken() -> None:
    async with serving(Kept()) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        with pytest.raises(ConfigurationError, match=str(port)):
            await serve(Kept(), replace(CONFIG, port=port), drain_s=0.0)
