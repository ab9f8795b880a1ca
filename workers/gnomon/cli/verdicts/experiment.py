"""``gnomon verdict --experiment``: judges the variants of an experiment, and stops it if one does harm."""

import argparse
import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from gnomon import codec
from gnomon.cli.texts.progress import progress
from gnomon.cli.verdicts.lines import numbered_lines
from gnomon.errors import ConfigurationError
from gnomon.experiment.outcomes import Outcomes
from gnomon.experiment.ratio import Roster
from gnomon.experiment.rules import ExperimentRules
from gnomon.experiment.settings import HARM, Experiment, parse
from gnomon.experiment.verdict import ExperimentVerdict, VariantVerdict, judge_experiment
from gnomon.long_work import ProgressCallback
from gnomon.operations.judged_experiments import Judged, write_judged
from gnomon.runtime.kafka.reading import read_topic
from gnomon.settings import Settings
from gnomon.text_table import aligned
from gnomon.topics import COMPARISONS, EXPOSURES


def judge_and_show(options: argparse.Namespace, settings: Settings) -> ExperimentVerdict:
    """Read the tasks and exposures, judge, and print a table; with ``--apply`` stop a harmful experiment.

    The verdict on live tasks is kept in the data folder for the dashboard.

    Raises:
        ConfigurationError: A file cannot be read or used.
        BrokerUnavailableError: With ``--live``, no broker answers.
    """
    experiment = _experiment(options)
    rules = _rules(options.settings)
    outcomes, roster = Outcomes(experiment.name, rules), None
    if options.live:
        roster = asyncio.run(_read_topics(options, settings, experiment, outcomes))
    else:
        with progress() as on_progress:
            _add_tasks(options.comparisons, outcomes, on_progress)
            if options.exposures is not None:
                roster = _roster(options.exposures, experiment.name, on_progress)
    found = judge_experiment(experiment, outcomes, rules, roster)
    _show(found)
    if options.live:
        running = experiment.state == "running" and experiment.verdict != HARM
        at_ms = time.time_ns() // 1_000_000
        write_judged(settings.data_dir, Judged(at_ms=at_ms, running=running, verdict=found))
    if options.apply is not None and found.is_harm:
        _stop(options.apply, experiment)
        print(f"{options.apply}: verdict {HARM}, every unit gets {experiment.control}")
    return found


def _experiment(options: argparse.Namespace) -> Experiment:
    path: Path | None = options.apply or options.variants
    if path is None:
        raise ConfigurationError(
            "--experiment needs the router's settings: expected --variants FILE or --apply FILE"
        )
    experiment = parse(_read(path))
    if experiment.name != options.experiment:
        raise ConfigurationError(
            f"{path} is of {experiment.name!r}: expected {options.experiment!r}"
        )
    return experiment


def _rules(path: Path | None) -> ExperimentRules:
    if path is None:
        return ExperimentRules()
    try:
        return msgspec.json.decode(_read(path), type=ExperimentRules)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _add_tasks(path: Path, outcomes: Outcomes, on_progress: ProgressCallback) -> None:
    for number, line in numbered_lines(path, on_progress):
        if line.isspace():
            continue
        try:
            outcomes.add(codec.decode_comparison(line))
        except codec.UNDECODABLE as error:
            raise ConfigurationError(f"{path}, line {number}: no comparison.v1: {error}") from error


def _roster(path: Path, name: str, on_progress: ProgressCallback) -> Roster:
    roster = Roster()
    for number, line in numbered_lines(path, on_progress):
        if line.isspace():
            continue
        try:
            exposure = codec.decode_exposure(line)
        except codec.UNDECODABLE as error:
            raise ConfigurationError(f"{path}, line {number}: no exposure.v1: {error}") from error
        if exposure.experiment == name:
            roster.add(exposure)
    return roster


async def _read_topics(
    options: argparse.Namespace, settings: Settings, experiment: Experiment, outcomes: Outcomes
) -> Roster:
    kafka, prefix = settings.kafka.at(options.brokers), settings.topic_prefix

    async def values(topic: str) -> AsyncIterator[bytes]:
        async for record in read_topic(kafka=kafka, topic=prefix + topic, follow=False):
            if record.value is not None:
                yield record.value

    roster = Roster()
    async for value in values(EXPOSURES.name):
        exposure = codec.decode_exposure(value)
        if exposure.experiment == experiment.name:
            roster.add(exposure)
    async for value in values(COMPARISONS.name):
        outcomes.add(codec.decode_comparison(value))
    return roster


def _stop(path: Path, experiment: Experiment) -> None:
    """Write the verdict into the router's settings, all at once: a router never reads half a file."""
    fields: dict[str, Any] = msgspec.json.decode(_read(path))
    fields["verdict"] = HARM
    parse(fields)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n")
        beside.replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error


def _show(found: ExperimentVerdict) -> None:
    print(f"experiment {found.experiment}, rules {found.rules_sha256}")
    ratio = found.sample_ratio
    source = "exposed units" if found.exposures else "units with tasks"
    state = "no units" if ratio is None else f"{ratio.units} {source}"
    if ratio is not None:
        state += ", MISMATCH of the weights" if ratio.is_mismatch else ", as the weights say"
    print(
        f"{state}; {found.crossed} crossed; {found.unassigned} tasks without a variant,"
        f" {found.immature} too young"
    )
    head = ("variant", "verdict", "units", "tasks", "duration", "failure", "blocked by")
    print(aligned([head, *(_cells(each) for each in found.variants)]))


def _cells(each: VariantVerdict) -> tuple[str, ...]:
    durations, failures = each.differences["duration"], each.differences["failure"]
    return (
        each.variant,
        each.word,
        str(each.units),
        str(each.tasks),
        *(
            "-"
            if found is None
            else f"{100 * found.estimate:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f}) {unit}"
            for found, unit in ((durations, "log %"), (failures, "points"))
        ),
        ", ".join(each.blocked_by) or "-",
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
