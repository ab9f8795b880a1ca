"""The fixture of a real Chromium."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.dashboard.browsing import CHROMIUM


# Not for the whole session: while Playwright runs, no other test of its process can run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()
