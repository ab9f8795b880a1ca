"""The metrics of every model version by a bare groupby of pandas, beside the comparison stage's fold.

    gnomon replay examples/agent_runs.csv --out topics/
    python -m benchmarks.learning.pandas_metrics topics/ --times 20

Both get the same records in memory, on one core, and must agree on every figure. ``--times`` repeats the
records under other task ids. Lines are those of the function here, and those of the package
``gnomon.comparison``. pandas has the metrics alone, once at the end. The fold has besides: a comparison
written for each task, metrics by agent and of the last 24 hours, the ledger, corrections of intervals, the
sums of the verdict, repeats and late ends told apart, a state that goes on after a crash, and bounded memory.
"""

import argparse
import inspect
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import gnomon.comparison
from gnomon import codec, topics
from gnomon.comparison import ComparisonConfig, ComparisonState, fold, tick
from gnomon.events import ModelMetrics

BATCH = 500
TOPICS = (topics.TASK_EVENTS.name, topics.TASK_FEATURES.name, topics.SHADOW_PREDICTIONS.name)
FIGURES = ("n", "mae_s", "control_mae_s", "improvement", "accuracy", "within_25", "brier")


@dataclass(frozen=True, slots=True)
class Record:
    """A record as a broker would hand it over."""

    value: bytes | None
    timestamp: int
    offset: int
    topic: str
    partition: int = 0
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


def by_pandas(events: Sequence[bytes], predictions: Sequence[bytes]) -> pd.DataFrame:
    """The metrics by model and version."""
    task = ["agent_id", "task_id"]
    ended = pd.DataFrame([e for e in map(json.loads, events) if e["kind"] == "task_finished.v1"])
    ended = ended[[*task, "duration_s", "succeeded"]].drop_duplicates(task)
    made = pd.DataFrame(map(json.loads, predictions)).drop_duplicates([*task, "model", "version"])
    both = made.merge(ended, on=task, suffixes=("", "_actual"))
    both["mae_s"] = (both["duration_s"] - both["duration_s_actual"]).abs()
    both["n"] = both["mae_s"].notna()
    known = both["success_probability"].notna()
    right = (both["success_probability"] >= 0.5) == both["succeeded"].astype(bool)
    both["accuracy"] = right.where(known).astype(float)
    both["within_25"] = (
        (both["mae_s"] <= 0.25 * both["duration_s_actual"]).where(both["n"]).astype(float)
    )
    both["brier"] = (both["success_probability"] - both["succeeded"]) ** 2
    control = both.loc[both["model"] == "control", [*task, "mae_s"]]
    both = both.merge(control, on=task, how="left", suffixes=("", "_control"))
    pair = both["mae_s"].notna() & both["mae_s_control"].notna()
    both["own_s"], both["control_mae_s"] = (
        both["mae_s"].where(pair),
        both["mae_s_control"].where(pair),
    )
    means = ["mae_s", "control_mae_s", "own_s", "accuracy", "within_25", "brier"]
    by = both.groupby(["model", "version"])
    found = by[means].mean().join(by["n"].sum())
    found["improvement"] = 1 - found["own_s"] / found["control_mae_s"]
    return found


def by_fold(records: Sequence[Record]) -> dict[tuple[str, str], ModelMetrics]:
    """The metrics of all agents that the comparison stage writes, by model and version."""
    config = ComparisonConfig(partition=0)
    state = ComparisonState(config.verdict)
    found: dict[tuple[str, str], ModelMetrics] = {}
    for start in range(0, len(records), BATCH):
        fold(state, records[start : start + BATCH], config=config)
        written = tick(state, config=config).topic(topics.COMPARISON_METRICS.name)
        for _, value in written:
            each = codec.decode_metrics(value or b"")
            if isinstance(each, ModelMetrics) and (each.slice, each.window) == ("all", "all"):
                found[each.model, each.version] = each
    return found


def read(folder: Path, times: int) -> dict[str, list[bytes]]:
    """The values of each topic by time, repeated under other task ids.

    In the files one partition follows another, in each topic in another order.
    """
    values = {}
    for name in TOPICS:
        lines = sorted((folder / f"{name}.jsonl").read_bytes().splitlines(), key=_time_ms)
        values[name] = [
            line.replace(b'"task_id":"', b'"task_id":"%d-' % n)
            for line in lines
            for n in range(times)
        ]
    return values


def interleaved(values: dict[str, list[bytes]]) -> list[Record]:
    """The records of all topics, each topic in its order, in batches as long as the topic has records."""
    batches = max(1, sum(map(len, values.values())) // BATCH)

    def parts() -> Iterator[Record]:
        for n in range(batches):
            for name, lines in values.items():
                first, last = (len(lines) * k // batches for k in (n, n + 1))
                for offset in range(first, last):
                    yield Record(lines[offset], _time_ms(lines[offset]), offset, name)

    return list(parts())


def _time_ms(line: bytes) -> int:
    event = json.loads(line)
    return int(
        event.get("finished_at_ms") or event.get("cancelled_at_ms") or event["started_at_ms"]
    )


def differences(frame: pd.DataFrame, found: dict[tuple[str, str], ModelMetrics]) -> list[str]:
    """Figures that are not the same; sums of the stage are in microseconds and millionths."""
    told = []
    for key, record in found.items():
        for name in FIGURES:
            theirs, ours = frame.loc[key, name], getattr(record, name)
            ours = float("nan") if ours is None else ours
            if abs(theirs - ours) > 2e-6 * max(1.0, abs(ours)) or pd.isna(theirs) != pd.isna(ours):
                told.append(f"{key}: {name} is {theirs} by pandas, {ours} by the fold")
    return told


def lines_of_comparison() -> int:
    """Lines of the package that are neither empty nor a comment."""
    files = Path(gnomon.comparison.__file__).parent.rglob("*.py")
    text = [line.strip() for file in files for line in file.read_text().splitlines()]
    return sum(bool(line) and not line.startswith("#") for line in text)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="what gnomon replay --out has written")
    parser.add_argument("--times", type=int, default=1, help="repeat the records under other ids")
    options = parser.parse_args()
    values = read(options.folder, options.times)
    records = interleaved(values)
    taken_s = {}
    began_s = time.perf_counter()
    frame = by_pandas(values[TOPICS[0]], values[TOPICS[2]])
    taken_s["pandas"] = time.perf_counter() - began_s
    began_s = time.perf_counter()
    found = by_fold(records)
    taken_s["fold"] = time.perf_counter() - began_s
    lines = {
        "pandas": len(inspect.getsource(by_pandas).splitlines()),
        "fold": lines_of_comparison(),
    }
    print(f"{len(records):,} records, {len(found)} versions")
    for name, seconds in taken_s.items():
        print(f"{name:<7}{len(records) / seconds:12,.0f} records/s{lines[name]:6} lines")
    told = differences(frame, found)
    print("\n".join(told) or "all figures agree")
    return 1 if told or not found else 0


if __name__ == "__main__":
    sys.exit(main())
