"""Packed bodies: those that are read, and refusals in the form of the request's protocol."""

import asyncio
import gzip
import json
import logging
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pyarrow as pa
import pytest
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from tests.support.genai import Recorder, as_json, as_protobuf
from tests.unit.gateway.support import CONFIG, Kept, events, ids, serving

from gnomon.gateway import server
from gnomon.gateway.decoding import BadEncodingError, TooLargeError, read_body

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "router"}
PROTO, JSON = "application/x-protobuf", "application/json"


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def zstd(body: bytes) -> bytes:
    """By the zstd inside pyarrow, which is not the library that the gateway unpacks with."""
    return bytes(pa.Codec("zstd").compress(body))


def in_two_members(body: bytes) -> bytes:
    return gzip.compress(body[: len(body) // 2]) + gzip.compress(body[len(body) // 2 :])


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "none": ("", bytes),
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "members": ("gzip", in_two_members),
    "x-gzip": ("x-gzip", gzip.compress),
    "upper": ("GZIP", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
    "zstd": ("zstd", zstd),
}
packers = pytest.mark.parametrize("name", PACKERS)


async def unpacked(
    packed: bytes, encoding: str, *, limit: int = 1 << 20, size: int = 1000
) -> bytes:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(packed), size):
            yield packed[at : at + size]

    return await read_body(pieces(), encoding, limit)


@packers
async def test_every_packing_is_read(name: str) -> None:
    encoding, pack = PACKERS[name]
    recorder, kept = Recorder(), Kept()
    recorder.tracer.start_span("a", attributes=AGENT).end()
    headers = {"Content_Encoding": encoding} if encoding else {}
    async with serving(kept) as gateway:
        taken = await gateway.post("/v1/events", pack(events(1, 2)), **headers)
        proto = await gateway.post(
            "/v1/traces", pack(as_protobuf(recorder.ended())), Content_Type=PROTO, **headers
        )
        text = await gateway.post(
            "/v1/traces", pack(as_json(recorder.ended())), Content_Type=JSON, **headers
        )
    assert (taken.status, proto.status, text.status) == (202, 200, 200)
    assert ids(kept)[:2] == ["t1", "t2"]
    assert len(kept.events) == 6


@packers
@given(body=st.binary(max_size=300), repeat=st.sampled_from([1, 1000]), size=st.integers(1, 5000))
async def test_what_was_packed_comes_out(name: str, body: bytes, repeat: int, size: int) -> None:
    encoding, pack = PACKERS[name]

    assert await unpacked(pack(body * repeat), encoding, size=size) == body * repeat


@pytest.mark.parametrize("name", ["gzip", "zlib", "raw", "zstd"])
@given(body=st.binary(min_size=1, max_size=200), data=st.data())
async def test_a_body_that_breaks_off_is_refused(
    name: str, body: bytes, data: st.DataObject
) -> None:
    encoding, pack = PACKERS[name]
    packed = pack(body)
    cut = packed[: data.draw(st.integers(1, len(packed) - 1))]

    with pytest.raises(BadEncodingError):
        await unpacked(cut, encoding)


@pytest.mark.parametrize("name", [name for name in PACKERS if name not in {"none", "identity"}])
@pytest.mark.parametrize("over", [0, 1])
async def test_the_limit_is_that_of_the_unpacked_body(name: str, over: int) -> None:
    encoding, pack = PACKERS[name]
    body = b"x" * (100_000 + over)

    if over:
        with pytest.raises(TooLargeError):
            await unpacked(pack(body), encoding, limit=100_000)
    else:
        assert await unpacked(pack(body), encoding, limit=100_000) == body


@pytest.mark.parametrize("name", ["gzip", "zlib", "raw", "zstd"])
async def test_a_body_that_unpacks_without_end_costs_the_limit(name: str) -> None:
    encoding, pack = PACKERS[name]
    bomb = pack(b" " * (64 << 20))
    tracemalloc.start()
    with pytest.raises(TooLargeError):
        await unpacked(bomb, encoding, limit=1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("encoding", ["br", "snappy", "lz4", "compress", "gzip, gzip", "é"])
async def test_other_packings_are_415_in_the_form_of_the_protocol(encoding: str) -> None:
    async with serving(Kept()) as gateway:
        sent = {"Content_Encoding": encoding}
        proto = await gateway.post("/v1/traces", b"x", Content_Type=PROTO, **sent)
        text = await gateway.post("/v1/traces", b"x", Content_Type=JSON, **sent)
        own = await gateway.post("/v1/events", b"x", **sent)
    assert (proto.status, text.status, own.status) == (415, 415, 415)
    said = "expected a Content-Encoding of gzip, x-gzip, deflate, zstd or none"
    assert Status.FromString(proto.body).message == said
    assert (text.said, own.said) == ({"message": said}, {"error": said})
    assert proto.headers["Content-Type"] == PROTO
    assert proto.headers["Accept-Encoding"] == "gzip, x-gzip, deflate, zstd"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "zstd"])
