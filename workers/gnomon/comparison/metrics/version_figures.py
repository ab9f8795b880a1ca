"""Computes what is shown of each model version from the latest records of comparison-metrics."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from gnomon.comparison.intervals.coverage import ENOUGH_TASKS
from gnomon.comparison.metrics.merge import merge_metrics
from gnomon.comparison.metrics.paired import Against, against_of, paired_sums
from gnomon.events import ModelMetrics

_AGENT: Final = "agent:"


class VersionFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics of one model version since its first task; ``None`` if there is nothing to average.

    ``against`` compares with each baseline on the tasks that both predicted, and ``strongest`` names
    the one that is hardest to beat. ``coverage_80`` is the share of durations inside the 80 %
    interval, and ``worst_agent_80`` the smallest such share of an agent with enough tasks; only agents
    with metrics of their own are known. ``expired`` counts the tasks whose end did not come in time,
    which are in no other number.
    """

    model: str
    version: str
    n: int
    mae_s: float | None
    accuracy: float | None
    brier: float | None
    against: Mapping[str, Against] = {}
    strongest: str | None = None
    coverage_80: float | None = None
    coverage_90: float | None = None
    worst_agent_80: float | None = None
    worst_agent_90: float | None = None
    mean_width_80_s: float | None = None
    mean_width_90_s: float | None = None
    expired: int = 0

    @property
    def improvement(self) -> float | None:
        """Return the improvement of the mean absolute error over the strongest baseline."""
        found = self.against.get(self.strongest or "")
        return None if found is None else found.improvement


def version_figures(latest: Iterable[ModelMetrics]) -> list[VersionFigures]:
    """Return the figures of every version.

    Args:
        latest: The latest record of each key of comparison-metrics, of all partitions.
    """
    merged = [record for record in merge_metrics(latest) if record.window == "all"]
    worst: dict[tuple[str, str], list[ModelMetrics]] = {}
    for record in merged:
        if record.slice.startswith(_AGENT):
            worst.setdefault((record.model, record.version), []).append(record)
    return [
        _figures(record, worst.get((record.model, record.version), ()))
        for record in merged
        if record.slice == "all"
    ]


def _figures(record: ModelMetrics, agents: Iterable[ModelMetrics]) -> VersionFigures:
    against, strongest = against_of(paired_sums(record))
    agents = list(agents)
    return VersionFigures(
        model=record.model,
        version=record.version,
        n=max(record.n, record.n_success),
        mae_s=record.mae_s,
        accuracy=record.accuracy,
        brier=record.brier,
        against=against,
        strongest=strongest,
        coverage_80=record.coverage_80,
        coverage_90=record.coverage_90,
        worst_agent_80=_worst((a.covered_80_sum, a.n_80) for a in agents),
        worst_agent_90=_worst((a.covered_90_sum, a.n_90) for a in agents),
        mean_width_80_s=record.mean_width_80_s,
        mean_width_90_s=record.mean_width_90_s,
        expired=record.expired,
    )


def _worst(agents: Iterable[tuple[int, int]]) -> float | None:
    return min((covered / n for covered, n in agents if n >= ENOUGH_TASKS), default=None)
