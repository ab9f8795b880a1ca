"""RollingMetrics of several partitions together are those of all their tasks in one."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.comparison.build import (
    PREFIX,
    Record,
    features,
    finished,
    predicted,
    run,
    started,
)

from gnomon import codec
from gnomon.comparison import (
    ComparisonConfig,
    ComparisonState,
    fold,
    merge_ledgers,
    merge_metrics,
    metrics_of,
)
from gnomon.events import Ledger, ModelMetrics


def task(number: int, agent: str, y: float) -> list[Record]:
    name = f"t{number}"
    return [
        started(name, agent=agent),
        features(name, agent=agent),
        predicted(name, agent=agent, of=2, duration_s=None if number % 3 == 0 else 1.0),
        predicted(name, agent=agent, of=2, model="m", version="2", duration_s=2.0),
        finished(name, 1, agent=agent, duration_s=y, succeeded=number % 2 == 0),
    ]


def figures_of(partition: int, records: list[Record]) -> list[ModelMetrics]:
    settled = ComparisonConfig(partition=partition, topic_prefix=PREFIX)
    written = fold(ComparisonState(), records, config=settled).by_topic
    decoded = [codec.decode_metrics(v) for _, v in written.get("comparison-metrics", []) if v]
    return [record for record in decoded if isinstance(record, ModelMetrics)]


def by_key(records: list[ModelMetrics]) -> dict[tuple[str, ...], ModelMetrics]:
    return {
        (r.model, r.version, r.slice, r.window): msgspec.structs.replace(r, partition=9)
        for r in records
    }


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 50)), max_size=20))
def test_partitions_add_up(rows: list[tuple[int, float]]) -> None:
    parts: list[list[Record]] = [[], [], []]
    for number, (partition, y) in enumerate(rows):
        parts[partition] += task(number, f"agent-{partition}", y)
    merged = merge_metrics(m for p, records in enumerate(parts) for m in figures_of(p, records))
    together = figures_of(0, [record for part in parts for record in part])
    assert by_key(merged) == by_key(together)
    assert {record.partition for record in merged} <= {0}


def test_a_list_of_comparisons_has_the_figures_of_the_fold() -> None:
    records = [record for number in range(9) for record in task(number, "ada", float(number))]
    seen = run(records)
    for model, version in (("m", "2"), ("control", "0")):
        folded = seen.metrics[f"{model}|{version}|all|all|p3".encode()]
        listed = metrics_of(seen.comparisons, model=model, version=version)
        assert listed == msgspec.structs.replace(folded, partition=0)


def test_only_the_asked_version_counts() -> None:
    comparisons = run(task(1, "ada", 5.0)).comparisons
    assert metrics_of(comparisons, model="m", version="2").n == 1
    assert metrics_of(comparisons, model="m", version="3").n == 0
    assert metrics_of([], model="m", version="2").mae_s is None


def test_expired_comparisons_do_not_count() -> None:
    seen = run(task(1, "ada", 5.0)[:4], [started("z", 999_999)])
    assert [c.outcome.status for c in seen.comparisons] == ["expired"]
    assert metrics_of(seen.comparisons, model="m", version="2").n == 0


def test_ledgers_add_up() -> None:
    fields = [name for name in Ledger.__struct_fields__ if name != "partition"]
    ledgers = [
        Ledger(partition=part, **{name: 10 * part + i for i, name in enumerate(fields)})
        for part in (1, 2)
    ]
    merged = merge_ledgers(ledgers)
    assert [getattr(merged, name) for name in fields] == [30 + 2 * i for i in range(len(fields))]


@pytest.mark.parametrize("records", [[], [Ledger(partition=4)]])
def test_nothing_merges_to_nothing(records: list[Ledger]) -> None:
    assert merge_ledgers(records) == Ledger(partition=0)
    assert merge_metrics([]) == []
