"""A record of task-events that comes twice changes nothing but what is counted of repeats."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.comparison.build import Record, config, run
from tests.unit.comparison.strategies import EXPIRE_MS, Log, logs

from gnomon.comparison import ComparisonConfig


def config_of(log: Log) -> ComparisonConfig:
    return config(expire_after_ms=EXPIRE_MS * log.scale, max_agents=1)


def of_repeats(name: str) -> bool:
    return name in {"duplicate", "late", "orphan"}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_repeat_of_any_record_at_any_later_time(data: st.DataObject) -> None:
    """Also when its task is forgotten: then it is counted as late, or as an orphan.

    Only an end that came before its start is another thing when it comes again after it.
    """
    log: Log = data.draw(logs())
    events: list[Record] = list(log.task_events)
    others = [*log.task_features, *log.shadow_predictions]
    once = run([*events, *others], settings=config_of(log))
    again = list(events)
    for _ in range(data.draw(st.integers(1, 3)) if events else 0):
        first = data.draw(st.integers(0, len(again) - 1))
        if once.ledger.orphan and b"task_started" not in (again[first].value or b""):
            continue
        again.insert(data.draw(st.integers(first + 1, len(again))), again[first])

    twice = run([*again, *others], settings=config_of(log))

    assert twice.sorted_comparisons() == once.sorted_comparisons()
    assert twice.metrics == once.metrics
    before, after = (_counts(seen.ledger) for seen in (once, twice))
    for name, count in before.items():
        if not of_repeats(name):
            assert (name, after[name]) == (name, count)
    more = sum(after[name] - count for name, count in before.items() if of_repeats(name))
    assert 0 <= more <= len(again) - len(events)  # a record that is refused is not counted


def _counts(ledger: Any) -> dict[str, int]:
    counts: dict[str, int] = msgspec.structs.asdict(ledger)
    return counts
