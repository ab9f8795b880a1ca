"""The page Verdict, made to hang on a wall as a screen."""

import re
from typing import Final

import streamlit as st

from gnomon.dashboard.cached import Answer
from gnomon.dashboard.charts import over_time
from gnomon.dashboard.pages import experiments, shared
from gnomon.dashboard.pages.state import choose_window
from gnomon.dashboard.pages.tables import FIGURE_PX, table
from gnomon.dashboard.pages.words import word
from gnomon.dashboard.source import Source
from gnomon.dashboard.views.texts import NOTHING, ago, count, in_markdown, share
from gnomon.dashboard.views.verdict import Card, Line, Wall, wall
from gnomon.dashboard.window import Window

WORDS: Final = {
    "GO": "Every condition holds: the model may steer agents.",
    "NO-GO": "A condition can surely not be met any more.",
    "STOP-HARM": "The model is surely worse than the baseline: do not use it.",
    "CONTINUE": "Not decided yet; what blocks it stands below.",
}
MARKS: Final = {
    "passed": ":green[:material/check_circle:]",
    "failed": ":red[:material/cancel:]",
    "unknown": ":gray[:material/pending:]",
}
DEFINITIONS: Final = {
    "improvement": "1 - log loss of the model / log loss of the baseline, on tasks that both predicted.",
    "accuracy": "Share of tasks whose success or failure was on the side that the model predicted.",
    "decisions": "Matured tasks with a prediction. More than the needed number are required.",
    "shadow without errors": "Share of tasks with a prediction of the model, among those with one of a baseline.",
    "no impact on production": "The client's cost to a service: gnomon drill isolation.",
    "security in place": "Whether stored decisions are sealed: gnomon drill security.",
    "dashboards live": "Age of the drill in days, and the days for which it counts.",
    "alerting drilled": "Age of the drill in days, and the days for which it counts.",
    "rollback drilled": "Seconds until every worker followed a rollback: gnomon drill rollback.",
}
FIGURES: Final = {
    "Decisions": DEFINITIONS["decisions"],
    "Active hours": "Hours in which at least one task was decided.",
    "Harmed agents": "Agents whose tasks the model predicts surely worse than the reference baseline does.",
    "Decides in": "Estimate of the hours with tasks until the verdict is GO or NO-GO, at the rate so far.",
}
ADVICE: Final = (
    "Verdicts appear a minute after a challenger has predicted its first tasks. Run `gnomon worker`, publish"
    " tasks of your agents, and make a challenger with `gnomon learn`."
)


def draw() -> None:
    """Draw the page."""
    st.title("Verdict")
    window = choose_window(default="7d")
    _all(window)
    _wall(window)
    _experiments()


def read_wall(source: Source, window: Window) -> Answer[Wall]:
    """Return the challengers, with their improvement in a period."""

    def reading() -> Wall:
        now_ms = shared.now_ms()
        return wall(
            source.figures(), since_ms=window.since_ms(now_ms), until_ms=window.until_ms(now_ms)
        )

    return shared.read(("verdict", window), reading)


@st.fragment(run_every=shared.REFRESH_S)
def _all(window: Window) -> None:
    """Draw one line for everything that runs, if it is more than one thing."""
    source = shared.installation()
    found = read_wall(source, window).value
    cards = found.running if found is not None else []
    tried = experiments.read_experiments(source).value or []
    lines = [_line(f"{each.model} {each.version}", each.word, each.blocked_by) for each in cards]
    lines += [
        _line(f"{each.name}: {variant.name}", variant.word, variant.blocked_by)
        for each in tried
        if each.running
        for variant in each.variants
    ]
    if len(lines) > 1:
        st.markdown("  \n".join(lines), help="Everything that runs: its word, and what blocks it.")


def _line(name: str, text: str, blocked_by: list[str]) -> str:
    blocked = f" blocked by {', '.join(map(in_markdown, blocked_by))}" if blocked_by else ""
    return f"{word(text)} **{in_markdown(name)}**{blocked}"


