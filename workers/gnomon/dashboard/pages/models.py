"""The page Models: versions, what they are worth, and which of them leads."""

import streamlit as st

from gnomon.dashboard.cached import Answer
from gnomon.dashboard.charts import of_models
from gnomon.dashboard.pages import shared
from gnomon.dashboard.pages.moving import moving
from gnomon.dashboard.pages.state import MODEL, choose, choose_window
from gnomon.dashboard.pages.tables import table
from gnomon.dashboard.source import Source
from gnomon.dashboard.views import models as view
from gnomon.dashboard.views.texts import count, in_markdown, seconds, share
from gnomon.dashboard.window import Window

ADVICE = "`gnomon learn` trains a version whenever enough decisions are new; `gnomon train` trains one now."

RUN = "run"
ABOUT = {
    "version": "The number in the registry.",
    "aliases": "champion and challengers predict; previous is rolled back to.",
    "trained": "When it was registered.",
    "by": "Who registered it.",
    "error then": "Mean absolute error on later runs when it was trained.",
    "control then": "Mean absolute error of control on the same runs.",
    "right then": "Share of outcomes on the predicted side, then.",
    "file": "Begin of the SHA-256 of the model file, which identifies it.",
    RUN: "Its page on the MLflow server, with the run that trained it.",
}


def draw() -> None:
    """Draw the page."""
    st.title("Models")
    window = choose_window(default="7d")
    _versions()
    moving()
    found = _compared(window)
    if not found:
        return
    names = [f"{each.model} {each.version}" for each in found]
    chosen = choose("Version", MODEL, names[::-1], about="The version of the figures below.")
    if chosen is not None:
        model, _, version = chosen.rpartition(" ")
        _detail(model, version, window)


@st.fragment(run_every=30)
def _versions() -> None:
    source = shared.installation()
    settings = source.settings
    found = shared.known(shared.read("versions", source.versions, ttl_s=15), what="versions")
    if found is None:
        return
    if not found:
        st.info(f"**No version is registered yet.** {ADVICE}", icon=":material/info:")
        return
    served = view.page_of(settings.mlflow_uri, settings.model_name, "1") is not None
    table(
        [
            {
                "version": each.version,
                "aliases": each.aliases,
                "trained": shared.time_of(each.created_at_ms),
                "by": each.author,
                "error then": seconds(each.mae_s),
                "control then": seconds(each.control_mae_s),
                "right then": share(each.accuracy),
                "file": each.sha256,
                RUN: view.page_of(settings.mlflow_uri, settings.model_name, each.version),
            }
            for each in view.listed(found)
        ],
        {name: text for name, text in ABOUT.items() if served or name != RUN},
        what="Registered versions",
        config={RUN: st.column_config.LinkColumn(display_text="MLflow", help=ABOUT[RUN])},
    )


def read_compared(source: Source, window: Window) -> Answer[tuple[list[view.Compared], int | None]]:
    """Return the errors of each version in a period, and when a task ended last."""

    def reading() -> tuple[list[view.Compared], int | None]:
        figures, now_ms = source.figures(), shared.now_ms()
        period = {"since_ms": window.since_ms(now_ms), "until_ms": window.until_ms(now_ms)}
        return view.compared(figures, **period), figures.last_ms()

    return shared.read(("compared", window), reading, ttl_s=15)


def _compared(window: Window) -> list[view.Compared]:
    st.subheader(
        "Versions on real tasks",
        help="Mean absolute error against control's, on tasks that both predicted in the period.",
    )
    answer = shared.known(read_compared(shared.installation(), window), what="predictions")
    if answer is None:
        return []
    found, last_ms = answer
    if not found:
        shared.nothing_in(window, last_ms, what="prediction", advice=ADVICE, key="models")
        return []
    few = [each for each in found if each.improvement is None]
    for each in few:
        st.caption(
            f"{in_markdown(each.model)} {in_markdown(each.version)}: {count(each.n_paired)} tasks,"
            f" hidden until there are {view.ENOUGH}."
        )
    if len(few) < len(found):
        st.altair_chart(of_models.over_versions(found), alt="Improvement over control, by version")
        st.caption("Dashed: as good as control, and 20 % better, which a GO needs.")
    return found


@st.fragment(run_every=30)
def _detail(model: str, version: str, window: Window) -> None:
    source, now_ms = shared.installation(), shared.now_ms()

    def reading() -> view.Detail:
        return view.detail(
            source.figures(),
            model,
            version,
            since_ms=window.since_ms(now_ms),
            until_ms=window.until_ms(now_ms),
        )

    key = ("detail", model, version, window)
    found = shared.known(shared.read(key, reading, ttl_s=15), what="predictions")
    if found is None:
        return
    left, right = st.columns(2)
    with left:
        st.subheader(
            "Calibration", help="Of tasks with a predicted 80 %, 80 of 100 should succeed."
        )
        if sum(each.n for each in found.calibration) < view.ENOUGH:
            st.info(
                f"Hidden until there are {view.ENOUGH} tasks with a probability and an outcome."
            )
        else:
            st.altair_chart(of_models.calibration(found.calibration), alt="Calibration")
    with right:
        st.subheader("Residuals", help="By what factor durations were over- or underestimated.")
        if sum(each.n for each in found.residuals) < view.ENOUGH:
            st.info(
                f"Hidden until there are {view.ENOUGH} tasks with a predicted and a known duration."
            )
        else:
            st.altair_chart(of_models.residuals(found.residuals), alt="Residuals")
    _importance(version)


def _importance(version: str) -> None:
    st.subheader(
        "Importance",
        help="By how much the log loss on later runs rises when one input is shuffled.",
    )
    source = shared.installation()
    reading = shared.read(("importance", version), lambda: source.importance(version), ttl_s=300)
    found = shared.known(reading, what="importance")
    if found:
        st.altair_chart(of_models.importance(view.largest(found)), alt="Importance of inputs")
    elif found is not None:
        st.info("It is not stored: `gnomon train` stores it beside each version that it evaluates.")
