"""The page Drift: how losses change over time, and how far features have moved since training."""

import streamlit as st

from gnomon.dashboard.cached import Answer
from gnomon.dashboard.charts import over_time
from gnomon.dashboard.pages import shared
from gnomon.dashboard.pages.state import choose_window
from gnomon.dashboard.pages.tables import table
from gnomon.dashboard.source import Source
from gnomon.dashboard.views.drift import Losses, features, losses
from gnomon.dashboard.views.models import ENOUGH
from gnomon.dashboard.views.texts import count, seconds
from gnomon.dashboard.window import Window

ADVICE = "Losses appear when predicted tasks have ended. Run `gnomon worker`, and make a model with `gnomon learn`."


def draw() -> None:
    """Draw the page."""
    st.title("Drift")
    _losses(choose_window(default="7d"))
    _features()


def read_losses(source: Source, window: Window) -> Answer[Losses]:
    """Return the losses of each version in a period."""

    def reading() -> Losses:
        now_ms = shared.now_ms()
        return losses(
            source.figures(),
            since_ms=window.since_ms(now_ms),
            until_ms=window.until_ms(now_ms),
            bucket_ms=window.bucket_ms,
        )

    return shared.read(("losses", window), reading, ttl_s=15)


@st.fragment(run_every=30)
def _losses(window: Window) -> None:
    st.subheader(
        "Losses",
        help="Mean log loss of each version on tasks that control predicted too; control is dashed.",
    )
    found = shared.known(read_losses(shared.installation(), window), what="losses")
    if found is None:
        return
    if not found.points and not found.hidden:
        shared.nothing_in(window, found.last_ms, what="loss", advice=ADVICE, key="drift")
        return
    if found.points:
        st.altair_chart(over_time.losses(found.points), alt="Losses over time")
    words = [
        f"Each point is the mean of {seconds(found.bucket_ms / 1_000)}; dashed: control, on the same tasks."
    ]
    if found.hidden:
        words.append(f"{count(found.hidden)} points are hidden: fewer than {ENOUGH} tasks each.")
    st.caption(" ".join(words))


@st.fragment(run_every=60)
def _features() -> None:
    st.subheader(
        "Features",
        help="The features of the newest 1,000 decisions against those that a version was trained on.",
    )
    source = shared.installation()
    answer = shared.read("drifts", lambda: features(source.drifts()), ttl_s=60)
    found = shared.known(answer, what="features")
    if found is None:
        return
    if not found:
        st.info(
            "**Nothing to compare yet.** It needs a live version with stored training data, and enough decisions."
        )
        return
    table(
        [
            {
                "version": each.version,
                "feature": each.feature,
                "word": each.word,
                "PSI": round(each.psi, 3),
                "distance": None if each.distance is None else round(each.distance, 2),
            }
            for each in found
        ],
        {
            "version": "The live version whose training data are compared.",
            "feature": "What the model is given of each task.",
            "word": "A moved feature alone is never an alarm.",
            "PSI": "Population stability index: over 0.1 is notable, over 0.25 large. It does not grow with the"
            " number of tasks.",
            "distance": "Wasserstein distance in standard deviations of the training values.",
        },
        what="How far each feature has moved",
    )
