"""The optional stage before the others: an OpenTelemetry Collector's Kafka records in; task events out.

Reads what ``kafkaexporter`` writes, in either of its encodings, which their first byte tells
apart; one record is one batch of spans. An event goes to the partition that its agent's key says,
like a client's own, so this stage alone does not stay on its input's partition number.
"""

from collections.abc import Mapping, Sequence

from gnomon.codec import encode, event_time_ms
from gnomon.errors import EventError
from gnomon.events import TaskEvent
from gnomon.otel import Span, decode_json, to_events
from gnomon.otel.otlp_proto import decode_protobuf
from gnomon.records import DeadLetter, Outputs, SourceRecord
from gnomon.topics import TASK_EVENTS

OTLP_SPANS = "otlp_spans"
"""The exporter's default topic; gnomon's prefix stands before it as before every other."""
_JSON, _PROTOBUF = b"{", b"\x0a"


class CollectorStage:
    """The mapping of ``gnomon.otel`` on the runtime."""

    name = "collector"
    inputs = (OTLP_SPANS,)
    stateful = False
    linger_ms = 50
    nice = 0

    def __init__(self) -> None:
        self._tasks = 0

    async def start(self) -> None:
        """Nothing to acquire."""

    async def stop(self) -> None:
        """Nothing to release."""

    def new_state(self, partition: int) -> None:
        """Nothing is kept: a repeated span is the same task, and dropped by its ids."""

    async def apply(self, state: None, records: Sequence[SourceRecord]) -> Outputs:
        """Publish the tasks in the batch, by time; a record that has a span too bad is kept aside."""
        outputs = Outputs(by_key={TASK_EVENTS.name})
        events: list[TaskEvent] = []
        for record in records:
            try:
                found = to_events(_spans(record.value))
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
        """Time alone leads to nothing."""

    def snapshot(self, state: None) -> bytes:
        """Nothing is kept."""
        return b""

    def restore(self, partition: int, data: bytes) -> None:
        """Nothing is kept."""

    def status(self) -> Mapping[str, object]:
        """How many tasks this process has published."""
        return {"tasks": self._tasks}


def _spans(value: bytes | None) -> list[Span | EventError]:
    """The tasks' spans in one record.

    Raises:
        EventError: It is in neither encoding.
    """
    if value is None:
        raise EventError("empty", "a record needs a value")
    if value[:1] == _JSON:
        return decode_json(value)
    if value[:1] in {_PROTOBUF, b""}:
        return decode_protobuf(value)
    raise EventError("not_otlp", "expected the encoding otlp_json or otlp_proto")
