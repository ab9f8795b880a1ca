"""Recorded runs predicted one after the other by versions that learnt from earlier ones alone, without a broker.

``python -m benchmarks.learning.prequential examples/agent_runs.csv`` folds the events of the runs as the features
stage does, trains a version every 200 finished runs, and lets each version predict the runs that
start until the next one is there. Intervals are corrected by every run that has finished, at once, by the
same code as in the stages. Errors and coverage are added up here with numpy: ``gnomon.comparison`` counts
nothing, and the two simple rules below are written out again.
"""

import argparse
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnomon import codec
from gnomon.comparison.intervals.calibration import QUANTILES, Calibration, bucket_of
from gnomon.comparison.intervals.corrections import Corrections
from gnomon.events import (
    Comparison,
    Intervals,
    ModelPrediction,
    Outcome,
    TaskCancelled,
    TaskEvent,
    TaskFeatures,
    TaskFinished,
    TaskStarted,
)
from gnomon.features import FeaturesConfig, FeaturesState, fold
from gnomon.replay.plan import in_event_time_order
from gnomon.replay.source import Columns, Run, read_runs

TRAIN_EVERY = 200
NOTHING = (np.nan, np.nan)

Said = dict[str, tuple[float, float]]
"""Seconds and probability of success by who predicted; ``nan`` for nothing."""
Fit = Callable[[Sequence[Comparison]], Any]
"""Makes a ``LoadedModel`` of finished runs."""


@dataclass(frozen=True, slots=True)
class Record:
    """A task event as a broker would hand it over."""

    value: bytes | None
    timestamp: int
    offset: int
    topic: str = "task-events"
    partition: int = 0
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


def vectors(events: Sequence[TaskEvent]) -> dict[str, TaskFeatures]:
    """The feature vector of each start, by task."""
    records = [Record(codec.encode(e), codec.event_time_ms(e), n) for n, e in enumerate(events)]
    outputs = fold(FeaturesState(partition=0), records, config=FeaturesConfig())
    made = [codec.decode_task_features(value or b"") for _, value in outputs.topic("task-features")]
    return {task.task_id: task for task in made}


def coarsened(runs: Sequence[Run], groups: int) -> list[Run]:
    """The same runs with their task types put into ``groups`` by a checksum of the name."""

    def changed(event: Any) -> Any:
        group = zlib.crc32(event.task_type.encode()) % groups
        return msgspec.structs.replace(event, task_type=f"group-{group}")

    return [
        Run(started=changed(run.started), finished=run.finished and changed(run.finished))
        for run in runs
    ]


def simple_rules(task: TaskFeatures) -> Said:
    """The two one-line rules."""
    f = task.features
    known_s = (task.estimate_s, f.avg_execution_time_1h, f.agent_avg_execution_time)
    control_s = next((s for s in known_s if s is not None), np.nan)
    rates = (f.success_rate_1h, f.agent_success_rate)
    control_p = next((p for p in rates if p is not None), np.nan)
    own_s, own_p = f.same_type_avg_execution_time, f.same_type_success_rate
    return {
        "control": (control_s, control_p),
        "same-type": (
            control_s if own_s is None else own_s,
            control_p if own_p is None else own_p,
        ),
    }


@dataclass(slots=True)
class Judged:
    """One finished run, what was predicted of it, and how it ended."""

    task: TaskFeatures
    said: Said
    duration_s: float
    succeeded: bool
    intervals: Mapping[str, Intervals]


