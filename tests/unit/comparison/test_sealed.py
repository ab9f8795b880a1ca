"""What an agent seals, and what it reports beside the figures, is passed on and never looked at."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.comparison.build import (
    PREFIX,
    T0,
    Record,
    config,
    event,
    predicted,
    run,
    started,
    vector,
)

from gnomon import codec
from gnomon.comparison import ComparisonState, fold, restore, snapshot
from gnomon.events import ContextValue, TaskFinished, TaskStarted

blobs = st.none() | st.binary(max_size=80)
mappings = st.dictionaries(st.text(max_size=9), st.none() | st.booleans() | st.text(max_size=9))


def ended(outcome: dict[str, ContextValue], sealed: bytes | None) -> Record:
    return event(
        TaskFinished(
            agent_id="ada",
            task_id="t",
            task_type="code",
            started_at_ms=T0,
            finished_at_ms=T0 + 9,
            duration_s=2.0,
            succeeded=True,
            outcome=outcome,
            sealed_outcome=sealed,
        )
    )


@given(sealed_context=blobs, outcome=mappings, sealed_outcome=blobs, snapshot_between=st.booleans())
def test_it_comes_out_as_it_went_in(
    sealed_context: bytes | None,
    outcome: dict[str, ContextValue],
    sealed_outcome: bytes | None,
    snapshot_between: bool,  # noqa: FBT001  hypothesis names it
) -> None:
    sealed_vector = msgspec.structs.replace(vector("t"), sealed_context=sealed_context)
    state = ComparisonState()
    fold(state, [started("t"), ended(outcome, sealed_outcome)], config=config())
    if snapshot_between:
        state = restore(snapshot(state), config=config())
    features_record = Record(PREFIX + "task-features", codec.encode(sealed_vector))

    (comparison,) = run([features_record, predicted("t")], state=state).comparisons

    assert comparison.sealed_context == sealed_context
    assert comparison.outcome.reported == outcome
    assert comparison.outcome.sealed_outcome == sealed_outcome


@given(
    tenant=st.none() | st.text(min_size=1, max_size=64),
    snapshot_between=st.booleans(),
    late=st.booleans(),
)
def test_the_tenant_of_the_start_is_that_of_the_decision(
    tenant: str | None,
    snapshot_between: bool,  # noqa: FBT001  hypothesis names it
    late: bool,  # noqa: FBT001
) -> None:
    start = event(
        TaskStarted(agent_id="ada", task_id="t", task_type="code", started_at_ms=T0, tenant=tenant)
    )
    features_record = Record(PREFIX + "task-features", codec.encode(vector("t")))
    batches = [[start], [features_record]]
    state = ComparisonState()
    for batch in reversed(batches) if late else batches:
        fold(state, batch, config=config())
    if snapshot_between:
        state = restore(snapshot(state), config=config())

    (comparison,) = run([ended({}, None), predicted("t")], state=state).comparisons

    assert comparison.tenant == tenant
