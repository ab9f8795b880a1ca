"""Implements ``gnomon replay --model``: predicts past decisions with registered versions."""

import argparse
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gnomon.cli.texts import replay_input
from gnomon.errors import ConfigurationError
from gnomon.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gnomon.events import Comparison
    from gnomon.replay.scoring import ScoredVersion, ScoreReport

FILE_NAME = "replayed.jsonl"


def named_version(text: str) -> tuple[str, str]:
    """Parse ``NAME@VERSION``.

    Raises:
        ArgumentTypeError: The text is of another form.
    """
    name, at, version = text.rpartition("@")
    if not at or not name or not version:
        raise argparse.ArgumentTypeError(f"expected NAME@VERSION, got {text!r}")
    return name, version


def run_scores(options: argparse.Namespace, settings: Settings) -> int:
    """Predict the runs of ``options.file``, or else the decisions of the vault, and report.

    Raises:
        ConfigurationError: The file or the vault cannot be read, or there is nothing in it.
        ModelRefusedError: A version may not be used.
        RegistryUnavailableError: The registry does not answer.
        ScoringError: A version cannot predict.
    """
    from gnomon.replay.corrected import with_corrections  # noqa: PLC0415
    from gnomon.replay.scoring import report_of, scored  # noqa: PLC0415

    versions = _versions(options.model, settings)
    decisions = _decisions(options, settings)
    replayed = with_corrections(list(scored(decisions, versions)))
    if not replayed:
        print("gnomon replay: there is no decision to predict", file=sys.stderr)
        return 2
    if options.out is not None:
        lines = (msgspec.json.encode(decision) + b"\n" for decision in replayed)
        _write(options.out / FILE_NAME, b"".join(lines))
    report = report_of(replayed, versions)
    if options.report is not None:
        _write(options.report, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    _print(report)
    return 0


def _versions(names: "Sequence[tuple[str, str]]", settings: Settings) -> "list[ScoredVersion]":
    from gnomon.models.registry import Registry  # noqa: PLC0415
    from gnomon.replay.scoring import ScoredVersion  # noqa: PLC0415

    found = []
    for name, version in dict.fromkeys(names):
        registry = Registry(uri=settings.mlflow_uri, model_name=name)
        model = registry.load(version)
        found.append(ScoredVersion(model, registry.trained_until_ms(version)))
    return found


def _decisions(options: argparse.Namespace, settings: Settings) -> "Iterator[Comparison]":
    """Yield past decisions by the time of their end, with their features."""
    if options.file is not None:
        from gnomon.features import FeaturesConfig  # noqa: PLC0415
        from gnomon.replay.history import decisions_of  # noqa: PLC0415

        runs = replay_input.read(options, settings).runs
        yield from decisions_of(runs, config=FeaturesConfig.from_settings(settings))
        return
    from gnomon.operations.vaults.vault_reader import VaultReader  # noqa: PLC0415

    with closing(VaultReader(settings, command="gnomon replay")) as vault:
        yield from vault.decisions()


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error


def _print(report: "ScoreReport") -> None:
    from gnomon.comparison.metrics.achieved import table  # noqa: PLC0415

    print("REPLAYED: predictions made after the outcomes were known; they are no live evidence")
    for version in report.versions:
        until = version.trained_until_ms
        trained = "an unknown time" if until is None else _utc(until)
        print(
            f"{version.name}@{version.version} sha256 {version.sha256}: trained on runs until"
            f" {trained}; {version.unseen} of {report.decisions} decisions started later"
        )
    if report.unseen:
        print("\ndecisions that started after the version's training data ended:")
        print(table(report.unseen))
    print("\nall decisions; a version has seen the outcomes of those it was trained on:")
    print(table(report.all))


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
