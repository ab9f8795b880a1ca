"""Tests with records written by the Collector's own code; ``collector/README.md`` says how."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gnomon.errors import EventError
from gnomon.events import TaskFinished, TaskStarted
from gnomon.otel import Span, decode_json, to_events
from gnomon.otel.otlp_proto import decode_protobuf

RECORDS = Path(__file__).parent / "collector"
TRACE = "5b8efff798038103d269b633813fc60c"
AGENT, TOOL = f"{TRACE}-eee19b7ec3c1b174", f"{TRACE}-eee19b7ec3c1b173"
AROUND_TOOL = f"00-{TRACE}-eee19b7ec3c1b174-01"


@pytest.mark.parametrize(
    ("name", "decode"),
    [("otlp_json.json", decode_json), ("otlp_proto.bin", decode_protobuf)],
)
def test_the_collectors_records_are_read(
    name: str, decode: Callable[[bytes], list[Span | EventError]]
) -> None:
    found = to_events(decode((RECORDS / name).read_bytes()))
    assert found.refused == []
    assert found.events == [
        TaskStarted(
            agent_id="router",
            task_id=AGENT,
            task_type="invoke_agent",
            started_at_ms=1_760_000_000_000,
        ),
        TaskStarted(
            agent_id="desk",
            task_id=TOOL,
            task_type="tool:search",
            started_at_ms=1_760_000_001_000,
            traceparent=AROUND_TOOL,
        ),
        TaskFinished(
            agent_id="desk",
            task_id=TOOL,
            task_type="tool:search",
            started_at_ms=1_760_000_001_000,
            finished_at_ms=1_760_000_002_000,
            duration_s=1.0,
            succeeded=False,
            error_type="timeout",
            outcome={"otel_mapping": 2},
            traceparent=AROUND_TOOL,
        ),
        TaskFinished(
            agent_id="router",
            task_id=AGENT,
            task_type="invoke_agent",
            started_at_ms=1_760_000_000_000,
            finished_at_ms=1_760_000_002_500,
            duration_s=2.5,
            succeeded=True,
            outcome={"otel_mapping": 2, "input_tokens": 100},
        ),
    ]
