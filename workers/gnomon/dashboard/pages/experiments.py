"""Experiments with variants of agents, below the challengers on the wall screen."""

import streamlit as st

from gnomon.dashboard.cached import Answer
from gnomon.dashboard.pages import shared
from gnomon.dashboard.pages.tables import figures
from gnomon.dashboard.pages.words import word
from gnomon.dashboard.source import Source
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
    found = shared.known(read_experiments(shared.installation()), what="experiments")
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


def read_experiments(source: Source) -> Answer[list[Experiment]]:
    """Return every experiment with what was found last."""
    return shared.read("experiments", lambda: experiments(source.experiments()), ttl_s=15)


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
        st.markdown(word(found.word), width="content", help=WORDS.get(found.word))
        if found.blocked_by:
            named = ", ".join(in_markdown(each) for each in found.blocked_by)
            st.markdown(f"**Blocked by** {named}", width="content")
    about = found.hidden or "With its interval, which holds however often one looks."
    figures(
        {
            "Units": count(found.units),
            "Tasks": count(found.tasks),
            "Duration": _head(found.duration),
            "Failures": _head(found.failure),
        },
        {
            "Units": "Units of the variant that have a task.",
            "Tasks": "Their tasks that count.",
            "Duration": f"Mean duration against control. {about}",
            "Failures": f"Share of failed tasks against control. {about}",
        },
    )
    if found.hidden:
        st.caption(found.hidden)
    else:
        st.caption(f"Duration {found.duration}; failures {found.failure}")


def _head(text: str) -> str:
    return text.partition(" (")[0] if text != NOTHING else NOTHING
