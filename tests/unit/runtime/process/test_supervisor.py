"""Children are restarted, stopped together, and never outlive their supervisor."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.support.polling import eventually, eventually_sync

from gnomon.runtime.process.supervisor import EXIT_CONFIGURATION, Supervisor

WAITS = "import sys; print('up', flush=True); sys.stdin.read()"


def python(code: str) -> list[str]:
    return ["-c", textwrap.dedent(code)]


@asynccontextmanager
async def supervised(
    commands: dict[str, list[str]],
) -> AsyncIterator[tuple[Supervisor, list[tuple[str, str]], asyncio.Task[int]]]:
    said: list[tuple[str, str]] = []
    supervisor = Supervisor(
        commands, environ=dict(os.environ), on_line=lambda name, line: said.append((name, line))
    )
    running = asyncio.create_task(supervisor.run())
    try:
        yield supervisor, said, running
    finally:
        supervisor.stop()
        await running


async def test_a_child_that_dies_is_started_again() -> None:
    async with supervised({"one": python(WAITS)}) as (supervisor, said, _):
        await eventually(lambda: said, what="it is up")
        first = supervisor.children["one"].pid

        supervisor.signal("one", signal.SIGKILL)

        await eventually(lambda: len(said) == 2, what="it is up again")
        assert supervisor.children["one"].pid not in {None, first}


async def test_stopping_ends_every_child_with_status_0() -> None:
    async with supervised({"a": python(WAITS), "b": python(WAITS)}) as (supervisor, said, running):
        await eventually(lambda: len(said) == 2, what="both are up")

        supervisor.stop()

        assert await asyncio.wait_for(running, 60) == 0
        assert [child.pid for child in supervisor.children.values()] == [None, None]


async def test_a_child_that_is_misconfigured_stops_all() -> None:
    wrong = f"print('no key: gnomon keys init'); raise SystemExit({EXIT_CONFIGURATION})"
    async with supervised({"a": python(WAITS), "wrong": python(wrong)}) as (supervisor, said, run):
        status = await asyncio.wait_for(run, 60)

    assert status == EXIT_CONFIGURATION
    assert ("wrong", "no key: gnomon keys init") in said
    assert supervisor.children["wrong"].last_line == "no key: gnomon keys init"
    assert supervisor.children["wrong"].starts == 1


async def starts_s(code: str, *, count: int) -> list[float]:
    """Return when a child that exits at once was started, for its first starts."""
    loop = asyncio.get_running_loop()
    at_s: list[float] = []
    supervisor = Supervisor(
        {"dies": python(code)},
        environ=dict(os.environ),
        on_line=lambda _, __: at_s.append(loop.time()),
    )
    running = asyncio.create_task(supervisor.run())
    await eventually(lambda: len(at_s) >= count, what=f"{count} starts")
    supervisor.stop()
    await running
    return at_s


async def test_restarts_wait_longer_each_time() -> None:
    at_s = await starts_s("print('x')", count=4)

    first, second, third = (later - earlier for earlier, later in itertools.pairwise(at_s))
    assert first < second < third


async def test_a_child_without_a_broker_is_restarted_soon() -> None:
    at_s = await starts_s("print('x'); raise SystemExit(3)", count=8)

    waits_s = [later - earlier for earlier, later in itertools.pairwise(at_s)]
    assert max(waits_s) < 4
    assert min(waits_s[4:]) >= 2


CHILD = """
import os, sys, threading
from gnomon.runtime.process.parent import ParentMonitor

told = threading.Event()
watch = ParentMonitor()
if sys.argv[1] == "working":
    watch.on_end(told.set)
print(os.getpid(), flush=True)
told.wait()
"""
PARENT = f"""
import asyncio, os, sys
from gnomon.runtime.process.supervisor import Supervisor

def show(name, line):
    print(line, flush=True)

async def main():
    await Supervisor({{"c": ["-c", {CHILD!r}, sys.argv[1]]}}, environ=dict(os.environ), on_line=show).run()

asyncio.run(main())
"""


@pytest.mark.parametrize("child", ["starting", "working"])
def test_children_end_with_a_supervisor_that_is_killed(child: str) -> None:
    parent = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", PARENT, child], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()

    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return _is_zombie(pid)

    eventually_sync(gone, what="the child has ended")


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
