"""State of the comparison of one partition."""

from collections.abc import Mapping, Sequence

from gnomon.comparison.decisions import Decisions
from gnomon.comparison.intervals.calibration import Calibration
from gnomon.comparison.metrics.rolling_metrics import RollingMetrics
from gnomon.comparison.tasks import Tasks
from gnomon.events import Ledger
from gnomon.verdict import LIVE_SETTINGS, LiveEvidence, VerdictSettings, Word

Words = Mapping[tuple[str, str], tuple[Word, Sequence[str]]]
"""Verdict and criteria that do not hold, by model and version."""


class ComparisonState:
    """State that one partition keeps between two batches.

    Attributes:
        tasks: State of each task according to task-events.
        decisions: Features and predictions that wait for the other parts of their decision.
        metrics: Running metrics of the models.
        calibration: Tasks by which the models' intervals are corrected.
        evidence: Evidence of the live verdict.
        ledger: The ledger as it was last written.
        unread: Records of the inputs, at most, that were never read.
        words: The latest verdict on each model and version, and what blocks it. The owner sets it;
            it is not part of snapshots.

    Args:
        verdict: Settings of the live verdict.
    """

    __slots__ = (
        "calibration",
        "decisions",
        "evidence",
        "ledger",
        "metrics",
        "tasks",
        "unread",
        "words",
    )

    def __init__(self, verdict: VerdictSettings = LIVE_SETTINGS) -> None:
        self.tasks = Tasks()
        self.decisions = Decisions()
        self.metrics = RollingMetrics()
        self.calibration = Calibration()
        self.evidence = LiveEvidence(verdict)
        self.ledger: Ledger | None = None
        self.unread = 0
        self.words: Words = {}

    @property
    def waiting(self) -> int:
        """Tasks that wait for features, predictions or a start: memory caused by other stages' lag."""
        return len(self.decisions.started) + len(self.decisions.unstarted)
