"""Judges whether a model may steer agents: evidence, bounds that hold at every look, a result. Pure, no I/O."""

from gnomon.verdict.evidence.decided import Decided, with_newest_only
from gnomon.verdict.evidence.evidence import Evidence
from gnomon.verdict.evidence.live import LIVE_SETTINGS, LiveEvidence
from gnomon.verdict.evidence.merged import merge_evidence
from gnomon.verdict.evidence.window import Window, WindowBuilder
from gnomon.verdict.judge import judge
from gnomon.verdict.result import Drill, ModelVerdict, Verdicts, Word
from gnomon.verdict.settings import BASELINES, VerdictSettings, read_settings

__all__ = [
    "BASELINES",
    "LIVE_SETTINGS",
    "Decided",
    "Drill",
    "Evidence",
    "LiveEvidence",
    "ModelVerdict",
    "VerdictSettings",
    "Verdicts",
    "Window",
    "WindowBuilder",
    "Word",
    "judge",
    "merge_evidence",
    "read_settings",
    "with_newest_only",
]
