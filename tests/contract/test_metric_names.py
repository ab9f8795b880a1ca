"""Metric names are an interface: dashboards and alerts are written against them."""

import re
from pathlib import Path
from typing import get_args

import pytest

from gnomon.metric_names import METRICS, MetricName

NAMES = sorted(METRICS)
DOCUMENTED = Path(__file__).parents[2] / "docs" / "metrics.md"

# Sets whose size the installation fixes: stages, topics, partitions, states of the ledger,
# constant words of ``errors``, models and their versions, paths and statuses of the gateway, levels of
# intervals, features, drills.
# Never an agent, a task or a key.
BOUNDED_LABELS = {
    "stage", "topic", "partition", "state", "reason", "model", "version", "route", "status",
    "settings", "certificate", "level", "feature", "drill", "source",
}  # fmt: skip


def test_every_name_of_the_type_has_a_meaning_and_the_reverse() -> None:
    assert set(get_args(MetricName)) == set(METRICS)


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_says_what_it_is(name: MetricName) -> None:
    metric = METRICS[name]
    assert metric.kind in {"counter", "gauge", "histogram", "info"}
    assert re.fullmatch(r"[A-Z].{5,}\.", metric.about)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_as_prometheus_wants_it(name: MetricName) -> None:
    """https://prometheus.io/docs/practices/naming/: a prefix, base units, total for counters."""
    assert re.fullmatch(r"gnomon(_[a-z0-9]+)+", name)
    assert name.endswith("_total") == (METRICS[name].kind == "counter")
    assert name.endswith("_seconds") or METRICS[name].kind != "histogram"
    # Suffixes that the exposition format keeps for itself, and units that are not base units.
    assert not re.search(r"_(count|sum|bucket|created|info|ms|millis|minutes|hours|kb|mb)$", name)


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_is_documented_as_it_is(name: MetricName) -> None:
    metric = METRICS[name]
    shown = f"{name}_info" if metric.kind == "info" else name
    labels = ", ".join(metric.labels)
    entry = f"- `{shown}` ({metric.kind}{f'; {labels}' if labels else ''}): {metric.about}"
    assert entry in " ".join(DOCUMENTED.read_text().split())


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_bounded(name: MetricName) -> None:
    labels = METRICS[name].labels
    assert set(labels) <= BOUNDED_LABELS
    assert len(labels) == len(set(labels)) <= 3
