"""Defines the JSON that ``gnomon verdict --json`` writes."""

from typing import Literal

import msgspec

from gnomon.drift import Drift
from gnomon.verdict.evidence.window import Window
from gnomon.verdict.settings import VerdictSettings

Word = Literal["GO", "NO-GO", "STOP-HARM", "CONTINUE"]
Status = Literal["passed", "failed", "unknown"]
Unit = Literal["share", "count", "ratio", "seconds", "days"]


class Bounded(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate with its bounds; ``None`` if it is not defined or has no bound."""

    estimate: float | None
    low: float | None
    high: float | None


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """The improvement of a model over a baseline: 1 - its loss / the baseline's.

    Attributes:
        estimate: The improvement on these agents' tasks, with its bounds ``low`` and ``high``.
        agents_like_these: The improvement on a population of which these agents are a sample.
        worst: The estimate if expired tasks end in the worst way for the model; ``best`` likewise.
        active_hours: Hours in which both predicted; ``blocks`` are agent-hours.
    """

    estimate: float | None
    low: float | None
    high: float | None
    agents_like_these: Bounded
    worst: float | None
    best: float | None
    active_hours: int
    blocks: int


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """One condition that GO requires.

    Attributes:
        passed: Whether it holds.
        estimate: The measured value, with its bounds ``low`` and ``high`` if there are any.
        needed: The threshold that ``low`` must exceed, or ``estimate`` must reach if there are no bounds.
        against: The baseline of the comparison; the hardest if there are several.
        missing: Drills that have not passed.
    """

    passed: bool
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    needed: float | None = None
    against: str | None = None
    missing: list[str] | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the checklist for a rollout.

    Attributes:
        name: What has to hold.
        status: ``unknown`` if there is too little evidence, or none.
        figure: The measured value, and ``needed`` the threshold, both in ``unit``.
        todo: What to do; empty if it passed.
    """

    name: str
    status: Status
    figure: float | None = None
    needed: float | None = None
    unit: Unit = "share"
    todo: str = ""


class Harmed(msgspec.Struct, frozen=True, kw_only=True):
    """An agent whose tasks a model predicts surely worse than the reference baseline."""

    agent_id: str
    blocks: int
    improvement: float | None
    e_value: float


class HarmedType(msgspec.Struct, frozen=True, kw_only=True):
    """A task type whose tasks a model predicts surely worse than the reference baseline."""

    task_type: str
    blocks: int
    improvement: float | None
    e_value: float


class ModelVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one model version.

    Attributes:
        word: The verdict; ``blocked_by`` names the criteria that do not hold.
        decisions: Matured decisions; ``blocks`` and ``active_hours`` are of the comparison with
            the reference baseline.
        strongest: The baseline that is hardest to beat in log loss.
        correlation: Correlation of consecutive hours' totals.
        decides_in_hours: Estimate of the active hours until there is a decision.
        harm: Agents that the model surely harms (e-BH at alpha).
        harmed_types: Task types likewise; ``None`` if types are not known, as in a live verdict.
        checklist: What a rollout needs, the criteria included.
        drift: Changes of the model's losses and features; it has no influence on the verdict.
    """

    name: str
    version: str
    sha256: str | None
    word: Word
    decisions: int
    blocks: int
    active_hours: int
    blocked_by: list[str]
    criteria: dict[str, Criterion]
    against: dict[str, dict[str, Compared]]
    strongest: str | None
    correlation: float | None
    agents: int
    immature: int
    expired: int
    cancelled: int
    within_25: float | None
    decides_in_hours: int | None
    harm: list[Harmed]
    first_ms: int | None
    last_ms: int | None
    checklist: list[Item] = []
    drift: Drift | None = None
    harmed_types: list[HarmedType] | None = None

    @property
    def key(self) -> str:
        """Return what the model is identified by: its SHA-256, or name and version without one."""
        return self.sha256 or f"{self.name}@{self.version}"


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """One quantile of a service's latency without and with gnomon's client, in milliseconds.

    ``ratio`` is the one divided by the other, and ``limit`` the largest that passes. ``None`` means
    not measured, for example because no request was answered.
    """

    without_ms: float | None = None
    with_ms: float | None = None
    ratio: float | None = None
    limit: float | None = None


class Drill(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A drill that was run. Other fields of its report are not read.

    Attributes:
        compared: Of the drill ``isolation``: latencies by phase, then by quantile.
        longest_s: Of the drill ``rollback``: seconds until every partition had switched.
    """

    drill: str
    at_ms: int
    passed: bool
    compared: dict[str, dict[str, Latency]] = {}
    longest_s: float | None = None


class Verdicts(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts on every model of an experiment, and all that is needed to compute them again.

    Attributes:
        settings_sha256: SHA-256 of ``settings``.
        window: The constants measured in the training window.
        newest: Whether the newest version of a name at each task is judged as one model.
        now_ms: The time from which the age of drills is measured; ``watermark_ms``: the latest time
            in the log.
        records: Number of distinct decisions in the log; ``repeats``: number of repeated lines.
    """

    models: list[ModelVerdict]
    settings_sha256: str
    settings: VerdictSettings
    window: Window
    newest: bool
    now_ms: int
    watermark_ms: int
    records: int
    repeats: int
    drills: list[Drill]
