"""The page Vault: how much is sealed, how old the keys are, when it was verified. No plaintext."""

import streamlit as st

from gnomon.dashboard.cached import Answer
from gnomon.dashboard.pages import shared
from gnomon.dashboard.source import Source
from gnomon.dashboard.views.texts import ago, count
from gnomon.dashboard.views.vault import VaultPage, vault_page

ADVICE = (
    "`gnomon drill security` checks that stored decisions are sealed and that every change shows."
)


def draw() -> None:
    """Draw the page."""
    st.title("Vault")
    st.caption(
        "Decisions are stored sealed. This page knows no key, and shows nothing that an agent wrote."
    )
    _vault()


def read_vault(source: Source) -> Answer[VaultPage]:
    """Return what is stored."""
    return shared.read("vault", lambda: vault_page(source.figures()), ttl_s=30)


@st.fragment(run_every=30)
def _vault() -> None:
    source = shared.installation()
    found = shared.known(read_vault(source), what="decisions")
    if found is not None:
        _counts(found)
    st.subheader("Last verification", help="The last run of gnomon vault verify.")
    answer = shared.read("verification", source.verification, ttl_s=15)
    last = shared.known(answer, what="verification")
    if last is not None:
        told = f"{shared.time_of(last.at_ms)} ({ago(last.at_ms, shared.now_ms())})"
        (st.success if last.passed else st.error)(
            f"{'Passed' if last.passed else 'FAILED'} at {told}."
        )
    elif answer.trouble is None:
        st.info(f"**Never verified here.** {ADVICE}", icon=":material/info:")


def _counts(found: VaultPage) -> None:
    now_ms = shared.now_ms()
    columns = st.columns(3)
    columns[0].metric("Decisions", count(found.decisions), help="Stored decisions, of all scopes.")
    columns[1].metric(
        "Keys",
        count(sum(each.keys for each in found.keys)),
        help="Wrapped keys that seal decisions.",
    )
    columns[2].metric(
        "Oldest active key",
        "-" if found.oldest_active_ms is None else ago(found.oldest_active_ms, now_ms),
        help="When the oldest key was made whose decisions may be opened.",
    )
    st.subheader("Decisions", help="By scope, and by how the tasks ended.")
    st.dataframe(
        [
            {
                "scope": each.scope or "(none)",
                "status": each.status,
                "decisions": each.decisions,
                "first ended": shared.time_of(each.first_ms),
                "last ended": shared.time_of(each.last_ms),
            }
            for each in found.by_status
        ],
        hide_index=True,
        column_config={
            "status": st.column_config.TextColumn(
                help="matched: the end came; expired: it did not."
            )
        },
    )
    st.subheader(
        "Keys", help="By scope and state. Keys are stored wrapped by the key-encryption key."
    )
    st.dataframe(
        [
            {
                "scope": each.scope or "(none)",
                "state": each.state,
                "keys": each.keys,
                "oldest": shared.time_of(each.oldest_ms),
                "newest": shared.time_of(each.newest_ms),
            }
            for each in found.keys
        ],
        hide_index=True,
    )
