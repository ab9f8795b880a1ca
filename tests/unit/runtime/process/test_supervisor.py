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
from pathlib import Path

import pytest
from tests.support.polling import eventually, eventually_sync

from gnomon.runtime.process import supervisor as supervisor_module
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


async def test_a_child_that_is_misconfigured_stops_alone() -> None:
    wrong = f"print('no key: gnomon keys init'); raise SystemExit({EXIT_CONFIGURATION})"
    async with supervised({"a": python(WAITS), "wrong": python(wrong)}) as (supervisor, said, run):
        await eventually(
            lambda: supervisor.children["wrong"].done and ("a", "up") in said,
            what="one has stopped",
        )

        assert supervisor.children["wrong"].starts == 1
        assert supervisor.children["wrong"].misconfigured
        assert supervisor.children["wrong"].last_line == "no key: gnomon keys init"
        assert supervisor.children["a"].pid is not None
        assert not run.done()
        supervisor.stop()
        assert await asyncio.wait_for(run, 60) == EXIT_CONFIGURATION


async def test_children_that_are_all_misconfigured_end_the_supervisor() -> None:
    wrong = f"raise SystemExit({EXIT_CONFIGURATION})"
    async with supervised({"a": python(wrong), "b": python(wrong)}) as (_, __, run):
        assert await asyncio.wait_for(run, 60) == EXIT_CONFIGURATION


DEAF = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('up', flush=True)
while True:
    time.sleep(60)
"""


async def test_a_child_that_does_not_stop_is_killed_after_its_time() -> None:
    said: list[str] = []
    supervisor = Supervisor(
        {"deaf": python(DEAF)},
        environ=dict(os.environ),
        on_line=lambda _, line: said.append(line),
        stop_s=0.5,
    )
    running = asyncio.create_task(supervisor.run())
    await eventually(lambda: said, what="it is up")
    process = supervisor.children["deaf"].process
    assert process is not None

    supervisor.stop()

    assert await asyncio.wait_for(running, 20) == 0
    assert process.returncode == -signal.SIGKILL


ENDLESS = """
import sys
print('up', flush=True)
for _ in range(64):
    sys.stdout.write('x' * (1 << 20))
sys.stdout.write('\\nafter it\\n')
sys.stdout.flush()
sys.stdin.read()
"""


async def test_an_endless_line_of_a_child_is_cut_and_kills_nobody() -> None:
    commands = {"a": python(WAITS), "endless": python(ENDLESS)}
    async with supervised(commands) as (supervisor, said, run):
        await eventually(lambda: ("endless", "after it") in said, what="its next line")

        (line,) = (line for name, line in said if name == "endless" and "x" in line)
        assert len(line) < 100_000
        assert line.endswith("[…]")
        assert [child.starts for child in supervisor.children.values()] == [1, 1]
        assert not run.done()


GRANDCHILD = """
import subprocess, sys
subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(8)'])
print('up', flush=True)
"""


async def test_a_process_that_a_child_left_behind_does_not_hold_up_its_restart() -> None:
    """It has the child's output still open, so that this does not end."""
    async with supervised({"one": python(GRANDCHILD)}) as (supervisor, _, __):
        await eventually(
            lambda: supervisor.children["one"].starts > 1, timeout_s=6, what="it is up again"
        )


async def test_a_line_that_cannot_be_passed_on_ends_all_with_its_error() -> None:
    def broken(_name: str, _line: str) -> None:
        raise BrokenPipeError

    supervisor = Supervisor({"a": python(WAITS)}, environ=dict(os.environ), on_line=broken)

    with pytest.raises(BrokenPipeError):
        await asyncio.wait_for(supervisor.run(), 20)


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


async def test_one_child_at_a_time_looks_for_a_broker_that_is_gone(tmp_path: Path) -> None:
    """Each holds a file while it looks; two that do so at once say it."""
    looks = f"""
        import os, sys, time
        first = not os.path.exists({str(tmp_path / "seen-")!r} + sys.argv[1])
        open({str(tmp_path / "seen-")!r} + sys.argv[1], "w").close()
        if first:
            raise SystemExit(3)
        try:
            held = os.open({str(tmp_path / "looks")!r}, os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            print("at once", flush=True)
            raise SystemExit(3)
        time.sleep(0.3)
        os.unlink({str(tmp_path / "looks")!r})
        print("looked", flush=True)
        raise SystemExit(3)
    """
    commands = {name: [*python(looks), name] for name in ("a", "b", "c")}
    async with supervised(commands) as (_, said, __):
        await eventually(lambda: len(said) >= 6, timeout_s=30, what="six looks")

    assert {line for _, line in said} == {"looked"}
    assert {name for name, _ in said} == {"a", "b", "c"}


async def test_all_start_once_the_broker_has_answered_one(tmp_path: Path) -> None:
    finds = f"""
        import os, sys
        first = not os.path.exists({str(tmp_path / "seen-")!r} + sys.argv[1])
        open({str(tmp_path / "seen-")!r} + sys.argv[1], "w").close()
        if first:
            raise SystemExit(3)
        print("up", flush=True)
        if os.path.exists({str(tmp_path / "broker")!r}):
            os.write(0, b"1")
        sys.stdin.read()
    """
    commands = {name: [*python(finds), name] for name in ("a", "b", "c")}
    async with supervised(commands) as (supervisor, said, _):
        await eventually(lambda: said, what="one looks")
        assert len(said) == 1
        (tmp_path / "broker").touch()
        supervisor.signal(said[0][0], signal.SIGKILL)  # the next one finds it

        await eventually(lambda: {name for name, _ in said} == {"a", "b", "c"}, what="all are up")


async def test_the_wait_for_a_broker_grows_beyond_that_after_other_exits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor_module, "MAX_BACKOFF_S", 0.2)

    at_s = await starts_s("print('x'); raise SystemExit(3)", count=4)

    waits_s = [later - earlier for earlier, later in itertools.pairwise(at_s)]
    assert waits_s == sorted(waits_s)
    assert waits_s[2] >= 0.8


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
