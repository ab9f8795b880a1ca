"""Sums from which the verdict on each model version is computed: of one partition, to be added up."""

import msgspec

from gnomon.events.field_types import Count, EpochMs


class LossEvidence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Sums of one loss of a model and of one baseline, over blocks: the tasks of one agent in one hour.

    A row has six whole numbers: how many units, the sums of the baseline's loss b and the model's
    loss c, and the sums of b², bc and c². Losses are in units of 1e-9, seconds in microseconds, so
    the last three exceed 64 bits. ``blocks`` is the row over blocks, and ``agents`` the row over
    agents' totals. ``worst`` is what would be added to b and c if expired tasks had ended in the worst
    way for the model; ``best`` likewise. An agent is always in the same partition, so all can be added.
    """

    blocks: list[int]
    agents: list[int]
    worst: list[int] = []
    best: list[int] = []


class ModelEvidence(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="model_evidence.v1"
):
    """Evidence on one model version from one partition, since the experiment began.

    The counts are those of the verdict: ``decisions`` ended, are mature and have a predicted
    duration. ``against`` has the losses by baseline and name. ``accuracy`` has the number of tasks
    in place of the baseline's loss, and the number of wrong predictions of success as the model's.
    ``suspects`` has the rows over blocks of agents that may be harmed, of ``judged_agents`` agents
    that have enough blocks to be tested. ``ratable`` and ``rated`` are of probabilities of success
    what ``answerable`` and ``answered`` are of durations.
    """

    model: str
    version: str
    sha256: str | None
    partition: Count
    settings_sha256: str
    labels: list[list[str]] = []
    decisions: Count = 0
    immature: Count = 0
    expired: Count = 0
    cancelled: Count = 0
    answerable: Count = 0
    answered: Count = 0
    within_25: Count = 0
    first_ms: EpochMs | None = None
    last_ms: EpochMs | None = None
    against: dict[str, dict[str, LossEvidence]] = {}
    accuracy: LossEvidence | None = None
    suspects: dict[str, list[int]] = {}
    judged_agents: Count = 0
    ratable: Count = 0
    rated: Count = 0


class HourEvidence(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="hour_evidence.v1"
):
    """Losses of one model version on the tasks that were predicted in one hour, in one partition.

    ``hour`` counts from 1970. ``against`` has, by baseline and name of the loss, the sums of the
    baseline's loss and of the model's; ``accuracy`` as in ``model_evidence.v1``, and empty if there
    is none.
    """

    model: str
    version: str
    sha256: str | None
    partition: Count
    settings_sha256: str
    hour: Count
    against: dict[str, dict[str, list[int]]] = {}
    accuracy: list[int] = []


class VerdictExperiment(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="kind",
    tag="verdict_experiment.v1",
):
    """The settings of the verdict under which a partition collects evidence.

    ``settings`` is JSON with sorted keys and without spaces, and ``settings_sha256`` its SHA-256.
    """

    partition: Count
    settings_sha256: str
    settings: str


EvidenceEvent = ModelEvidence | HourEvidence | VerdictExperiment
