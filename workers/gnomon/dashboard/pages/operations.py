"""The page Operations: alerts, dead letters with redrive, drills, and what clients have lost."""

import streamlit as st

from gnomon.dashboard.pages import shared
from gnomon.dashboard.pages.moving import READ_ONLY, author_of_form, carry_out
from gnomon.dashboard.views.operations import Letters, last_drills, letters, of_clients
from gnomon.dashboard.views.texts import ago, count, shortened

COLUMNS = {
    "accepted": "Events that agents handed over.",
    "delivered": "Events that a broker has confirmed.",
    "dropped": "Events that a client gave up: its buffer was full, or they were invalid or too large.",
    "spooled": "Events that wait in files of the client's machine.",
    "missing": "Events that were sent and have not arrived yet.",
    "lost": "Missing events of clients that are silent or ended, so that they will not arrive.",
}


MOST_ALERTS = 100
DRILLS = ("isolation", "rollback", "security", "alert", "dashboards", "restore")


def draw() -> None:
    """Draw the page."""
    st.title("Operations")
    _alerts()
    _dead_letters()
    _redrive()
    _clients()
    _drills()


@st.fragment(run_every=15)
def _alerts() -> None:
    st.subheader("Alerts", help="What Alertmanager has now, of the rules in deploy/prometheus.")
    found = shared.known(
        shared.read("alerts", shared.installation().alerts, ttl_s=10), what="alerts"
    )
    if found is None:
        return
    if not found:
        st.success("None. Alertmanager has no alert.", icon=":material/check:")
        return
    now_ms = shared.now_ms()
    st.dataframe(
        [
            {
                "severity": shortened(each.severity, 12),
                "alert": shortened(each.name),
                "of": shortened(each.of),
                "what": shortened(each.summary, 200),
                "since": "-" if each.since_ms is None else ago(each.since_ms, now_ms),
                "silenced": each.silenced,
            }
            for each in found[:MOST_ALERTS]
        ],
        hide_index=True,
        column_config={
            "alert": st.column_config.TextColumn(help="docs/operations.md has a section for each."),
            "silenced": st.column_config.CheckboxColumn(
                help="Nobody is told: it is silenced, or another alert inhibits it."
            ),
        },
    )
    if len(found) > MOST_ALERTS:
        st.caption(f"The worst {MOST_ALERTS} of {count(len(found))}.")


def _read_letters() -> Letters | None:
    source = shared.installation()
    answer = shared.read("letters", lambda: letters(source.dead_letters()), ttl_s=10)
    return shared.known(answer, what="dead letters")


@st.fragment(run_every=15)
def _dead_letters() -> None:
    st.subheader("Dead letters", help="Records that a stage could not process, with the reason.")
    found = _read_letters()
    if found is None:
        return
    if not found.read:
        st.success("None. Every record was processed.", icon=":material/check:")
        return
    st.metric(
        "Newest",
        count(found.read),
        help="The newest that were read: at most 200 of each partition.",
    )
    st.dataframe(
        [{"stage": stage, "reason": reason, "letters": n} for stage, reason, n in found.by_reason],
        hide_index=True,
    )
    st.dataframe(
        [
            {
                "id": each.id,
                "at": shared.time_of(each.at_ms),
                "stage": each.stage,
                "reason": each.reason,
                "from": each.source,
                "detail": each.detail,
            }
            for each in found.newest
        ],
        hide_index=True,
        height=300,
        column_config={
            "id": st.column_config.TextColumn(help="partition:offset of the dead letter")
        },
    )


def _redrive() -> None:
    source = shared.installation()
    if not source.settings.dashboard_actions:
        st.caption(f"{READ_ONLY}`gnomon dead-letters redrive`.")
        return
    answer = shared.read("letters", lambda: letters(source.dead_letters()), ttl_s=10)
    if answer.value is None or not answer.value.read:
        return
    with st.form("redrive"):
        chosen = st.multiselect(
            "Send back",
            [each.id for each in answer.value.newest],
            help="Publishes the original records again, to the partitions that they came from.",
        )
        author = author_of_form("redrive")
        sure = st.checkbox("I want these records to be processed again.")
        if st.form_submit_button("Redrive"):
            ids = frozenset(chosen)
            carry_out(lambda: f"{source.redrive(ids)} sent back", author=author, sure=sure)


@st.fragment(run_every=15)
def _clients() -> None:
    st.subheader("Clients", help="Processes that publish events, and what became of their events.")
    source = shared.installation()
    answer = shared.read("clients", lambda: of_clients(source.clients()), ttl_s=10)
    found = shared.known(answer, what="clients")
    if found is None:
        return
    if not found.known:
        st.info("**No client has reported yet.** Publish tasks with `gnomon.Client`.")
        return
    with st.container(horizontal=True):
        st.metric("Clients", count(found.known), help="Client processes that are known.", width=120)
        for name, meaning in COLUMNS.items():
            st.metric(name, count(found.totals[name]), help=meaning, width=120)
    st.dataframe(
        [
            {"client": shortened(each.producer_id)}
            | {name: getattr(each, name) for name in COLUMNS}
            | {"heard": ago(each.heard_ms, shared.now_ms()), "ended": each.ended}
            for each in found.worst
        ],
        hide_index=True,
        column_config={n: st.column_config.NumberColumn(help=text) for n, text in COLUMNS.items()},
    )


@st.fragment(run_every=30)
def _drills() -> None:
    st.subheader("Drills", help="The last drill of each kind; a verdict needs some of them.")
    source = shared.installation()
    found = shared.known(shared.read("drills", source.drills, ttl_s=15), what="drills")
    if found is None:
        return
    last = last_drills(found)
    if last:
        st.dataframe(
            [
                {
                    "drill": shortened(each.drill),
                    "passed": each.passed,
                    "held": shared.time_of(each.at_ms),
                    "ago": ago(each.at_ms, shared.now_ms()),
                }
                for each in last
            ],
            hide_index=True,
        )
    held = {each.drill for each in last}
    missing = set(DRILLS) - held
    if missing:
        named = ", ".join(sorted(missing))
        st.info(f"Not held yet: {named}. Each is a `gnomon drill`; `gnomon drill all` holds all.")
