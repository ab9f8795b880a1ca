"""The frame of all pages: who may look, the links between pages, and the page that was chosen."""

import os
import time
from typing import Final

import streamlit as st

from gnomon.dashboard.access import Gate, user_of
from gnomon.dashboard.pages import agents, drift, live, models, operations, vault, verdict
from gnomon.dashboard.pages.moving import USER
from gnomon.dashboard.pages.state import carried
from gnomon.settings import Settings

PAGES: Final = (
    ("Verdict", "verdict", ":material/gavel:", verdict.draw),
    ("Live", "live", ":material/monitoring:", live.draw),
    ("Agents", "agents", ":material/smart_toy:", agents.draw),
    ("Models", "models", ":material/model_training:", models.draw),
    ("Drift", "drift", ":material/trending_up:", drift.draw),
    ("Vault", "vault", ":material/lock:", vault.draw),
    ("Operations", "operations", ":material/build:", operations.draw),
)
"""Title, path, icon, and what draws the page."""
SIDEBAR_PX: Final = 220


def main() -> None:
    """Draw the page that the URL names."""
    st.set_page_config(page_title="gnomon", layout="wide", initial_sidebar_state=SIDEBAR_PX)
    settings = _settings()
    if not _is_known(settings):
        _log_in(settings)
        return
    pages = [
        st.Page(draw, title=title, url_path=path, default=path == PAGES[0][1])
        for title, path, _, draw in PAGES
    ]
    chosen = st.navigation(pages, position="hidden")
    with st.sidebar:
        st.markdown("### gnomon")
        for page, (_, _, icon, _) in zip(pages, PAGES, strict=True):
            # Not the icon of the page: browsers would fetch that from elsewhere.
            st.page_link(page, icon=icon, query_params=carried(), width="stretch")
    chosen.run()


@st.cache_resource(show_spinner=False)
def _gate(token: str) -> Gate:
    return Gate(token, clock=time.monotonic)


def _settings() -> Settings:
    return Settings.from_env(os.environ)


def _is_known(settings: Settings) -> bool:
    """Return whether the reader may look; keep the name that a proxy gives."""
    user = user_of(dict(st.context.headers), settings.dashboard_user_header)
    if user is not None:
        st.session_state[USER] = user
        return True
    if settings.dashboard_token:
        return bool(st.session_state.get("logged_in"))
    return not settings.dashboard_user_header


def _log_in(settings: Settings) -> None:
    st.title("gnomon")
    if not settings.dashboard_token:
        st.error("This page is only served to users whom its proxy has logged in.")
        return
    with st.form("log_in", width=420):
        token = st.text_input("Token", type="password", help="The value of GNOMON_DASHBOARD_TOKEN.")
        if not st.form_submit_button("Look", type="primary"):
            return
    gate = _gate(settings.dashboard_token)
    found = gate.guess(token)
    if found == "right":
        st.session_state["logged_in"] = True
        st.rerun()
    wait_s = gate.wait_s()
    later = f" Try again in {wait_s:.0f} s." if wait_s >= 1 else ""
    st.error(("This is not the token." if found == "wrong" else "Too many wrong tokens.") + later)
