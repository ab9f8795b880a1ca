"""The rows of ``comparison-metrics`` that are kept over time: the last of each hour. Pure."""

from collections.abc import Iterable
from typing import Final

import msgspec

from gnomon import codec
from gnomon.events import Ledger
from gnomon.records import SourceRecord
from gnomon.store.figures.of_decision import HOUR_MS, Row
from gnomon.store.figures.tables import LEDGER, METRICS

_LEDGER: Final = tuple(column.name for column in LEDGER.columns)[3:]
_METRICS: Final = tuple(column.name for column in METRICS.columns)[6:-2]


class MetricsRows(msgspec.Struct):
    """Rows for ``gnomon_metrics`` and ``gnomon_ledger``, by their primary keys."""

    metrics: dict[Row, Row] = {}
    ledger: dict[Row, Row] = {}

    def __bool__(self) -> bool:
        return bool(self.metrics or self.ledger)


def metrics_rows(records: Iterable[SourceRecord]) -> MetricsRows:
    """Return the rows of the records that are about all agents; of several with one key, the last.

    A record's time is the one at which it was written. Those that cannot be decoded are passed over:
    the comparison stage wrote them, and the next one replaces them.
    """
    rows = MetricsRows()
    last = {(record.key, record.timestamp // HOUR_MS): record for record in records}
    for (_, hour), record in last.items():
        try:
            event = codec.decode_metrics(record.value or b"")
        except codec.UNDECODABLE:
            continue
        if isinstance(event, Ledger):
            key: Row = (event.partition, hour)
            rows.ledger[key] = (*key, record.timestamp, *(getattr(event, n) for n in _LEDGER))
        elif event.slice == "all":
            key = (event.model, event.version, event.window, event.partition, hour)
            figures = (getattr(event, name) for name in _METRICS)
            blocked_by = ",".join(event.blocked_by)
            rows.metrics[key] = (*key, record.timestamp, *figures, event.verdict, blocked_by)
    return rows