class Published:
    """Intervals of every task and learner, each corrected by the runs that finished before."""

    def __init__(self) -> None:
        self._calibration, self._corrections = Calibration(), Corrections()
        self._of_task: defaultdict[str, dict[str, tuple[str, Intervals]]] = defaultdict(dict)

    def add(self, name: str, model: Any, tasks: Sequence[TaskFeatures], made: Any) -> None:
        """Make the intervals of tasks that start, if the model can tell how far durations spread."""
        from gnomon.models.intervals import intervals_of

        if made.quantiles is None:
            return
        buckets = [bucket_of(task.features.same_type_runs) for task in tasks]
        durations = [duration_s for duration_s, _ in made.figures]
        table = self._corrections.of(model.sha256, 0)
        found = intervals_of(durations, made.quantiles, buckets, table)
        for task, intervals in zip(tasks, found, strict=True):
            if intervals is not None:
                self._of_task[task.task_id][name] = (model.sha256, intervals)

    def finish(self, event: TaskFinished) -> dict[str, Intervals]:
        """What was published of the task by learner; its duration corrects what comes."""
        of_task = self._of_task.pop(event.task_id, {})
        for sha256, intervals in of_task.values():
            self._calibration.add(
                sha256,
                intervals,
                agent_id=event.agent_id,
                task_id=event.task_id,
                duration_s=event.duration_s,
                at_ms=event.finished_at_ms,
            )
        for key, record in self._calibration.close(0):
            value = None if record is None else codec.encode(record)
            offset = self._corrections.records
            self._corrections.apply(
                Record(value, 0, offset, "interval-corrections", 0, key.encode())
            )
        return {name: intervals for name, (_, intervals) in of_task.items()}


def prequential(
    runs: Sequence[Run],
    learners: Mapping[str, Fit],
    *,
    every: int = TRAIN_EVERY,
    with_intervals: bool = True,
) -> list[Judged]:
    """Every finished run with what each learner's newest version and the simple rules predicted.

    What the parts of a mix predicted is there too, by the part's name, unless a learner has that.
    A run that started before the first version has the simple rules alone. Without intervals, all runs
    of a version are predicted at once, which gives the same predictions in a third of the time.
    """
    events = in_event_time_order(runs)
    features = vectors(events)
    said: dict[str, Said] = {}
    recorded: dict[str, list[ModelPrediction]] = {}
    live: dict[str, Any] = {}
    waiting: list[str] = []
    finished: list[Comparison] = []
    judged = []
    published = Published()

    def predict_waiting() -> None:
        tasks = [features[task_id] for task_id in waiting]
        for name, model in live.items() if tasks else ():
            made = model.predict_whole(tasks, QUANTILES)
            if with_intervals:
                published.add(name, model, tasks, made)
            for n, task in enumerate(tasks):
                duration_s, probability = made.figures[n]
                parts = made.parts[n] if made.parts else {}
                said[task.task_id][name] = _numbers(duration_s, probability)
                for part in parts.keys() - live.keys():
                    said[task.task_id][part] = _numbers(*parts[part])
                recorded[task.task_id].append(
                    ModelPrediction(
                        model=name,
                        version=model.version,
                        duration_s=duration_s,
                        success_probability=probability,
                        parts=parts,
                    )
                )
        waiting.clear()

    for event in events:
        if isinstance(event, TaskStarted):
            said[event.task_id] = simple_rules(features[event.task_id])
            recorded[event.task_id] = []
            waiting.append(event.task_id)
            continue
        if isinstance(event, TaskCancelled):  # it has no duration
            continue
        if with_intervals:  # they are corrected by each run that finishes
            predict_waiting()
        task = features[event.task_id]
        outcome = Outcome(
            status="matched",
            at_ms=event.finished_at_ms,
            duration_s=event.duration_s,
            succeeded=event.succeeded,
        )
        finished.append(
            Comparison(
                decision_id=event.task_id,
                predictions=recorded[event.task_id],
                outcome=outcome,
                **{
                    name: getattr(task, name)
                    for name in task.__struct_fields__
                    if name != "sealed_context"
                },
            )
        )
        around = published.finish(event)
        judged.append(Judged(task, said[event.task_id], event.duration_s, event.succeeded, around))
        if len(finished) % every == 0:
            predict_waiting()
            live = {name: fit(finished) for name, fit in learners.items()}
    predict_waiting()
    return judged


def coverage(judged: Sequence[Judged], name: str, level: str) -> dict[str, float]:
    """How many durations lay inside; of the worst agent with 30 runs, and of any 200 in a row."""
    runs = [run for run in judged if name in run.intervals]
    y = np.array([run.duration_s for run in runs])
    agents = np.array([run.task.agent_id for run in runs])
    ends = [run.intervals[name].by_level[level] for run in runs]
    low = np.array([interval.low_s for interval in ends])
    high = np.array([interval.high_s for interval in ends])
    inside = (low <= y) & (y <= high)
    beyond = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    in_a_row = np.convolve(inside, np.ones(200), "valid") / 200
    enough = [agent for agent in np.unique(agents) if (agents == agent).sum() >= 30]
    return {
        "n": float(len(runs)),
        "covered": float(inside.mean()),
        "worst": float(min(inside[agents == agent].mean() for agent in enough)),
        "lowest": float(in_a_row.min()),
        "highest": float(in_a_row.max()),
        "width_s": float(np.median(high - low)),
        "score": float((high - low + 200 / (100 - int(level)) * beyond).mean()),
    }


