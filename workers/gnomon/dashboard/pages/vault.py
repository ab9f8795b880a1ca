"""The page Vault: how much is sealed, how old the keys are, when it was verified. No plaintext."""

import streamlit as st

from gnomon.dashboard.cached import Answer
from gnomon.dashboard.pages import shared
from gnomon.dashboard.pages.tables import figures, table
from gnomon.dashboard.source import Source
from gnomon.dashboard.views.texts import NOTHING, age, ago, count
from gnomon.dashboard.views.vault import VaultPage, vault_page

ADVICE = (
    "`gnomon drill security` checks that stored decisions are sealed and that every change shows."
)

SCOPE = "Whose decisions a key seals: those of a tenant or an agent, if GNOMON_SCOPE_BY says so."


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
    oldest_ms = found.oldest_active_ms
    figures(
        {
            "Decisions": count(found.decisions),
            "Keys": count(sum(each.keys for each in found.keys)),
            "Oldest active key": NOTHING if oldest_ms is None else age(oldest_ms, shared.now_ms()),
        },
        {
            "Decisions": "Stored decisions, of all scopes.",
            "Keys": "Wrapped keys that seal decisions.",
            "Oldest active key": "The age of the oldest key that still seals decisions.",
        },
    )
    st.subheader("Decisions", help="By scope, and by how the tasks ended.")
    table(
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
        {
            "scope": SCOPE,
            "status": "matched: the end came; expired: it did not come in time; cancelled: it was given up.",
            "decisions": "Stored decisions.",
            "first ended": "When the first of these tasks ended.",
            "last ended": "When the last of these tasks ended.",
        },
        what="Stored decisions by scope and status",
    )
    st.subheader(
        "Keys", help="By scope and state. Keys are stored wrapped by the key-encryption key."
    )
    table(
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
        {
            "scope": SCOPE,
            "state": "active: seals new decisions; retired: only opens what it sealed; shredded: opens nothing.",
            "keys": "Keys of this scope in this state.",
            "oldest": "When the oldest of them was made.",
            "newest": "When the newest of them was made.",
        },
        what="Keys by scope and state",
    )
