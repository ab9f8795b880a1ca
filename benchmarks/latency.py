"""Measures the time from publishing a start until its prediction can be read, at a steady rate.

``python -m benchmarks.latency`` runs all four workers as a user would, with one random forest
(or another learner) and the baselines. It publishes starts, and a finish for each a while later. The time begins when a
start is passed to ``send`` of an aiokafka producer (``acks=all``, idempotent, no linger). With
``--client`` it is passed to ``gnomon.Client`` instead, which collects events for up to 20 ms. The
time ends when a ``read_committed`` consumer has received the last prediction of the task.
"""

import argparse
import asyncio
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import quantiles

import msgspec
from aiokafka import TopicPartition
from benchmarks.harness.contenders import Bench, tail
from benchmarks.harness.folders import measuring_folder
from benchmarks.harness.ports import answers, free_ports
from benchmarks.harness.training_data import decisions
from benchmarks.harness.usage import Watched
from benchmarks.harness.watching import end, end_in_order_at_sigterm, start

from gnomon import Client
from gnomon.broker import EmbeddedBroker
from gnomon.codec import encode
from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.events import TaskEvent, TaskFinished, TaskStarted

TASKS_PER_S = 1_000
STEP_S = 0.005
WARM_UP_S = 60.0
"""Warm-up time, after which the compilers of Kafka's Java have done their work."""
AGENTS = 1000
PARTITIONS = 4
"""Number of partitions of each topic, the default of ``gnomon topics create``."""
AGAIN_S = 10.0
"""Warm-up time of a second turn, on a broker that has run already."""
FINISH_AFTER_S = 1.0
READ = (("", "shadow-predictions", 4), ("features_", "task-features", 1))
"""Prefix of the names of the results, topic, and number of records for each task: predictions are
those of three baselines and the model.
"""

Send = Callable[[TaskEvent], Awaitable[None]]


def register_model(folder: Path, learner: str = "forest") -> None:
    """Train a model on synthetic decisions and register it as the challenger."""
    from gnomon.models.learners.catalog import LEARNERS
    from gnomon.models.registry import Registry
    from gnomon.models.train import train

    registry = Registry(uri=f"sqlite:///{folder / 'mlflow.db'}", model_name="gnomon")
    trained = train(decisions(2000), learner=LEARNERS[learner]())
    registry.register(trained, alias="challenger", author="bench")


class Publisher:
    """Publishes ``per_s`` starts a second, evenly, and ends each task after ``FINISH_AFTER_S``.

    ``sent_s`` has the time at which each start was passed on, by task, after the warm-up.
    """

    def __init__(self, send: Send, *, per_s: int) -> None:
        self.sent_s: dict[str, float] = {}
        self._send, self._per_s = send, per_s

    async def run(self, *, warm_up_s: float, seconds: float) -> None:
        """Publish for ``warm_up_s`` and then for ``seconds``."""
        began_s = time.monotonic()
        made = ended = 0
        while made < int((warm_up_s + seconds) * self._per_s):
            now_s = time.monotonic() - began_s
            while made < now_s * self._per_s:
                await self._start(made, warm=made >= warm_up_s * self._per_s)
                made += 1
            while ended < (now_s - FINISH_AFTER_S) * self._per_s:
                await self._send(self._finished(ended))
                ended += 1
            await asyncio.sleep(STEP_S)

    async def _start(self, number: int, *, warm: bool) -> None:
        event = TaskStarted(
            agent_id=f"agent-{number % AGENTS:06d}",
            task_id=f"t{number:09d}",
            task_type=f"type-{number % 40}",
            started_at_ms=time.time_ns() // 1_000_000,
        )
        if warm:
            self.sent_s[event.task_id] = time.monotonic()
        await self._send(event)

    def _finished(self, number: int) -> TaskFinished:
        now_ms = time.time_ns() // 1_000_000
        return TaskFinished(
            agent_id=f"agent-{number % AGENTS:06d}",
            task_id=f"t{number:09d}",
            task_type=f"type-{number % 40}",
            started_at_ms=now_ms - int(FINISH_AFTER_S * 1000),
            finished_at_ms=now_ms,
            duration_s=FINISH_AFTER_S,
            succeeded=number % 3 > 0,
            code_review_iterations=number % 5,
        )


