"""The last verdict on each experiment, as ``gnomon verdict --experiment --live`` leaves it for the dashboard."""

from pathlib import Path

import msgspec

from gnomon.experiment.verdict import ExperimentVerdict
from gnomon.operations.kept_records import read_record, write_record


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on an experiment, and whether it ran.

    Attributes:
        at_ms: When it was judged, epoch milliseconds.
        running: Whether its settings let units take part then.
        verdict: What was found.
    """

    at_ms: int
    running: bool
    verdict: ExperimentVerdict


def write_judged(data_dir: str, judged: Judged) -> None:
    """Replace the verdict on one experiment.

    Raises:
        ConfigurationError: It cannot be written.
    """
    write_record(_folder(data_dir) / f"{judged.verdict.experiment}.json", judged)


def read_judged(data_dir: str) -> list[Judged]:
    """Return the last verdict on each experiment, the newest first.

    Raises:
        ConfigurationError: A file is no such record.
    """
    found = [
        read_record(path, Judged, what="a verdict on an experiment")
        for path in _folder(data_dir).glob("*.json")
    ]
    known = [each for each in found if each is not None]
    return sorted(known, key=lambda each: (-each.at_ms, each.verdict.experiment))


def _folder(data_dir: str) -> Path:
    return Path(data_dir) / "experiments"
