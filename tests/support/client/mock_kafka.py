"""A broker that starts in a moment: librdkafka's mock cluster, in a process of its own.

For what a real broker is too slow for: being killed and stopped often. It speaks the protocol
(idempotence too) and makes topics as they are asked for, with 4 partitions.
"""

import os
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

PARTITIONS = 4
_SERVE = """
import sys, time
from confluent_kafka.admin import AdminClient
admin = AdminClient({"test.mock.num.brokers": 1, "log_level": 0})
(broker,) = admin.list_topics(timeout=30).brokers.values()
print(f"{broker.host}:{broker.port}", flush=True)
sys.stdin.read()
"""


class MockKafka:
    """One broker. ``stop`` and ``go_on`` are SIGSTOP and SIGCONT, ``kill`` is SIGKILL."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  our own script
            [sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.brokers = self._process.stdout.readline().strip()
        assert self.brokers

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        # Until all its threads have stopped it may answer a request on a busy machine.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def stored(brokers: str, topic: str = "task-events", *, timeout_s: float = 20.0) -> list[Message]:
    """Return all records of ``topic``, each partition in its order; also of a real broker."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "reader",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "log_level": 0,
        }
    )
    try:
        places = []
        for number in range(PARTITIONS):
            place = TopicPartition(topic, number, 0)
            try:
                _, end = consumer.get_watermark_offsets(place, timeout=30)
            except KafkaException:  # the partition does not exist: nothing was written to it
                continue
            places.append((place, end))
        wanted = sum(end for _, end in places)
        consumer.assign([place for place, _ in places])
        found: list[Message] = []
        deadline_s = time.monotonic() + timeout_s
        while len(found) < wanted and time.monotonic() < deadline_s:
            found += [m for m in consumer.consume(1_000, timeout=0.5) if m.error() is None]
        assert len(found) == wanted, (len(found), wanted)
        return found
    finally:
        consumer.close()
