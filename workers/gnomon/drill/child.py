"""Child processes of a drill, which answer requests: one JSON object per line in each direction."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from gnomon.errors import GnomonError

REPLY_TIMEOUT_S = 60.0
EXIT_TIMEOUT_S = 10.0


class DrillError(GnomonError):
    """A process of the drill has ended or does not answer, so the drill has no result."""


class ChildProcess:
    """Context manager that runs a module with this interpreter. The child exits at end of input.

    Args:
        module: Name of the module.
        arguments: Command-line arguments.
        environ: Its environment; by default that of this process.
    """

    def __init__(
        self, module: str, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> None:
        self._module, self._arguments, self._environ = module, arguments, environ
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", self._module, *self._arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the drill, which then ends its processes
            limit=1 << 24,
            env=self._environ,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.end()

    async def ask(self, request: Mapping[str, object]) -> dict[str, Any]:
        """Send ``request`` and wait for the reply.

        Raises:
            DrillError: There is no reply within ``REPLY_TIMEOUT_S``.
        """
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise DrillError(f"{self._module} is not running")
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            line = await asyncio.wait_for(process.stdout.readline(), REPLY_TIMEOUT_S)
        except (TimeoutError, ConnectionError) as error:
            raise DrillError(f"{self._module} does not answer") from error
        if not line:
            raise DrillError(f"{self._module} has ended with status {await process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def end(self) -> float | None:
        """End the child; return how many seconds that took, or ``None`` if it had to be killed."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return None
        began_s = time.monotonic()
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), EXIT_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            return None
        return time.monotonic() - began_s


def requests() -> Iterator[dict[str, Any]]:
    """In the child process: yield the requests, until the end of input."""
    for line in sys.stdin:
        yield json.loads(line)


def reply(fields: Mapping[str, object]) -> None:
    """In the child process: send a reply."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()
