"""Which word drift gets."""

import pytest

from gnomon.drift import FeatureShift, LossChange, Word, notice


def moved(psi: float, distance: float | None = 0.0) -> FeatureShift:
    return FeatureShift(rows=500, psi=psi, distance=distance)


def changed(*, worsened: bool) -> LossChange:
    return LossChange(detector="adwin", at_ms=0, before=0.3, after=0.5, worsened=worsened)


@pytest.mark.parametrize(
    ("shift", "word"),
    [
        (moved(0.0), "steady"),
        (moved(0.099), "steady"),
        (moved(0.1), "information"),
        (moved(0.0, 0.1), "information"),
        (moved(0.25), "reason to retrain"),
        (moved(0.0, 0.5), "reason to retrain"),
        (moved(9.0, None), "reason to retrain"),
        (None, "steady"),
    ],
)
def test_a_feature_that_moves_is_at_most_a_reason_to_retrain(
    shift: FeatureShift | None, word: str
) -> None:
    assert notice({"a": shift}).word == word


def test_a_rise_of_the_loss_is_a_reason_to_retrain_and_a_fall_is_information() -> None:
    assert notice({}, changed(worsened=True)).word is Word.RETRAIN
    assert notice({}, changed(worsened=False)).word is Word.INFORMATION
    assert notice({}).word is Word.STEADY


def test_only_harm_is_an_alarm_and_names_the_features_the_farthest_first() -> None:
    shifts = {"a": moved(0.2), "still": moved(0.01), "b": moved(3.0), "new": None}
    found = notice(shifts, changed(worsened=True), is_harmful=True)

    assert found.word is Word.ALARM
    assert found.features == ("b", "a")
    assert notice(shifts, changed(worsened=True)).word is Word.RETRAIN
