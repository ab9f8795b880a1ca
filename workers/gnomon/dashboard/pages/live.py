"""The page Live: how much comes in, what waits, whether every task is accounted for."""

import streamlit as st

from gnomon.dashboard.cached import Answer
from gnomon.dashboard.pages import charts, shared
from gnomon.dashboard.pages.state import choose_window
from gnomon.dashboard.source import Source
from gnomon.dashboard.views.live import Flow, flow, ledger_sum
from gnomon.dashboard.views.texts import NOTHING, count, share
from gnomon.dashboard.window import Window

LEDGER = {
    "predictions": "Tasks that were predicted.",
    "matched": "Predicted tasks whose end came.",
    "pending": "Predicted tasks whose end has not come yet.",
    "expired": "Predicted tasks whose end did not come in time.",
    "cancelled": "Predicted tasks that were cancelled.",
    "duplicate": "Repeated starts and ends.",
    "late": "Ends after the task expired, and starts older than the expiry time.",
    "orphan": "Ends without a start.",
    "shed": "Tasks that were not predicted because the shadow stage was behind.",
    "incomplete": "Tasks whose features or predictions never came.",
    "unread": "Records, at most, that retention deleted before they were read.",
}


def draw() -> None:
    """Draw the page."""
    st.title("Live")
    window = choose_window()
    _now()
    _over_time(window)
    _impact()


@st.fragment(run_every=shared.REFRESH_S)
def _now() -> None:
    source = shared.installation()
    rate = shared.read("events_per_s", source.events_per_s)
    stages = shared.known(shared.read("stages", source.stages), what="stages")
    if stages is None:
        return
    columns = st.columns(3)
    known = NOTHING if rate.value is None else f"{rate.value:.3g}"
    columns[0].metric(
        "Events per second",
        known,
        help="Records that came into task-events between the last two looks, 5 to 10 seconds apart.",
    )
    columns[1].metric(
        "Lag",
        count(sum(stage.lag for stage in stages)),
        help="Records that stages have not read yet, over all stages and partitions.",
    )
    columns[2].metric(
        "Workers",
        count(sum(stage.workers for stage in stages)),
        help="Members of the consumer groups of all stages.",
    )
    st.dataframe(
        [{"stage": each.name, "workers": each.workers, "lag": each.lag} for each in stages],
        hide_index=True,
        column_config={
            "workers": st.column_config.NumberColumn(help="Members of the stage's consumer group."),
            "lag": st.column_config.NumberColumn(help="Records that the stage has not read yet."),
        },
    )
    _ledger()


def _ledger() -> None:
    st.subheader(
        "Ledger", help="Every predicted task is in exactly one state, since the first task."
    )
    found = shared.known(shared.read("metrics", shared.installation().metrics), what="ledger")
    if found is None:
        return
    summed = ledger_sum(found.ledger)
    with st.container(horizontal=True):
        for name, meaning in LEDGER.items():
            st.metric(name, count(summed.counts[name]), help=meaning, width=120)
    if summed.difference:
        st.error(
            f"The ledger does not add up: {summed.difference:+,} predictions are in no state."
            " If this stays, see `docs/operations.md`."
        )
    else:
        st.caption("predictions = matched + pending + expired + cancelled: it adds up.")


def read_flow(source: Source, window: Window) -> Answer[Flow]:
    """Return what came in a period."""

    def reading() -> Flow:
        now_ms = shared.now_ms()
        return flow(
            source.figures(),
            since_ms=window.since_ms(now_ms),
            until_ms=window.until_ms(now_ms),
            bucket_ms=window.bucket_ms,
        )

    return shared.read(("flow", window), reading)


@st.fragment(run_every=shared.REFRESH_S)
def _over_time(window: Window) -> None:
    st.subheader("Tasks")
    found = shared.known(read_flow(shared.installation(), window), what="tasks")
    if found is None:
        return
    if not found.tasks:
        shared.nothing_in(
            window, found.last_ms, what="task", advice=shared.NO_TASKS_ADVICE, key="live"
        )
        return
    columns = st.columns(4)
    columns[0].metric("Tasks", count(found.tasks), help="Tasks that ended in the period.")
    columns[1].metric("Expired", count(found.expired), help="Tasks whose end did not come in time.")
    columns[2].metric(
        "Completeness",
        share(found.completeness),
        help="Mean share of the hour before a task's start of which features had seen all events.",
    )
    columns[3].metric(
        "Incomplete", count(found.incomplete), help="Tasks with less than the whole hour seen."
    )
    left, right = st.columns(2)
    left.altair_chart(charts.rates(found.rates), alt="Tasks per second over time")
    right.altair_chart(charts.seen(found.seen), alt="Completeness of features over time")


def _impact() -> None:
    st.subheader(
        "Production impact",
        help="Response times of a service without and with gnomon's client: gnomon drill isolation.",
    )
    found = shared.known(shared.read("impact", shared.installation().impact), what="drill")
    if found is not None:
        st.text("\n".join(found.lines))
