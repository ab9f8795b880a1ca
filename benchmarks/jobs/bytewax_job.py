"""Bytewax: a stateful map with the hand-written window, Kafka to Kafka."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from rolling import begin, step

BROKERS = [os.environ["BROKERS"]]
flow = Dataflow("rolling")
source = kop.input("in", flow, brokers=BROKERS, topics=[os.environ["SOURCE"]], batch_size=4096)


def decode(message):
    event = json.loads(message.value)
    return event["agent_id"], event


def roll(state, event):
    state = state or begin()
    return state, step(state, event)


def written(keyed):
    return keyed[1] is not None


def encode(keyed):
    key, value = keyed
    return KafkaSinkMessage(key.encode(), json.dumps(value).encode())


events = op.map("decode", source.oks, decode)
features = op.filter("starts", op.stateful_map("roll", events, roll), written)
kop.output("out", op.map("encode", features, encode), brokers=BROKERS, topic=os.environ["SINK"])
