"""The page Agents: one agent's last hour, its tasks, and what was predicted beside what came."""

import streamlit as st

from gnomon.dashboard.cached import Answer
from gnomon.dashboard.charts import of_models
from gnomon.dashboard.pages import shared
from gnomon.dashboard.pages.state import AGENT, choose_window, parameter, put
from gnomon.dashboard.pages.tables import figures, table
from gnomon.dashboard.source import Source
from gnomon.dashboard.views.agents import ENOUGH, MOST_AGENTS, AgentPage, agent_page, agents
from gnomon.dashboard.views.texts import count, in_markdown, seconds, share, shortened
from gnomon.dashboard.window import Window
from gnomon.store.queries import Predicted, Tasks

_KEY = "choose_agent"


def draw() -> None:
    """Draw the page."""
    st.title("Agents")
    window = choose_window()
    found = shared.known(read_agents(shared.installation(), window), what="agents")
    if found is None:
        return
    listed, last_ms = found
    if not listed and parameter(AGENT) is None:
        shared.nothing_in(window, last_ms, what="task", advice=shared.NO_TASKS_ADVICE, key="agents")
        return
    agent = _choose([each.name or "" for each in listed])
    _agent(agent, window)


def read_agents(source: Source, window: Window) -> Answer[tuple[list[Tasks], int | None]]:
    """Return the agents with the most tasks in a period, and when a task ended last."""

    def reading() -> tuple[list[Tasks], int | None]:
        figures, now_ms = source.figures(), shared.now_ms()
        period = {"since_ms": window.since_ms(now_ms), "until_ms": window.until_ms(now_ms)}
        return agents(figures, **period), figures.last_ms()

    return shared.read(("agents", window), reading)


def _choose(names: list[str]) -> str:
    """Let the reader choose one of the agents with the most tasks, or type the id of any other."""
    wanted = parameter(AGENT)
    by_url = {name[:200]: name for name in names}
    chosen = names[0] if wanted is None else by_url.get(wanted, wanted)
    st.session_state[_KEY] = chosen
    st.selectbox(
        "Agent",
        names if chosen in names else [chosen, *names],
        key=_KEY,
        format_func=shortened,
        accept_new_options=True,
        on_change=lambda: put(AGENT, st.session_state[_KEY][:200]),
        help=f"The {MOST_AGENTS} agents with the most tasks in the period; type the id of any other. An id is a"
        " keyed hash unless GNOMON_QUERY_IDS=clear: `gnomon vault hash NAME` prints it.",
    )
    return chosen


@st.fragment(run_every=shared.REFRESH_S)
def _agent(agent: str, window: Window) -> None:
    source, now_ms = shared.installation(), shared.now_ms()

    def reading() -> AgentPage:
        return agent_page(
            source.figures(),
            agent,
            since_ms=window.since_ms(now_ms),
            until_ms=window.until_ms(now_ms),
        )

    found = shared.known(shared.read(("agent", agent, window), reading), what="tasks")
    if found is None:
        return
    st.subheader(in_markdown(agent))
    if not found.tasks:
        shared.nothing_in(
            window,
            found.last_ms,
            what="task of this agent",
            advice=shared.NO_TASKS_ADVICE,
            key="agent",
        )
        return
    _hour(found)
    _intervals(found)
    st.altair_chart(
        of_models.beside_actual(found.predicted), alt="Predicted beside actual durations"
    )
    st.caption("On the dashed line prediction and duration are equal; bars are 80 % intervals.")
    _table(found.predicted)


def _hour(found: AgentPage) -> None:
    last = "in the last hour of the period"
    figures(
        {
            "Tasks": count(found.tasks),
            "Last hour": count(found.hour.tasks),
            "Finished": count(found.hour.finished),
            "Success": share(found.hour.success_rate),
            "Mean duration": seconds(found.hour.mean_duration_s),
        },
        {
            "Tasks": "Tasks that ended in the period.",
            "Last hour": f"Tasks that ended {last}.",
            "Finished": f"Tasks with a known outcome {last}.",
            "Success": f"Share of these that succeeded, {last}.",
            "Mean duration": f"Of tasks that finished {last}.",
        },
    )


def _intervals(found: AgentPage) -> None:
    table(
        [
            {
                "version": f"{each.model} {each.version}",
                "tasks": each.n_paired,
                "error": seconds(each.paired_mae_s) if each.n_paired >= ENOUGH else "hidden",
                "control": seconds(each.control_mae_s) if each.n_paired >= ENOUGH else "hidden",
                "in 80 %": share(each.coverage_80) if each.n_80 >= ENOUGH else "hidden",
                "width": seconds(each.mean_width_80_s) if each.n_80 >= ENOUGH else "hidden",
            }
            for each in found.models
        ],
        {
            "version": "The version that predicted.",
            "tasks": "Tasks that the version and control predicted.",
            "error": f"Mean absolute error; from {ENOUGH} tasks on.",
            "control": "Mean absolute error of control on these tasks.",
            "in 80 %": "Share of durations inside the 80 % interval.",
            "width": "Mean width of the 80 % interval.",
        },
        what="Errors and intervals of each version",
    )


def _table(predicted: list[Predicted]) -> None:
    table(
        [
            {
                "ended": shared.time_of(each.ended_at_ms),
                "type": shortened(each.task_type),
                "status": each.status,
                "version": f"{each.model} {each.version}",
                "predicted": seconds(each.predicted_s),
                "80 %": _interval(each),
                "actual": seconds(each.duration_s),
                "success": share(each.success_probability),
                "succeeded": each.succeeded,
            }
            for each in predicted
        ],
        {
            "ended": "When the task ended, in your time zone.",
            "type": "The kind of task; a keyed hash unless GNOMON_QUERY_IDS=clear.",
            "status": "matched: the end came; expired: it did not come in time; cancelled: it was given up.",
            "version": "The version that predicted.",
            "predicted": "Predicted duration.",
            "80 %": "Interval that should hold 80 of 100 durations.",
            "actual": "Duration of the task.",
            "success": "Predicted probability of success.",
            "succeeded": "Whether the task succeeded.",
        },
        what="The newest predictions for this agent beside what came",
        height=300,
    )


def _interval(each: Predicted) -> str:
    if each.low_80_s is None or each.high_80_s is None:
        return "-"
    return f"{seconds(each.low_80_s)} to {seconds(each.high_80_s)}"
