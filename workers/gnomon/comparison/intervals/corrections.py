"""The corrections of intervals that apply now, folded from interval-corrections. Pure, no I/O."""

from collections.abc import Mapping
from typing import Final

from gnomon import codec
from gnomon.comparison.intervals.calibration import (
    BUCKETS,
    LEVELS,
    RULE,
    CorrectionTable,
    GroupKey,
    correction_key,
)
from gnomon.events import IntervalCorrection
from gnomon.records import SourceRecord

POOLED_TASKS: Final = 10
"""The average over partitions counts as so many tasks beside those of the task's partition."""


class Corrections:
    """The latest correction of each model version, bucket, level and partition.

    Attributes:
        records: Number of records folded.
    """

    def __init__(self) -> None:
        self._by_key: dict[bytes, IntervalCorrection] = {}
        self._by_group: dict[GroupKey, dict[int, IntervalCorrection]] = {}
        self._applied: dict[int, int] = {}
        self.records = 0

    def apply(self, record: SourceRecord) -> None:
        """Fold one record of interval-corrections.

        A record at or below an offset of its partition that was folded before changes nothing. A
        record that is no correction, or one of another rule, takes away what its key had.
        """
        if record.offset <= self._applied.get(record.partition, -1) or record.key is None:
            return
        self._applied[record.partition] = record.offset
        self.records += 1
        before = self._by_key.pop(record.key, None)
        if before is not None:
            del self._by_group[_group(before)][before.partition]
        latest = _decoded(record)
        if latest is not None:
            self._by_key[record.key] = latest
            self._by_group.setdefault(_group(latest), {})[latest.partition] = latest

    def of(self, sha256: str, partition: int) -> CorrectionTable:
        """Return the corrections of a model version for the next tasks of ``partition``.

        The tasks of ``partition`` count by their number, since an agent is always in the same
        partition, and the average over all partitions as ``POOLED_TASKS`` tasks.
        """
        return {
            (bucket, level): _combined(of_all, partition)
            for bucket in range(BUCKETS)
            for level in LEVELS
            if (of_all := self._by_group.get((sha256, bucket, level)))
        }


def _combined(of_all: Mapping[int, IntervalCorrection], partition: int) -> float:
    every = [of_all[number] for number in sorted(of_all)]
    total = sum(each.n for each in every)
    mean = sum(each.n * each.correction for each in every) / total if total else 0.0
    own = of_all.get(partition)
    n, correction = (own.n, own.correction) if own is not None else (0, 0.0)
    return round((n * correction + POOLED_TASKS * mean) / (n + POOLED_TASKS), 6)


def _decoded(record: SourceRecord) -> IntervalCorrection | None:
    if record.value is None:
        return None
    try:
        found = codec.decode_interval_correction(record.value)
    except codec.UNDECODABLE:
        return None
    key = correction_key(_group(found), found.partition).encode()
    return found if found.rule == RULE and record.key == key else None


def _group(found: IntervalCorrection) -> GroupKey:
    return found.sha256, found.bucket, found.level
