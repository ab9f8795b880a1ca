"""Keeps child processes running: restarts them with back-off, and stops them together.

A child exits when its standard input ends, so it cannot outlive the supervisor, even one that was
killed. Its standard input is a socket: on it the child tells that a broker has answered. Every exit that
was not requested leads to a restart, except with ``EXIT_CONFIGURATION``.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from gnomon.runtime.process.broker_turns import BrokerTurns
from gnomon.runtime.process.child_output import output_pipe, read_lines

logger = logging.getLogger(__name__)

EXIT_CONFIGURATION = 2
"""A restart would fail in the same way."""
EXIT_NO_BROKER = 3
"""The child is fine, but no broker answered."""
FIRST_BACKOFF_S = 0.2
MAX_BACKOFF_S = 10.0
MAX_NO_BROKER_BACKOFF_S = 60.0
"""A child waits for its broker itself before it exits, so the next one need not start soon."""
STEADY_S = 10.0
"""The back-off starts over after a child has run this long."""
STOP_S = 20.0
"""How long a child may take to stop before it is killed."""
LAST_LINES_S = 1.0
"""How long the output of a child that has ended is read: a process that it started may hold it open."""


@dataclass(slots=True)
class Child:
    """One supervised process and its state."""

    name: str
    argv: Sequence[str]
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    last_line: str = ""
    done: bool = False
    misconfigured: bool = False

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        running = self.process is not None and self.process.returncode is None
        return self.process.pid if running and self.process is not None else None


class Supervisor:
    """Runs ``children`` until ``stop``, or until each has exited with ``EXIT_CONFIGURATION``.

    Args:
        commands: Argument vector by child name; run with this interpreter.
        environ: Environment of every child.
        on_line: Called with the child's name and each line it writes.
        stop_s: How long a child may take to stop before it is killed.
        environs: The environment of a child that has one of its own, by child name.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        *,
        environ: Mapping[str, str],
        on_line: Callable[[str, str], None],
        stop_s: float = STOP_S,
        environs: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.children = {name: Child(name, argv) for name, argv in commands.items()}
        self._environ, self._on_line, self._stop_s = dict(environ), on_line, stop_s
        self._environs = {name: dict(own) for name, own in (environs or {}).items()}
        self._stopping = asyncio.Event()
        self._turns = BrokerTurns()
        self._failure: BaseException | None = None

    async def run(self) -> int:
        """Keep every child running; returns ``EXIT_CONFIGURATION`` if any exited with it, else 0."""
        try:
            await asyncio.gather(*(self._keep_running(child) for child in self.children.values()))
        finally:
            self.stop()
        if self._failure is not None:
            raise self._failure
        misconfigured = any(child.misconfigured for child in self.children.values())
        return EXIT_CONFIGURATION if misconfigured else 0

    def stop(self) -> None:
        """Ask every child to stop; ``run`` returns when they have."""
        self._stopping.set()
        self._turns.answered()
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
            await self._turns.take(child)
            if self._stopping.is_set():
                break
            started_at_s = loop.time()
            status = await self._run_once(child)
            self._turns.ended(child, no_broker=status == EXIT_NO_BROKER)
            if self._stopping.is_set():
                break
            if status == EXIT_CONFIGURATION:
                child.misconfigured = True
                logger.error("child.misconfigured", extra={"child": child.name})
                break
            no_broker = status == EXIT_NO_BROKER
            if loop.time() - started_at_s > STEADY_S and not no_broker:
                backoff_s = FIRST_BACKOFF_S
            backoff_s = min(backoff_s, MAX_NO_BROKER_BACKOFF_S if no_broker else MAX_BACKOFF_S)
            logger.warning(
                "child.restart",
                extra={"child": child.name, "status": status, "in_s": backoff_s},
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff_s)
            backoff_s *= 2
        child.done = True

    async def _run_once(self, child: Child) -> int:
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        with ours:
            async with output_pipe() as (output, output_end):
                try:
                    child.process = await asyncio.create_subprocess_exec(
                        sys.executable,
                        *child.argv,
                        stdin=theirs.fileno(),
                        stdout=output_end,
                        stderr=asyncio.subprocess.STDOUT,
                        env=self._environs.get(child.name, self._environ),
                        start_new_session=True,  # Ctrl-C reaches the supervisor, which stops them
                    )
                finally:
                    theirs.close()
                    os.close(output_end)
                child.starts += 1
                if self._stopping.is_set():
                    self.signal(child.name, signal.SIGTERM)
                return await self._await_exit(child, child.process, output, ours)

    async def _await_exit(
        self,
        child: Child,
        process: asyncio.subprocess.Process,
        output: asyncio.StreamReader,
        answers: socket.socket,
    ) -> int:
        """Pass the child's lines on until it exits; kill it if it does not stop in time."""
        reading = asyncio.create_task(read_lines(output, partial(self._note, child)))
        reading.add_done_callback(self._stop_if_failed)
        answering = asyncio.create_task(self._await_answer(answers))
        exiting = asyncio.create_task(_exit_of(process))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([exiting, stopping], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([exiting], timeout=self._stop_s)
            if not exiting.done():
                logger.warning("child.killed", extra={"child": child.name})
                process.kill()
            status = await exiting
            await asyncio.wait([reading], timeout=LAST_LINES_S)
            return status
        finally:
            for task in (reading, answering, exiting, stopping):
                task.cancel()

    async def _await_answer(self, answers: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if await asyncio.get_running_loop().sock_recv(answers, 1):
                self._turns.answered()

    def _stop_if_failed(self, reading: "asyncio.Task[None]") -> None:
        """Stop all when a line cannot be passed on: a child whose output nobody reads would block."""
        if not reading.cancelled() and (error := reading.exception()) is not None:
            self._failure = self._failure or error
            self.stop()

    def _note(self, child: Child, line: str) -> None:
        child.last_line = line
        self._on_line(child.name, line)


async def _exit_of(process: asyncio.subprocess.Process) -> int:
    return await process.wait()
