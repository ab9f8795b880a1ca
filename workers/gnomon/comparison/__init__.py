"""Joins predictions with outcomes, and computes the ledger and the model metrics. Pure, no I/O."""

from gnomon.comparison.config import ComparisonConfig
from gnomon.comparison.fold import fold
from gnomon.comparison.identity import decision_id
from gnomon.comparison.metrics.merge import merge_ledgers, merge_metrics, metrics_of
from gnomon.comparison.publishing import tick
from gnomon.comparison.snapshot import restore, snapshot, snapshot_steps
from gnomon.comparison.sources import BASELINES, CONTROL_MODEL, SAME_TYPE_MODEL, TYPE_MODEL
from gnomon.comparison.state import ComparisonState

__all__ = [
    "BASELINES",
    "CONTROL_MODEL",
    "SAME_TYPE_MODEL",
    "TYPE_MODEL",
    "ComparisonConfig",
    "ComparisonState",
    "decision_id",
    "fold",
    "merge_ledgers",
    "merge_metrics",
    "metrics_of",
    "restore",
    "snapshot",
    "snapshot_steps",
    "tick",
]
