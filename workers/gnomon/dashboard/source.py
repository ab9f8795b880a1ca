"""What the pages read and do, behind one Protocol. Every call blocks, and raises ``GnomonError``s."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from gnomon.drift import Drift
from gnomon.models.registry.versions import VersionInfo
from gnomon.operations.alerts import Alert
from gnomon.operations.clients import ClientOverview
from gnomon.operations.dead_letters import DeadLetterRecord
from gnomon.operations.exporter.verification import Verification
from gnomon.operations.isolation_report import ImpactSummary
from gnomon.operations.judged_experiments import Judged
from gnomon.operations.lag import StageOverview
from gnomon.operations.models.latest_metrics import Figures
from gnomon.operations.models.model_states import VersionState
from gnomon.settings import Settings
from gnomon.store.queries import FigureQueries
from gnomon.verdict import Drill


class Source(Protocol):
    """One installation.

    Attributes:
        settings: Its settings.
    """

    settings: Settings

    def figures(self) -> FigureQueries:
        """Return what reads the numbers in the store, after a look whether there is one."""
        ...

    def stages(self) -> Sequence[StageOverview]:
        """Return workers and lag of each stage."""
        ...

    def metrics(self) -> Figures:
        """Return the ledger and the figures of each version, as they stand now."""
        ...

    def events_per_s(self) -> float | None:
        """Return how many task events came since the last call; ``None`` at the first."""
        ...

    def clients(self) -> Sequence[ClientOverview]:
        """Return every known client process, the one heard last first."""
        ...

    def dead_letters(self) -> Sequence[DeadLetterRecord]:
        """Return the newest dead letters, the newest first."""
        ...

    def redrive(self, ids: frozenset[str]) -> int:
        """Publish dead letters again; return how many."""
        ...

    def versions(self) -> Sequence[VersionInfo]:
        """Return every registered version, newest first."""
        ...

    def states(self) -> Sequence[VersionState]:
        """Return what each live version does."""
        ...

    def importance(self, version: str) -> Mapping[str, float]:
        """Return by how much the log loss rises when an input is shuffled, by input; empty if unknown."""
        ...

    def drifts(self) -> Mapping[str, Drift]:
        """Return how far features have moved since the training of each live version."""
        ...

    def drills(self) -> Sequence[Drill]:
        """Return all drills that were run, in the order of time."""
        ...

    def alerts(self) -> Sequence[Alert]:
        """Return the alerts that Alertmanager has now, the worst first."""
        ...

    def experiments(self) -> Sequence[Judged]:
        """Return the last verdict on each experiment with variants, the newest first."""
        ...

    def verification(self) -> Verification | None:
        """Return the outcome of the last verification of the vault; ``None`` if there was none."""
        ...

    def impact(self) -> ImpactSummary:
        """Return what the client costs production, as last measured."""
        ...

    def promote(self, version: str, *, author: str) -> str:
        """Make a version champion; return what was done."""
        ...

    def roll_back(self, *, author: str) -> str:
        """Make the previous champion champion again; return what was done."""
        ...
