"""What is no task event, through the whole pipeline: named, kept, and nobody else notices."""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from tests.support.pipeline import Pipeline
from tests.support.polling import eventually_sync

from gnomon import Client
from gnomon.contract.asyncapi import DEAD_LETTER_HEADERS
from gnomon.records import SourceRecord

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

ASYNCAPI = Path(__file__).parents[3] / "schemas" / "asyncapi.json"
NOW_MS = time.time_ns() // 1_000_000
DAY_MS = 86_400_000


def start(agent: str, task: str, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "task_started.v1",
        "agent_id": agent,
        "task_id": task,
        "task_type": "review",
        "started_at_ms": NOW_MS - 60_000,
        **changes,
    }


def finish(agent: str, task: str, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "task_finished.v1",
        "agent_id": agent,
        "task_id": task,
        "task_type": "review",
        "started_at_ms": NOW_MS - 60_000,
        "finished_at_ms": NOW_MS - 30_000,
        "duration_s": 30.0,
        "succeeded": True,
        **changes,
    }


def as_bytes(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


def finish_lasting(literal: str) -> bytes:
    """A finish of task ``bad`` with ``literal`` as its duration, which may be no JSON."""
    return as_bytes(finish("a", "bad", duration_s=12345.0)).replace(b"12345.0", literal.encode())


BAD: dict[str, tuple[bytes | None, str]] = {
    "no JSON": (b"\x00\xffnot json", "not_json"),
    "half of it": (as_bytes(start("a", "bad"))[:50], "not_json"),
    "no text": (as_bytes(start("a", "bad")).replace(b"review", b"\xff\xfe"), "not_json"),
    "empty": (b"", "not_json"),
    "a tombstone": (None, "empty"),
    "unknown kind": (as_bytes(start("a", "bad", kind="task_paused.v1")), "unknown_kind"),
    "no kind": (b"{}", "invalid"),
    "an array": (b"[1, 2]", "invalid"),
    "wrong type": (as_bytes(start("a", "bad", started_at_ms="yesterday")), "invalid"),
    "number as a name": (as_bytes(start("a", 7)), "invalid"),  # type: ignore[arg-type]
    "nested context": (as_bytes(start("a", "bad", context={"x": {"y": 1}})), "invalid"),
    "missing field": (b'{"kind": "task_started.v1", "agent_id": "a"}', "invalid"),
    "NaN": (finish_lasting("NaN"), "not_json"),
    "infinity": (finish_lasting("-Infinity"), "not_json"),
    "more than a double": (finish_lasting("1e999"), "invalid"),
    "negative duration": (finish_lasting("-0.5"), "invalid"),
    "ends before it began": (
        as_bytes(finish("a", "bad", finished_at_ms=NOW_MS - 60_001)),
        "invalid",
    ),
    "before 1970": (as_bytes(start("a", "bad", started_at_ms=-1)), "invalid"),
    "a clock a day ahead": (
        as_bytes(start("a", "bad", started_at_ms=NOW_MS + DAY_MS)),
        "clock_ahead",
    ),
    "an agent id of 10 kB": (as_bytes(start("a" * 10_240, "bad")), "invalid"),
    "too large": (as_bytes(start("a", "bad", context={"x": "y" * 65_536})), "oversize"),
    "nearly a batch": (b"\0" * 1_000_000, "oversize"),
    "endless nesting": (b'{"kind": ' + b"[" * 60_000, "not_json"),
    "endless nesting aside": (b'{"unheard_of": ' + b"[" * 60_000, "not_json"),
}


@dataclass(frozen=True)
class Aftermath:
    """What there is after every bad record was published between two good ones."""

    places: dict[str, tuple[int, int]]
    letters: dict[tuple[int, int], SourceRecord]
    decided: dict[str, str]
    added: dict[str, int]


def key_of(case: str) -> bytes:
    return f"agent of {case}".encode()


@pytest.fixture(scope="module")
def aftermath(pipeline: Pipeline) -> Aftermath:
    before = pipeline.ledger()
    places: dict[str, tuple[int, int]] = {}
    records: list[tuple[bytes | None, bytes | None]] = []
    for case, (value, _) in BAD.items():
        agent = f"agent of {case}"
        neighbours = (as_bytes(start(agent, case)), value, as_bytes(finish(agent, case)))
        records += [(key_of(case), record) for record in neighbours]
    sent = pipeline.publish(records)
    for number, case in enumerate(BAD):
        places[case] = sent[3 * number + 1]
    eventually_sync(lambda: set(BAD) <= set(pipeline.decided()), what="the neighbours' decisions")
    letters = {
        (int(about(letter)["partition"]), int(about(letter)["offset"])): letter
        for letter in pipeline.read("dead-letters")
    }
    eventually_sync(
        lambda: in_the_ledger(pipeline, before).get("matched") == len(BAD), what="the ledger"
    )
    return Aftermath(places, letters, pipeline.decided(), in_the_ledger(pipeline, before))


def in_the_ledger(pipeline: Pipeline, before: dict[str, int]) -> dict[str, int]:
    """What was added to it, without the zeros."""
    after = pipeline.ledger()
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


def about(letter: SourceRecord) -> dict[str, str]:
    return {name.removeprefix("gnomon-"): value.decode() for name, value in letter.headers}


@pytest.mark.parametrize("case", BAD)
def test_it_goes_to_dead_letters_as_it_came_and_says_why(
    aftermath: Aftermath, pipeline: Pipeline, case: str
) -> None:
    value, reason = BAD[case]
    partition, offset = aftermath.places[case]

    letter = aftermath.letters[partition, offset]

    assert (letter.key, letter.value) == (key_of(case), value)
    said = about(letter)
    assert said.pop("detail")
    assert said == {
        "stage": "features",
        "reason": reason,
        "topic": f"{pipeline.prefix}task-events",
        "partition": str(partition),
        "offset": str(offset),
    }


@pytest.mark.parametrize("case", BAD)
def test_its_neighbours_are_matched(aftermath: Aftermath, case: str) -> None:
    assert aftermath.decided[case] == "matched"


def test_nothing_is_lost_and_nothing_is_there_twice(aftermath: Aftermath) -> None:
    assert set(aftermath.letters) >= set(aftermath.places.values())
    assert "bad" not in aftermath.decided
    assert aftermath.added == {"predictions": len(BAD), "matched": len(BAD)}


def test_letters_are_what_the_contract_says(aftermath: Aftermath) -> None:
    document = json.loads(ASYNCAPI.read_text())
    headers = document["components"]["messages"]["dead_letter"]["headers"]
    assert list(headers["properties"]) == list(DEAD_LETTER_HEADERS)

    for letter in aftermath.letters.values():
        assert [name for name, _ in letter.headers] == list(headers["properties"])
        said = {name: value.decode() for name, value in letter.headers}
        jsonschema.validate(said, headers)


def test_details_carry_nothing_of_the_payload(aftermath: Aftermath) -> None:
    for letter in aftermath.letters.values():
        detail = about(letter)["detail"]
        assert len(detail) < 300
        for word in ("task_paused", "yesterday", "aaaa", "yyyy"):
            assert word not in detail


def test_a_finish_without_a_start_is_an_orphan(pipeline: Pipeline) -> None:
    before = pipeline.ledger()

    pipeline.publish(
        [
            (b"orphan", as_bytes(finish("orphan", "orphan's own"))),
            (b"orphan", as_bytes(start("orphan", "orphan's next"))),
            (b"orphan", as_bytes(finish("orphan", "orphan's next"))),
        ]
    )

    expected = {"predictions": 1, "matched": 1, "orphan": 1}
    eventually_sync(lambda: in_the_ledger(pipeline, before) == expected, what="an orphan")
    decided = pipeline.decided()
    assert decided["orphan's next"] == "matched"
    assert "orphan's own" not in decided


def test_a_second_finish_is_a_duplicate_and_changes_nothing(pipeline: Pipeline) -> None:
    before = pipeline.ledger()

    pipeline.publish(
        [
            (b"twice", as_bytes(start("twice", "ended twice"))),
            (b"twice", as_bytes(finish("twice", "ended twice", duration_s=30.0))),
            (b"twice", as_bytes(finish("twice", "ended twice", duration_s=99.0))),
            (b"twice", as_bytes(start("twice", "after it"))),
            (b"twice", as_bytes(finish("twice", "after it"))),
        ]
    )

    expected = {"predictions": 2, "matched": 2, "duplicate": 1}
    eventually_sync(lambda: in_the_ledger(pipeline, before) == expected, what="a duplicate")
    outcomes = [
        decision["outcome"]["duration_s"]
        for decision in map(json.loads, (r.value or b"" for r in pipeline.read("comparisons")))
        if decision["task_id"] == "ended twice"
    ]
    assert outcomes == [30.0]


def test_a_client_keeps_two_megabytes_to_itself_and_counts_them(pipeline: Pipeline) -> None:
    client = Client(pipeline.brokers, topic_prefix=pipeline.prefix, agent_id="talkative")
    with client:
        with client.task("review", task_id="before the flood"):
            pass
        with client.task("review", task_id="flood", context={"all": "x" * 2_000_000}):
            pass
        with client.task("review", task_id="after the flood"):
            pass
        assert client.flush(20.0) == 0
        stats = client.stats()

    assert stats.dropped_oversize == 2  # the start, and what the end goes without
    assert stats.delivered == 5
    eventually_sync(
        lambda: {"before the flood", "after the flood"} <= set(pipeline.decided()),
        what="the tasks beside it",
    )
    assert "flood" not in pipeline.decided()


def test_the_topic_takes_no_record_above_a_megabyte(pipeline: Pipeline) -> None:
    with pytest.raises(MessageSizeTooLargeError):
        asyncio.run(send_compressed(pipeline, b"x" * 2_000_000, compression=None))


@pytest.mark.parametrize("size", [2_000_000, 8_388_608, 20_000_000])
def test_a_giant_that_travelled_compressed_stops_nothing(pipeline: Pipeline, size: int) -> None:
    """The topic's limit is of compressed bytes, so a worker can be handed any size."""
    place = asyncio.run(send_compressed(pipeline, b"x" * size, compression="gzip"))
    task = f"behind {size}"
    pipeline.publish(
        [
            (b"giant", as_bytes(start("giant", task))),
            (b"giant", as_bytes(finish("giant", task))),
        ]
    )

    eventually_sync(lambda: task in pipeline.decided(), what="the task behind it")
    letter = letter_of(pipeline, place)
    assert letter is not None
    assert about(letter)["reason"] == "oversize"
    assert about(letter)["detail"].startswith(f"{size} bytes, at most 65536 are read")
    assert letter.value == b"x" * min(size, 8_000_000)
    assert ("the first 8000000 are kept" in about(letter)["detail"]) == (size > 8_000_000)


def test_a_giant_key_stops_nothing(pipeline: Pipeline) -> None:
    key = b"k" * 2_000_000

    place = asyncio.run(send_compressed(pipeline, b"no JSON", key=key, compression="gzip"))

    eventually_sync(lambda: letter_of(pipeline, place), what="its dead letter")
    letter = letter_of(pipeline, place)
    assert letter is not None
    assert (letter.key, letter.value) == (key[:65_536], b"no JSON")


def letter_of(pipeline: Pipeline, place: tuple[int, int]) -> SourceRecord | None:
    said = {"partition": str(place[0]), "offset": str(place[1])}
    return next(
        (d for d in pipeline.read("dead-letters") if said.items() <= about(d).items()), None
    )


async def send_compressed(
    pipeline: Pipeline, value: bytes, *, key: bytes = b"giant", compression: str | None
) -> tuple[int, int]:
    producer = AIOKafkaProducer(
        bootstrap_servers=pipeline.brokers,
        compression_type=compression,
        max_request_size=len(key) + len(value) + 1_000,
    )
    async with producer:
        sent = await producer.send_and_wait(f"{pipeline.prefix}task-events", value, key=key)
    return sent.partition, sent.offset
