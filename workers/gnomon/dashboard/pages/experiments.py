"""Experiments with variants of agents, below the challengers on the wall screen."""

import streamlit as st

from gnomon.dashboard.pages import shared
from gnomon.dashboard.pages.words import COLOURS
from gnomon.dashboard.views.experiments import Experiment, Variant, experiments
from gnomon.dashboard.views.texts import NOTHING, ago, count, in_markdown, shortened

WORDS = {
    "GO": "Surely better by the primary loss, and surely not worse by the other.",
    "NO-GO": "Surely not better by as much as is needed.",
    "STOP-HARM": "Surely worse than control: every unit should get control.",
    "CONTINUE": "Not decided yet; what blocks it stands beside.",
}
RATIO = (
    "Whether each variant has as many units as its weight says. If not, something other than chance decides"
    " who is in the experiment, and no difference means anything."
)
DAY_MS = 86_400_000


def draw() -> None:
    """Draw all experiments; nothing if there never was one."""
    source = shared.installation()
    answer = shared.read("experiments", lambda: experiments(source.experiments()), ttl_s=15)
    found = shared.known(answer, what="experiments")
    if not found:
        return
    st.subheader(
        "Variants",
        help="Experiments between variants of agents, as gnomon verdict --experiment --live judged them last.",
    )
    for each in found:
        if each.running:
            _card(each)
    ended = [each for each in found if not each.running]
    if ended:
        with st.expander(f"Stopped experiments: {len(ended)}"):
            for each in ended:
                _card(each)


def _card(found: Experiment) -> None:
    now_ms = shared.now_ms()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(in_markdown(found.name), width="content")
            st.caption(
                f"against {in_markdown(found.control)}, judged {ago(found.at_ms, now_ms)}",
                width="content",
                help=f"Judged at {shared.time_of(found.at_ms)}.",
            )
        if found.running and now_ms - found.at_ms > DAY_MS:
            st.warning(
                f"Judge it again: `gnomon verdict --experiment {shortened(found.name)} --variants FILE --live`,"
                " for example every hour by cron.",
                icon=":material/schedule:",
            )
        if found.mismatch:
            st.error(f"**{found.ratio}.** {RATIO}", icon=":material/balance:")
        else:
            st.caption(f"{found.ratio}.", help=RATIO)
        for each in found.variants:
            _variant(each)
        st.caption(
            f"{count(found.unassigned)} tasks without a variant, {count(found.immature)} too young,"
            f" {count(found.crossed)} units with two variants",
            help="None of these is in the figures above.",
        )


def _variant(found: Variant) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{in_markdown(found.name)}**", width="content")
        st.badge(found.word, color=COLOURS.get(found.word, "gray"), help=WORDS.get(found.word))
        if found.blocked_by:
            named = ", ".join(in_markdown(each) for each in found.blocked_by)
            st.markdown(f"**Blocked by** {named}", width="content")
    columns = st.columns(4)
    columns[0].metric("Units", count(found.units), help="Units of the variant that have a task.")
    columns[1].metric("Tasks", count(found.tasks), help="Their tasks that count.")
    about = found.hidden or "With its interval, which holds however often one looks."
    columns[2].metric("Duration", _head(found.duration), help=f"Against control. {about}")
    columns[3].metric("Failures", _head(found.failure), help=f"Against control. {about}")
    if found.hidden:
        st.caption(found.hidden)
    else:
        st.caption(f"Duration {found.duration}; failures {found.failure}")


def _head(text: str) -> str:
    return text.partition(" (")[0] if text != NOTHING else NOTHING
