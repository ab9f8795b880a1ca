"""The page Operations: alerts, dead letters with redrive, drills, and what clients have lost."""

import streamlit as st

from gnomon.dashboard.pages import shared
from gnomon.dashboard.pages.moving import READ_ONLY, author_of_form, carry_out
from gnomon.dashboard.pages.tables import figures, table
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
    table(
        [
            {
                "severity": shortened(each.severity, 12),
                "alert": shortened(each.name),
                "what": shortened(each.summary, 200),
                "of": shortened(each.of),
                "since": "-" if each.since_ms is None else ago(each.since_ms, now_ms),
                "silenced": each.silenced,
            }
            for each in found[:MOST_ALERTS]
        ],
        {
            "severity": "critical: somebody is called; warning: look at it today.",
            "alert": "docs/operations.md has a section for each.",
            "what": "What is wrong.",
            "of": "The stage, version, topic or worker that it is about.",
            "since": "How long the alert has been there.",
            "silenced": "Nobody is told: it is silenced, or another alert inhibits it.",
        },
        what="Alerts, the worst first",
        wide={"what"},
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
    figures(
        {"Newest": count(found.read)},
        {"Newest": "The newest that were read: at most 200 of each partition."},
    )
    table(
        [{"stage": stage, "reason": reason, "letters": n} for stage, reason, n in found.by_reason],
        {
            "stage": "The stage that could not process them.",
            "reason": "Why it could not.",
            "letters": "How many of the newest have this stage and reason.",
        },
        what="Dead letters by stage and reason",
    )
    table(
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
        {
            "id": "partition:offset of the dead letter",
            "at": "When the stage gave it up.",
            "stage": "The stage that could not process it.",
            "reason": "Why it could not.",
            "from": "The topic of the original record.",
            "detail": "What the stage found.",
        },
        what="The newest dead letters",
        wide={"detail"},
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
    figures(
        {"clients": count(found.known), **{name: count(found.totals[name]) for name in COLUMNS}},
        {"clients": "Client processes that are known.", **COLUMNS},
    )
    table(
        [
            {"client": shortened(each.producer_id)}
            | {name: getattr(each, name) for name in COLUMNS}
            | {"heard": ago(each.heard_ms, shared.now_ms()), "ended": each.ended}
            for each in found.worst
        ],
        {
            "client": "The id that a client process gives itself when it starts.",
            **COLUMNS,
            "heard": "When it reported last.",
            "ended": "Whether it has said that it ends.",
        },
        what="Clients, those with the greatest loss first",
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
        table(
            [
                {
                    "drill": shortened(each.drill),
                    "outcome": "✔ passed" if each.passed else "✘ FAILED",
                    "held": shared.time_of(each.at_ms),
                    "ago": ago(each.at_ms, shared.now_ms()),
                }
                for each in last
            ],
            {
                "drill": "What was tried: `gnomon drill NAME`.",
                "outcome": "Whether it went as it has to.",
                "held": "When, in your time zone.",
                "ago": "A verdict counts a drill for 30 days.",
            },
            what="The last drill of each kind",
        )
    held = {each.drill for each in last}
    missing = set(DRILLS) - held
    if missing:
        named = ", ".join(sorted(missing))
        st.info(f"Not held yet: {named}. Each is a `gnomon drill`; `gnomon drill all` holds all.")
