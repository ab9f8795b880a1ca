"""Judges the variants of an experiment: may one replace control, or must it be stopped? Pure.

Each loss is compared with control's by ``analysis.difference``: units are the observations, and the
interval holds at every look. ``GO`` needs all criteria, so ``alpha`` is not divided among them.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from gnomon.experiment.analysis import Difference, difference
from gnomon.experiment.outcomes import Outcomes, UnitTask, sums_of, variants_of_units
from gnomon.experiment.ratio import RatioCheck, Roster, check_ratio
from gnomon.experiment.rules import LOSSES, ExperimentRules
from gnomon.experiment.settings import HARM, Experiment

ExperimentWord = Literal["GO", "NO-GO", "STOP-HARM", "CONTINUE"]


class VariantVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one variant.

    Attributes:
        word: The verdict; ``blocked_by`` names what does not hold: ``sample_ratio``, ``units``, or a
            loss.
        units: Number of its units that have a task; ``tasks`` is the number of their tasks.
        means: Mean of each loss by task, of the variant.
        differences: The variant's mean minus control's, by loss; ``None`` with too few units.
    """

    variant: str
    word: ExperimentWord
    blocked_by: list[str]
    units: int
    tasks: int
    means: dict[str, float | None]
    differences: dict[str, Difference | None]


class ExperimentVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts on all variants of an experiment, and on whether they are comparable.

    Attributes:
        sample_ratio: The check of the units against the weights; ``None`` without units.
        exposures: Whether the units are those of the topic ``exposures``. If not, they are those that
            have a task.
        crossed: Number of units with more than one variant; they are in no figure.
        unassigned: Number of tasks without a variant; ``immature``: of tasks that do not count yet.
    """

    experiment: str
    settings_sha256: str
    rules_sha256: str
    rules: ExperimentRules
    control: str
    sample_ratio: RatioCheck | None
    exposures: bool
    crossed: int
    unassigned: int
    immature: int
    variants: list[VariantVerdict]

    @property
    def is_harm(self) -> bool:
        """Return whether a variant is surely worse than control."""
        return any(each.word == HARM for each in self.variants)


def judge_experiment(
    settings: Experiment, outcomes: Outcomes, rules: ExperimentRules, roster: Roster | None = None
) -> ExperimentVerdict:
    """Judge every variant but control.

    Args:
        settings: The experiment.
        outcomes: Its tasks.
        rules: The settings of the verdict.
        roster: Its exposures, if they were read.
    """
    tasks = outcomes.mature()
    crossed = {unit for unit, variants in variants_of_units(tasks).items() if len(variants) > 1}
    crossed |= roster.crossed if roster is not None else set()
    of_variant: dict[str, list[UnitTask]] = {name: [] for name in settings.variants}
    for task in tasks:
        if task.unit not in crossed and task.variant in of_variant:
            of_variant[task.variant].append(task)
    seen = {name: len({task.unit for task in found}) for name, found in of_variant.items()}
    counts = roster.counts() if roster is not None else seen
    counts = {name: n for name, n in counts.items() if name in settings.variants}
    checked = check_ratio(counts, settings.variants) if any(counts.values()) else None
    comparable = checked is not None and not checked.is_mismatch
    return ExperimentVerdict(
        experiment=settings.name,
        settings_sha256=settings.sha256,
        rules_sha256=rules.sha256(),
        rules=rules,
        control=settings.control,
        sample_ratio=checked,
        exposures=roster is not None,
        crossed=len(crossed),
        unassigned=outcomes.unassigned,
        immature=outcomes.immature,
        variants=[
            _variant(name, of_variant, settings.control, rules, comparable=comparable)
            for name in sorted(settings.variants)
            if name != settings.control
        ],
    )


def _variant(
    name: str,
    of_variant: Mapping[str, Sequence[UnitTask]],
    control: str,
    rules: ExperimentRules,
    *,
    comparable: bool,
) -> VariantVerdict:
    means: dict[str, float | None] = {}
    found: dict[str, Difference | None] = {}
    for loss in LOSSES:
        theirs, own = sums_of(of_variant[control], loss), sums_of(of_variant[name], loss)
        means[loss] = own.mean if own.tasks else None
        enough = min(theirs.units, own.units) >= rules.min_units
        found[loss] = (
            difference(theirs, own, alpha=rules.alpha, expected_units=rules.expected_units)
            if enough
            else None
        )
    blocked_by = [] if comparable else ["sample_ratio"]
    if any(each is None for each in found.values()):
        blocked_by.append("units")
    blocked_by += [
        loss
        for loss, each in found.items()
        if each is not None and not each.high < _limit(loss, rules)
    ]
    return VariantVerdict(
        variant=name,
        word=_word(found, rules, blocked_by, comparable=comparable),
        blocked_by=blocked_by,
        units=len({task.unit for task in of_variant[name]}),
        tasks=len(of_variant[name]),
        means=means,
        differences=found,
    )


def _word(
    found: Mapping[str, Difference | None],
    rules: ExperimentRules,
    blocked_by: Sequence[str],
    *,
    comparable: bool,
) -> ExperimentWord:
    # A variant that seems to do harm is stopped even if the variants are not comparable.
    if any(each is not None and each.low > 0 for each in found.values()):
        return "STOP-HARM"
    primary = found[rules.primary]
    if comparable and primary is not None and primary.low > _limit(rules.primary, rules):
        return "NO-GO"
    return "CONTINUE" if blocked_by else "GO"


def _limit(loss: str, rules: ExperimentRules) -> float:
    """Return what the difference must surely be below."""
    if loss == rules.primary:
        return math.log1p(-rules.needed) if loss == "duration" else -rules.needed
    return math.log1p(rules.margin) if loss == "duration" else rules.margin
