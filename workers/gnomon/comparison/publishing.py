"""What the comparison of one partition writes, from its state."""

from collections.abc import Iterable

import msgspec

from gnomon import codec, topics
from gnomon.comparison.config import ComparisonConfig
from gnomon.comparison.decisions import Decision
from gnomon.comparison.encoding import comparison_json, decided
from gnomon.comparison.identity import decision_id
from gnomon.comparison.metrics.rolling_metrics import ALL_AGENTS
from gnomon.comparison.state import ComparisonState, Words
from gnomon.events import Ledger, ModelMetrics, Outcome
from gnomon.records import Outputs
from gnomon.verdict.evidence.decided import HOUR_MS
from gnomon.verdict.evidence.records import KeyedEvidence


def write_comparisons(state: ComparisonState, outputs: Outputs) -> None:
    """Write the comparisons that the batch completed, and add them to the metrics."""
    decisions, agents, sources = state.decisions, state.tasks.agents, state.decisions.sources
    if not decisions.complete:
        return
    written = outputs.topic(topics.COMPARISONS.name)
    for decision, features, outcome in decisions.complete:
        agent_id = decision.agent_id
        identity = decision_id(agent_id, decision.task_id)
        comparison = comparison_json(identity, decision, features, outcome, sources)
        written.append((agent_id.encode(), comparison))
        agent = agent_id if agent_id in agents else ALL_AGENTS
        if outcome.status == "matched":
            state.metrics.add(decision, outcome, sources, agent)
            _calibrate(state, decision, outcome)
        elif outcome.status == "expired":
            state.metrics.add_expired(decision, outcome, sources, agent)
        state.evidence.add(decided(identity, decision, outcome, sources))
    decisions.complete.clear()


def _calibrate(state: ComparisonState, decision: Decision, outcome: Outcome) -> None:
    """Add a matched decision to the tasks by which intervals are corrected."""
    duration_s = outcome.duration_s
    for predicted in decision.predictions:
        sha256 = state.decisions.sources.names[predicted.source][2]
        if predicted.intervals is not None and sha256 and duration_s is not None:
            state.calibration.add(
                sha256,
                predicted.intervals,
                agent_id=decision.agent_id,
                task_id=decision.task_id,
                duration_s=duration_s,
                at_ms=outcome.at_ms,
            )


def write_ledger(state: ComparisonState, outputs: Outputs, config: ComparisonConfig) -> None:
    """Write the ledger if the batch changed it."""
    ledger = _ledger(state, config.partition)
    if ledger != (state.ledger or Ledger(partition=config.partition)):
        state.ledger = ledger
        key = f"ledger|p{config.partition}".encode()
        outputs.topic(topics.COMPARISON_METRICS.name).append((key, codec.encode(ledger)))


def write_corrections(state: ComparisonState, outputs: Outputs, partition: int) -> None:
    """Write the corrections of intervals that changed, each once."""
    written = [
        (key.encode(), None if record is None else codec.encode(record))
        for key, record in state.calibration.close(partition)
    ]
    if written:
        outputs.topic(topics.INTERVAL_CORRECTIONS.name).extend(written)


def _forget_hours(state: ComparisonState, config: ComparisonConfig) -> None:
    """Once an hour of event time, forget the evidence of the hours that are over."""
    evidence, hour = state.evidence, state.tasks.watermark_ms // HOUR_MS
    if hour > evidence.looked_hour:
        evidence.looked_hour = hour
        # A running task expires before it is older than this, and an older start is refused.
        oldest_ms = max(0, state.tasks.watermark_ms - config.expire_after_ms)
        evidence.forget_hours(min(oldest_ms, state.decisions.oldest_start_ms()) // HOUR_MS)


def _add_evidence(outputs: Outputs, records: Iterable[KeyedEvidence]) -> None:
    written = [
        (key.encode(), None if event is None else codec.encode(event)) for key, event in records
    ]
    if written:
        outputs.topic(topics.VERDICT_EVIDENCE.name).extend(written)


def tick(state: ComparisonState, *, config: ComparisonConfig, whole: bool = True) -> Outputs:
    """Return what is written as time passes, of what has changed since it was last written.

    Args:
        state: Changed in place.
        config: Settings of ``state``.
        whole: Whether the metrics of agents and the evidence are written too, beside the metrics over
            all agents and the corrections of intervals.
    """
    outputs, sources = Outputs(), state.decisions.sources
    found = list(state.metrics.write_all(state.tasks.watermark_ms, sources, config.partition))
    if whole:
        found += state.metrics.write_agents(sources, config.partition)
    written = [(key.encode(), codec.encode(_with_word(each, state.words))) for key, each in found]
    if written:
        outputs.topic(topics.COMPARISON_METRICS.name).extend(written)
    write_corrections(state, outputs, config.partition)
    if whole:
        for records in (state.evidence.announce, state.evidence.close):
            _add_evidence(outputs, records(config.partition))
        _forget_hours(state, config)  # after they were written
    return outputs


def _with_word(record: ModelMetrics, words: Words) -> ModelMetrics:
    found = words.get((record.model, record.version))
    if found is None or record.slice != "all" or record.window != "all":
        return record
    word, blocked_by = found
    return msgspec.structs.replace(record, verdict=word, blocked_by=list(blocked_by))


def _ledger(state: ComparisonState, partition: int) -> Ledger:
    tasks, decisions = state.tasks, state.decisions
    counts = decisions.counts
    return Ledger(
        partition=partition,
        predictions=counts.predicted,
        matched=counts.matched,
        pending=len(decisions.pending),
        expired=counts.expired,
        cancelled=counts.cancelled,
        duplicate=tasks.duplicate,
        late=tasks.late,
        orphan=tasks.orphan,
        shed=counts.shed,
        incomplete=counts.incomplete,
        unread=state.unread,
    )
