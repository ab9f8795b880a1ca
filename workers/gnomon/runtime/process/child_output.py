"""Reads what a child process writes, line by line, whatever it writes."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable

MAX_LINE_BYTES = 64 * 1024
"""The rest of a longer line is dropped: a child that never ends a line must not fill the memory."""


async def read_lines(
    stream: asyncio.StreamReader, on_line: Callable[[str], None], *, max_bytes: int = MAX_LINE_BYTES
) -> None:
    """Call ``on_line`` with each line that is not empty, until the stream ends."""
    line = bytearray()

    def pass_on() -> None:
        text = line[:max_bytes].decode(errors="replace").rstrip()
        if text:
            on_line(f"{text} […]" if len(line) > max_bytes else text)
        line.clear()

    while chunk := await stream.read(max_bytes):
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            line += part[: max_bytes + 1 - len(line)]
            pass_on()
        line += rest[: max_bytes + 1 - len(line)]
    pass_on()


@contextlib.asynccontextmanager
async def output_pipe() -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """Open a pipe: what reads it, and the descriptor for the child, which the caller closes.

    With a pipe of asyncio's own, waiting for the child would last until every process that inherited
    the pipe has ended.
    """
    read, write = os.pipe()
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(read, "rb", 0)
    )
    try:
        yield stream, write
    finally:
        transport.close()
