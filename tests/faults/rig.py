"""A broker of its own and a worker process for each stage, with the means to disturb them."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

import aiohttp
from tests.faults.commits import Commits
from tests.faults.history import History
from tests.faults.publish import Publisher
from tests.faults.stream import EXPIRE_MS, LATENESS_MS
from tests.faults.verifying.live_verdict import write_settings

from gnomon.broker import EmbeddedBroker
from gnomon.broker.probe import free_port
from gnomon.connection import KafkaConnection
from gnomon.contract.access import rights_of
from gnomon.errors import GnomonError
from gnomon.operations.clients import clients, read_clients
from gnomon.operations.lag import overview
from gnomon.operations.rights import grant
from gnomon.operations.topics_admin import create_topics
from gnomon.runtime.process.supervisor import Supervisor
from gnomon.settings import Settings
from gnomon.topics import group_of
from gnomon.vault import create_key_file

STAGES = ("features", "shadow", "comparison", "vault")
SESSION_S = 6.0
READY_S = 120.0

SETTINGS: Final = {"log.flush.start.offset.checkpoint.interval.ms": "500"}
"""Kafka writes down which records retention has removed once a minute; if it is killed before, they are back."""


class RigError(Exception):
    """The rig itself failed, so the run has no result."""


class Rig:
    """Async context manager: inside it, every stage runs and is ready.

    Attributes:
        broker: Kafka.
        commits: What the groups committed, and when.
        history: What became of the log of task-events.
        publisher: Sends the stream; whoever runs it sets it.
        partitions: Of every topic.

    Args:
        folder: For data and logs.
        partitions: Of every topic.
        workers: Of each stage; faults happen to the first.
        secure: Whether the broker asks for TLS, login and rights.
    """

    def __init__(
        self, folder: Path, *, partitions: int = 4, workers: int = 1, secure: bool = False
    ) -> None:
        self.folder, self.partitions, self._workers = folder, partitions, workers
        self._secure = secure
        self.history = History()
        self.publisher: Publisher
        self.broker = EmbeddedBroker(data_dir=folder, secure=secure, settings=SETTINGS)
        self._supervisors: dict[str, Supervisor] = {}
        self._ended_restarts: Counter[str] = Counter()
        self._running: dict[str, asyncio.Task[int]] = {}
        self._ports: dict[str, int] = {}
        self._log: TextIO | None = None
        self._http: aiohttp.ClientSession | None = None
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def settings(self) -> Settings:
        """The settings of the workers."""
        return Settings(
            data_dir=str(self.folder),
            session_timeout_s=SESSION_S,
            snapshot_every_s=2.0,
            max_lateness_s=LATENESS_MS / 1000,
            expire_after_s=EXPIRE_MS / 1000,
            model_poll_s=30.0,
            log_format="json",
            verdict_settings=write_settings(self.folder),
        ).reaching(self.kafka)

    @property
    def kafka(self) -> KafkaConnection:
        """How the workers reach the broker: those of a secured one with the rights of workers."""
        return self.broker.as_user("worker") if self._secure else self.broker.connection

    @property
    def restarts(self) -> dict[str, int]:
        """How often the first worker of each stage was restarted."""
        return {
            stage: self._ended_restarts[stage] + self._supervisors[stage].children[stage].starts - 1
            for stage in STAGES
        }

    def snapshots_of(self, stage: str) -> Path:
        """Return the folder with the snapshots of a stage, one folder for each partition."""
        return Path(self.settings.state_url) / group_of(stage, "")

    def signal(self, stage: str, number: signal.Signals) -> None:
        """Send a signal to the first worker of a stage if it runs."""
        self._supervisors[stage].signal(stage, number)

    def pid(self, name: str) -> int | None:
        """Return the process id of a worker; ``None`` while it does not run."""
        return self._supervisors[name].children[name].pid

    def join(self, stage: str) -> str:
        """Start another worker of a stage; returns its name."""
        name = f"{stage}+{len(self._ports)}"
        self._supervise(name, stage)
        return name

    async def leave(self, name: str) -> None:
        """Stop a worker normally."""
        self._supervisors[name].stop()
        await self._running[name]

    async def halt(self, stages: Sequence[str]) -> None:
        """Stop all workers of some stages normally."""
        names = [name for stage in stages for name in self._names_of(stage)]
        for name in names:
            self._supervisors[name].stop()
        await asyncio.wait([self._running.pop(name) for name in names])

    async def resume(self, stages: Sequence[str]) -> None:
        """Start them again, and wait until they are ready."""
        for stage in stages:
            self._ended_restarts[stage] += self._supervisors[stage].children[stage].starts
            for name in self._names_of(stage):
                self._supervise(name, stage)
        for stage in stages:
            await self.ready(stage)

    def _names_of(self, stage: str) -> list[str]:
        """Return the workers of a stage that are always there."""
        return [stage, *(f"{stage}#{number}" for number in range(1, self._workers))]

    async def status(self, name: str) -> Mapping[str, Any]:
        """Return the ``/status`` of a worker; empty while it does not answer."""
        assert self._http is not None
        try:
            async with self._http.get(f"http://127.0.0.1:{self._ports[name]}/status") as response:
                found: Mapping[str, Any] = await response.json()
                return found
        except (aiohttp.ClientError, TimeoutError, OSError):
            return {}

    async def ready(self, name: str, *, timeout_s: float = READY_S) -> bool:
        """Wait until a worker is ready; returns whether it was in time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.check()
            if (await self.status(name)).get("ready"):
                return True
            await asyncio.sleep(0.1)
        return False

    async def step(self, name: str, steps: tuple[str, ...], *, timeout_s: float) -> bool:
        """Wait until a partition of a worker is in one of ``steps``; returns whether it was in time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            partitions = (await self.status(name)).get("partitions", {})
            if any(partition["step"] in steps for partition in partitions.values()):
                return True
            await asyncio.sleep(0.01)
        return False

    def check(self) -> None:
        """Raise ``RigError`` if a supervisor has given up by itself."""
        for name, task in self._running.items():
            if task.done() and name in STAGES:
                line = self._supervisors[name].children[name].last_line
                raise RigError(f"{name} has given up: {line}")

    async def drained(self, *, timeout_s: float) -> bool:
        """Wait until no stage has records left to read; returns whether that was in time."""
        deadline = time.monotonic() + timeout_s
        still = 0
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(GnomonError, OSError, TimeoutError):
                stages = await overview(kafka=self.broker.connection, prefix="")
                still = still + 1 if not any(stage.lag for stage in stages) else 0
                if still == 3:
                    return True
            await asyncio.sleep(0.5)
        return False

    async def written(self, *, timeout_s: float) -> None:
        """Wait until the comparison workers have written all metrics and evidence, or the time is over."""
        deadline = time.monotonic() + timeout_s
        names = [name for name in self._ports if name.startswith("comparison")]
        always = self._names_of("comparison")
        while time.monotonic() < deadline:
            left = {name: (await self.status(name)).get("unwritten") for name in names}
            if not any(left.values()) and all(left[name] is not None for name in always):
                return
            await asyncio.sleep(0.5)

    async def told(self, records: int, *, timeout_s: float) -> None:
        """Wait until the workers have reported this many records of clients, or the time is over."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(GnomonError, OSError, TimeoutError):
                read = clients(
                    await read_clients(kafka=self.broker.connection, prefix=""),
                    now_ms=0,
                    behind=True,
                )
                if sum(client.received + client.repeated for client in read) == records:
                    return
            await asyncio.sleep(0.5)

    async def stop_workers(self) -> None:
        """Stop every worker normally, and then the polling of commits."""
        for supervisor in self._supervisors.values():
            supervisor.stop()
        if self._running:
            await asyncio.wait(self._running.values())
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        if self._http is not None:
            await self._http.close()

    async def stop(self) -> None:
        """Stop everything."""
        await self.stop_workers()
        await asyncio.to_thread(self.broker.stop)
        if self._log is not None:
            self._log.close()

    async def _start(self) -> None:
        await asyncio.to_thread(self.broker.start)
        await create_topics(self.broker.connection, partitions=self.partitions, replication=1)
        if self._secure:
            granted = rights_of("worker", prefix="")
            await asyncio.to_thread(grant, self.broker.connection, granted, principal="User:worker")
        settings = self.settings
        create_key_file(Path(settings.key_file))
        self._log = await asyncio.to_thread((self.folder / "workers.log").open, "w")
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0))
        self.commits = Commits(self.broker.connection, "", STAGES)
        for stage in STAGES:
            for name in self._names_of(stage):
                self._supervise(name, stage)
        for name in list(self._running):
            if not await self.ready(name):
                raise RigError(f"{name} was not ready within {READY_S:.0f} s")
        self._watching = asyncio.create_task(self.commits.watch())

    def _supervise(self, name: str, stage: str) -> None:
        port = self._ports[name] = free_port()
        argv = ["-m", "gnomon", "worker", stage, "--supervised", "--port", str(port)]
        supervisor = self._supervisors[name] = Supervisor(
            {name: argv},
            environ=self.settings.environ_of_child(os.environ),
            on_line=self._note,
        )
        self._running[name] = asyncio.create_task(supervisor.run())

    def _note(self, name: str, line: str) -> None:
        if self._log is not None:
            print(f"{time.monotonic():.3f} {name:<14} | {line}", file=self._log, flush=True)
