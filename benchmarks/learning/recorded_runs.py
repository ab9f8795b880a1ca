"""What gnomon must reach on recorded runs, measured through the whole live pipeline.

    python -m benchmarks.learning.recorded_runs examples/agent_runs.csv

runs ``gnomon replay`` on the file, with a broker, all stages and a registry of its own, and prints each
figure beside what it must be and what is aimed at. The figures are those of the report that the replay
writes. ``--of kept-back`` takes the limits for other agents' runs, to which nothing was tuned.
``--groups 8`` puts the task types into that many groups first, and compares the mix with its parts: what
these predicted is in the comparisons. ``--agents A,B`` replays the runs of these agents alone. Status 1 if
a figure is not what it must be.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MUST_MAE = {"recorded": (0.53, 0.58), "kept-back": (0.42, 0.48)}
"""How much smaller the error must be than that of control, and is aimed to be."""
MUST_ACCURACY = {"recorded": (0.86, 0.88), "kept-back": (0.85, 0.87)}
COVERED = (0.77, 0.83)
WORST_AGENT = 0.70
IN_A_ROW = (0.73, 0.87)
GROUPS_BELOW = 0.02
PARTS = ("pool", "boosted")


@dataclass(frozen=True)
class Row:
    """One figure beside its limits; ``holds`` is ``None`` if there is only an aim."""

    name: str
    found: str
    must: str
    aim: str
    holds: bool | None
    reached: bool | None


def rewritten(source: Path, target: Path, *, groups: int | None, agents: set[str] | None) -> None:
    """Copy the runs, with task types put into groups by a checksum, or of some agents alone."""
    with source.open(newline="") as read, target.open("w", newline="") as written:
        reader = csv.DictReader(read)
        writer = csv.DictWriter(written, reader.fieldnames or ())
        writer.writeheader()
        for run in reader:
            if agents is not None and run["agent_id"] not in agents:
                continue
            if groups:
                run["task_type"] = f"group-{zlib.crc32(run['task_type'].encode()) % groups}"
            writer.writerow(run)


def replayed(file: Path, folder: Path, further: Sequence[str]) -> tuple[dict[str, Any], Path]:
    """Replay the file; return the report, and the comparisons."""
    report, topics = folder / "report.json", folder / "topics"
    command = [sys.executable, "-m", "gnomon", "replay", str(file), *further]
    subprocess.run(
        [*command, "--report", str(report), "--out", str(topics)],
        env={**os.environ, "GNOMON_DATA_DIR": str(folder / "data")},
        check=True,
    )
    return json.loads(report.read_text()), topics / "comparisons.jsonl"


def rows(shadow: dict[str, Any], of: str) -> Iterator[Row]:
    """The figures of the version that was newest at each task."""
    control, same_type = shadow["against"]["control"], shadow["against"]["same-type"]
    yield _least("MAE better than control", control["improvement"], MUST_MAE[of])
    yield _least("accuracy of success", shadow["accuracy"], MUST_ACCURACY[of])
    aim = 0.12 if of == "recorded" else None
    yield _least("MAE better than same-type", same_type["improvement"], (0.0, aim))
    if of == "recorded":
        yield _least("Brier better than same-type", same_type["brier_improvement"], (0.10, None))
    found = shadow["intervals"]["80"]
    low, high = COVERED
    inside = low <= found["covered"] <= high
    yield Row(
        "80 % interval: covered", f"{found['covered']:.3f}", f"{low} to {high}", "", inside, None
    )
    yield _least(
        "80 % interval: worst agent", found["worst_agent"], (WORST_AGENT, None), share=False
    )
    low, high = IN_A_ROW
    near = low <= found["lowest"] and found["highest"] <= high
    lasting = f"{found['lowest']:.3f} to {found['highest']:.3f}"
    yield Row("80 % interval: any 200 in a row", lasting, "", f"{low} to {high}", None, near)


def beside_parts(comparisons: Path) -> Iterator[Row]:
    """The error of the mix and of its parts, beside that of control, where all of them predicted."""
    off: dict[str, float] = dict.fromkeys(("control", "mix", *PARTS), 0.0)
    for line in comparisons.open():
        decision = json.loads(line)
        actual_s = decision["outcome"].get("duration_s")
        said: dict[str, float | None] = {}
        newest = -1
        for made in decision["predictions"]:
            if made["model"] == "control":
                said["control"] = made["duration_s"]
            elif made.get("parts") and int(made["version"]) > newest:
                newest = int(made["version"])
                said |= {"mix": made["duration_s"]} | {p: made["parts"][p][0] for p in PARTS}
        values = [said.get(name) for name in off]
        if actual_s is not None and None not in values:
            for name, value in zip(off, values, strict=True):
                off[name] += abs((value or 0.0) - actual_s)
    better = {name: 1 - error / off["control"] for name, error in off.items()}
    for part in PARTS:
        yield Row(
            f"{part} alone: MAE better than control", f"{better[part]:.1%}", "", "", None, None
        )
    best = max(better[part] for part in PARTS)
    least = (best - GROUPS_BELOW, best)
    yield _least("mix: MAE better than control", better["mix"], least)


def _least(
    name: str, found: float, least: tuple[float, float | None], *, share: bool = True
) -> Row:
    must, aim = least
    form = "{:.1%}" if share else "{:.3f}"
    return Row(
        name,
        form.format(found),
        f"at least {form.format(must)}",
        "" if aim is None else form.format(aim),
        found >= must if must else found > 0,
        None if aim is None else found >= aim,
    )


def table(found: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| figure | measured | must | aim |", "|---|---|---|---|"]
    for row in found:
        must = row.must + ("" if row.holds is not False else " **no**")
        aim = row.aim + ("" if row.reached is not False else " (not reached)")
        lines.append(f"| {row.name} | {row.found} | {must} | {aim} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="as for gnomon replay, in CSV")
    parser.add_argument("--of", choices=tuple(MUST_MAE), default="recorded")
    parser.add_argument("--groups", type=int, help="put the task types into this many groups")
    parser.add_argument("--agents", help="replay the runs of these alone, comma-separated")
    options, further = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="gnomon-recorded-") as name:
        folder, file = Path(name), options.file
        if options.groups or options.agents:
            file = folder / "runs.csv"
            agents = set(options.agents.split(",")) if options.agents else None
            rewritten(options.file, file, groups=options.groups, agents=agents)
        report, comparisons = replayed(file, folder, further)
        if options.groups:
            found = list(beside_parts(comparisons))
        else:
            found = list(rows(report["shadow"], options.of))
        print(f"{report['shadow']['n']} of {report['tasks']} runs judged\n\n{table(found)}")
    return 1 if any(row.holds is False for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())