class Ids(msgspec.Struct):
    """The fields of a record that are read."""

    task_id: str


class Reader:
    """Records when the last of each task's ``records`` could be read. Async context manager.

    It decodes the records only at the end, so that it takes no processor time from the workers.
    """

    def __init__(
        self, kafka: KafkaConnection, topic: str, *, records: int, partitions: int
    ) -> None:
        self._records = records
        self._fetched: list[tuple[float, bytes]] = []
        self._tps = [TopicPartition(topic, p) for p in range(partitions)]
        self._consumer = aiokafka_clients.consumer(kafka, isolation_level="read_committed")
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Reader":
        await self._consumer.start()
        self._consumer.assign(self._tps)
        await self._consumer.seek_to_end(*self._tps)
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._consumer.stop()

    async def _run(self) -> None:
        while True:
            fetched = await self._consumer.getmany(timeout_ms=1000)
            now_s = time.monotonic()
            for records in fetched.values():
                self._fetched += [(now_s, record.value) for record in records]

    async def last_came(self, *, quiet_s: float, within_s: float) -> None:
        """Wait until a record has come, and then none for ``quiet_s``; at most ``within_s``."""
        until_s, count = time.monotonic() + within_s, 0
        while count < max(1, len(self._fetched)) and time.monotonic() < until_s:
            count = len(self._fetched)
            await asyncio.sleep(quiet_s)

    def read_s(self) -> Mapping[str, float]:
        """Return the time of the last record of each task (monotonic clock)."""
        decode = msgspec.json.Decoder(Ids).decode
        counts: Counter[str] = Counter()
        found: dict[str, float] = {}
        for at_s, value in self._fetched:
            task_id = decode(value).task_id
            counts[task_id] += 1
            if counts[task_id] == self._records:
                found[task_id] = at_s
        return found


async def measure(
    bench: Bench,
    *,
    seconds: float,
    per_s: int = TASKS_PER_S,
    warm_up_s: float = WARM_UP_S,
    partitions: int = PARTITIONS,
    with_client: bool = False,
    halfway: bool = False,
    beside: Callable[[str], AbstractAsyncContextManager[None]] | None = None,
    with_usage: bool = False,
) -> dict[str, float]:
    """Return percentiles of the delay in milliseconds, and the number of tasks not predicted.

    With ``halfway``, ``features_p50`` and ``features_p99`` are the delays until the feature vector can
    be read. This needs one more consumer on the same cores. With ``with_usage``, what broker and workers
    use after the warm-up is added (``harness.usage``). ``beside`` is given the prefix of the topics, and
    what it returns is entered while tasks are published.

    Raises:
        RuntimeError: The workers were not ready in time.
    """
    prefix = await bench.fresh(partitions=partitions)
    port, log = free_ports(4), bench.folder / "latency.log"
    argv = [sys.executable, "-m", "gnomon", "worker", "--port", str(port)]
    workers = start(argv, bench.settings(prefix), log)
    try:
        await ready(workers, range(port, port + 4), log)
        readers = {
            name: Reader(bench.kafka, prefix + topic, records=records, partitions=partitions)
            for name, topic, records in READ[: 2 if halfway else 1]
        }
        async with AsyncExitStack() as reading:
            for reader in readers.values():
                await reading.enter_async_context(reader)
            if beside is not None:
                await reading.enter_async_context(beside(prefix))
            publishing = _with_client if with_client else _with_producer
            async with publishing(bench.kafka, prefix) as send:
                publisher = Publisher(send, per_s=per_s)
                async with asyncio.TaskGroup() as group:
                    if with_usage:
                        watched = Watched(workers.pid, port, bench.broker_pid, bench.kafka)
                        using = group.create_task(watched.usage(after_s=warm_up_s, seconds=seconds))
                    await publisher.run(warm_up_s=warm_up_s, seconds=seconds)
            await readers[""].last_came(quiet_s=1.0, within_s=10.0)
    finally:
        end(workers)
    found = {
        name + figure: value
        for name, reader in readers.items()
        for figure, value in delays(publisher.sent_s, reader.read_s()).items()
    }
    return found | using.result() if with_usage else found