def _numbers(duration_s: float | None, probability: float | None) -> tuple[float, float]:
    return (
        np.nan if duration_s is None else duration_s,
        np.nan if probability is None else probability,
    )


def figures(judged: Sequence[Judged], name: str, beside: str) -> dict[str, float]:
    """Figures of ``name`` beside those of another on the runs that both predicted."""
    y = np.array([run.duration_s for run in judged])
    ok = np.array([run.succeeded for run in judged])

    def of(who: str) -> NDArray[np.float64]:
        return np.array([run.said.get(who, NOTHING) for run in judged])

    mine, other = of(name), of(beside)
    timed = ~np.isnan(mine[:, 0] + other[:, 0])
    rated = ~np.isnan(mine[:, 1] + other[:, 1])
    error, other_error = (np.abs(x[timed, 0] - y[timed]) for x in (mine, other))
    brier, other_brier = (np.mean((x[rated, 1] - ok[rated]) ** 2) for x in (mine, other))
    right = (mine[rated, 1] >= 0.5) == ok[rated]
    return {
        "n": float(timed.sum()),
        "mae_s": float(error.mean()),
        "better": float(1 - error.mean() / other_error.mean()),
        "within_25": float(np.mean(error <= 0.25 * y[timed])),
        "accuracy": float(right.mean()),
        "brier": float(brier),
        "brier_better": float(1 - brier / other_brier),
    }


def fitted_by(learner: str) -> Fit:
    """Versions of one of gnomon's learners, numbered."""
    from gnomon.models.learners.catalog import LEARNERS
    from gnomon.models.predictor import LoadedModel
    from gnomon.models.train import train

    version = 0

    def fit(finished: Sequence[Comparison]) -> LoadedModel:
        nonlocal version
        version += 1
        trained = train(finished, learner=LEARNERS[learner]())
        return LoadedModel(
            name=learner,
            version=str(version),
            sha256=f"{learner}-{version}",
            estimator=trained.estimator,
            inputs=trained.columns,
            outputs=trained.outputs,
        )

    return fit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="as for gnomon replay")
    parser.add_argument("--learners", default="mix,pool,boosted", help="comma-separated")
    parser.add_argument("--groups", type=int, help="put the task types into this many groups")
    options = parser.parse_args()
    runs = read_runs(options.file, Columns())
    if options.groups:
        runs = coarsened(runs, options.groups)
    names = options.learners.split(",")
    began_s = time.monotonic()
    judged = prequential(runs, {name: fitted_by(name) for name in names})
    began = [run for run in judged if all(name in run.said for name in names)]
    print(f"{len(began)} of {len(judged)} runs judged, {time.monotonic() - began_s:.0f} s")
    for beside in ("control", "same-type"):
        print(f"beside {beside}:")
        for name in ("control", "same-type", *names):
            row = figures(began, name, beside)
            print(
                f"  {name:10} n {row['n']:.0f}  MAE {row['mae_s']:6.1f} s  better {row['better']:+6.1%}"
                f"  within 25 % {row['within_25']:.3f}  accuracy {row['accuracy']:.3f}"
                f"  Brier {row['brier']:.4f} better {row['brier_better']:+6.1%}"
            )
    for name in names:
        for level in ("80", "90") if any(name in run.intervals for run in began) else ():
            row = coverage(began, name, level)
            print(
                f"  {name:10} {level} % interval: n {row['n']:.0f}  covered {row['covered']:.3f}"
                f"  worst agent {row['worst']:.3f}  any 200 in a row {row['lowest']:.2f} to"
                f" {row['highest']:.2f}  median width {row['width_s']:.0f} s"
                f"  interval score {row['score']:.0f}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
