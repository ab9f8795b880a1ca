"""A part of the recorded runs, and ``gnomon replay`` of it as a process."""

import csv
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.support.commands import GNOMON, environ, processes_of
from tests.support.polling import eventually_sync

EXAMPLE = Path(__file__).parents[3] / "examples" / "agent_runs.csv"
AGENTS = 7
RUNS = 40 * AGENTS
"""The first forty runs of each agent."""
TRAIN_EVERY = 100


def write_cut(path: Path) -> None:
    """Write the part, with a column of code review iterations: 0 to 3, or empty."""
    taken: Counter[str] = Counter()
    with EXAMPLE.open(newline="") as source, path.open("w", newline="") as target:
        reader = csv.DictReader(source)
        columns = [*(reader.fieldnames or ()), "code_review_iterations"]
        writer = csv.DictWriter(target, columns)
        writer.writeheader()
        for number, row in enumerate(reader):
            taken[row["agent_id"]] += 1
            if taken[row["agent_id"]] <= RUNS // AGENTS:
                reviews = "" if number % 5 == 4 else str(number % 5)
                writer.writerow({**row, "code_review_iterations": reviews})


@dataclass(frozen=True)
class Replayed:
    """Output of a replay."""

    csv: Path
    out: Path
    data: Path
    report: dict[str, Any]
    printed: str

    def records(self, topic: str) -> list[dict[str, Any]]:
        """Return every record of a topic."""
        lines = (self.out / f"{topic}.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


class Replaying:
    """``gnomon replay`` under way. Context manager: what is left at the end is killed.

    Args:
        folder: Its data, report and topics go there.
        file: The runs.
        brokers: Of a cluster to use, else it starts its own.
        settings: Variables that it has beside its data folder.
    """

    def __init__(
        self,
        folder: Path,
        file: Path,
        *,
        train_every: int,
        brokers: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._folder, self._file, self._settings = folder, file, settings or {}
        self._arguments = [str(file), "--train-every", str(train_every)]
        self._arguments += [
            "--report",
            str(folder / "report.json"),
            "--out",
            str(folder / "topics"),
        ]
        if brokers is not None:
            self._arguments += ["--brokers", brokers]
        self._log = folder / "stderr"

    def __enter__(self) -> Self:
        with self._log.open("wb") as log, (self._folder / "stdout").open("wb") as printed:
            self.process = subprocess.Popen(  # noqa: S603  our own command
                [*GNOMON, "replay", *self._arguments],
                env=environ({**self._settings, "GNOMON_DATA_DIR": str(self._folder / "data")}),
                stdout=printed,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pid in processes_of(self._folder / "data"):
            os.kill(pid, signal.SIGKILL)

    def said(self) -> str:
        """Return standard error so far."""
        return self._log.read_text()

    def until(self, moment: str) -> None:
        """Wait until it has printed ``moment``."""
        eventually_sync(
            lambda: moment in self.said() or self.process.poll() is not None,
            timeout_s=120,
            what=moment,
        )
        assert moment in self.said()

    def workers(self) -> list[int]:
        """Return the process ids of its stages."""
        found = processes_of(self._folder / "data")
        return [pid for pid, command in found.items() if " worker " in command]

    def finished(self) -> Replayed:
        """Wait for a successful end."""
        assert self.process.wait(150) == 0, self.said()
        (data,) = (self._folder / "data" / "replays").iterdir()
        return Replayed(
            csv=self._file,
            out=self._folder / "topics",
            data=data,
            report=json.loads((self._folder / "report.json").read_text()),
            printed=(self._folder / "stdout").read_text(),
        )
