"""A process of the drill that is asked things: one JSON object a line each way."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from gnomon.errors import GnomonError

ANSWER_S = 60.0
END_S = 10.0


class DrillError(GnomonError):
    """A process of the drill has ended or does not answer; the drill says nothing."""


class ChildProcess:
    """Context manager: a module run with this interpreter. It ends when its standard input does.

    Args:
        module: Its name.
        arguments: Its command line.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._module, self._arguments = module, arguments
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", self._module, *self._arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the drill, which then ends its processes
            limit=1 << 24,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.end()

    async def ask(self, question: Mapping[str, object]) -> dict[str, Any]:
        """Send ``question`` and wait for the answer.

        Raises:
            DrillError: There is none within ``ANSWER_S``.
        """
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise DrillError(f"{self._module} does not run")
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            line = await asyncio.wait_for(process.stdout.readline(), ANSWER_S)
        except (TimeoutError, ConnectionError) as error:
            raise DrillError(f"{self._module} does not answer") from error
        if not line:
            raise DrillError(f"{self._module} has ended with status {await process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def end(self) -> float | None:
        """Have it end; how many seconds that took, ``None`` if it had to be killed."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return None
        began_s = time.monotonic()
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), END_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            return None
        return time.monotonic() - began_s


def requests() -> Iterator[dict[str, Any]]:
    """In the child: what it is asked, until nobody asks any more."""
    for line in sys.stdin:
        yield json.loads(line)


def reply(said: Mapping[str, object]) -> None:
    """In the child: say it."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
