"""The public contract: every record that gnomon reads or writes, as msgspec Structs.

The JSON Schemas in ``schemas/`` are exported from these classes and never edited by hand.
``tag`` is the name of the schema. A field that is added later always has a default; consumers
ignore unknown fields. Times are epoch milliseconds (UTC), durations are seconds.
"""

import msgspec

from gnomon.events.audit import (
    AuditAction,
    AuditEvent,
)
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
from gnomon.events.evidence import (
    EvidenceEvent,
    HourEvidence,
    LossEvidence,
    ModelEvidence,
    VerdictExperiment,
)
from gnomon.events.experiments import (
    Exposure,
)
from gnomon.events.features import (
    AgentFeatures,
    Completeness,
    FeatureVector,
    HourFeatures,
    TaskFeatures,
)
from gnomon.events.field_types import (
    ContextValue,
    Count,
    EpochMs,
    Identifier,
    ProducerId,
    Seconds,
    Sequence,
    Share,
    Tenant,
    Traceparent,
)
from gnomon.events.intervals import (
    Interval,
    IntervalCorrection,
    Intervals,
)
from gnomon.events.metrics import (
    Ledger,
    MetricsEvent,
    ModelMetrics,
)
from gnomon.events.models import (
    AbsentModel,
    ModelIntent,
    ModelSwitched,
    SwitchedModel,
)
from gnomon.events.roots import (
    VaultHead,
    VaultRoot,
    VaultRootEvent,
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
    Exposure,
    IntervalCorrection,
    VerdictExperiment,
    ModelEvidence,
    HourEvidence,
    VaultRoot,
    VaultHead,
    AuditEvent,
)
"""Every kind of record on gnomon's topics, in the order of the pipeline."""

__all__ = [
    "EVENTS",
    "AbsentModel",
    "AgentFeatures",
    "AuditAction",
    "AuditEvent",
    "ClientEvent",
    "ClientSeen",
    "ClientStats",
    "Comparison",
    "Completeness",
    "ContextValue",
    "Count",
    "EpochMs",
    "EvidenceEvent",
    "Exposure",
    "FeatureVector",
    "HourEvidence",
    "HourFeatures",
    "Identifier",
    "Interval",
    "IntervalCorrection",
    "Intervals",
    "Ledger",
    "LossEvidence",
    "MetricsEvent",
    "ModelEvidence",
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
    "Tenant",
    "Traceparent",
    "VaultHead",
    "VaultRoot",
    "VaultRootEvent",
    "VerdictExperiment",
]
