"""What ``gnomon status`` says of client processes, from a real client's word and a real log."""

import asyncio
import json
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.commands import gnomon
from tests.support.pipeline import Pipeline
from tests.support.polling import eventually_sync

from gnomon import Client
from gnomon.connection import KafkaConnection
from gnomon.operations.clients import ClientOverview, clients, read_clients

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


def known(pipeline: Pipeline) -> dict[str, ClientOverview]:
    """By producer; the command takes seconds to start."""
    events = asyncio.run(
        read_clients(kafka=KafkaConnection(pipeline.brokers), prefix=pipeline.prefix)
    )
    now_ms = time.time_ns() // 1_000_000
    return {row.producer_id: row for row in clients(events, now_ms=now_ms, behind=False)}


def started(producer_id: str, seq: int, *, agent: str = "one") -> tuple[bytes, bytes]:
    event = {
        "kind": "task_started.v1", "agent_id": agent, "task_id": f"{producer_id} {seq}",
        "task_type": "x", "started_at_ms": 1_750_000_000_000 + seq, "producer_id": producer_id,
        "seq": seq,
    }  # fmt: skip
    return agent.encode(), json.dumps(event).encode()


def test_what_a_client_sent_has_all_been_received(pipeline: Pipeline) -> None:
    before = known(pipeline).keys()
    with Client(pipeline.brokers, topic_prefix=pipeline.prefix) as client:
        for number in range(40):
            with client.task("review", agent_id=f"agent-{number % 7}"):
                pass
        assert client.flush(20.0) == 0

    def arrived() -> list[ClientOverview]:
        rows = [row for name, row in known(pipeline).items() if name not in before]
        return [row for row in rows if row.received == 80 and row.ended]

    (row,) = eventually_sync(arrived, timeout_s=40, what="80 events received of a new client")

    assert (row.accepted, row.delivered, row.spooled, row.waiting) == (80, 80, 0, 0)
    assert (row.repeated, row.missing, row.lost) == (0, 0, 0)


def test_repeats_are_dropped_and_gaps_are_missing(pipeline: Pipeline) -> None:
    read = [0, 1, 1, 5, 2, 5, 9]
    pipeline.publish([started("gaps", seq, agent=f"agent-{seq}") for seq in read])

    def all_read() -> list[ClientOverview]:
        rows = known(pipeline).values()
        # Each partition reports by itself.
        return [
            row for row in rows if row.producer_id == "gaps" and row.received + row.repeated == 7
        ]

    (row,) = eventually_sync(all_read, timeout_s=40, what="seven records of a producer read")

    assert (row.received, row.repeated) == (5, 2)
    assert (row.missing, row.lost, row.accepted) == (5, 0, None)
    vectors = [json.loads(record.value or b"") for record in pipeline.read("task-features")]
    tasks = [vector["task_id"] for vector in vectors]
    assert sorted(task for task in tasks if task.startswith("gaps")) == [
        "gaps 0", "gaps 1", "gaps 2", "gaps 5", "gaps 9",
    ]  # fmt: skip
    body = pipeline.get("features", "/metrics").body
    families = {family.name: family for family in text_string_to_metric_families(body)}
    assert sum(sample.value for sample in families["gnomon_records_repeated"].samples) == 2
    assert sum(sample.value for sample in families["gnomon_producers_known"].samples) >= 5


def test_the_newest_are_shown_and_all_are_added_up(pipeline: Pipeline) -> None:
    pipeline.publish([started(f"newest-{n}\x1b[31m", 0) for n in range(3)])
    eventually_sync(
        lambda: sum(name.startswith("newest") for name in known(pipeline)) == 3,
        timeout_s=40,
        what="three producers known",
    )
    done = gnomon("status", "--json", "--clients", "2", **pipeline.settings)
    assert (done.returncode, done.stderr) == (0, "")
    status = json.loads(done.stdout)
    assert len(status["clients"]) == 2
    assert status["clients_known"] >= 3
    assert status["clients_total"]["received"] >= 3

    plain = gnomon("status", "--clients", "2", **pipeline.settings)

    assert plain.returncode == 0
    assert f"… and {status['clients_known'] - 2} more" in plain.stdout
    assert f"all {status['clients_known']}" in plain.stdout
    assert "\x1b" not in plain.stdout
