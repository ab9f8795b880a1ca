"""The public contract: every record gnomon reads or writes, as msgspec Structs.

The JSON Schemas in ``schemas/`` are exported from these classes and never edited by hand.
``tag`` is the schema's file name. A field added later always has a default; consumers
ignore fields they do not know. Times are epoch milliseconds (UTC), durations seconds.
"""

import msgspec

from gnomon.events.clients import (
    ClientEvent,
    ClientSeen,
    ClientStats,
)
from gnomon.events.decisions import (
    Comparison,
    ModelPrediction,
    Outcome,
    Parts,
    Prediction,
    PredictionEvent,
    PredictionShed,
    SealedDecision,
)
from gnomon.events.features import (
    AgentFeatures,
    Completeness,
    FeatureVector,
    HourFeatures,
    TaskFeatures,
)
from gnomon.events.figures import (
    Ledger,
    MetricsEvent,
    ModelMetrics,
)
from gnomon.events.kinds import (
    ContextValue,
    Count,
    EpochMs,
    Identifier,
    ProducerId,
    Seconds,
    Sequence,
    Share,
    Traceparent,
)
from gnomon.events.models import (
    ModelIntent,
    ModelSwitched,
    SwitchedModel,
)
from gnomon.events.tasks import (
    TaskCancelled,
    TaskEvent,
    TaskFinished,
    TaskStarted,
)

EVENTS: tuple[type[msgspec.Struct], ...] = (
    TaskStarted,
    TaskFinished,
    TaskCancelled,
    TaskFeatures,
    AgentFeatures,
    Prediction,
    PredictionShed,
    Comparison,
    Ledger,
    ModelMetrics,
    SealedDecision,
    ModelIntent,
    ModelSwitched,
    ClientStats,
    ClientSeen,
)
"""Every record that travels on a topic, in the order of the pipeline."""

__all__ = [
    "EVENTS",
    "AgentFeatures",
    "ClientEvent",
    "ClientSeen",
    "ClientStats",
    "Comparison",
    "Completeness",
    "ContextValue",
    "Count",
    "EpochMs",
    "FeatureVector",
    "HourFeatures",
    "Identifier",
    "Ledger",
    "MetricsEvent",
    "ModelIntent",
    "ModelMetrics",
    "ModelPrediction",
    "ModelSwitched",
    "Outcome",
    "Parts",
    "Prediction",
    "PredictionEvent",
    "PredictionShed",
    "ProducerId",
    "SealedDecision",
    "Seconds",
    "Sequence",
    "Share",
    "SwitchedModel",
    "TaskCancelled",
    "TaskEvent",
    "TaskFeatures",
    "TaskFinished",
    "TaskStarted",
    "Traceparent",
]
