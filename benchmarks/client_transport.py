"""Compares aiokafka and confluent-kafka under an agent whose broker is busy, killed or stopped.

    .venv/bin/python -m benchmarks.client_transport

Each row is a process of its own, before a broker of its own (librdkafka's mock cluster). ``busy``:
an agent thread puts 10 events a millisecond into a buffer that a background thread empties, and the
agent's own call is timed. ``killed`` and ``stopped`` (SIGSTOP): the agent makes 1,000 calls a second,
the broker is killed or stopped after 2 s, and the longest call and the stop after 45 s are timed.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

from tests.support.client.mock_kafka import MockKafka

if TYPE_CHECKING:
    from gnomon.client.delivery.buffer import Buffer

ROOT = Path(__file__).parents[1]
VALUE = b'{"kind":"task_started.v1","agent_id":"a","task_id":"t","text":"%s"}' % (b"x" * 280)
BUSY_S, OUTAGE_S, STOP_CAP_S = 10.0, 45.0, 60.0
CLIENTS = ("aiokafka", "gnomon")


class LogLines(logging.Handler):
    """Counts log lines."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def paced(seconds: float, every_s: float = 0.001) -> Iterator[None]:
    """Wake up every so often."""
    due_s = time.perf_counter()
    until_s = due_s + seconds
    while due_s < until_s:
        due_s += every_s
        time.sleep(max(0.0, due_s - time.perf_counter()))
        yield


def aiokafka_in_a_thread(brokers: str, buffer: "Buffer") -> None:
    """aiokafka as a telemetry client would use it: own event loop, whole batches, idempotent."""
    from aiokafka import AIOKafkaProducer

    async def main() -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=brokers, enable_idempotence=True, max_batch_size=1_000_000
        )
        await producer.start()
        while True:
            records = buffer.take(max_events=4_000, max_bytes=512 << 10)
            if records:
                batch = producer.create_batch()
                for record in records:
                    batch.append(timestamp=None, key=record.key, value=record.value)
                batch.close()
                await (await producer.send_batch(batch, "task-events", partition=0))
                buffer.settle(records, delivered=True)
            await asyncio.sleep(0.02)

    threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()


def busy(client: str, brokers: str) -> dict[str, float]:
    """The agent's own call while a thread moves 10,000 events a second."""
    from gnomon.client.delivery.buffer import Buffer
    from gnomon.client.delivery.connections import kafka
    from gnomon.client.delivery.reporter import Reporter
    from gnomon.client.delivery.sender import Sender
    from gnomon.client.records import Record
    from gnomon.connection import KafkaConnection

    buffer = Buffer(max_events=200_000, max_bytes=1 << 28)
    record = Record(b"a", VALUE)
    sender = Sender(
        buffer, connect=kafka(KafkaConnection(brokers), "task-events"), reporter=Reporter(buffer)
    )
    buffer.idle = client == "gnomon"
    if client == "aiokafka":
        aiokafka_in_a_thread(brokers, buffer)
    elif client == "gnomon":
        buffer.wake = lambda: sender.wake(lambda: None)

    for _ in paced(1.0):
        buffer.offer(record)
    took: list[float] = []
    spent_s = time.process_time()
    for _ in paced(BUSY_S):
        for _ in range(10):
            began = time.perf_counter()
            buffer.offer(record)
            took.append(time.perf_counter() - began)
    spent_s = time.process_time() - spent_s
    time.sleep(1.0)
    cuts = quantiles(took, n=1000)
    return {
        "p50_us": median(took) * 1e6,
        "p99_us": cuts[989] * 1e6,
        "p99.9_us": cuts[998] * 1e6,
        "over_1ms": float(sum(one > 0.001 for one in took)),
        "cpu_s": spent_s,
        "left": float(buffer.pending),
    }


def end(pid: int, how: str) -> None:
    os.kill(pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)


async def aiokafka_outage(brokers: str, pid: int, how: str) -> dict[str, float]:
    from aiokafka import AIOKafkaProducer
    from aiokafka.errors import KafkaError

    producer = AIOKafkaProducer(bootstrap_servers=brokers, enable_idempotence=True)
    await producer.start()
    began_s, gone, longest_s, sent = time.monotonic(), False, 0.0, 0
    while (at_s := time.monotonic() - began_s) < 2.0 + OUTAGE_S:
        if at_s > 2.0 and not gone:
            gone = True
            end(pid, how)
        try:
            await producer.send("task-events", VALUE, key=b"a")
            sent += 1
        except KafkaError:
            sent += 0
        longest_s = max(longest_s, time.monotonic() - began_s - at_s)
        await asyncio.sleep(0.001)
    stopping_s = time.monotonic()
    try:
        async with asyncio.timeout(STOP_CAP_S):
            await producer.stop()
    except (TimeoutError, KafkaError):
        pass
    return {
        "blocked_s": longest_s,
        "calls": float(sent),
        "stop_s": time.monotonic() - stopping_s,
    }


def gnomon_outage(brokers: str, pid: int, how: str) -> dict[str, float]:
    from gnomon import Client

    client = Client(brokers, agent_id="a")
    client.start("warm")
    client.flush(10)
    began_s, gone, longest_s, calls = time.monotonic(), False, 0.0, 0
    for _ in paced(2.0 + OUTAGE_S):
        at_s = time.monotonic() - began_s
        if at_s > 2.0 and not gone:
            gone = True
            end(pid, how)
        client.start("x", context={"text": "x" * 200})
        calls += 1
        longest_s = max(longest_s, time.monotonic() - began_s - at_s)
    stopping_s = time.monotonic()
    client.close()
    return {"blocked_s": longest_s, "calls": float(calls), "stop_s": time.monotonic() - stopping_s}


def one(row: str, client: str, brokers: str, pid: int) -> dict[str, float]:
    """Measure one row in this process."""
    lines = LogLines()
    logging.basicConfig(level=logging.WARNING, handlers=[lines])
    if row == "busy":
        return busy(client, brokers)
    if client == "aiokafka":
        found = asyncio.run(aiokafka_outage(brokers, pid, row))
    else:
        found = gnomon_outage(brokers, pid, row)
    return {**found, "log_lines": float(lines.count)}


def measured(row: str, client: str) -> dict[str, float]:
    """One row, in a process of its own; hung ones are ended."""
    with MockKafka() as broker:
        command = [sys.executable, "-m", "benchmarks.client_transport", "--row", row]
        command += ["--client", client, "--brokers", broker.brokers, "--pid", str(broker.pid)]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=300, check=True, cwd=ROOT
        )
    found: dict[str, float] = json.loads(done.stdout.strip().split("\n")[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["busy", "killed", "stopped"])
    parser.add_argument("--row", choices=["busy", "killed", "stopped"])
    parser.add_argument("--client")
    parser.add_argument("--brokers")
    parser.add_argument("--pid", type=int)
    options = parser.parse_args()
    if options.row:
        print(
            json.dumps(one(options.row, options.client, options.brokers, options.pid)), flush=True
        )
        os._exit(0)
    for row in [options.only] if options.only else ["busy", "killed", "stopped"]:
        for client in ("control", *CLIENTS) if row == "busy" else CLIENTS:
            found = measured(row, client)
            figures = "  ".join(f"{name} {value:,.2f}" for name, value in found.items())
            print(f"{row:8} {client:9} {figures}", flush=True)


if __name__ == "__main__":
    main()
