"""Fixtures: a full store, and pages that look at a store."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from tests.integration.dashboard.chromium import browser
from tests.integration.dashboard.fake_source import FakeSource
from tests.support.stores.filled import fill

from gnomon.settings import Settings

pytest.importorskip(
    "streamlit", reason="streamlit is not installed: pip install 'gnomon[dashboard]'"
)
import streamlit as st
from streamlit.testing.v1 import AppTest

from gnomon.dashboard.pages import shared

__all__ = ["browser"]

SCRIPT = Path(__file__).parents[3] / "workers" / "gnomon" / "dashboard" / "entry" / "script.py"
NOWHERE = "127.0.0.1:1"
NOW_MS = time.time_ns() // 1_000_000


class Look(Protocol):
    """Looks at a page."""

    def __call__(self, page: str = "", /, **parameters: str) -> AppTest: ...


@pytest.fixture(scope="session")
def full_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a store with a week of numbers."""
    url = f"sqlite:///{tmp_path_factory.mktemp('dashboard')}/store.db"
    fill(url, now_ms=NOW_MS)
    return url


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Look]:
    """Look at a page of an installation of which nothing can be reached."""
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GNOMON_BROKERS", NOWHERE)
    st.cache_resource.clear()
    yield look_at
    st.cache_resource.clear()


@pytest.fixture
def source(full_store: str, look: Look, monkeypatch: pytest.MonkeyPatch) -> FakeSource:
    """An installation with data, at which ``look`` looks."""
    fake = FakeSource(Settings(store_url=full_store), now_ms=NOW_MS)
    monkeypatch.setenv("GNOMON_STORE_URL", full_store)
    monkeypatch.setattr(shared, "installation", lambda: fake)
    return fake


def look_at(name: str = "", /, **parameters: str) -> AppTest:
    """Run one page, by default the first with the frame around it."""
    if name:
        script = f"from gnomon.dashboard.pages import {name}\n{name}.draw()"
        app = AppTest.from_string(script, default_timeout=60)
    else:
        app = AppTest.from_file(str(SCRIPT), default_timeout=60)
    for key, value in parameters.items():
        app.query_params[key] = value
    return app.run()
