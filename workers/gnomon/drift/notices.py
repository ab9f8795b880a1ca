"""What drift means: information, a reason to retrain, or an alarm."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from gnomon.drift.features import FeatureShift
from gnomon.drift.losses import LossChange

PSI_NOTABLE: Final = 0.1
PSI_LARGE: Final = 0.25
"""The usual bounds of credit scoring (N. Siddiqi, "Credit Risk Scorecards", 2006)."""
DISTANCE_NOTABLE: Final = 0.1
DISTANCE_LARGE: Final = 0.5
"""In standard deviations of the training values."""


class Word(StrEnum):
    """How serious drift is, from the least to the most serious."""

    STEADY = "steady"
    INFORMATION = "information"
    RETRAIN = "reason to retrain"
    ALARM = "alarm"


class Notice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The word on a model, and the features that have moved, the farthest (by PSI) first."""

    word: Word
    features: tuple[str, ...] = ()


def word_of_shift(shift: FeatureShift | None) -> Word:
    """The word on one feature. Features that move are never an alarm by themselves."""
    if shift is None:
        return Word.STEADY
    distance = shift.distance or 0.0
    if shift.psi >= PSI_LARGE or distance >= DISTANCE_LARGE:
        return Word.RETRAIN
    if shift.psi >= PSI_NOTABLE or distance >= DISTANCE_NOTABLE:
        return Word.INFORMATION
    return Word.STEADY


def word_of_change(change: LossChange | None) -> Word:
    """The word on a change of the mean loss: a rise is a reason to retrain."""
    if change is None:
        return Word.STEADY
    return Word.RETRAIN if change.worsened else Word.INFORMATION


def notice(
    shifts: Mapping[str, FeatureShift | None],
    change: LossChange | None = None,
    *,
    is_harmful: bool = False,
) -> Notice:
    """The most serious word on a model.

    Args:
        shifts: How far each feature has moved.
        change: The latest change of the model's mean loss, if there was one.
        is_harmful: Whether the model is surely worse than a baseline, as a verdict says it. Only
            that is an alarm.
    """
    moved = {
        name: shift
        for name, shift in shifts.items()
        if shift is not None and word_of_shift(shift) is not Word.STEADY
    }
    words = [*map(word_of_shift, shifts.values()), word_of_change(change)]
    word = Word.ALARM if is_harmful else max(words, key=list(Word).index)
    by_psi = sorted(moved, key=lambda name: -moved[name].psi)
    return Notice(word=word, features=tuple(by_psi))
