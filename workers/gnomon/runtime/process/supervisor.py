"""Keeps child processes running: restarts them with back-off, and stops them together.

A child exits when its standard input ends, so it cannot outlive the supervisor, even one that was
killed. Every exit that was not requested leads to a restart, except with ``EXIT_CONFIGURATION``.
"""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

logger = logging.getLogger(__name__)

EXIT_CONFIGURATION = 2
"""A restart would fail in the same way, so everything is stopped."""
EXIT_NO_BROKER = 3
"""The child is fine, but no broker answered."""
FIRST_BACKOFF_S = 0.2
MAX_BACKOFF_S = 10.0
MAX_NO_BROKER_BACKOFF_S = 2.0
"""The broker may return at any moment, and asking costs little."""
STEADY_S = 10.0
"""The back-off starts over after a child has run this long."""
STOP_S = 20.0
"""How long a child may take to stop before it is killed."""


@dataclass(slots=True)
class Child:
    """One supervised process and its state."""

    name: str
    argv: Sequence[str]
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    last_line: str = ""
    done: bool = False

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        running = self.process is not None and self.process.returncode is None
        return self.process.pid if running and self.process is not None else None


class Supervisor:
    """Runs ``children`` until ``stop``, or until one exits with ``EXIT_CONFIGURATION``.

    Args:
        commands: Argument vector by child name; run with this interpreter.
        environ: Environment of every child.
        on_line: Called with the child's name and each line it writes.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        *,
        environ: Mapping[str, str],
        on_line: Callable[[str, str], None],
    ) -> None:
        self.children = {name: Child(name, argv) for name, argv in commands.items()}
        self._environ, self._on_line = dict(environ), on_line
        self._stopping = asyncio.Event()
        self._status = 0

    async def run(self) -> int:
        """Keep every child running; returns 0 after ``stop``, else ``EXIT_CONFIGURATION``."""
        try:
            await asyncio.gather(*(self._keep_running(child) for child in self.children.values()))
        finally:
            self.stop()
            await asyncio.gather(*(self._await_exit(child) for child in self.children.values()))
        return self._status

    def stop(self) -> None:
        """Ask every child to stop; ``run`` returns when they have."""
        self._stopping.set()
        for child in self.children.values():
            self.signal(child.name, signal.SIGTERM)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one child if it runs."""
        process = self.children[name].process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    async def _keep_running(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping.is_set():
            started_at_s = loop.time()
            status = await self._run_once(child)
            if self._stopping.is_set():
                break
            if status == EXIT_CONFIGURATION:
                self._status = status
                self.stop()
                break
            if loop.time() - started_at_s > STEADY_S:
                backoff_s = FIRST_BACKOFF_S
            if status == EXIT_NO_BROKER:
                backoff_s = min(backoff_s, MAX_NO_BROKER_BACKOFF_S)
            logger.warning(
                "child.restart",
                extra={"child": child.name, "status": status, "in_s": backoff_s},
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff_s)
            backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)
        child.done = True

    async def _run_once(self, child: Child) -> int:
        child.process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            *child.argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environ,
            start_new_session=True,  # Ctrl-C reaches the supervisor, which stops them in order
            limit=1 << 20,
        )
        child.starts += 1
        if self._stopping.is_set():
            self.signal(child.name, signal.SIGTERM)
        if process.stdout is not None:
            async for raw in process.stdout:
                line = raw.decode(errors="replace").rstrip()
                if line:
                    child.last_line = line
                    self._on_line(child.name, line)
        return await process.wait()

    async def _await_exit(self, child: Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            logger.warning("child.killed", extra={"child": child.name})
            process.kill()
            await process.wait()
