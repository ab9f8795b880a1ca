"""Judges whether a model may steer agents: evidence, bounds that hold at every look, a result. Pure, no I/O."""

from gnomon.verdict.decided import Decided, with_newest_only
from gnomon.verdict.evidence import Evidence
from gnomon.verdict.judge import judge
from gnomon.verdict.live import LIVE_SETTINGS, LiveEvidence
from gnomon.verdict.merged import merge_evidence
from gnomon.verdict.result import Drill, ModelVerdict, Verdicts, Word
from gnomon.verdict.settings import BASELINES, VerdictSettings, read_settings
from gnomon.verdict.window import Window, WindowBuilder

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
