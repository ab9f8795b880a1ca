"""An optional stage before the others: reads spans of an OpenTelemetry Collector, writes task events.

It reads the records of the Collector's ``kafkaexporter`` in either encoding, which the first byte
distinguishes; one record is one batch of spans. Events are partitioned by their agent, as a client's
own are, so this stage alone does not write to the partition number it read from.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from gnomon.codec import encode, event_time_ms
from gnomon.errors import EventError
from gnomon.events import TaskEvent
from gnomon.otel import Span, decode_json, to_events
from gnomon.otel.otlp_proto import decode_protobuf
from gnomon.records import DeadLetter, Outputs, SourceRecord
from gnomon.topics import TASK_EVENTS

OTLP_SPANS = "otlp_spans"
"""The exporter's default topic; it has gnomon's prefix like every other topic."""
_JSON, _PROTOBUF = b"{", b"\x0a"


class CollectorStage:
    """Runs the mapping of ``gnomon.otel`` as a stage."""

    name = "collector"
    inputs = (OTLP_SPANS,)
    stateful = False
    linger_ms = 50
    nice = 0

    def __init__(self) -> None:
        self._tasks = 0
        self._skipped: Counter[str] = Counter()

    async def start(self) -> None:
        """Nothing to acquire."""

    async def stop(self) -> None:
        """Nothing to release."""

    def new_state(self, partition: int) -> None:
        """There is no state: a repeated span makes the same task ids, which features drops."""

    async def apply(self, state: None, records: Sequence[SourceRecord]) -> Outputs:
        """Return the events of the batch by time; a record with an invalid span also becomes a dead letter."""
        outputs = Outputs(by_key={TASK_EVENTS.name})
        events: list[TaskEvent] = []
        for record in records:
            try:
                found = to_events(_spans(record.value, self._skipped))
            except EventError as error:
                outputs.dead.append(DeadLetter(record, error.reason, error.detail))
                continue
            events += found.events
            if found.refused:
                first = found.refused[0]
                detail = f"{first.detail}; {len(found.refused)} spans refused, the rest published"
                outputs.dead.append(DeadLetter(record, first.reason, detail))
        self._tasks += len(events) // 2
        written = outputs.topic(TASK_EVENTS.name)
        for event in sorted(events, key=event_time_ms):
            written.append((event.agent_id.encode(), encode(event)))
        return outputs

    def tick(self, state: None, idle_ms: int) -> None:
        """Do nothing: time alone has no effect."""

    def snapshot(self, state: None) -> bytes:
        """There is no state."""
        return b""

    def restore(self, partition: int, data: bytes) -> None:
        """There is no state."""

    def status(self) -> Mapping[str, object]:
        """Return how many tasks this process has published, and how many spans were none, by reason."""
        return {"tasks": self._tasks, "skipped": dict(self._skipped)}


def _spans(value: bytes | None, skipped: Counter[str]) -> list[Span | EventError]:
    """Decode the spans of one record.

    Raises:
        EventError: The record is in neither encoding.
    """
    if value is None:
        raise EventError("empty", "a record needs a value")
    if value[:1] == _JSON:
        return decode_json(value, skipped)
    if value[:1] in {_PROTOBUF, b""}:
        return decode_protobuf(value, skipped)
    raise EventError("not_otlp", "expected the encoding otlp_json or otlp_proto")
