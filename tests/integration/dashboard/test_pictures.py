"""The pictures of the README and of ``docs/dashboard.md``.

``GNOMON_SCREENSHOTS=docs pytest tests/integration/dashboard/test_pictures.py`` makes them anew.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.dashboard.browsing import (
    DARK,
    OUTSIDE,
    ROOT,
    invented,
    keep,
    looking,
    needs_chromium,
    settled,
)
from tests.integration.dashboard.conftest import NOW_MS
from tests.support.stores.filled import fill

pytestmark = [
    needs_chromium,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        "GNOMON_SCREENSHOTS" not in os.environ, reason="GNOMON_SCREENSHOTS=FOLDER makes pictures"
    ),
]
NAMES = ["planner", "coder", "reviewer", "tester", "writer"]
TYPES = ["review", "write", "triage"]
PICTURES = [
    ("dashboard.png", "?window=7d", "wide", "light", 1_150),
    ("dashboard-live.png", "live?window=7d", "narrow", "light", 1_000),
    ("dashboard-agents.png", "agents?window=7d&agent=planner", "wide", "dark", None),
    ("dashboard-models.png", "models?window=7d", "wide", "light", None),
]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard of agents with names, as with GNOMON_QUERY_IDS=clear."""
    folder = tmp_path_factory.mktemp("pictures")
    store = f"sqlite:///{folder}/store.db"
    fill(store, now_ms=NOW_MS, agents=NAMES, types=TYPES)
    with invented(store, folder, now_ms=NOW_MS, foreign="writer-7f3a") as url:
        yield url


@pytest.mark.parametrize(("name", "path", "screen", "scheme", "height"), PICTURES)
def test_a_picture(
    browser: Any, plain: str, name: str, path: str, screen: str, scheme: str, height: int | None
) -> None:
    with looking(browser, f"{plain}/{path}", screen=screen, scheme=scheme) as (page, said):
        settled(page)
        page.wait_for_function(f"({DARK})() === {str(scheme == 'dark').lower()}")
        keep(name, page, height=height)
        assert page.evaluate(OUTSIDE) == []
        assert said == []


def test_the_documentation_shows_them_all() -> None:
    pages = (ROOT / "README.md").read_text() + (ROOT / "docs" / "dashboard.md").read_text()
    assert [name for name, *_ in PICTURES if name not in pages] == []
    made = {path.name for path in Path(ROOT / "docs").glob("dashboard*.png")}
    assert made == {name for name, *_ in PICTURES}
