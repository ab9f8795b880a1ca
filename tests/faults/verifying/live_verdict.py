"""Checks the live verdict's sums and the recorded switches of models against other topics.

The sums are computed again from the comparisons, which the oracle has verified, and shares no code with
gnomon. No model is live in a run, so the verdict judges the baseline ``same-type`` in its place.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MATURE_AFTER_MS = 600_000
HOUR_MS = 3_600_000
JUDGED = "same-type"
BASELINES = {"control", "same-type", "type"}
CAP = round(math.log(10) * 1e9)
Line = dict[str, Any]
Row = list[int]


def write_settings(folder: Path) -> str:
    """Write the settings of the live verdict; returns their path."""
    path = folder / "verdict.json"
    path.write_text(
        json.dumps(
            {
                "mature_after_s": MATURE_AFTER_MS / 1000,
                "clip_s": dict.fromkeys(sorted(BASELINES), 3600),
                "judged_baselines": [JUDGED],
            }
        )
    )
    return str(path)


def evidence_differences(folder: Path) -> list[str]:
    """Return how the latest evidence of each partition differs from what the comparisons give."""
    expected = _expected(folder)
    latest: dict[str, Any] = {}
    for line in _lines(folder, "verdict-evidence"):
        latest[line["key"]] = line["value"]
    found: dict[str, object] = {}
    for key, value in latest.items():
        if value is None or value["kind"] == "verdict_experiment.v1":
            continue
        losses = value["against"].get("control", {}).get("log_loss")
        if value["kind"] == "hour_evidence.v1":
            found[key] = losses or []
        else:
            counts = (value["decisions"], value["immature"], value["expired"], value["cancelled"])
            found[key] = [*counts, *(losses["blocks"] if losses else [0] * 6)]
    return [
        f"{key}: expected {expected.get(key)}, found {found.get(key)}"
        for key in sorted(expected.keys() | found.keys())
        if expected.get(key) != found.get(key)
    ]


def switch_differences(folder: Path) -> list[str]:
    """Return the tasks that were predicted by other models than the switches say, for their offset."""
    switches: dict[int, list[tuple[int, set[str]]]] = defaultdict(list)
    for line in _lines(folder, "model-switches"):
        value = line["value"]
        models = {f"{model['model']}@{model['version']}" for model in value["models"]}
        switches[value["partition"]].append((value["offset"], models))
    predicted: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for line in _lines(folder, "shadow-predictions"):
        value = line["value"]
        if value.get("model") not in BASELINES:
            name = f"{value.get('model')}@{value.get('version')}"
            predicted[_task(value)].add(name)
    wrong = []
    for line in _lines(folder, "task-features"):
        before = [s for s in switches[line["partition"]] if s[0] <= line["offset"]]
        wanted = max(before, key=lambda switch: switch[0])[1] if before else None
        made = predicted[_task(line["value"])]
        if made != wanted:
            wrong.append(f"offset {line['offset']}: expected {wanted}, predicted by {made}")
    return wrong


def _expected(folder: Path) -> dict[str, Row]:
    """Counts and the row of blocks by partition, and totals by partition and hour.

    The sums begin anew with each life of the topic; a row of an earlier life stays until one replaces it.
    """
    by_life: dict[int, list[Line]] = defaultdict(list)
    for line in _lines(folder, "comparisons"):
        by_life[line.get("life", 0)].append(line)
    rows: dict[str, Row] = {}
    for life in sorted(by_life):
        rows |= _expected_of(by_life[life])
    return rows


def _expected_of(lines: list[Line]) -> dict[str, Row]:
    tasks: dict[str, tuple[int, Any]] = {}
    newest_ms: dict[str, int] = defaultdict(int)
    for line in lines:
        value = line["value"]
        tasks[value["decision_id"]] = line["partition"], value
        agent = value["agent_id"]
        newest_ms[agent] = max(newest_ms[agent], value["started_at_ms"], value["outcome"]["at_ms"])
    counts: dict[int, Row] = defaultdict(lambda: [0] * 4)
    blocks: dict[tuple[int, str, int], Row] = defaultdict(lambda: [0, 0])
    for partition, value in tasks.values():
        made = {each["model"]: each["duration_s"] for each in value["predictions"]}
        if JUDGED not in made:
            continue
        at_ms, outcome = value["started_at_ms"], value["outcome"]
        status, actual_s = outcome["status"], outcome["duration_s"]
        mature = at_ms + MATURE_AFTER_MS <= newest_ms[value["agent_id"]]
        if status == "expired":
            counts[partition][2] += 1
            actual_s = max(0, outcome["at_ms"] - at_ms) / 1000
        elif status == "cancelled":
            counts[partition][3] += 1
            continue
        elif not mature:
            counts[partition][1] += 1
            continue
        elif made[JUDGED] is not None:
            counts[partition][0] += 1
        if made[JUDGED] is None or made["control"] is None:
            continue
        block = blocks[partition, value["agent_id"], at_ms // HOUR_MS]
        for place, name in enumerate(("control", JUDGED)):
            block[place] += min(abs(_on_axis(made[name]) - _on_axis(actual_s)), CAP)
    return _rows(counts, blocks)


def _rows(counts: dict[int, Row], blocks: dict[tuple[int, str, int], Row]) -> dict[str, Row]:
    expected = {
        f"{JUDGED}@0|all|p{partition}": [*row, *[0] * 6] for partition, row in counts.items()
    }
    for (partition, _, hour), (b, c) in blocks.items():
        row = expected[f"{JUDGED}@0|all|p{partition}"]
        for place, more in enumerate((1, b, c, b * b, b * c, c * c), start=4):
            row[place] += more
        total = expected.setdefault(f"{JUDGED}@0|{hour}|p{partition}", [0, 0])
        total[0] += b
        total[1] += c
    return expected


def _on_axis(seconds: float) -> int:
    return round(math.log1p(seconds) * 1e9)


def _task(value: Line) -> tuple[Any, ...]:
    return value["agent_id"], value["task_id"], value["started_at_ms"]


def _lines(folder: Path, topic: str) -> Iterator[Line]:
    with (folder / f"{topic}.jsonl").open(encoding="utf-8") as file:
        yield from map(json.loads, file)
