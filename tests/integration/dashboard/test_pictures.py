"""The pictures of the README and of ``docs/dashboard.md``.

``GNOMON_SCREENSHOTS=docs pytest tests/integration/dashboard/test_pictures.py`` makes them anew.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Picture:
    """One picture: its file and page, and in what browser; ``height`` cuts it off."""

    name: str
    path: str
    screen: str = "wide"
    scheme: str = "light"
    height: int | None = None


PICTURES = [
    Picture("dashboard.png", "?window=7d", height=1_150),
    Picture("dashboard-live.png", "live?window=7d", screen="narrow", height=1_000),
    Picture("dashboard-agents.png", "agents?window=7d&agent=planner", scheme="dark"),
    Picture("dashboard-models.png", "models?window=7d"),
]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard of agents with names, as with GNOMON_QUERY_IDS=clear."""
    folder = tmp_path_factory.mktemp("pictures")
    store = f"sqlite:///{folder}/store.db"
    fill(store, now_ms=NOW_MS, agents=NAMES, types=TYPES)
    with invented(store, folder, now_ms=NOW_MS, foreign="writer-7f3a") as url:
        yield url


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture(browser: Any, plain: str, picture: Picture) -> None:
    url = f"{plain}/{picture.path}"
    with looking(browser, url, screen=picture.screen, scheme=picture.scheme) as (page, said):
        settled(page)
        page.wait_for_function(f"({DARK})() === {str(picture.scheme == 'dark').lower()}")
        keep(picture.name, page, height=picture.height)
        assert page.evaluate(OUTSIDE) == []
        assert said == []


def test_the_documentation_shows_them_all() -> None:
    pages = (ROOT / "README.md").read_text() + (ROOT / "docs" / "dashboard.md").read_text()
    assert [each.name for each in PICTURES if each.name not in pages] == []
    made = {path.name for path in Path(ROOT / "docs").glob("dashboard*.png")}
    assert made == {each.name for each in PICTURES}
