"""What broker and workers use while tasks come at a steady rate: processor time, transactions, connections."""

import asyncio
import time
import urllib.request
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.watching import cpu_seconds, family
from prometheus_client.parser import text_string_to_metric_families

from gnomon.connection import KafkaConnection
from gnomon.stages import STAGES

CPU, TRANSACTIONS = "process_cpu_seconds_total", "gnomon_transaction_seconds_count"
ESTABLISHED = "01"
"""State of a connection in ``/proc/net/tcp``."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The processes of one ``gnomon worker`` with all four stages, and its broker.

    Attributes:
        workers_pid: Of the supervisor.
        first_port: Of the first stage; the others follow.
        broker_pid: Of Kafka.
        kafka: Where it listens.
    """

    workers_pid: int
    first_port: int
    broker_pid: int
    kafka: KafkaConnection

    async def usage(self, *, after_s: float, seconds: float) -> dict[str, float]:
        """Wait ``after_s``, then watch for ``seconds``.

        Returns:
            Processor seconds a second (``cpu_broker``, ``cpu_workers`` with the supervisor, and by stage),
            transactions a second (``transactions_…``) and connections to Kafka (``connections_…``).
        """
        await asyncio.sleep(after_s)
        began_s, before = time.monotonic(), await asyncio.to_thread(self._read)
        await asyncio.sleep(seconds)
        took_s, after = time.monotonic() - began_s, await asyncio.to_thread(self._read)
        by_stage = await asyncio.to_thread(self._connections)
        first, last = before.totals(), after.totals()
        return {
            **{name: round((last[name] - first[name]) / took_s, 3) for name in last},
            **{f"connections_{stage}": count for stage, count in by_stage.items()},
        }

    def _read(self) -> "_Reading":
        return _Reading(
            broker_s=cpu_seconds(self.broker_pid),
            workers_s=cpu_seconds(self.workers_pid),
            metrics={
                stage: _get(f"http://127.0.0.1:{self.first_port + number}/metrics")
                for number, stage in enumerate(STAGES)
            },
        )

    def _connections(self) -> Mapping[str, int]:
        port = int(self.kafka.brokers.rpartition(":")[2])
        to_broker = _inodes_of_connections_to(port)
        counts = dict.fromkeys(STAGES, 0)
        for pid in family(self.workers_pid):
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            for stage in STAGES:
                if "--supervised" in argv and stage in argv:
                    counts[stage] = len(to_broker & _sockets(pid))
        return counts


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was read at one moment. It is parsed later: that would delay the tasks that this process publishes."""

    broker_s: float
    workers_s: float
    metrics: Mapping[str, str]

    def totals(self) -> dict[str, float]:
        found = {"cpu_broker": self.broker_s, "cpu_workers": self.workers_s}
        for stage, text in self.metrics.items():
            sums = _sums(text)
            found[f"cpu_{stage}"] = sums[CPU]
            found[f"transactions_{stage}"] = sums.get(TRANSACTIONS, 0.0)
        return found


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5.0) as answer:
        return str(answer.read().decode())


def _sums(text: str) -> Mapping[str, float]:
    """Return the samples of a worker by name; of those that have labels, the sum."""
    totals: dict[str, float] = defaultdict(float)
    for metric in text_string_to_metric_families(text):
        for sample in metric.samples:
            totals[sample.name] += sample.value
    return totals


def _inodes_of_connections_to(port: int) -> set[str]:
    """Return the sockets of this machine that are connected to ``port``."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            remote_port, state, inode = fields[2].rpartition(":")[2], fields[3], fields[9]
            if int(remote_port, 16) == port and state == ESTABLISHED:
                found.add(inode)
    return found


def _sockets(pid: int) -> set[str]:
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[len("socket:[") : -1])
    return found
