"""Corrects the intervals of a replay at each finish, as it is done live. Pure, no I/O."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from gnomon.comparison.intervals.calibration import LEVELS, Calibration
from gnomon.events import Intervals
from gnomon.models.intervals import intervals_of
from gnomon.replay.replayed import ReplayedDecision, ReplayedPrediction

_END: Final = 0
_START: Final = 1
_Tables = defaultdict[str, dict[tuple[int, int], float]]
"""Corrections by bucket and level, by the SHA-256 of the model file."""


def with_corrections(replayed: Sequence[ReplayedDecision]) -> list[ReplayedDecision]:
    """Return the decisions, in their order, with intervals as corrected when each task started.

    A correction is learnt from the tasks that had ended by then, all in one partition. A version's own
    intervals are too narrow on the runs of its training data, so decisions that it may have seen teach
    nothing, and keep its own intervals.

    Args:
        replayed: Decisions with the versions' own intervals.
    """
    calibration, tables = Calibration(), _Tables(dict)
    corrected = list(replayed)
    for _, kind, index in sorted(_moments(replayed)):
        if kind == _START:
            corrected[index] = _at_start(replayed[index], tables)
        else:
            _learn(replayed[index], calibration)
            for _, record in calibration.close(0):
                if record is not None:
                    tables[record.sha256][record.bucket, record.level] = record.correction
    return corrected


def _moments(replayed: Sequence[ReplayedDecision]) -> Iterator[tuple[int, int, int]]:
    """Yield time, kind and index of each start and end; an end comes before a start of its time."""
    for index, decision in enumerate(replayed):
        yield decision.started_at_ms, _START, index
        if decision.outcome.duration_s is not None:
            # A task that took no time still starts before it ends.
            instant = decision.outcome.at_ms <= decision.started_at_ms
            yield decision.outcome.at_ms, _START + 1 if instant else _END, index


def _learn(decision: ReplayedDecision, calibration: Calibration) -> None:
    duration_s = decision.outcome.duration_s
    for prediction in decision.predictions:
        if (
            duration_s is not None
            and prediction.intervals is not None
            and prediction.sha256 is not None
            and prediction.unseen is not False
        ):
            calibration.add(
                prediction.sha256,
                prediction.intervals,
                agent_id=decision.agent_id,
                task_id=decision.task_id,
                duration_s=duration_s,
                at_ms=decision.outcome.at_ms,
            )


def _at_start(decision: ReplayedDecision, tables: _Tables) -> ReplayedDecision:
    return msgspec.structs.replace(
        decision,
        predictions=[
            msgspec.structs.replace(each, intervals=_corrected(each, tables))
            for each in decision.predictions
        ],
    )


def _corrected(prediction: ReplayedPrediction, tables: _Tables) -> Intervals | None:
    own = prediction.intervals
    if own is None or prediction.sha256 is None or prediction.unseen is False:
        return own
    ends = [own.by_level[str(level)] for level in LEVELS]
    quantiles = np.array([[end for each in ends for end in (each.own_low_s, each.own_high_s)]])
    table = tables[prediction.sha256]
    return intervals_of([prediction.duration_s], quantiles, [own.bucket], table)[0]
