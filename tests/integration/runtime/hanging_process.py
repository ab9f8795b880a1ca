"""A worker process of the counting stage; its first argument says how it hangs."""

import asyncio
import os
import sys
import threading
import time

from tests.integration.runtime.counting import CountingStage

from gnomon.runtime.metrics import Metrics
from gnomon.runtime.process.process import run_stage
from gnomon.settings import Settings


async def in_a_thread() -> None:
    await asyncio.to_thread(threading.Event().wait)


async def on_the_loop() -> None:
    time.sleep(600)  # noqa: ASYNC251  that is the point


HANGS = {"thread": in_a_thread, "loop": on_the_loop, "not": None}


async def main() -> int:
    return await run_stage(
        CountingStage(hangs=HANGS[sys.argv[1]]),
        settings=Settings.from_env(os.environ),
        metrics=Metrics(),
        host="127.0.0.1",
        port=0,
        supervised=False,
        parent=None,
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
