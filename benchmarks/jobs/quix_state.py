"""Quix Streams with the hand-written window in its state API, the fast way that a user would find."""

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from quixstreams import Application
from rolling import begin, step

app = Application(
    broker_address=os.environ["BROKERS"],
    consumer_group=f"quix-{os.environ['RUN']}",
    auto_offset_reset="earliest",
    state_dir=tempfile.mkdtemp(),
    loglevel="WARNING",
)


def roll(event, state):
    rolling = begin()
    rolling.load(state.get("rolling"))
    written = step(rolling, event)
    state.set("rolling", rolling.dump())
    return written


source = app.topic(os.environ["SOURCE"], value_deserializer="json")
sink = app.topic(os.environ["SINK"], value_serializer="json")
frame = app.dataframe(source).apply(roll, stateful=True)
frame.filter(lambda written: written is not None).to_topic(sink)
app.run()
