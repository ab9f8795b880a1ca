"""Promotes and rolls back, where a setting allows it: with a confirmation and the author's name."""

from collections.abc import Callable

import streamlit as st

from gnomon.dashboard.pages import shared
from gnomon.dashboard.views.texts import in_markdown, shortened
from gnomon.errors import GnomonError

USER = "user"
"""Where the name that a proxy gives is kept."""
READ_ONLY = "These pages only show. `GNOMON_DASHBOARD_ACTIONS=true` lets readers do this; at the command line: "
_MOST_NAME = 100


def moving() -> None:
    """Draw what moves the champion, or say how to do it elsewhere."""
    source = shared.installation()
    if not source.settings.dashboard_actions:
        st.caption(f"{READ_ONLY}`gnomon models promote VERSION`, `gnomon models rollback`.")
        return
    versions = shared.read("versions", source.versions, ttl_s=15).value or []
    if not versions:
        return
    promote, back = st.columns(2)
    with promote, st.form("promote"):
        version = st.selectbox(
            "Make champion",
            [each.version for each in versions],
            help="The version that leads. Every worker follows within seconds.",
        )
        author = author_of_form("promote")
        sure = st.checkbox("I want this version to be the champion.")
        if st.form_submit_button("Promote"):
            carry_out(lambda: source.promote(version, author=author), author=author, sure=sure)
    with back, st.form("roll_back"):
        st.markdown("**Roll back** to the champion before.")
        author_back = author_of_form("roll_back")
        sure_back = st.checkbox("I want the previous champion back.")
        if st.form_submit_button("Roll back"):
            carry_out(
                lambda: source.roll_back(author=author_back), author=author_back, sure=sure_back
            )


def author_of_form(form: str) -> str:
    """Return the author's name: the proxy's user, or what the reader types."""
    user = st.session_state.get(USER)
    name = st.text_input(
        "Your name",
        value=user or "",
        disabled=user is not None,
        max_chars=_MOST_NAME,
        key=f"author_{form}",
        help="It is stored with what you do.",
    )
    return str(user or shortened(name.strip(), _MOST_NAME))


def carry_out(action: Callable[[], str], *, author: str, sure: bool) -> None:
    """Do what the reader has confirmed, and tell what came of it."""
    if not author:
        st.error("Nothing was done: type your name.")
        return
    if not sure:
        st.error("Nothing was done: confirm it with the box.")
        return
    try:
        with st.spinner("Doing it…"):
            done = action()
    except GnomonError as error:
        st.error(f"**It did not work.** {in_markdown(str(error), 400)}")
        return
    shared.read_anew()
    st.success(f"Done by {in_markdown(author)}: {in_markdown(done)}.")
