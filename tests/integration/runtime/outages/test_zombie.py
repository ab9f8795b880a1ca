"""A worker that is suspended for longer than its session, while another processes its partitions."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator

import pytest
from tests.contract.contract_files import ROOT
from tests.integration.runtime.bench import PARTITIONS, Bench
from tests.support.polling import eventually

pytestmark = pytest.mark.kafka


@pytest.fixture
async def process(bench: Bench) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a worker process that can be suspended by itself."""
    found = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.runtime.hanging_process",
        "not",
        cwd=ROOT,
        env={**os.environ, **bench.settings.as_environ(), "GNOMON_STALL_AFTER_S": "30"},
    )
    try:
        yield found
    finally:
        if found.returncode is None:
            found.kill()
        await found.wait()


@pytest.mark.timeout(90)
async def test_a_zombie_continues_from_the_offsets_that_others_have_committed(
    bench: Bench, process: asyncio.subprocess.Process
) -> None:
    await bench.send([b"v"] * 40)
    await bench.expect(10)
    process.send_signal(signal.SIGSTOP)  # without a batch under way, which would be fenced
    other = await bench.start()

    def taken_over() -> bool:
        found = other.health.status()["partitions"]
        assert isinstance(found, dict)
        return len(found) == PARTITIONS and other.health.ready

    await eventually(taken_over, what="the other has all partitions")
    await bench.send([b"v"] * 40)
    await bench.expect(20)
    await bench.stop(other)

    process.send_signal(signal.SIGCONT)
    await bench.send([b"v"] * 40)

    await bench.expect(30)
    assert process.returncode is None  # there is no supervisor here to restart it
