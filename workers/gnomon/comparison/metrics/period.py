"""Computes operational metrics of the tasks that ended in one period, by agent and by task type.

The first week of an installation, before any model is judged, is such a period: later metrics are
compared with it.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from gnomon.comparison.metrics.buckets import bucket_of, middle_s
from gnomon.events import Comparison

MAX_GROUPS: Final = 10_000
"""Most groups of one kind with metrics; the tasks of further groups count only in ``all``."""

GroupKind = Literal["all", "agent", "task_type", "agent_and_task_type"]


class GroupFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics of one group of tasks; ``None`` if there is nothing to average.

    Durations are in seconds. ``median_s`` and ``p90_s`` are within 1 % of the exact value, because
    durations are kept as counts in buckets 2 % wide. ``error_rate`` is the share of the ended tasks
    that did not succeed, ``deployment_success_rate`` is over the ``deployments`` that agents reported, and
    ``mean_review_iterations`` over the ``reviewed`` tasks.
    """

    kind: GroupKind
    agent_id: str | None
    task_type: str | None
    ended: int
    expired: int
    cancelled: int
    mean_s: float | None
    median_s: float | None
    p90_s: float | None
    error_rate: float | None
    reviewed: int
    mean_review_iterations: float | None
    deployments: int
    deployment_success_rate: float | None


class PeriodFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics of all tasks that ended in ``[since_ms, until_ms)``, and of each group of them.

    ``left_out`` counts the tasks of groups beyond ``MAX_GROUPS`` of a kind: these groups have no
    metrics. ``unreadable`` counts the decisions that could not be opened; they are in no metric.
    """

    since_ms: int
    until_ms: int
    groups: list[GroupFigures]
    left_out: int = 0
    unreadable: int = 0


class _Sums:
    """The additive sums of one group."""

    __slots__ = (
        "buckets", "cancelled", "deployed", "deployments", "duration_us", "ended", "expired",
        "failed", "iterations", "reviewed",
    )  # fmt: skip

    def __init__(self) -> None:
        self.ended = self.expired = self.cancelled = self.failed = 0
        self.duration_us = self.reviewed = self.iterations = self.deployments = self.deployed = 0
        self.buckets: Counter[int] = Counter()

    def add(self, decision: Comparison) -> None:
        """Add one decision."""
        outcome = decision.outcome
        if outcome.status != "matched":
            self.expired += outcome.status == "expired"
            self.cancelled += outcome.status == "cancelled"
            return
        self.ended += 1
        self.failed += outcome.succeeded is False
        if outcome.duration_s is not None:
            duration_us = round(outcome.duration_s * 1e6)
            self.duration_us += duration_us
            self.buckets[bucket_of(duration_us)] += 1
        if outcome.code_review_iterations is not None:
            self.reviewed += 1
            self.iterations += outcome.code_review_iterations
        if outcome.deployment_succeeded is not None:
            self.deployments += 1
            self.deployed += outcome.deployment_succeeded

    def quantile_s(self, share: float) -> float | None:
        """Return the middle of the lowest bucket that ``share`` of the durations do not exceed."""
        below, total = 0, self.buckets.total()
        for bucket in sorted(self.buckets):
            below += self.buckets[bucket]
            if below >= share * total:
                return middle_s(bucket)
        return None

    def figures(self, kind: GroupKind, agent_id: str | None, task_type: str | None) -> GroupFigures:
        """Compute the group's metrics from the sums."""
        timed = self.buckets.total()
        return GroupFigures(
            kind=kind,
            agent_id=agent_id,
            task_type=task_type,
            ended=self.ended,
            expired=self.expired,
            cancelled=self.cancelled,
            mean_s=_ratio(self.duration_us / 1e6, timed),
            median_s=self.quantile_s(0.5),
            p90_s=self.quantile_s(0.9),
            error_rate=_ratio(self.failed, self.ended),
            reviewed=self.reviewed,
            mean_review_iterations=_ratio(self.iterations, self.reviewed),
            deployments=self.deployments,
            deployment_success_rate=_ratio(self.deployed, self.deployments),
        )


def figures_of_period(
    decisions: Iterable[Comparison], *, since_ms: int, until_ms: int, most_groups: int = MAX_GROUPS
) -> PeriodFigures:
    """Sum up the decisions whose task ended in ``[since_ms, until_ms)``, in any order.

    Memory grows with the number of groups, never with the number of decisions.
    """
    groups: dict[tuple[GroupKind, str | None, str | None], _Sums] = {("all", None, None): _Sums()}
    sizes: Counter[GroupKind] = Counter()
    left_out = 0
    for decision in decisions:
        if not since_ms <= decision.outcome.at_ms < until_ms:
            continue
        is_left_out = False
        for key in _keys(decision.agent_id, decision.task_type):
            if key not in groups:
                if sizes[key[0]] >= most_groups:
                    is_left_out = True
                    continue
                sizes[key[0]] += 1
                groups[key] = _Sums()
            groups[key].add(decision)
        left_out += is_left_out
    return PeriodFigures(
        since_ms=since_ms,
        until_ms=until_ms,
        groups=[groups[key].figures(*key) for key in sorted(groups, key=_in_order)],
        left_out=left_out,
    )


def _keys(agent: str, task_type: str) -> tuple[tuple[GroupKind, str | None, str | None], ...]:
    return (
        ("all", None, None),
        ("agent", agent, None),
        ("task_type", None, task_type),
        ("agent_and_task_type", agent, task_type),
    )


def _in_order(key: tuple[GroupKind, str | None, str | None]) -> tuple[int, str, str]:
    kinds: tuple[GroupKind, ...] = ("all", "agent", "task_type", "agent_and_task_type")
    return kinds.index(key[0]), key[1] or "", key[2] or ""


def _ratio(part: float, whole: int) -> float | None:
    return part / whole if whole else None
