"""Tests of the gateway over HTTP on loopback, with a recorder in place of gnomon's client."""

import asyncio
import gzip
import json
import tracemalloc
from dataclasses import replace

import pytest
from google.rpc.status_pb2 import Status
from tests.support.polling import eventually
from tests.unit.gateway.support import CONFIG, EVENT, Kept, events, ids, serving

from gnomon.client import MemoryClient
from gnomon.errors import ConfigurationError
from gnomon.gateway.process import serve


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


async def test_a_number_that_no_client_takes_keeps_nothing_behind_it_back() -> None:
    client = MemoryClient()
    started = {"kind": "task_started.v1", "agent_id": "a", "task_id": "s", "task_type": "x"}
    large = {**started, "started_at_ms": 1_760_000_000_000, "context": {"k": 2**70}}
    numbered = [{**EVENT, "task_id": f"t{number}"} for number in range(100)]
    async with serving(client) as gateway:
        answer = await gateway.post("/v1/events", json.dumps([large, *numbered]))
    assert (answer.status, answer.said["accepted"], answer.said["refused"]) == (207, 100, 1)
    assert [(e["index"], e["reason"]) for e in answer.said["errors"]] == [(0, "invalid")]
    assert [event.task_id for event in client.events()] == [f"t{n}" for n in range(100)]


async def test_what_the_client_refuses_for_what_it_is_is_not_asked_for_again() -> None:
    kept = Kept(unfit={"t0", "t70", "t199"})
    async with serving(kept) as gateway:
        mixed = await gateway.post("/v1/events", b"[7," + events(*range(200))[1:])
        bad = await gateway.post("/v1/events", events(0))
        lines = (await gateway.get("/metrics")).body.decode().splitlines()
    assert (mixed.status, mixed.said["accepted"], mixed.said["refused"]) == (207, 197, 4)
    assert [error["index"] for error in mixed.said["errors"]] == [0, 1, 71, 200]
    assert {error["reason"] for error in mixed.said["errors"]} == {"invalid"}
    assert (bad.status, bad.said["accepted"], bad.said["refused"]) == (400, 0, 1)
    assert len(kept.events) == 197
    assert 'gnomon_gateway_events_total{route="/v1/events",state="refused"} 5.0' in lines


async def test_a_client_that_has_no_room_all_at_once_is_no_refusal() -> None:
    """The limits of this client differ from those that the gateway assumes."""
    client = MemoryClient(max_events=70)
    async with serving(client) as gateway:
        answer = await gateway.post("/v1/events", events(*range(200)))
    assert (answer.status, answer.said["resend_from"]) == (429, 70)
    assert (answer.said["accepted"], answer.said["refused"]) == (70, 0)


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
    assert 'gnomon_gateway_delivery_total{state="delivered"} 3.0' in lines


async def test_a_port_that_is_taken() -> None:
    async with serving(Kept()) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        with pytest.raises(ConfigurationError, match=str(port)):
            await serve(Kept(), replace(CONFIG, port=port), drain_s=0.0)
