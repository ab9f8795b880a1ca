"""A dashboard in a process of its own, and a real Chromium that looks at it.

With ``GNOMON_SCREENSHOTS=FOLDER`` the pictures that tests take are kept there.
"""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.polling import eventually_sync
from tests.support.stores.filled import HOSTILE

from gnomon.broker.probe import free_port

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: apt-get install chromium"
)
ROOT: Final = Path(__file__).parents[3]
PAGES: Final = ("verdict", "live", "agents", "models", "drift", "vault", "operations")
SCREENS: Final = {"wide": (1280, 900), "narrow": (390, 844)}
SCHEMES: Final = ("light", "dark")
LONG: Final = bool(os.environ.get("LONG"))
FIGURE: Final = (
    '[data-testid="stMetricValue"], [data-testid="stDataFrame"] canvas, [data-testid="stVegaLiteChart"] canvas,'
    ' [data-testid="stVegaLiteChart"] svg'
)
"""What shows figures: a number, a table or a chart."""
DRAWN: Final = """selector => [...document.querySelectorAll(selector)]
  .some(e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0 })"""
OUTSIDE: Final = """() => [...document.querySelectorAll('[data-testid="stMain"] *')]
  .filter(e => { const r = e.getBoundingClientRect(); return r.width && r.right > innerWidth + 1 })
  .filter(e => !e.closest('[data-testid="stDataFrame"]'))
  .map(e => e.tagName + ' ' + e.textContent.slice(0, 40))"""
CONTENT_PX: Final = """() => document.querySelector('[data-testid="stMain"]').scrollHeight"""
DARK: Final = """() => { const [r, g, b] = getComputedStyle(document.querySelector('[data-testid="stApp"]'))
  .backgroundColor.match(/\\d+/g).map(Number); return r + g + b < 200 }"""


@contextmanager
def served(command: list[str], environ: Mapping[str, str], port: int) -> Iterator[str]:
    """Run a server until it is no longer needed; yield its URL."""
    path = os.pathsep.join([str(ROOT / "workers"), str(ROOT)])
    variables = {**os.environ, **environ, "PYTHONPATH": path}
    process = subprocess.Popen([sys.executable, *command], env=variables, cwd=ROOT)  # noqa: S603
    url = f"http://127.0.0.1:{port}"
    try:
        eventually_sync(lambda: answers(f"{url}/_stcore/health"), what="the dashboard answers")
        yield url
    finally:
        process.terminate()
        try:
            status = process.wait(30)
        finally:
            process.kill()
        assert status == 0


@contextmanager
def invented(
    store: str, folder: Path, *, now_ms: int, foreign: str = HOSTILE, **environ: str
) -> Iterator[str]:
    """Serve the pages of a ``FakeSource`` with a real store; yield the URL."""
    port = free_port()
    given = {"GNOMON_STORE_URL": store, "GNOMON_DATA_DIR": str(folder), **environ}
    command = ["-m", "tests.integration.dashboard.fake_server", str(port), str(now_ms), foreign]
    with served(command, given, port) as url:
        yield url


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310  our own
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def looking(
    browser: Any, url: str, *, screen: str = "wide", scheme: str = "light", **options: Any
) -> Iterator[tuple[Any, list[str]]]:
    """Open a page in a browser without a cache; yield it, and what it complains of."""
    width, height = SCREENS[screen]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        timezone_id="Europe/Berlin",
        locale="en-GB",
        **options,
    )
    page = context.new_page()
    said: list[str] = []
    page.on(
        "console", lambda m: said.append(m.text) if m.type == "error" and not probing(m) else None
    )
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda r: None if ours(r.url, url) else said.append(f"asks {r.url}"))
    try:
        page.goto(url)
        yield page, said
    finally:
        context.close()


def probing(message: Any) -> bool:
    """Return whether Streamlit looks whether it is served below the path of a page, which it is not."""
    return "404" in message.text and "/_stcore/" in message.location["url"]


def ours(asked: str, url: str) -> bool:
    base = "/".join(url.split("/")[:3])
    return asked.startswith((base, base.replace("http", "ws"), "data:", "blob:"))


def settled(page: Any) -> None:
    """Wait until the page is drawn."""
    page.wait_for_selector("h1", timeout=30_000)
    page.wait_for_selector('[data-test-script-state="notRunning"]', timeout=30_000)
    page.wait_for_function(
        '!document.querySelector(\'[data-stale="true"], [data-testid="stSkeleton"]\')',
        timeout=30_000,
    )


def seconds_to_the_first_figure(browser: Any, url: str, *, screen: str, scheme: str) -> float:
    """Open a page as a reader who was never there; return how long its first figure takes."""
    began_s = time.monotonic()
    with looking(browser, url, screen=screen, scheme=scheme) as (page, said):
        page.wait_for_function(DRAWN, arg=FIGURE, timeout=60_000)
        taken_s = time.monotonic() - began_s
        settled(page)
        assert page.locator('[data-testid="stException"]').count() == 0
        assert said == []
    return taken_s


def keep(name: str, page: Any, *, height: int | None = None) -> None:
    """Keep a picture of a page, by default down to its end."""
    folder = os.environ.get("GNOMON_SCREENSHOTS")
    if folder:
        before = page.viewport_size
        page.set_viewport_size({**before, "height": height or page.evaluate(CONTENT_PX)})
        page.wait_for_timeout(1_500)  # charts are drawn
        page.screenshot(path=str(Path(folder) / name))
        page.set_viewport_size(before)


def path_of(name: str) -> str:
    return "" if name == PAGES[0] else name
