"""A verdict as it is written: the form of ``gnomon verdict --json``."""

from typing import Literal

import msgspec

from gnomon.verdict.settings import VerdictSettings
from gnomon.verdict.window import Window

Word = Literal["GO", "NO-GO", "STOP-HARM", "CONTINUE"]


class Bounded(msgspec.Struct, frozen=True, kw_only=True):
    """A figure between its bounds; ``None`` where it is not defined or not bounded."""

    estimate: float | None
    low: float | None
    high: float | None


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """How much better a model is than a baseline: 1 - its loss / the baseline's.

    Attributes:
        estimate: Over these agents' tasks, between ``low`` and ``high``.
        agents_like_these: The same as a statement about agents of which these are a sample.
        worst: The estimate if expired tasks end as badly for the model as can be; ``best``.
        active_hours: Hours in which both predicted; ``blocks``: agent-hours.
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
    """One condition of GO.

    Attributes:
        passed: Whether it holds.
        estimate: What was found, between ``low`` and ``high`` where it is bounded.
        needed: What ``low`` must exceed where it is bounded, else what ``estimate`` must reach.
        against: The baseline it was found against, the hardest where there are several.
        missing: Drills that have not passed.
    """

    passed: bool
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    needed: float | None = None
    against: str | None = None
    missing: list[str] | None = None


class Harmed(msgspec.Struct, frozen=True, kw_only=True):
    """An agent whose tasks a model predicts surely worse than the reference baseline."""

    agent_id: str
    blocks: int
    improvement: float | None
    e_value: float


class ModelVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One model version, judged.

    Attributes:
        word: The verdict; ``blocked_by`` names the criteria that do not hold.
        decisions: Matured decisions; ``blocks`` and ``active_hours`` are of the comparison with
            the reference baseline.
        strongest: The baseline that is hardest to beat in log loss.
        correlation: Of consecutive hours' totals.
        decides_in_hours: More active hours until the verdict falls, as things look.
        harm: Agents that it surely harms (e-BH at alpha).
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


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """A drill that was held. Other fields of its report are not read."""

    drill: str
    at_ms: int
    passed: bool


class Verdicts(msgspec.Struct, frozen=True, kw_only=True):
    """Every model of an experiment, judged, and all that is needed to do it again.

    Attributes:
        settings_sha256: Of ``settings``.
        window: What was measured in the training window.
        newest: Whether whatever version of a name was newest at each task is judged as one model.
        now_ms: The time drills are held against; ``watermark_ms``: the latest in the log.
        records: Distinct decisions in the log, counted or not; ``repeats`` of them.
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