async def test_a_broken_body_is_a_400_in_the_form_of_the_protocol_and_logs_no_error(
    encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with serving(Kept()) as gateway:
            sent = {"Content_Encoding": encoding}
            proto = await gateway.post("/v1/traces", b"\x1f\x8b no", Content_Type=PROTO, **sent)
            text = await gateway.post("/v1/traces", b"\x1f\x8b no", Content_Type=JSON, **sent)
    assert (proto.status, text.status) == (400, 400)
    said = "the body does not match its Content-Encoding"
    assert (Status.FromString(proto.body).message, text.said) == (said, {"message": said})
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_the_frameworks_own_errors_have_the_form_too() -> None:
    async with serving(Kept()) as gateway:
        logs = await gateway.post("/v1/logs", b"x", Content_Type=PROTO)
        metrics = await gateway.post("/v1/metrics", b"{}", Content_Type=JSON)
        got = await gateway.get("/v1/traces")
    assert (logs.status, metrics.status, got.status) == (404, 404, 405)
    assert "send to /v1/traces" in Status.FromString(logs.body).message
    assert "send to /v1/traces" in metrics.said["message"]
    assert (got.said, got.headers["Allow"]) == ({"message": "expected the method POST"}, "POST")


HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("sent", "logged"),
    [
        (HEAD + b"Content-Length: 5\r\n\r\n{", None),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", None),
        (HEAD + b"Content-Length: secret\r\n\r\n", "BadHttpMessage"),
        (HEAD + b"Authorization: secret" + b"x" * 10_000 + b"\r\n\r\n", "LineTooLong"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nsecret\r\n", "BadHttpMessage"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "BadHttpMessage"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", None),
    ],
    ids=["gone", "gone in a chunk", "length", "header", "chunk", "HTTP/2", "TLS"],
)
async def test_a_sender_that_goes_or_speaks_otherwise_is_one_line_at_most(
    sent: bytes, logged: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Kept()) as gateway:
        host, _, port = gateway.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        writer.write_eof()
        await reader.read()
        writer.close()
        await writer.wait_closed()
        figures = (await gateway.get("/metrics")).body.decode()
    warned = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert [(each.message, each.levelno, each.__dict__["reason"]) for each in warned] == (
        [("http.malformed_request", logging.WARNING, logged)] if logged else []
    )
    assert "secret" not in caplog.text
    assert 'status="500"' not in figures


async def test_an_error_of_the_gateway_itself_is_a_500_in_the_form(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret payload")

    monkeypatch.setattr(server, "read_traces", broken)
    async with serving(Kept(), replace(CONFIG)) as gateway:
        answer = await gateway.post("/v1/traces", b"x", Content_Type=PROTO)
    assert answer.status == 500
    assert Status.FromString(answer.body).message.startswith("the gateway failed")
    assert "gateway.request_failed" in caplog.text
    assert json.dumps(answer.body.decode(errors="replace")).count("secret") == 0