@asynccontextmanager
async def _with_producer(kafka: KafkaConnection, prefix: str) -> AsyncIterator[Send]:
    producer = aiokafka_clients.producer(kafka, linger_ms=0, acks="all", enable_idempotence=True)
    await producer.start()

    async def send(event: TaskEvent) -> None:
        await producer.send(f"{prefix}task-events", encode(event), key=event.agent_id.encode())

    try:
        yield send
        await producer.flush()
    finally:
        await producer.stop()


@asynccontextmanager
async def _with_client(kafka: KafkaConnection, prefix: str) -> AsyncIterator[Send]:
    client = Client(kafka.brokers, security=kafka.security, topic_prefix=prefix)

    async def send(event: TaskEvent) -> None:
        client.emit(event)

    try:
        yield send
        await client.aflush()
    finally:
        client.close()


def delays(sent_s: Mapping[str, float], read_s: Mapping[str, float]) -> dict[str, float]:
    """Return percentiles in milliseconds over the predicted tasks; ``unread`` counts the others.

    They are infinite if fewer than two tasks were predicted.
    """
    found = sorted((read_s[task] - at_s) * 1000 for task, at_s in sent_s.items() if task in read_s)
    cuts = quantiles(found, n=1000, method="inclusive") if len(found) > 1 else [math.inf] * 999
    return {
        **{name: round(cuts[at], 1) for name, at in (("p50", 499), ("p90", 899), ("p99", 989))},
        "max": round(found[-1], 1) if found else math.inf,
        "tasks": len(sent_s),
        "unread": len(sent_s) - len(found),
    }


def line(found: Mapping[str, float]) -> str:
    """Return one line of a table."""
    shown = "  ".join(f"{name} {found[name]:,.1f}" for name in ("p50", "p90", "p99", "max"))
    text = f"start sent to prediction readable, ms: {shown}; {found['unread']:.0f} never"
    if "features_p50" in found:
        p50, p99 = found["features_p50"], found["features_p99"]
        text += f"; to its features: p50 {p50:,.1f}  p99 {p99:,.1f}"
    return text


async def ready(workers: "subprocess.Popen[bytes]", ports: Sequence[int], log: Path) -> None:
    until_s = time.monotonic() + 90.0
    for port in ports:
        while not await asyncio.to_thread(answers, f"http://127.0.0.1:{port}/readyz"):
            if time.monotonic() > until_s or workers.poll() is not None:
                raise RuntimeError(f"workers are not ready; last lines:\n{tail(log)}")
            await asyncio.sleep(0.2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="after the warm-up")
    parser.add_argument("--warm-up", type=float, default=WARM_UP_S, help="seconds before that")
    parser.add_argument("--partitions", type=int, default=PARTITIONS, help="of each topic")
    parser.add_argument("--per-s", type=int, default=TASKS_PER_S, help="tasks a second")
    parser.add_argument("--client", action="store_true", help="publish with gnomon.Client")
    parser.add_argument("--halfway", action="store_true", help="the way to the features as well")
    parser.add_argument("--learner", default="forest", help="of the model (forest)")
    parser.add_argument("--disk", action="store_true", help="keep Kafka's files on disk")
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    end_in_order_at_sigterm()
    with measuring_folder(on_disk=options.disk) as name:
        folder = Path(name)
        register_model(folder, options.learner)
        broker = EmbeddedBroker(data_dir=folder, progress=print, heap_mb=1024, long_running=True)
        with broker:
            bench = Bench(broker, folder)
            for turn in range(options.repeat):
                found = asyncio.run(
                    measure(
                        bench,
                        seconds=options.seconds,
                        warm_up_s=min(options.warm_up, AGAIN_S) if turn else options.warm_up,
                        per_s=options.per_s,
                        partitions=options.partitions,
                        with_client=options.client,
                        halfway=options.halfway,
                    )
                )
                print(line(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
