"""A worker as a process: it ends on a signal, also when it hangs."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.contract.contract_files import ROOT
from tests.integration.runtime.bench import Bench
from tests.support.polling import eventually

pytestmark = pytest.mark.kafka


class Started:
    """Processes that are killed at the end of the test."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._all: list[asyncio.subprocess.Process] = []

    async def __call__(self, hangs: str, *, stall_after_s: float) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.runtime.hanging_process",
            hangs,
            cwd=ROOT,
            env={
                **os.environ,
                **self._bench.settings.as_environ(),
                "GNOMON_STALL_AFTER_S": str(stall_after_s),
            },
        )
        self._all.append(process)
        return process

    async def end(self) -> None:
        for process in self._all:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.fixture
async def start(bench: Bench) -> AsyncIterator[Started]:
    started = Started(bench)
    yield started
    await started.end()


@pytest.mark.parametrize("hangs", ["thread", "loop"])
async def test_a_process_that_hangs_ends_with_status_1(
    bench: Bench, start: Started, hangs: str
) -> None:
    await bench.send([b"v"])

    process = await start(hangs, stall_after_s=2.0)

    assert await asyncio.wait_for(process.wait(), 50) == 1
    assert await bench.written() == {}


async def test_a_process_commits_on_a_signal_and_ends_with_status_0(
    bench: Bench, start: Started
) -> None:
    await bench.send([b"v"] * 40)
    process = await start("not", stall_after_s=30)

    async def some() -> bool:
        return bool(await bench.written())

    await eventually(some, what="work")

    process.send_signal(signal.SIGTERM)

    assert await asyncio.wait_for(process.wait(), 60) == 0
    await bench.start()
    await bench.expect(10)


async def test_a_supervised_process_waits_for_its_broker_and_ends_with_its_supervisor(
    tmp_path: Path,
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gnomon", "worker", "features", "--supervised", "--port", "0"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "GNOMON_BROKERS": "127.0.0.1:1", "GNOMON_DATA_DIR": str(tmp_path)},
    )
    try:
        assert process.stdin is not None
        assert process.stderr is not None
        said = b""
        while b"broker.awaited" not in said:  # unsupervised it ends instead
            line = await asyncio.wait_for(process.stderr.readline(), 60)
            assert line, said
            said += line
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
