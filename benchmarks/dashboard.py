"""Measures whether ten open browsers slow the workers down.

``python -m benchmarks.dashboard`` measures the time from a start until its prediction can be read, as
``benchmarks.latency`` does, without and with readers of the dashboard, in turns. Readers are real
Chromium pages that stay open on all pages of the dashboard; every few seconds one of them opens another.
Chromium runs at the lowest priority, in a session of its own, because readers sit at machines of their own.
The dashboard runs as its command does, on the machine of the workers; what it used is told.

The exit status is 1 if the 99th percentile with browsers is more than ``--allowed`` times that without.
"""

import argparse
import asyncio
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness.contenders import Bench
from benchmarks.harness.ports import answers, free_ports
from benchmarks.harness.watching import cpu_seconds, end, end_in_order_at_sigterm, start
from benchmarks.latency import AGAIN_S, WARM_UP_S, line, measure, register_model

from gnomon.broker import EmbeddedBroker

PAGES = ("", "live", "agents", "models", "drift", "vault", "operations")
CLICK_EVERY_S = 3.0
ALLOWED = 1.25
LOWEST = """#!{python}
import os, sys
from gnomon.runtime.process.priority import be_nice
if os.getsid(0) != os.getpid():
    os.setsid()
be_nice(19)
os.execv("{chromium}", ["chromium", *sys.argv[1:]])
"""
"""Linux shares the processor between sessions first: only that of a session of its own can be the lowest."""
LEAST_MS = 10.0
"""A difference of less is no finding on a machine with other things to do."""


def reading(bench: Bench, *, browsers: int) -> Callable[[str], AbstractAsyncContextManager[None]]:
    """Return what runs beside the workers of a prefix: a dashboard with readers."""

    @asynccontextmanager
    async def beside(prefix: str) -> AsyncIterator[None]:
        port = free_ports(1)
        argv = [sys.executable, "-m", "gnomon", "dashboard", "--port", str(port)]
        process = start(argv, bench.settings(prefix), bench.folder / "dashboard.log")
        try:
            await _answers(process, f"http://127.0.0.1:{port}/_stcore/health")
            async with _browsers(f"http://127.0.0.1:{port}", count=browsers):
                began_s, before_s = time.monotonic(), cpu_seconds(process.pid)
                yield
                took_s, used_s = time.monotonic() - began_s, cpu_seconds(process.pid) - before_s
                print(f"the dashboard used {used_s / took_s:.2f} of a core", flush=True)
        finally:
            end(process)

    return beside


@asynccontextmanager
async def _browsers(url: str, *, count: int) -> AsyncIterator[None]:
    from playwright.async_api import async_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise RuntimeError("it needs Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "chromium"
        script.write_text(LOWEST.format(python=sys.executable, chromium=chromium))
        script.chmod(0o700)
        async with async_playwright() as started:
            browser = await started.chromium.launch(
                executable_path=script, args=["--no-sandbox", "--disable-gpu"]
            )
            pages = [await (await browser.new_context()).new_page() for _ in range(count)]
            for number, page in enumerate(pages):
                await page.goto(f"{url}/{PAGES[number % len(PAGES)]}")
                await page.wait_for_selector("h1", timeout=120_000)
            clicking = asyncio.create_task(_click(pages, url))
            try:
                yield
            finally:
                clicking.cancel()
                await asyncio.wait([clicking])
                await browser.close()


async def _click(pages: list[Any], url: str) -> None:
    number = 0
    while True:
        await asyncio.sleep(CLICK_EVERY_S)
        number += 1
        page = pages[number % len(pages)]
        await page.goto(f"{url}/{PAGES[number % len(PAGES)]}", wait_until="commit")


async def _answers(process: "subprocess.Popen[bytes]", url: str) -> None:
    until_s = time.monotonic() + 90.0
    while not await asyncio.to_thread(answers, url):
        if time.monotonic() > until_s or process.poll() is not None:
            raise RuntimeError("the dashboard does not answer")
        await asyncio.sleep(0.2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each turn")
    parser.add_argument("--per-s", type=int, default=200, help="tasks a second")
    parser.add_argument("--browsers", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3, help="with and without, each")
    parser.add_argument("--allowed", type=float, default=ALLOWED, help="p99 with / p99 without")
    parser.add_argument("--warm-up", type=float, default=WARM_UP_S, help="of the first turn")
    options = parser.parse_args()
    end_in_order_at_sigterm()
    p99: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as name:
        folder = Path(name)
        register_model(folder)
        with EmbeddedBroker(data_dir=folder, progress=print, heap_mb=1024, long_running=True) as on:
            bench = Bench(on, folder)
            for turn in range(2 * options.turns):
                watched = turn % 2 == 1
                found = asyncio.run(
                    measure(
                        bench,
                        seconds=options.seconds,
                        per_s=options.per_s,
                        warm_up_s=min(options.warm_up, AGAIN_S) if turn else options.warm_up,
                        beside=reading(bench, browsers=options.browsers) if watched else None,
                    )
                )
                p99[watched].append(found["p99"])
                print(
                    f"{f'{options.browsers} browsers' if watched else 'none':12} {line(found)}",
                    flush=True,
                )
    without, beside = (statistics.median(p99[watched]) for watched in (False, True))
    print(f"p99: {without:.1f} ms without, {beside:.1f} ms with browsers: {beside / without:.2f} x")
    return 1 if beside > max(options.allowed * without, without + LEAST_MS) else 0


if __name__ == "__main__":
    sys.exit(main())