@st.fragment(run_every=shared.REFRESH_S)
def _wall(window: Window) -> None:
    found = shared.known(read_wall(shared.installation(), window), what="verdicts")
    if found is None:
        return
    if not found.running:
        shared.nothing_in(window, None, what="verdict", advice=ADVICE, key="wall")
        return
    for card in found.running:
        _card(card, window, shared.now_ms())
    _earlier(found)


@st.fragment(run_every=30)
def _experiments() -> None:
    experiments.draw()


def _card(card: Card, window: Window, now_ms: int) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(f"{in_markdown(card.model)} {in_markdown(card.version)}", width="content")
            st.subheader(word(card.word), width="content", help=WORDS.get(card.word))
            st.caption(
                f"since {shared.time_of(card.since_ms)}, judged {ago(card.at_ms, now_ms)}",
                width="content",
                help="Since when the word has not changed, by the hour, within the period; and when it was"
                " judged last. A vault worker judges once a minute.",
            )
        if card.blocked_by:
            named = ", ".join(in_markdown(each) for each in card.blocked_by)
            st.markdown(
                f"**Blocked by** {named}", help="The conditions of GO that do not hold yet."
            )
        _figures(card)
        over_time, listed = st.columns([3, 2], gap="medium")
        with over_time:
            _over_time(card, window)
        with listed:
            _checklist(card.checklist)


def _figures(card: Card) -> None:
    bounds = f"{share(card.low, signed=True)} to {share(card.high, signed=True)}"
    with st.container(horizontal=True):
        with st.container(width=FIGURE_PX, gap="xxsmall"):
            st.metric(
                "Improvement",
                share(card.improvement, signed=True),
                help="How much smaller the model's log loss is than the reference baseline's, on the same tasks. "
                + (card.hidden or f"Surely between {bounds.replace(' to ', ' and ')}."),
            )
            if not card.hidden:
                st.caption(bounds)
        values = {
            "Decisions": count(card.decisions),
            "Active hours": count(card.active_hours),
            "Harmed agents": count(card.harmed_agents),
            "Decides in": card.decides,
        }
        for name, value in values.items():
            st.metric(name, value, help=FIGURES[name], width=FIGURE_PX)


def _over_time(card: Card, window: Window) -> None:
    if card.hidden:
        st.info(f"**Improvement is hidden.** {card.hidden}", icon=":material/hourglass_empty:")
    elif card.points:
        st.altair_chart(
            over_time.improvement(card.points),
            key=f"improvement_{card.model}_{card.version}",
            alt="Improvement over each baseline with its interval, over time",
        )
    else:
        key = f"{card.model}_{card.version}"
        shared.nothing_in(window, card.at_ms, what="verdict on it", advice=ADVICE, key=key)


def _checklist(lines: list[Line]) -> None:
    for line in lines:
        name = in_markdown(line.name)
        figure = f": {line.figure}" if line.figure != NOTHING else ""
        needed = f", {line.bound} {line.needed}" if line.needed != NOTHING else ""
        st.markdown(
            f"{MARKS.get(line.status, MARKS['unknown'])} **{name}**{_unbroken(figure + needed)}",
            help=f"{line.status}. {DEFINITIONS.get(line.name, '')}",
        )


def _unbroken(text: str) -> str:
    """Keep numbers and their units on one line."""
    return re.sub(r"(?<=\d) (?=\S)", "\u00a0", text)


def _earlier(found: Wall) -> None:
    if not found.earlier:
        return
    with st.expander(f"Earlier experiments: {len(found.earlier)}"):
        table(
            [
                {
                    "model": each.model,
                    "version": each.version,
                    "word": each.word,
                    "decisions": each.decisions,
                    "judged": shared.time_of(each.at_ms),
                    "settings": each.settings_sha256[:12],
                }
                for each in found.earlier
            ],
            {
                "model": "The challenger's model.",
                "version": "Its version.",
                "word": "The last word on it.",
                "decisions": DEFINITIONS["decisions"],
                "judged": "When it was judged last.",
                "settings": "Begin of the SHA-256 of the settings it was judged by.",
            },
            what="Experiments that ended",
        )
