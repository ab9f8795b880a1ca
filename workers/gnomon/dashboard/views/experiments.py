"""The part of the wall screen about experiments with variants of agents."""

import math
from collections.abc import Sequence

import msgspec

from gnomon.dashboard.views.texts import NOTHING, share
from gnomon.experiment.analysis import Difference
from gnomon.experiment.verdict import ExperimentVerdict, VariantVerdict
from gnomon.operations.judged_experiments import Judged


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One variant, ready to be shown; differences are hidden until there are enough units."""

    name: str
    word: str
    blocked_by: list[str]
    units: int
    tasks: int
    duration: str
    failure: str
    hidden: str


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment.

    Attributes:
        ratio: Whether the units are as many as the weights say, for people.
        mismatch: Whether they are not: then no difference means anything.
    """

    name: str
    at_ms: int
    running: bool
    control: str
    ratio: str
    mismatch: bool
    crossed: int
    unassigned: int
    immature: int
    variants: list[Variant]


def experiments(judged: Sequence[Judged]) -> list[Experiment]:
    """Return every experiment, those that run first, with what was found last."""
    found = [_experiment(each) for each in judged]
    return sorted(found, key=lambda each: (not each.running, -each.at_ms))


def _experiment(judged: Judged) -> Experiment:
    found = judged.verdict
    mismatch = found.sample_ratio is not None and found.sample_ratio.is_mismatch
    return Experiment(
        name=found.experiment,
        at_ms=judged.at_ms,
        running=judged.running,
        control=found.control,
        ratio=_ratio(found),
        mismatch=mismatch,
        crossed=found.crossed,
        unassigned=found.unassigned,
        immature=found.immature,
        variants=[_variant(each, found.rules.min_units) for each in found.variants],
    )


def _ratio(found: ExperimentVerdict) -> str:
    checked = found.sample_ratio
    if checked is None:
        return "no units"
    kind = "exposed units" if found.exposures else "units with tasks"
    judged = "NOT as the weights say" if checked.is_mismatch else "as the weights say"
    return f"{checked.units:,} {kind}, {judged}"


def _variant(found: VariantVerdict, min_units: int) -> Variant:
    durations, failures = found.differences.get("duration"), found.differences.get("failure")
    enough = durations is not None or failures is not None
    return Variant(
        name=found.variant,
        word=found.word,
        blocked_by=found.blocked_by,
        units=found.units,
        tasks=found.tasks,
        duration=_of_logs(durations),
        failure=_of_points(failures),
        hidden=""
        if enough
        else f"Hidden until the variant and control have {min_units} units each.",
    )


def _of_logs(found: Difference | None) -> str:
    """Return a difference of mean logs as a change in percent."""
    if found is None:
        return NOTHING
    estimate, low, high = (
        share(math.expm1(each), signed=True) for each in (found.estimate, found.low, found.high)
    )
    return f"{estimate} ({low} to {high})"


def _of_points(found: Difference | None) -> str:
    if found is None:
        return NOTHING
    estimate, low, high = (f"{100 * each:+.1f}" for each in (found.estimate, found.low, found.high))
    return f"{estimate} points ({low} to {high})"
