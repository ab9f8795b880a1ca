"""Starts all of gnomon on this machine: broker, topics, key and workers.

``gnomon up``, the demo, replays and drills use it. The output of the workers is written to
``workers.log``. When this process ends, even by SIGKILL, broker and workers end too: a guard process
stops the broker, and a worker ends when its standard input is closed.
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
from gnomon.contract.access import ROLES, Role, rights_of
from gnomon.errors import GnomonError
from gnomon.operations.kept_broker import KeptBroker
from gnomon.operations.topics_admin import create_topics, shape_of
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
        broker_port: Port of the broker of its own; 0 takes a free one.
        first_port: Port of the first worker, which serves ``/status``; the others use the next ports. 0
            takes free ones.
        keep_broker: Whether to start the broker of its own again when it has ended by itself.
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
        broker_port: int = 0,
        first_port: int = 0,
        keep_broker: bool = False,
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
        self.broker = (
            EmbeddedBroker(
                data_dir=Path(settings.data_dir),
                port=broker_port,
                progress=progress,
                secure=secure,
                long_running=keep_broker,
            )
            if own_broker
            else None
        )
        self._secure = secure and own_broker
        self._keep_broker = keep_broker
        self.kept_broker: KeptBroker | None = None
        count = len(self._workers)
        ports = range(first_port, first_port + count) if first_port else free_ports(count)
        self._ports = dict(zip(self._workers, ports, strict=True))
        self._supervisor: Supervisor | None = None
        self._supervising: asyncio.Task[int] | None = None
        self._http: aiohttp.ClientSession | None = None
        self._starting: asyncio.Task[str] | None = None
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

    @property
    def ports(self) -> Mapping[str, int]:
        """Return the port on which each worker serves, by its name."""
        return self._ports

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a worker, if it runs."""
        if self._supervisor is not None:
            self._supervisor.signal(name, number)

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
        """Raise ``StackError`` if a worker has stopped for good."""
        ended = self._supervising is not None and self._supervising.done()
        children = self._supervisor.children.values() if self._supervisor is not None else ()
        if ended or any(child.done for child in children):
            lines = "; ".join(f"{name}: {line}" for name, line in self.last_lines.items())
            raise StackError(f"a worker has stopped for good ({lines})")

    @property
    def workers(self) -> Mapping[str, int]:
        """How often each worker was started, by its name."""
        children = {} if self._supervisor is None else self._supervisor.children
        return {name: child.starts for name, child in children.items()}

    def settings_of(self, role: Role) -> Settings:
        """Return the settings of a process with the rights of ``role``, where rights are asked for."""
        if not self._secure or self.broker is None:
            return self.settings
        return self.settings.reaching(self.broker.as_user(role))

    async def kill(self) -> None:
        """Kill the workers and the broker with SIGKILL; nothing is restarted."""
        if self._supervisor is not None and self._supervising is not None:
            for name in self._supervisor.children:
                self._supervisor.signal(name, signal.SIGKILL)
            self._supervisor.stop()
            await asyncio.wait([self._supervising])
        if self.broker is not None:
            await asyncio.to_thread(self.broker.kill)

    async def _start(self) -> None:
        if self.broker is not None:
            self._starting = asyncio.create_task(asyncio.to_thread(self.broker.start))
            await asyncio.shield(self._starting)
            self.settings = self.settings.reaching(self.broker.connection)
            if self._keep_broker:
                self.kept_broker = KeptBroker(self.broker)
        settings = self.settings
        shape = shape_of(settings)
        shape["partitions"] = self.partitions
        if self.broker is not None:
            shape["replication"] = 1  # there is one broker
        await create_topics(settings.kafka, prefix=settings.topic_prefix, **shape)
        if self._secure:
            await asyncio.to_thread(_grant_rights, settings)
        await asyncio.to_thread(_ensure_key, settings)
        self._log = await asyncio.to_thread(_open_log, Path(settings.data_dir))
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0))
        environ = self.settings_of("worker").environ_of_child(os.environ)
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
            environ=environ,
            on_line=self.note,
            environs={name: {**environ, **self._own_variables(name)} for name in self._workers},
        )
        self._progress("starting the workers")
        self._supervising = asyncio.create_task(self._supervisor.run())
        await self._all_ready(timeout_s=120.0)

    def _own_variables(self, name: str) -> dict[str, str]:
        """Let a worker that was killed go on at once: its group waits for no session to time out."""
        if not self._keep_broker or self.settings.instance_id:
            return {}
        return {"GNOMON_INSTANCE_ID": name}

    def note(self, name: str, line: str) -> None:
        """Write a line that a process has written to the log of all."""
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
        if self.kept_broker is not None:
            await self.kept_broker.close()
        if self._starting is not None:  # it may be under way
            await asyncio.gather(self._starting, return_exceptions=True)
        if self.broker is not None:
            await asyncio.to_thread(self.broker.stop)
        if self._log is not None:
            self._log.close()


def _ensure_key(settings: Settings) -> None:
    if not settings.key and not Path(settings.key_file).exists():
        create_key_file(Path(settings.key_file))


def _grant_rights(settings: Settings) -> None:
    from gnomon.operations.rights import grant  # noqa: PLC0415  brings confluent-kafka

    for role in ROLES:
        grant(
            settings.kafka,
            rights_of(role, prefix=settings.topic_prefix),
            principal=f"User:{role}",
        )


def _open_log(folder: Path) -> TextIO:
    """Open the file that collects the output of all workers."""
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / "workers.log").open("a", encoding="utf-8")
