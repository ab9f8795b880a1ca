"""Whether a model may go: evidence, bounds that hold at every look, and a word. Pure, no I/O."""

from gnomon.verdict.decided import Decided
from gnomon.verdict.evidence import Evidence
from gnomon.verdict.settings import BASELINES, VerdictSettings, read_settings
from gnomon.verdict.window import Window, WindowBuilder

__all__ = [
    "BASELINES",
    "Decided",
    "Evidence",
    "VerdictSettings",
    "Window",
    "WindowBuilder",
    "read_settings",
]
