"""Adds up what partitions wrote in different hours: a partition that was silent keeps its last row. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gnomon.store.queries.results import LedgerAt, MetricsAt

Row = Mapping[str, Any]
_LEDGER = tuple(name for name in LedgerAt.__struct_fields__ if name != "hour")


def ledgers_at(rows: Iterable[Row], *, since_hour: int) -> list[LedgerAt]:
    """Return the ledger of all partitions by hour.

    Args:
        rows: Of ``gnomon_ledger``, by hour.
        since_hour: The first hour to return.
    """
    return [
        LedgerAt(hour=hour, **{name: sum(row[name] for row in last) for name in _LEDGER})
        for hour, last in _standing(rows, lambda row: row["partition"])
        if hour >= since_hour
    ]


def metrics_at(rows: Iterable[Row], *, since_hour: int) -> list[MetricsAt]:
    """Return the errors of each version over all partitions by hour.

    Args:
        rows: Of ``gnomon_metrics``, of one period, by hour.
        since_hour: The first hour to return.
    """
    found = []
    for hour, last in _standing(rows, lambda r: (r["model"], r["version"], r["partition"])):
        if hour < since_hour:
            continue
        versions: dict[tuple[str, str], list[Row]] = {}
        for row in last:
            versions.setdefault((row["model"], row["version"]), []).append(row)
        found += [_merged(hour, *key, versions[key]) for key in sorted(versions)]
    return found


def _standing(rows: Iterable[Row], key: Callable[[Row], object]) -> Iterator[tuple[int, list[Row]]]:
    """Yield each hour with the last row of every key until its end."""
    last: dict[object, Row] = {}
    hour: int | None = None
    for row in rows:
        if hour is not None and row["hour"] != hour:
            yield hour, list(last.values())
        hour = row["hour"]
        last[key(row)] = row
    if hour is not None:
        yield hour, list(last.values())


def _merged(hour: int, model: str, version: str, rows: list[Row]) -> MetricsAt:
    def total(name: str) -> int:
        return sum(row[name] for row in rows)

    def mean(name: str, of: str, unit: float) -> float | None:
        n = total(of)
        return total(name) / n / unit if n else None

    newest = max(rows, key=lambda row: row["at_ms"])
    return MetricsAt(
        hour=hour,
        model=model,
        version=version,
        n=total("n"),
        mae_s=mean("absolute_error_us_sum", "n", 1e6),
        paired_mae_s=mean("paired_absolute_error_us_sum", "n_paired", 1e6),
        control_mae_s=mean("control_absolute_error_us_sum", "n_paired", 1e6),
        accuracy=mean("correct_sum", "n_success", 1),
        brier=mean("brier_ppm_sum", "n_success", 1e6),
        expired=total("expired"),
        verdict=newest["verdict"],
    )
