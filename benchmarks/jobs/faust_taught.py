"""Faust as in its documentation: a record model, a table, and one send for every event."""

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import faust
from rolling import Rolling, begin, step

app = faust.App(
    f"faust-{os.environ['RUN']}",
    broker=f"kafka://{os.environ['BROKERS']}",
    store="memory://",
    topic_partitions=int(os.environ["PARTITIONS"]),
    topic_replication_factor=1,
    consumer_auto_offset_reset="earliest",
    datadir=tempfile.mkdtemp(),
    web_enabled=False,
)


class Event(faust.Record, serializer="json"):
    kind: str
    agent_id: str
    task_id: str
    task_type: str
    started_at_ms: int
    finished_at_ms: int = 0
    duration_s: float = 0.0
    succeeded: bool = False
    code_review_iterations: int = 0


source = app.topic(os.environ["SOURCE"], value_type=Event)
sink = app.topic(
    os.environ["SINK"],
    partitions=int(os.environ["PARTITIONS"]),
    value_serializer="json",
    key_serializer="raw",
)
seen = app.Table("seen", default=int, partitions=int(os.environ["PARTITIONS"]))
windows: dict[str, Rolling] = {}


@app.agent(source)
async def roll(stream):
    async for event in stream:
        if event.agent_id not in windows:
            windows[event.agent_id] = begin()
        written = step(windows[event.agent_id], event.asdict())
        seen[event.agent_id] += 1
        if written is not None:
            await sink.send(key=event.agent_id.encode(), value=written)


if __name__ == "__main__":
    app.main()
