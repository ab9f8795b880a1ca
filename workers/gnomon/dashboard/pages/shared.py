"""What all pages draw alike: what could not be read, what is empty, figures with their definitions."""

import os
import time
from collections.abc import Callable, Hashable
from typing import Final, TypeVar

import streamlit as st

from gnomon.dashboard.cached import Answer, Cached
from gnomon.dashboard.installation import Installation
from gnomon.dashboard.pages.state import END, put
from gnomon.dashboard.source import Source
from gnomon.dashboard.views.texts import ago, clock, in_markdown, zone_of
from gnomon.dashboard.window import HOUR_MS, Window
from gnomon.settings import Settings

T = TypeVar("T")
REFRESH_S: Final = 10
"""How often a page refreshes its figures."""
FRESH_S: Final = 5.0
"""For how long figures are shown to all readers before they are read again."""
_MOST_MESSAGE: Final = 400

NO_TASKS_ADVICE = (
    "Publish tasks with `gnomon.Client` or through `gnomon gateway`, and run `gnomon worker`."
)


def now_ms() -> int:
    """Return the time in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def installation() -> Source:
    """Return what all readers read from."""
    settings = Settings.from_env(os.environ)
    return _installation(repr(settings), settings)


@st.cache_resource(show_spinner=False)
def _installation(shown: str, _settings: Settings) -> Installation:
    return Installation(_settings)


@st.cache_resource(show_spinner=False)
def _cached() -> Cached:
    return Cached(clock=time.monotonic)


def read(name: Hashable, reading: Callable[[], T], *, ttl_s: float = FRESH_S) -> Answer[T]:
    """Return what ``reading`` returns, for all readers read once in ``ttl_s`` seconds."""
    return _cached().get((repr(installation().settings), name), reading, ttl_s=ttl_s)


def read_anew() -> None:
    """Let the next look read everything."""
    _cached().forget()


def known(answer: Answer[T], *, what: str) -> T | None:
    """Return what was read, after telling what stood in the way, if anything did."""
    trouble = answer.trouble
    if trouble is None:
        return answer.value
    text = in_markdown(trouble.text, _MOST_MESSAGE)
    if trouble.kind == "missing":
        st.info(f"**No {what} yet.** {text}", icon=":material/info:")
    elif answer.value is None:
        st.error(
            f"**{what.capitalize()}: not known now.** {text}. This page tries again by itself.",
            icon=":material/cloud_off:",
        )
    else:
        age_s = time.monotonic() - answer.read_at_s
        st.warning(f"**These figures are {age_s:.0f} s old.** {text}", icon=":material/cloud_off:")
    return answer.value


def nothing_in(window: Window, last_ms: int | None, *, what: str, advice: str, key: str) -> None:
    """Tell that a period has no data, when data came last, and offer to go there."""
    if last_ms is None:
        st.info(f"**No {what} yet.** {advice}", icon=":material/info:")
        return
    zone = zone_of(st.context.timezone)
    st.info(
        f"**No {what} in {window.words()}.** The last came at {clock(last_ms, zone)}"
        f" ({ago(last_ms, now_ms())}).",
        icon=":material/history:",
    )
    if st.button(
        "Go there",
        key=f"jump_{key}",
        on_click=put,
        args=(END, str((last_ms // HOUR_MS + 1) * HOUR_MS)),
        help="Shows the same length of time, so that it ends with the hour of the last data.",
    ):
        st.rerun()  # of the whole page: this may be a fragment, which knows the old period


def time_of(at_ms: int | None) -> str:
    """Return a time in the reader's zone."""
    return clock(at_ms, zone_of(st.context.timezone))
