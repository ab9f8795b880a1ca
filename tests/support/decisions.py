"""Decisions to seal: one to change by hand, and a strategy for all of them."""

from collections.abc import Collection, Sequence

from hypothesis import strategies as st

from gnomon.events import Comparison, Completeness, FeatureVector, ModelPrediction, Outcome
from gnomon.vault import KeyRow, ScopeKeyRow

ENDED_AT_MS = 1_760_000_000_000


class MemoryRows:
    """Wrapped keys in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[str, KeyRow] = {}
        self.scopes = MemoryScopes()

    def put(self, row: KeyRow) -> None:
        self.rows[row.kid] = row

    def get(self, kid: str) -> KeyRow | None:
        return self.rows.get(kid)

    def shredded_among(self, key_ids: Collection[str]) -> Collection[str]:
        return {kid for kid in key_ids if kid in self.rows and self.rows[kid].state == "shredded"}


class MemoryScopes:
    """Wrapped scope keys in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[str, ScopeKeyRow] = {}

    def newest(self, scope: str) -> ScopeKeyRow | None:
        of_scope = (row for row in self.rows.values() if row.scope == scope)
        return max(of_scope, key=lambda row: row.generation, default=None)

    def find(self, key_id: str) -> ScopeKeyRow | None:
        return self.rows.get(key_id)

    def add(self, row: ScopeKeyRow) -> bool:
        newest = self.newest(row.scope)
        if newest is not None and newest.generation >= row.generation:
            return False
        self.rows[row.id] = row
        return True

    def shredded_among(self, key_ids: Collection[str]) -> Collection[str]:
        return {
            each for each in key_ids if each in self.rows and self.rows[each].state == "shredded"
        }

    def keep(self, rows: Sequence[ScopeKeyRow]) -> Collection[str]:
        for row in rows:
            self.rows.setdefault(row.id, row)
        return [row.id for row in rows if self.rows[row.id].state == "shredded"]


def a_decision(
    number: int = 0,
    *,
    note: str = "",
    task_id: str = "",
    ended_at_ms: int | None = None,
    tenant: str | None = None,
) -> Comparison:
    """Decision ``d-<number>``; ``note`` is somewhere inside."""
    ended = ENDED_AT_MS + number if ended_at_ms is None else ended_at_ms
    return Comparison(
        decision_id=f"d-{number:05}",
        agent_id="agent-7",
        task_id=task_id or f"task-{number}",
        task_type="refactor",
        started_at_ms=ended - 90_000,
        features=FeatureVector(tasks_completed_1h=3, avg_execution_time_1h=81.5),
        completeness=Completeness(hour_seen=1.0),
        predictions=[ModelPrediction(model="gnomon", version="4", duration_s=77.25)],
        outcome=Outcome(status="matched", at_ms=ended, duration_s=90.0, succeeded=True),
        context={"note": note},
        tenant=tenant,
    )


_ids = st.text(min_size=1, max_size=40)
_seconds = st.none() | st.floats(0, 1e9)
_times = st.integers(0, 253_402_300_799_999)

decisions = st.builds(
    Comparison,
    decision_id=_ids,
    agent_id=_ids,
    task_id=_ids,
    task_type=_ids,
    started_at_ms=_times,
    features=st.builds(
        FeatureVector, tasks_completed_1h=st.integers(0, 9), avg_execution_time_1h=_seconds
    ),
    completeness=st.builds(Completeness, hour_seen=st.floats(0, 1), late_dropped=st.just(0)),
    predictions=st.lists(
        st.builds(
            ModelPrediction,
            model=_ids,
            version=_ids,
            duration_s=_seconds,
            success_probability=st.none() | st.floats(0, 1),
            sha256=st.none(),
        ),
        max_size=3,
    ),
    outcome=st.builds(
        Outcome,
        status=st.sampled_from(["matched", "expired", "cancelled"]),
        at_ms=_times,
        duration_s=_seconds,
        succeeded=st.none() | st.booleans(),
        code_review_iterations=st.none() | st.integers(0, 20),
        deployment_succeeded=st.none() | st.booleans(),
        error_type=st.none() | st.text(max_size=20),
    ),
    estimate_s=_seconds,
    context=st.dictionaries(st.text(max_size=9), st.none() | st.booleans() | st.text(max_size=9)),
    tenant=st.none() | st.text(min_size=1, max_size=9),
)
