"""Prometheus and Alertmanager as processes of a drill, which end with it."""

import asyncio
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp

from gnomon.broker.guarded_process import GuardedProcess
from gnomon.broker.probe import HOST
from gnomon.drill.child import DrillError
from gnomon.errors import ConfigurationError

READY_S: Final = 60.0
STOP_S: Final = 10.0
POLL_S: Final = 0.1
_NAMES: Final[Mapping[str, Sequence[str]]] = {
    "prometheus": ("prometheus",),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
}
"""Names of each program: the first is Debian's, the second that of the project."""


def find_programs(*wanted: str, drill: str) -> Mapping[str, str]:
    """Return the path of each program.

    Raises:
        ConfigurationError: One is not installed.
    """
    found = {name: next(filter(None, map(shutil.which, _NAMES[name])), "") for name in wanted}
    missing = [name for name, path in found.items() if not path]
    if missing:
        raise ConfigurationError(
            f"gnomon drill {drill} needs {' and '.join(missing)} on the PATH; on Debian and Ubuntu:"
            " apt-get install prometheus prometheus-alertmanager"
        )
    return found


class Program:
    """Context manager that runs a server until it is left; inside it, the server is ready.

    Args:
        command: The program and its arguments.
        ready_url: Answers with status 200 when it is ready.
        log: File for its output.
        environ: Its environment; by default that of this process.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        ready_url: str,
        log: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._command, self._ready_url, self._log = command, ready_url, log
        self._environ = environ
        self._process: GuardedProcess | None = None

    async def __aenter__(self) -> Self:
        self._process = GuardedProcess(self._command, console=self._log, environ=self._environ)
        try:
            await asyncio.to_thread(self._process.read_pid)
            await self._await_ready(self._process)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    async def _await_ready(self, process: GuardedProcess) -> None:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + READY_S
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as http:
            while not await answers(http, self._ready_url):
                if not process.running or loop.time() > deadline_s:
                    lines = self._log.read_text(errors="replace").strip().splitlines()
                    name = Path(self._command[0]).name
                    raise DrillError(
                        f"{name} is not ready: {lines[-1] if lines else 'it is silent'}"
                    )
                await asyncio.sleep(POLL_S)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await asyncio.to_thread(process.end, b"T", timeout_s=STOP_S)


async def answers(http: aiohttp.ClientSession, url: str) -> bool:
    """Return whether ``url`` answers with status 200."""
    try:
        async with http.get(url) as response:
            return response.ok
    except (aiohttp.ClientError, TimeoutError):
        return False


def prometheus(path: str, *, port: int, config: Path, folder: Path) -> Program:
    """Return a Prometheus that keeps its data in ``folder``."""
    return Program(
        [
            path,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address={HOST}:{port}",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
        ],
        ready_url=f"http://{HOST}:{port}/-/ready",
        log=folder / "prometheus.log",
    )


def alertmanager(path: str, *, port: int, config: Path, folder: Path) -> Program:
    """Return an Alertmanager that belongs to no cluster."""
    return Program(
        [
            path,
            f"--config.file={config}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address={HOST}:{port}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ],
        ready_url=f"http://{HOST}:{port}/-/ready",
        log=folder / "alertmanager.log",
    )


def gnomon(*arguments: str, port: int, folder: Path, environ: Mapping[str, str]) -> Program:
    """Return a command of gnomon that serves ``/livez``."""
    return Program(
        [sys.executable, "-m", "gnomon", *arguments, "--port", str(port)],
        ready_url=f"http://{HOST}:{port}/livez",
        log=folder / f"{arguments[0]}.log",
        environ=environ,
    )
