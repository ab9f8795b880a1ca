"""Watches the losses of live model versions for a rise, and features for drift. Pure, no I/O."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from gnomon.drift import LossChange, LossWatch, feature_row, scaled_loss
from gnomon.events import Comparison
from gnomon.models.evaluation import prediction_of
from gnomon.models.runs import is_usable

FIRST_LOOK: Final = 5_000
"""Number of newest decisions with which a watch begins, so that it knows losses before a change."""
MOST_ROWS: Final = 1_000
"""Number of latest decisions whose features are kept."""


class DriftWatch:
    """Watches what live versions predicted, and from which features, in constant memory.

    Attributes:
        until_ms: The latest end of the decisions seen so far, epoch milliseconds; ``None`` before the
            first one.
    """

    def __init__(self) -> None:
        self.until_ms: int | None = None
        self._watches: dict[str, LossWatch] = {}
        self._rows: deque[tuple[int, tuple[float, ...]]] = deque(maxlen=MOST_ROWS)

    def rows_since(self, since_ms: int) -> list[tuple[float, ...]]:
        """Return the features of the latest decisions that ended after ``since_ms``, epoch milliseconds."""
        return [row for at_ms, row in self._rows if at_ms > since_ms]

    def worsened(
        self, decisions: Iterable[Comparison], versions: Mapping[str, str], *, since_ms: int
    ) -> str | None:
        """Read further decisions; return a sentence about the latest rise of a mean loss, if there is one.

        Args:
            decisions: Decisions by their end; those that ended before ``until_ms`` are ignored.
            versions: Number of each watched version by the SHA-256 of its model file.
            since_ms: Only a change that is found after this time counts, epoch milliseconds: the last
                training has reacted to earlier ones.
        """
        self._watches = {sha256: self._watches.get(sha256) or LossWatch() for sha256 in versions}
        seen_ms, found = self.until_ms, None
        for run in filter(is_usable, decisions):
            if seen_ms is not None and run.outcome.at_ms <= seen_ms:
                continue
            self.until_ms = run.outcome.at_ms
            self._rows.append((run.outcome.at_ms, feature_row(run)))
            for sha256, watch in self._watches.items():
                loss = _loss(run, sha256)
                change = None if loss is None else watch.update(loss, run.outcome.at_ms)
                if change is not None and change.worsened and change.at_ms > since_ms:
                    found = _sentence(versions[sha256], change)
        return found


def _loss(run: Comparison, sha256: str) -> float | None:
    """Return the loss of a version's duration for the run; ``None`` if it predicted none."""
    prediction, actual_s = prediction_of(run, sha256), run.outcome.duration_s
    if prediction is None or prediction.duration_s is None or actual_s is None:
        return None
    return scaled_loss(prediction.duration_s, actual_s)


def _sentence(version: str, change: LossChange) -> str:
    return (
        f"the mean loss of version {version} rose from {change.before:.3f} to {change.after:.3f}"
        f" ({change.detector})"
    )
