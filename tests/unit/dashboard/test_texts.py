"""Figures, times and foreign ids for people."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gnomon.dashboard.views import texts
from gnomon.dashboard.window import LENGTHS_MS, Window


@given(st.text(max_size=300) | st.text(alphabet="*_`<>&[]()!#:$~|-+. 1\\", max_size=30))
def test_markdown_shows_a_foreign_text_as_it_is(text: str) -> None:
    shown = texts.shortened(text)
    escaped = texts.in_markdown(text)
    paragraph = MarkdownIt("gfm-like", {"linkify": False}).parseInline(escaped)[0].children or []
    assert {each.type for each in paragraph} <= {"text", "text_special"}
    assert "".join(each.content for each in paragraph).replace("\u2060", "") == shown.strip()
    assert not re.search(":(?!\u2060)", escaped)  # no icon and no directive of Streamlit
    assert len(shown) <= texts.MOST_CHARACTERS
    assert shown.isprintable()


def test_an_id_of_10_kb_is_short() -> None:
    assert len(texts.in_markdown("x" * 10_000)) == texts.MOST_CHARACTERS


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0 s"),
        (1.5e-5, "15 µs"),
        (0.00317, "3.17 ms"),
        (0.1234, "0.123 s"),
        (90.0, "1.5 min"),
        (7_200.0, "2 h"),
        (864_000.0, "10 d"),
    ],
)
def test_seconds(value: float | None, text: str) -> None:
    assert texts.seconds(value) == text


@pytest.mark.parametrize(
    ("passed_ms", "text"),
    [
        (-5, "now"),
        (999, "now"),
        (36_600, "36 s ago"),
        (119_999, "119 s ago"),
        (120_000, "2 min ago"),
        (86_400_000, "24 h ago"),
        (12 * 86_400_000, "12 d ago"),
    ],
)
def test_ages_are_whole_numbers(passed_ms: int, text: str) -> None:
    assert texts.ago(0, passed_ms) == text


def test_times_are_in_the_readers_zone() -> None:
    at_ms = 1_760_000_000_000
    assert texts.clock(at_ms, texts.zone_of("Europe/Berlin")) == "2025-10-09 10:53 CEST"
    assert texts.clock(at_ms, texts.zone_of(None)) == "2025-10-09 08:53 UTC"
    assert texts.clock(at_ms, texts.zone_of("../../etc/passwd")) == "2025-10-09 08:53 UTC"
    assert texts.clock(10**18, texts.zone_of(None)) == f"{10**18} ms"
    assert texts.clock(None, texts.zone_of(None)) == "never"


@given(st.none() | st.text(max_size=20), st.none() | st.text(max_size=20))
def test_every_url_names_a_period(length: str | None, end: str | None) -> None:
    window = Window.of(length, end)
    assert window.length in LENGTHS_MS
    since_ms, until_ms = window.since_ms(10**12), window.until_ms(10**12)
    assert 0 <= since_ms <= until_ms
    assert LENGTHS_MS[window.length] / window.bucket_ms <= 120
