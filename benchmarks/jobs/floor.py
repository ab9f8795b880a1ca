"""The floor: a plain aiokafka loop that decodes every event and writes a vector for each start.

It has no window, state, commit or transaction: what remains is Kafka and JSON. It writes as many
bytes as the features stage: the same records with constant values of the usual length, one
``TaskFeatures`` for each start and one ``AgentFeatures`` for each agent of a batch, in batches of the
same size. The benchmark measures the output of both and prints it.
"""

import asyncio
import os
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from gnomon.codec import decode_task_event, encode
from gnomon.events import AgentFeatures, Completeness, FeatureVector, TaskFeatures, TaskStarted

BROKERS, SOURCE, SINK = os.environ["BROKERS"], os.environ["SOURCE"], os.environ["SINK"]
AGENT_SINK = os.environ["AGENT_SINK"]
PARTITIONS = int(os.environ["PARTITIONS"])
VECTOR = FeatureVector(
    tasks_completed_1h=333,
    avg_execution_time_1h=187.22716666666668,
    success_rate_1h=0.7117117117117117,
    code_review_iterations=2.015015015015015,
    median_execution_time_1h=148.4135,
    tasks_in_flight=3,
    seconds_since_last_finish=11.742,
    same_type_runs=20,
    same_type_avg_execution_time=187.22716666666668,
    same_type_success_rate=0.75,
    agent_runs=20,
    agent_avg_execution_time=187.22716666666668,
    agent_success_rate=0.75,
)
WHOLE = Completeness(hour_seen=1.0)


def vector(event: TaskStarted) -> bytes:
    return encode(
        TaskFeatures(
            agent_id=event.agent_id,
            task_id=event.task_id,
            task_type=event.task_type,
            started_at_ms=event.started_at_ms,
            features=VECTOR,
            completeness=WHOLE,
        )
    )


def rolling(agent_id: str, as_of_ms: int) -> bytes:
    return encode(
        AgentFeatures(
            agent_id=agent_id,
            as_of_ms=as_of_ms,
            tasks_completed_1h=VECTOR.tasks_completed_1h,
            avg_execution_time_1h=VECTOR.avg_execution_time_1h,
            success_rate_1h=VECTOR.success_rate_1h,
            code_review_iterations=VECTOR.code_review_iterations,
            median_execution_time_1h=VECTOR.median_execution_time_1h,
            deployment_success_rate_1h=None,
            tasks_in_flight=VECTOR.tasks_in_flight,
            last_finished_at_ms=as_of_ms,
            completeness=WHOLE,
        )
    )


async def write(producer: AIOKafkaProducer, topic: str, partition: int, records: list[Any]) -> None:
    batch = producer.create_batch()
    for key, value in records:
        if batch.append(key=key, value=value, timestamp=None) is None:
            await producer.send_batch(batch, topic, partition=partition)
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
    await producer.send_batch(batch, topic, partition=partition)


async def main() -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=BROKERS,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 << 20,
        fetch_max_bytes=32 << 20,
    )
    await consumer.start()
    consumer.assign([TopicPartition(SOURCE, p) for p in range(PARTITIONS)])
    await consumer.seek_to_beginning()
    producer = AIOKafkaProducer(
        bootstrap_servers=BROKERS, linger_ms=0, max_batch_size=1_000_000, max_request_size=16 << 20
    )
    await producer.start()
    while True:
        fetched = await consumer.getmany(timeout_ms=200, max_records=8192)
        for tp, records in fetched.items():
            vectors, agents = [], {}
            for record in records:
                event = decode_task_event(record.value)
                agents[event.agent_id] = record
                if isinstance(event, TaskStarted):
                    vectors.append((record.key, vector(event)))
            latest = [(r.key, rolling(agent_id, r.timestamp)) for agent_id, r in agents.items()]
            await write(producer, SINK, tp.partition, vectors)
            await write(producer, AGENT_SINK, tp.partition, latest)


asyncio.run(main())
