"""The pipeline runs with the least rights of each role, on a cluster that denies all others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from tests.support.pipeline import Pipeline
from tests.support.polling import eventually_sync

from gnomon import Client
from gnomon.broker import EmbeddedBroker
from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.errors import NotLetInError
from gnomon.runtime.kafka.reading import read_topic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


def agent_of(kafka: KafkaConnection, pipeline: Pipeline) -> Client:
    return Client(
        kafka.brokers, security=kafka.security, topic_prefix=pipeline.prefix, agent_id="ada"
    )


def work(pipeline: Pipeline, kafka: KafkaConnection, *tasks: str) -> None:
    """Let an agent do ``tasks`` and wait for their decisions."""
    with agent_of(kafka, pipeline) as client:
        for task in tasks:
            with client.task("review", task_id=task):
                pass
        assert client.flush(30.0) == 0
    eventually_sync(
        lambda: set(tasks) <= set(pipeline.decided()), timeout_s=60, what=f"decisions on {tasks}"
    )


def test_agents_and_workers_do_their_work(secured: EmbeddedBroker, pipeline: Pipeline) -> None:
    work(pipeline, secured.as_user("agent"), "one", "two")

    eventually_sync(
        lambda: len(pipeline.read("decisions")) >= 2, timeout_s=60, what="two sealed decisions"
    )
    assert pipeline.ledger()["matched"] >= 2


def test_an_agent_may_come_with_a_certificate(secured: EmbeddedBroker, pipeline: Pipeline) -> None:
    work(pipeline, secured.by_certificate("agent"), "with a certificate")


@asynccontextmanager
async def producer(kafka: KafkaConnection) -> AsyncIterator[Any]:
    made = aiokafka_clients.producer(kafka)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@pytest.mark.parametrize(
    ("role", "topic"),
    [
        ("agent", "task-features"),
        ("agent", "control"),
        ("worker", "task-events"),
        ("worker", "control"),
        ("reader", "task-events"),
        ("reader", "client-stats"),
        ("reader", "control"),
        ("operator", "decisions"),
    ],
)
async def test_nobody_writes_what_is_another_s(
    secured: EmbeddedBroker, pipeline: Pipeline, role: str, topic: str
) -> None:
    async with producer(secured.as_user(role)) as made:
        with pytest.raises(TopicAuthorizationFailedError):
            await made.send_and_wait(pipeline.prefix + topic, b"{}", key=b"a")


@pytest.mark.parametrize(
    ("role", "topic"),
    [
        ("agent", "decisions"),
        ("agent", "task-events"),
        ("agent", "comparisons"),
        ("worker", "decisions"),
        ("worker", "exposures"),
        ("reader", "decisions"),
    ],
)
async def test_nobody_reads_what_is_not_for_it(
    secured: EmbeddedBroker, pipeline: Pipeline, role: str, topic: str
) -> None:
    kafka = secured.as_user(role)
    with pytest.raises(NotLetInError, match=r"may not use a topic.*gnomon topics acls"):
        async for _ in read_topic(kafka=kafka, topic=pipeline.prefix + topic, follow=False):
            pass
    # The broker itself, whatever gnomon asks first.
    consumer = aiokafka_clients.consumer(kafka, pipeline.prefix + topic, request_timeout_ms=3_000)

    async def first() -> None:
        await consumer.start()
        await asyncio.wait_for(consumer.getone(), 20)

    try:
        with pytest.raises(TopicAuthorizationFailedError):
            await first()
    finally:
        await consumer.stop()


@pytest.mark.parametrize("role", ["agent", "reader"])
async def test_who_only_looks_or_publishes_joins_no_group_of_the_stages(
    secured: EmbeddedBroker, pipeline: Pipeline, role: str
) -> None:
    consumer = aiokafka_clients.consumer(
        secured.as_user(role),
        f"{pipeline.prefix}task-events",
        group_id=f"{pipeline.prefix}gnomon-features",
    )
    try:
        with pytest.raises(KafkaError, match="AuthorizationFailed"):
            await consumer.start()
    finally:
        await consumer.stop()


def test_a_missing_right_is_named_in_the_client_s_log(
    secured: EmbeddedBroker, pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    reader = secured.as_user("reader")
    with agent_of(reader, pipeline) as client:
        with client.task("review", task_id="never"):
            pass
        eventually_sync(
            lambda: "this user may not write" in caplog.text, timeout_s=30, what="a line"
        )
