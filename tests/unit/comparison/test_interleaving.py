"""What is written does not depend on how topics interleave, on batches, or on recoveries."""

from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.unit.comparison import reference
from tests.unit.comparison.build import Record, Seen, config, run
from tests.unit.comparison.strategies import EXPIRE_MS, Log, logs, readings

from gnomon.comparison import ComparisonConfig, ComparisonState, fold, restore, snapshot, tick
from gnomon.verdict import (
    LIVE_SETTINGS,
    Decided,
    Evidence,
    WindowBuilder,
    judge,
    merge_evidence,
)


def config_of(log: Log) -> ComparisonConfig:
    return config(expire_after_ms=EXPIRE_MS * log.scale, max_agents=1)


thorough = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def order(comparison: Any) -> tuple[str, int]:
    return comparison.decision_id, comparison.started_at_ms


@thorough
@given(st.data())
def test_any_reading_gives_what_brute_force_gives(data: st.DataObject) -> None:
    """``Seen.add`` checks that the ledger adds up after every batch."""
    log: Log = data.draw(logs())
    seen = run(*data.draw(readings(log)), settings=config_of(log))
    comparisons, ledger = reference.compare(
        log.events, log.vectors, log.predictions, expire_after_ms=EXPIRE_MS * log.scale
    )
    assert seen.ledger == ledger
    assert seen.sorted_comparisons() == sorted(comparisons, key=order)
    assert not seen.dead


@thorough
@given(st.data())
def test_any_reading_gives_the_same_metrics_and_corrections(data: st.DataObject) -> None:
    log: Log = data.draw(logs())
    all_at_once = [*log.task_events, *log.task_features, *log.shadow_predictions]
    seen = run(*data.draw(readings(log)), settings=config_of(log))
    expected = run(all_at_once, settings=config_of(log))
    assert seen.metrics == expected.metrics
    assert seen.corrections == expected.corrections
    assert seen.evidence == expected.evidence
    agents = {r.slice for r in seen.metrics.values()} - {"all"}
    assert len(agents) <= 1


@thorough
@given(st.data())
def test_a_restored_state_goes_on_as_if_nothing_had_happened(data: st.DataObject) -> None:
    """Restored after any batches, every later batch writes the same bytes."""
    log: Log = data.draw(logs())
    settled = config_of(log)
    batches: list[list[Record]] = data.draw(readings(log))
    kept, restored = ComparisonState(), ComparisonState()
    for batch in batches:
        if data.draw(st.booleans()):
            restored = restore(snapshot(restored), config=settled)
        assert fold(restored, batch, config=settled) == fold(kept, batch, config=settled)
    seen, seen_restored = Seen(), Seen()
    for state, into in ((kept, seen), (restored, seen_restored)):
        into.add(tick(state, config=settled))
    assert seen.metrics == seen_restored.metrics
    assert seen.corrections == seen_restored.corrections
    assert seen.evidence == seen_restored.evidence


@thorough
@given(st.data())
def test_reading_again_leads_to_the_same_state(data: st.DataObject) -> None:
    """Recovery folds from the beginning in another interleaving; what follows is the same."""
    log: Log = data.draw(logs())
    settled = config_of(log)
    first: list[list[Record]] = data.draw(readings(log))
    batches = data.draw(st.integers(0, len(first)))
    read = [record for batch in first[:batches] for record in batch]
    before, again = ComparisonState(), ComparisonState()
    for batch in first[:batches]:
        fold(before, batch, config=settled)
    fold(again, sorted(read, key=lambda r: r.topic), config=settled)
    seen, seen_again = Seen(), Seen()
    for batch in first[batches:]:
        seen.add(fold(before, batch, config=settled))
        seen_again.add(fold(again, batch, config=settled))
    seen.add(tick(before, config=settled))
    seen_again.add(tick(again, config=settled))
    assert seen.sorted_comparisons() == seen_again.sorted_comparisons()
    assert (seen.metrics, seen.ledger) == (seen_again.metrics, seen_again.ledger)
    assert seen.corrections == seen_again.corrections
    assert seen.evidence == seen_again.evidence


@thorough
@given(st.data())
def test_the_evidence_is_that_of_the_comparisons(data: st.DataObject) -> None:
    log: Log = data.draw(logs())
    seen = run(*data.draw(readings(log)), settings=config_of(log))
    ids = [comparison.decision_id for comparison in seen.comparisons]
    assume(len(ids) == len(set(ids)))  # a task id that is used again counts twice
    found = [Decided.of(comparison) for comparison in seen.comparisons]
    newest_ms: dict[str, int] = {}
    for decided in found:
        agent = decided.agent_id
        newest_ms[agent] = max(newest_ms.get(agent, 0), decided.newest_ms)
    expected = Evidence(settings=LIVE_SETTINGS, window=WindowBuilder(LIVE_SETTINGS).build())
    for decided in found:
        expected.add(decided, watermark_ms=newest_ms[decided.agent_id])
    expected.close_hours()
    live = merge_evidence(seen.evidence.values())
    assert (judge(live[0]) if live else []) == judge(expected)
