"""Every page in a real Chromium: wide and narrow, light and dark, by mouse and by keyboard.

With ``GNOMON_SCREENSHOTS=FOLDER`` the pictures that it takes are kept there: look at them after a change.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.dashboard.browsing import (
    DARK,
    LONG,
    OUTSIDE,
    PAGES,
    SCREENS,
    invented,
    keep,
    looking,
    needs_chromium,
    path_of,
    served,
    settled,
)
from tests.integration.dashboard.conftest import NOW_MS, NOWHERE
from tests.support.servers.proxy import proxied
from tests.support.stores.filled import AGENTS

from gnomon.broker.probe import free_port

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.timeout(300)]
FOCUSED = """() => { const e = document.activeElement; return [e.tagName, e.getAttribute('aria-label') || e.innerText || '']
  .join(' ') }"""


@pytest.fixture(scope="module")
def full(full_store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard with data."""
    with invented(full_store, tmp_path_factory.mktemp("full"), now_ms=NOW_MS) as url:
        yield url


@pytest.mark.parametrize("name", PAGES)
def test_everything_can_be_read(browser: Any, full: str, name: str) -> None:
    with looking(browser, f"{full}/{path_of(name)}?window=7d&agent={AGENTS[0]}") as (page, said):
        settled(page)
        for screen, (width, height) in SCREENS.items():
            page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.wait_for_function(f"({DARK})() === {str(scheme == 'dark').lower()}")
                settled(page)
                keep(f"{name}-{screen}-{scheme}.png", page)
                assert page.evaluate(OUTSIDE) == []
        assert page.locator("h1").inner_text() == name.capitalize()
        assert page.locator('[data-testid="stException"]').count() == 0
        assert page.get_by_text("Deploy", exact=True).count() == 0
        assert page.title() == "gnomon"  # no script of an id has changed it
        assert said == []


def test_what_is_shown_stands_in_the_url_and_back_goes_back(browser: Any, full: str) -> None:
    with looking(browser, f"{full}/models?window=7d") as (page, said):
        settled(page)
        page.get_by_text("30d", exact=True).click()
        page.wait_for_url("**/models?window=30d")
        settled(page)
        page.get_by_role("link", name="Drift").click()
        page.wait_for_url("**/drift?window=30d")
        settled(page)
        page.go_back()
        page.wait_for_url("**/models?window=30d")
        settled(page)
        page.go_back()
        page.wait_for_url("**/models?window=7d")
        settled(page)
        chosen = page.get_by_role("radio", checked=True)
        playwright.expect(chosen).to_have_text("7d")
        assert said == []


def tab_to(page: Any, what: str) -> None:
    """Press the tabulator until the element is focused whose label contains ``what``."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if what in page.evaluate(FOCUSED):
            return
    raise AssertionError(f"the keyboard does not reach {what}")


def test_the_keyboard_is_enough_to_promote_and_roll_back(browser: Any, full: str) -> None:
    with looking(browser, f"{full}/models") as (page, said):
        settled(page)
        for confirmation, button, done in (
            ("I want this version", "Promote", "champion is version 6"),
            ("I want the previous champion", "Roll back", "champion is version 4"),
        ):
            tab_to(page, "INPUT Your name")
            page.keyboard.type("grace")
            tab_to(page, confirmation)
            page.keyboard.press("Space")
            tab_to(page, f"BUTTON {button}")
            page.keyboard.press("Enter")
            page.get_by_text(f"Done by grace: {done}").wait_for(timeout=20_000)
        assert said == []


def test_the_proxy_names_who_does_it(browser: Any, full_store: str, tmp_path: Path) -> None:
    """A reader who writes the header himself is known by the name that the proxy gives him."""
    header = "X-Forwarded-User"
    with (
        invented(
            full_store, tmp_path, now_ms=NOW_MS, GNOMON_DASHBOARD_USER_HEADER=header
        ) as behind,
        proxied(behind, header=header, user="ada") as url,
    ):
        with looking(browser, f"{url}/models", extra_http_headers={header: "eve"}) as (page, said):
            settled(page)
            names = page.get_by_role("textbox", name="Your name")
            assert [names.nth(n).input_value() for n in range(names.count())] == ["ada", "ada"]
            assert names.first.is_disabled()
            page.get_by_text("I want this version to be the champion.").click()
            page.get_by_role("button", name="Promote").click()
            page.get_by_text("Done by ada: champion is version 6").wait_for(timeout=20_000)
            assert said == []
        with looking(browser, behind) as (page, _):  # nobody but the proxy should reach this
            page.get_by_text("only served to users whom its proxy has logged in").wait_for()
            assert page.locator("h1").inner_text() == "gnomon"


@pytest.mark.parametrize(
    ("state", "store"),
    [
        pytest.param("empty", "", marks=pytest.mark.skipif(not LONG, reason="LONG=1 runs it")),
        ("down", "postgresql://u:secret@127.0.0.1:1/gnomon"),
    ],
)
def test_without_data_and_with_the_store_down(
    browser: Any, tmp_path: Path, state: str, store: str
) -> None:
    port = free_port()
    opened = tmp_path / "opened"
    environ = {
        "BROWSER": f"touch {opened} #%s",  # of the server's machine, which may have none
        "GNOMON_DATA_DIR": str(tmp_path),
        "GNOMON_BROKERS": NOWHERE,
        "GNOMON_STORE_URL": store,
    }
    command = ["-m", "gnomon", "dashboard", "--port", str(port)]
    with served(command, environ, port) as url, looking(browser, url) as (page, said):
        settled(page)
        for name in PAGES:
            page.get_by_role("link", name=name.capitalize()).click()
            page.get_by_role("heading", name=name.capitalize(), exact=True).wait_for()
            settled(page)
            keep(f"{state}-{name}.png", page)
            assert page.locator('[data-testid="stException"]').count() == 0
            assert page.locator('[data-testid="stAlert"]').count() > 0
            assert "secret" not in page.content()
        assert said == []
        assert not opened.exists()
