"""Starts all of gnomon on this machine: broker, topics, key and workers.

The demo and replays use it. The output of the workers is written to ``workers.log``. When this process
ends, even by SIGKILL, broker and workers end too: a guard process stops the broker, and a worker ends
when its standard input is closed.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import aiohttp

from gnomon.broker import EmbeddedBroker
from gnomon.broker.probe import HOST, free_ports
from gnomon.errors import GnomonError
from gnomon.operations.topics_admin import create_topics
from gnomon.runtime.process.supervisor import Supervisor
from gnomon.settings import Settings
from gnomon.vault import create_key_file

POLL_S = 0.1


class StackError(GnomonError):
    """Raised if a part of the stack did not start or has stopped; the message has its last output line."""


class LocalStack:
    """Runs every stage inside an async context; all stages are ready when it is entered.

    Args:
        settings: Settings of all parts; the cluster is replaced if ``own_broker`` is true.
        own_broker: Whether to start a broker.
        stages: The stages to run, each in a process of its own.
        progress: Called with a description of what the stack waits for.
        partitions: Number of partitions of every topic.
        copies: Number of workers of each stage that has more than one.
        secure: Whether the broker of its own lets in over TLS only, by password.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        own_broker: bool,
        stages: Sequence[str],
        progress: Callable[[str], None],
        partitions: int = 4,
        copies: Mapping[str, int] | None = None,
        secure: bool = False,
    ) -> None:
        self.settings = settings
        self.last_lines: dict[str, str] = {}
        self.partitions = partitions
        self._progress = progress
        self._workers = {
            stage if number == 1 else f"{stage}-{number}": stage
            for stage in stages
            for number in range(1, (copies or {}).get(stage, 1) + 1)
        }
        self._broker = (
            EmbeddedBroker(data_dir=Path(settings.data_dir), progress=progress, secure=secure)
            if own_broker
            else None
        )
        self._ports = dict(zip(self._workers, free_ports(len(self._workers)), strict=True))
        self._supervisor: Supervisor | None = None
        self._supervising: asyncio.Task[int] | None = None
        self._http: aiohttp.ClientSession | None = None
        self._log: TextIO | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def status(self, stage: str) -> Mapping[str, Any] | None:
        """Return the stage's ``/status``; ``None`` while it does not answer."""
        if self._http is None:
            return None
        try:
            async with self._http.get(f"http://{HOST}:{self._ports[stage]}/status") as response:
                found: Mapping[str, Any] = await response.json()
                return found
        except (aiohttp.ClientError, TimeoutError):
            return None

    def check(self) -> None:
        """Raise ``StackError`` if the workers have stopped for good."""
        if self._supervising is not None and self._supervising.done():
            lines = "; ".join(f"{name}: {line}" for name, line in self.last_lines.items())
            raise StackError(f"the workers have stopped ({lines})")

    async def kill(self) -> None:
        """Kill the workers and the broker with SIGKILL; nothing is restarted."""
        if self._supervisor is not None and self._supervising is not None:
            for name in self._supervisor.children:
                self._supervisor.signal(name, signal.SIGKILL)
            self._supervisor.stop()
            await asyncio.wait([self._supervising])
        if self._broker is not None:
            await asyncio.to_thread(self._broker.kill)

    async def _start(self) -> None:
        if self._broker is not None:
            self._progress("starting Apache Kafka")
            await asyncio.to_thread(self._broker.start)
            self.settings = self.settings.reaching(self._broker.connection)
        settings = self.settings
        await create_topics(
            settings.kafka,
            prefix=settings.topic_prefix,
            partitions=self.partitions,
            replication=1,
        )
        await asyncio.to_thread(_ensure_key, settings)
        self._log = await asyncio.to_thread(_open_log, Path(settings.data_dir))
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0))
        self._supervisor = Supervisor(
            {
                name: [
                    "-m",
                    "gnomon",
                    "worker",
                    stage,
                    "--supervised",
                    "--port",
                    f"{self._ports[name]}",
                ]
                for name, stage in self._workers.items()
            },
            environ=settings.environ_of_child(os.environ),
            on_line=self._note,
        )
        self._progress("starting the workers")
        self._supervising = asyncio.create_task(self._supervisor.run())
        await self._all_ready(timeout_s=120.0)

    def _note(self, name: str, line: str) -> None:
        self.last_lines[name] = line
        if self._log is not None:
            print(f"{name:<10} | {line}", file=self._log, flush=True)

    async def _all_ready(self, *, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        waiting = list(self._workers)
        while waiting:
            self.check()
            if loop.time() > deadline:
                raise StackError(
                    f"not ready after {timeout_s:.0f} s: "
                    + "; ".join(f"{s}: {self.last_lines.get(s, 'silent')}" for s in waiting)
                )
            for stage in list(waiting):
                status = await self.status(stage)
                if status is not None and status["ready"]:
                    waiting.remove(stage)
                    self._progress(f"{stage} is ready")
            await asyncio.sleep(POLL_S)

    async def _stop(self) -> None:
        if self._supervisor is not None and self._supervising is not None:
            self._supervisor.stop()
            await asyncio.wait([self._supervising])
        if self._http is not None:
            await self._http.close()
        if self._broker is not None:
            await asyncio.to_thread(self._broker.stop)
        if self._log is not None:
            self._log.close()


def _ensure_key(settings: Settings) -> None:
    if not settings.key and not Path(settings.key_file).exists():
        create_key_file(Path(settings.key_file))


def _open_log(folder: Path) -> TextIO:
    """Open the file that collects the output of all workers."""
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / "workers.log").open("a", encoding="utf-8")
