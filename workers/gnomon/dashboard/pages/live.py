"""The page Live: how much comes in, what waits, whether every task is accounted for."""

import streamlit as st

from gnomon.dashboard.cached import Answer
from gnomon.dashboard.charts import over_time
from gnomon.dashboard.pages import shared
from gnomon.dashboard.pages.state import choose_window
from gnomon.dashboard.pages.tables import figures, table
from gnomon.dashboard.source import Source
from gnomon.dashboard.views.live import Flow, flow, impact_lines, ledger_sum
from gnomon.dashboard.views.texts import NOTHING, count, in_markdown, millis, share
from gnomon.dashboard.window import Window

STATES = {
    "predictions": "Tasks that were predicted.",
    "matched": "Predicted tasks whose end came.",
    "pending": "Predicted tasks whose end has not come yet.",
    "expired": "Predicted tasks whose end did not come in time.",
    "cancelled": "Predicted tasks that were cancelled.",
}
OTHERS = {
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
    known = NOTHING if rate.value is None else f"{rate.value:.3g}"
    figures(
        {
            "Events per second": known,
            "Lag": count(sum(stage.lag for stage in stages)),
            "Workers": count(sum(stage.workers for stage in stages)),
        },
        {
            "Events per second": "Records that came into task-events between the last two looks, 5 to 10 seconds"
            " apart.",
            "Lag": "Records that stages have not read yet, over all stages and partitions.",
            "Workers": "Members of the consumer groups of all stages.",
        },
    )
    table(
        [{"stage": each.name, "workers": each.workers, "lag": each.lag} for each in stages],
        {
            "stage": "In the order in which tasks pass them.",
            "workers": "Members of the stage's consumer group. Without one, nothing is read.",
            "lag": "Records that the stage has not read yet.",
        },
        what="Workers and lag of each stage",
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
    figures({name: count(summed.counts[name]) for name in STATES}, STATES)
    if summed.difference:
        st.error(
            f"The ledger does not add up: {summed.difference:+,} predictions are in no state."
            " If this stays, see `docs/operations.md`.",
            icon=":material/error:",
        )
    else:
        st.markdown(
            ":green[:material/check_circle:] It adds up: predictions = matched + pending + expired + cancelled"
        )
    figures({name: count(summed.counts[name]) for name in OTHERS}, OTHERS)


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
    figures(
        {
            "Tasks": count(found.tasks),
            "Expired": count(found.expired),
            "Completeness": share(found.completeness),
            "Incomplete": count(found.incomplete),
        },
        {
            "Tasks": "Tasks that ended in the period.",
            "Expired": "Tasks whose end did not come in time.",
            "Completeness": "Mean share of the hour before a task's start of which features had seen all events.",
            "Incomplete": "Tasks with less than the whole hour seen.",
        },
    )
    left, right = st.columns(2)
    left.altair_chart(over_time.rates(found.rates), alt="Tasks per second over time")
    right.altair_chart(over_time.seen(found.seen), alt="Completeness of features over time")


def _impact() -> None:
    st.subheader(
        "Production impact",
        help="Response times of a service without and with gnomon's client: gnomon drill isolation.",
    )
    found = shared.known(shared.read("impact", shared.installation().impact), what="drill")
    if found is None:
        return
    if found.impact is None:
        reason = in_markdown("\n".join(found.lines), 400)
        st.info(f"**No measurement yet.** {reason}", icon=":material/info:")
        return
    told = f"{shared.time_of(found.impact.measured_at_ms)} by `gnomon drill isolation`."
    if found.impact.passed:
        st.markdown(f":green[:material/check_circle:] Passed at {told}")
    else:
        st.error(f"FAILED at {told}", icon=":material/error:")
    table(
        [
            {
                "while": each.phase,
                "quantile": each.quantile,
                "without": millis(each.without_ms),
                "with": millis(each.with_ms),
                "more": millis(each.more_ms, signed=True),
                "ratio": NOTHING if each.ratio is None else f"{each.ratio:.2f} x",
            }
            for each in impact_lines(found.impact)
        ],
        {
            "while": "Kafka and workers run, or were all killed.",
            "quantile": "p50: half of the requests were faster; p99: 99 of 100 were.",
            "without": "Response time without gnomon's client.",
            "with": "Response time with it.",
            "more": "The difference.",
            "ratio": "With / without. The drill tells how much it may be.",
        },
        what="Response times of a service without and with the client",
    )
