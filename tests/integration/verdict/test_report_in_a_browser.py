"""The report in a real Chromium: on a wide and a narrow screen, in light and in dark, and on paper.

With ``GNOMON_SCREENSHOTS=FOLDER`` the pictures that it takes are kept there; ``report.png`` is the one
in the documentation.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.verdict.report.detailed import T0, detailed
from tests.unit.verdict.report.page_reader import write_comparisons

from gnomon.cli import main
from gnomon.drill.report import compare, round_of
from gnomon.events import Comparison, ModelPrediction

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
NOW_MS = T0 + 20 * 86_400_000
SCREENS = {"wide": (1280, 900), "narrow": (390, 844)}
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")

OUTSIDE = """() => [...document.querySelectorAll('body *')]
  .filter(e => { const r = e.getBoundingClientRect(); return r.right > innerWidth + 1 || r.left < -1 })
  .map(e => e.tagName + ' ' + e.textContent.slice(0, 40))"""
HIDDEN = """() => [...document.querySelectorAll('section, h1, h2, h3, figure, svg, table, td, .empty')]
  .filter(e => e.tagName != 'TD' || e.textContent)
  .filter(e => { const r = e.getBoundingClientRect(); return r.width < 4 || r.height < 4
    || getComputedStyle(e).visibility != 'visible' })
  .map(e => e.tagName + ' ' + e.textContent.slice(0, 40))"""
OVERLAPPING = """() => [...document.querySelectorAll('svg')].flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()])
    .filter(([text]) => text);
  return boxes.flatMap(([a, r], i) => boxes.slice(i + 1)
    .filter(([b, s]) => Math.min(r.right, s.right) - Math.max(r.left, s.left) > 0.5
      && Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top) > 0.35 * r.height)
    .map(([b]) => svg.querySelector('title').textContent + ': ' + a + ' | ' + b)) })"""
CUT_OFF = """() => [...document.querySelectorAll('svg text')].filter(t => {
  const r = t.getBoundingClientRect(), s = t.closest('svg').getBoundingClientRect();
  return r.width && (r.right > s.right + 0.5 || r.left < s.left - 0.5 || r.bottom > s.bottom + 0.5) })
  .map(t => t.textContent)"""
SMALL_TEXT = """() => [...document.querySelectorAll('svg text')].filter(t => t.textContent
  && t.getBoundingClientRect().height < 8).map(t => t.textContent)"""
# Contrast of text to what is behind it, by the formula of WCAG 2.1; 4.5 is its level AA.
PALE = """() => {
  const channels = c => c.match(/[\\d.]+/g).slice(0, 4).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) {
      const c = channels(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c } return [255, 255, 255] };
  return [...document.querySelectorAll('h1, h2, h3, p, td, th, figcaption, code, pre, .word, td span, svg text')]
    .filter(e => e.textContent.trim() && e.getBoundingClientRect().width)
    .map(e => { const s = getComputedStyle(e);
      const a = light(channels(e.tagName == 'text' ? s.fill : s.color)), b = light(behind(e));
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.tagName + ' ' + e.textContent.slice(0, 30)] })
    .filter(([ratio]) => ratio < 4.5).map(([ratio, what]) => ratio.toFixed(2) + ' ' + what) }"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page with everything, and one of an empty file."""
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNOMON_DATA_DIR", str(folder / "data"))
        for name, rows in (("full", _with_a_second_model(detailed().rows)), ("empty", [])):
            path = write_comparisons(folder / f"{name}.jsonl", rows)
            out = folder / f"{name}.html"
            held = ["--drills", str(_drills(folder))] if rows else []
            main(["verdict", "--comparisons", str(path), "--html", str(out), *held])
            made[name] = out
    return made


def _with_a_second_model(rows: list[Comparison]) -> list[Comparison]:
    """Let another model predict the last tasks, too few to decide."""
    young = ModelPrediction(model="second model with a long name", version="1", duration_s=50.0)
    late = [
        msgspec.structs.replace(row, predictions=[*row.predictions, young]) for row in rows[-90:]
    ]
    return [*rows[:-90], *late]


def _drills(folder: Path) -> Path:
    rounds = [round_of([10.0 + n, 12.0, 20.0], errors=0) for n in range(4)]
    compared = {
        phase: {
            name: {
                "without_ms": q.without_ms,
                "with_ms": q.with_ms,
                "ratio": q.ratio,
                "limit": q.limit,
            }
            for name, q in compare(rounds, rounds).items()
        }
        for phase in ("up", "killed")
    }
    isolation: dict[str, Any] = {"drill": "isolation", "at_ms": NOW_MS, "passed": True}
    rollback = {"drill": "rollback", "at_ms": NOW_MS, "passed": True, "longest_s": 1.5}
    path = folder / "drills.json"
    path.write_text(json.dumps([{**isolation, "compared": compared}, rollback]))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


def keep(name: str, picture: bytes) -> None:
    folder = os.environ.get("GNOMON_SCREENSHOTS")
    if folder:
        (Path(folder) / name).write_bytes(picture)


@pytest.mark.parametrize(
    ("content", "screen", "scheme"),
    [
        ("full", "wide", "light"),
        ("full", "wide", "dark"),
        ("full", "narrow", "light"),
        ("full", "narrow", "dark"),
        ("empty", "wide", "light"),
        ("empty", "narrow", "dark"),
    ],
)
def test_everything_can_be_read(
    browser: Any, pages: dict[str, Path], content: str, screen: str, scheme: str
) -> None:
    width, height = SCREENS[screen]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(pages[content].as_uri())

    assert said == []
    assert asked == [pages[content].as_uri()]
    keep(f"{content}-{screen}-{scheme}.png", page.screenshot(full_page=True))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for finds in (OUTSIDE, HIDDEN, OVERLAPPING, CUT_OFF, SMALL_TEXT, PALE):
        assert page.evaluate(finds) == []
    sections = page.locator("h2").all_text_contents()
    wanted = ["Impact on production", "Drills", "How it was judged"]
    assert sections[-3:] == wanted
    if (content, screen, scheme) == ("full", "wide", "light"):
        keep("report.png", page.screenshot(full_page=True, clip=_part(page)))
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    context.close()


def _part(page: Any) -> dict[str, float]:
    """The charts between two headings."""
    ends = [
        page.get_by_role("heading", name=name, exact=True).first.bounding_box()["y"]
        for name in ("Against each baseline", "By agent")
    ]
    return {"x": 120, "y": ends[0] - 10, "width": 1040, "height": ends[1] - ends[0]}


def test_it_is_printed_in_dark_ink_on_white_paper(browser: Any, pages: dict[str, Path]) -> None:
    context = browser.new_context(color_scheme="dark", offline=True)
    page = context.new_page()
    page.goto(pages["full"].as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(PALE) == []
    keep("print.png", page.screenshot(full_page=True))
    printed = page.pdf(format="A4")
    keep("full.pdf", printed)
    assert printed.startswith(b"%PDF-")
    # The overview, a page or more for each of two models, then what is shared.
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 4
    context.close()
