"""The four workers under ``gnomon worker``, on a prefix of their own."""

import asyncio
import http.client
import json
import random
import signal
import socket
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.support.commands import GNOMON, environ, processes_of
from tests.support.polling import eventually_sync

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.operations.lag import overview, read_ledger
from gnomon.operations.topics_admin import create_topics
from gnomon.records import SourceRecord
from gnomon.runtime.kafka.reading import read_topic
from gnomon.vault import create_key_file

STAGES = ("features", "shadow", "comparison", "vault")
"""Each serves on the port after the one before it."""


@dataclass(frozen=True)
class Answer:
    """What a worker said over HTTP."""

    status: int
    body: str
    kind: str


class Pipeline:
    """Context manager: inside it every stage is ready.

    Args:
        kafka: The cluster, as the workers reach it.
        admin: The same with the right to make topics, and to read and write all of them.
        prefix: Of topics, which are created.
        folder: Where everything local goes, also ``workers.log`` with what the workers said.
    """

    def __init__(
        self,
        *,
        kafka: KafkaConnection,
        prefix: str,
        folder: Path,
        admin: KafkaConnection | None = None,
    ) -> None:
        self.kafka, self.admin, self.brokers = kafka, admin or kafka, kafka.brokers
        self.prefix, self.folder = prefix, folder
        self.settings = {
            "GNOMON_BROKERS": kafka.brokers,
            **kafka.security.as_environ(),
            "GNOMON_TOPIC_PREFIX": prefix,
            "GNOMON_DATA_DIR": str(folder),
            "GNOMON_MODEL_POLL_S": "0.25",
            "GNOMON_SESSION_TIMEOUT_S": "6",
            "GNOMON_LOG_FORMAT": "json",
            "GNOMON_LOG_LEVEL": "debug",
        }
        self.log = folder / "workers.log"
        self.first_port = _free_ports(len(STAGES))
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        asyncio.run(create_topics(self.admin, prefix=self.prefix, partitions=4, replication=1))
        create_key_file(self.folder / "kek.key")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603  our own command
                [*GNOMON, "worker", "--port", str(self.first_port)],
                env=environ(self.settings),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self.await_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self.stop() == 0
        assert not processes_of(self.folder)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        if self.process is None:
            raise RuntimeError("it was not started")
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()

    def await_ready(self) -> None:
        """Wait until every stage says that it is."""
        eventually_sync(
            lambda: all(self.get(stage, "/readyz").status == 200 for stage in STAGES),
            timeout_s=60,
            what=f"four workers ready; they said: {self.log}",
        )

    def get(self, stage: str, path: str) -> Answer:
        """Ask a worker; status 0 if nobody answers."""
        port = self.first_port + STAGES.index(stage)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            kind = response.headers.get("Content-Type", "")
            return Answer(response.status, response.read().decode(), kind)
        except OSError:
            return Answer(0, "", "")
        finally:
            connection.close()

    def status(self, stage: str) -> dict[str, Any]:
        """What a worker tells of itself; empty if it does not answer."""
        answer = self.get(stage, "/status")
        found: dict[str, Any] = json.loads(answer.body) if answer.status == 200 else {}
        return found

    def publish(
        self,
        records: Iterable[tuple[bytes | None, bytes | None]],
        *,
        compression: str | None = None,
    ) -> list[tuple[int, int]]:
        """Write keys and values to task-events; return the partition and offset of each."""
        return asyncio.run(self._publish(list(records), compression))

    async def _publish(
        self, records: Sequence[tuple[bytes | None, bytes | None]], compression: str | None
    ) -> list[tuple[int, int]]:
        producer = aiokafka_clients.producer(
            self.admin, enable_idempotence=True, compression_type=compression
        )
        await producer.start()
        try:
            sent = [
                await producer.send(f"{self.prefix}task-events", value, key=key)
                for key, value in records
            ]
            return [((await s).partition, (await s).offset) for s in sent]
        finally:
            await producer.stop()

    def read(self, topic: str) -> list[SourceRecord]:
        """Every committed record of a topic."""
        return asyncio.run(self._read(topic))

    async def _read(self, topic: str) -> list[SourceRecord]:
        name = f"{self.prefix}{topic}"
        return [r async for r in read_topic(kafka=self.admin, topic=name, follow=False)]

    def decided(self) -> dict[str, str]:
        """How each task ended that has a decision, by its id; a repeat is an error."""
        found: dict[str, str] = {}
        for record in self.read("comparisons"):
            decision = json.loads(record.value or b"")
            assert decision["task_id"] not in found
            found[decision["task_id"]] = decision["outcome"]["status"]
        return found

    def lag(self) -> int:
        """Records that some stage has not committed yet."""
        stages = asyncio.run(overview(kafka=self.admin, prefix=self.prefix))
        return sum(stage.lag for stage in stages)

    def ledger(self) -> dict[str, int]:
        """The ledger, of all partitions."""
        return asyncio.run(read_ledger(kafka=self.admin, prefix=self.prefix))


def _free_ports(count: int) -> int:
    """The first of ``count`` ports in a row that nobody has."""
    for _ in range(100):
        first = random.randrange(20_000, 30_000)  # noqa: S311  no secret
        if all(_is_free(first + index) for index in range(count)):
            return first
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
