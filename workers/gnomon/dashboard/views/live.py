"""The page Live: how much comes in, what waits, whether every task is accounted for."""

from collections.abc import Sequence

import msgspec

from gnomon.events import Ledger
from gnomon.operations.isolation_report import ProductionImpact
from gnomon.store.queries import FigureQueries, SeenAt, Tasks

MS: float = 1_000.0


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks that ended in one bucket, per second, by how they ended."""

    at_ms: int
    status: str
    per_s: float


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """What came in a period.

    ``completeness`` is the mean share of the hour before a task that features had seen. ``last_ms`` is
    the end of the last task of all times, ``None`` if there is none.
    """

    tasks: int
    matched: int
    expired: int
    cancelled: int
    rates: list[Rate]
    seen: list[SeenAt]
    completeness: float | None
    incomplete: int
    last_ms: int | None


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger, and whether ``predictions = matched + pending + expired + cancelled`` holds."""

    counts: dict[str, int]
    difference: int


class ImpactLine(msgspec.Struct, frozen=True, kw_only=True):
    """One quantile of a service's response time, without and with the client."""

    phase: str
    quantile: str
    without_ms: float | None
    with_ms: float | None
    more_ms: float | None
    ratio: float | None


def flow(figures: FigureQueries, *, since_ms: int, until_ms: int, bucket_ms: int) -> Flow:
    """Return what came in a period, by buckets of ``bucket_ms``."""
    tasks = figures.tasks_over_time(since_ms=since_ms, until_ms=until_ms, bucket_ms=bucket_ms)
    seen = figures.seen_over_time(since_ms=since_ms, until_ms=until_ms, bucket_ms=bucket_ms)
    known = sum(each.n for each in seen)
    total = sum(each.n * (each.mean_completeness or 0.0) for each in seen)
    return Flow(
        tasks=sum(each.tasks for each in tasks),
        matched=sum(each.matched for each in tasks),
        expired=sum(each.expired for each in tasks),
        cancelled=sum(each.cancelled for each in tasks),
        rates=rates(tasks, bucket_ms=bucket_ms),
        seen=seen,
        completeness=total / known if known else None,
        incomplete=sum(each.incomplete for each in seen),
        last_ms=figures.last_ms(),
    )


def rates(tasks: Sequence[Tasks], *, bucket_ms: int) -> list[Rate]:
    """Return tasks per second of each bucket."""
    return [
        Rate(at_ms=each.bucket_ms or 0, status=status, per_s=getattr(each, status) * MS / bucket_ms)
        for each in tasks
        for status in ("matched", "expired", "cancelled")
    ]


def ledger_sum(ledger: Ledger) -> Sum:
    """Return the ledger and by how much it does not add up."""
    counts: dict[str, int] = msgspec.structs.asdict(ledger)
    del counts["partition"]
    parts = ledger.matched + ledger.pending + ledger.expired + ledger.cancelled
    return Sum(counts=counts, difference=ledger.predictions - parts)


def impact_lines(impact: ProductionImpact) -> list[ImpactLine]:
    """Return each quantile of each phase of the drill."""
    words = {"up": "gnomon runs", "killed": "gnomon was killed"}
    return [
        ImpactLine(
            phase=words[phase],
            quantile=quantile,
            without_ms=each.without_ms,
            with_ms=each.with_ms,
            more_ms=None
            if each.with_ms is None or each.without_ms is None
            else each.with_ms - each.without_ms,
            ratio=each.ratio,
        )
        for phase, quantiles in impact.latency.items()
        for quantile, each in quantiles.items()
    ]
