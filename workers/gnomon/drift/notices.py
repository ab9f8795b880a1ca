"""Classifies drift: information, a reason to retrain, or an alarm."""

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
    """Severities of drift, from the least to the most serious."""

    STEADY = "steady"
    INFORMATION = "information"
    RETRAIN = "reason to retrain"
    ALARM = "alarm"


class Notice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The severity of a model's drift, and the features that have moved, the farthest (by PSI) first."""

    word: Word
    features: tuple[str, ...] = ()


def word_of_shift(shift: FeatureShift | None) -> Word:
    """Return the severity of one feature's drift. A moved feature alone is never an alarm."""
    if shift is None:
        return Word.STEADY
    distance = shift.distance or 0.0
    if shift.psi >= PSI_LARGE or distance >= DISTANCE_LARGE:
        return Word.RETRAIN
    if shift.psi >= PSI_NOTABLE or distance >= DISTANCE_NOTABLE:
        return Word.INFORMATION
    return Word.STEADY


def word_of_change(change: LossChange | None) -> Word:
    """Return the severity of a change of the mean loss: a rise is a reason to retrain."""
    if change is None:
        return Word.STEADY
    return Word.RETRAIN if change.worsened else Word.INFORMATION


def notice(
    shifts: Mapping[str, FeatureShift | None],
    change: LossChange | None = None,
    *,
    is_harmful: bool = False,
) -> Notice:
    """Return the most serious severity of a model.

    Args:
        shifts: How far each feature has moved.
        change: The latest change of the model's mean loss, if there was one.
        is_harmful: Whether a verdict found that the model is surely worse than a baseline. Only this
            is an alarm.
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
