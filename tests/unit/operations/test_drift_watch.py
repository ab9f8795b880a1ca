"""When the recorded losses of a live version are a reason to train."""

import random
from collections.abc import Callable

import msgspec
import pytest
from tests.unit.models.runs import runs, with_outcome

from gnomon.events import Comparison, ModelPrediction
from gnomon.operations.models.drift_watch import DriftWatch

LIVE = {"abc": "7"}


def predicted(
    count: int, *, wrong_by: Callable[[int], float], sha256: str = "abc", seed: int = 1
) -> list[Comparison]:
    """Decisions of 100 s each whose prediction by version 7 is wrong by a factor, which varies a little."""
    chance = random.Random(seed)  # noqa: S311  no secret
    return [
        msgspec.structs.replace(
            with_outcome(run, duration_s=100.0, at_ms=run.started_at_ms + 100_000),
            predictions=[
                ModelPrediction(
                    model="gnomon",
                    version="7",
                    sha256=sha256,
                    duration_s=100.0 * wrong_by(number) * chance.uniform(0.9, 1.1),
                )
            ],
        )
        for number, run in enumerate(runs(count))
    ]


def at_400(number: int) -> float:
    return 1.0 if number < 400 else 8.0


def test_a_rise_is_told_with_the_version_and_both_losses() -> None:
    found = DriftWatch().worsened(predicted(600, wrong_by=at_400), LIVE, since_ms=0)

    assert found is not None
    assert found.startswith("the mean loss of version 7 rose from 0.0")


@pytest.mark.parametrize(
    ("decisions", "versions"),
    [
        (predicted(600, wrong_by=lambda _: 1.0), LIVE),
        (predicted(600, wrong_by=lambda n: 8.0 if n < 400 else 1.0), LIVE),  # it got better
        (predicted(600, wrong_by=at_400, sha256="other"), LIVE),
        (predicted(600, wrong_by=at_400), {}),
        ([], LIVE),
        ([with_outcome(run, status="expired") for run in predicted(600, wrong_by=at_400)], LIVE),
    ],
)
def test_nothing_else_is_a_reason(decisions: list[Comparison], versions: dict[str, str]) -> None:
    assert DriftWatch().worsened(decisions, versions, since_ms=0) is None


def test_a_rise_counts_once_however_the_decisions_are_read() -> None:
    decisions = predicted(600, wrong_by=at_400)
    watch = DriftWatch()
    found = [
        watch.worsened(decisions[max(0, begin - 3) : begin + 20], LIVE, since_ms=0)  # they overlap
        for begin in range(0, 600, 20)
    ]

    assert sum(sentence is not None for sentence in found) in {1, 2}  # each detector finds it once
    assert found[:20] == [None] * 20
    assert watch.until_ms == decisions[-1].outcome.at_ms


def test_a_decision_that_is_read_again_does_not_count_again() -> None:
    decisions = predicted(201, wrong_by=lambda number: 1.0 if number < 200 else 8.0)
    watch = DriftWatch()

    found = [
        watch.worsened(decisions[-1:] if again else decisions, LIVE, since_ms=0)
        for again in range(100)
    ]

    assert found == [None] * 100


def test_a_rise_before_the_last_training_is_no_reason() -> None:
    decisions = predicted(600, wrong_by=at_400)

    assert DriftWatch().worsened(decisions, LIVE, since_ms=decisions[-1].outcome.at_ms) is None


@pytest.mark.parametrize("duration_s", [0.0, float("inf"), None])
def test_predictions_of_every_size_are_read(duration_s: float | None) -> None:
    decisions = [
        msgspec.structs.replace(
            run,
            predictions=[msgspec.structs.replace(run.predictions[0], duration_s=duration_s)],
        )
        for run in predicted(100, wrong_by=lambda _: 1.0)
    ]

    assert DriftWatch().worsened(decisions, LIVE, since_ms=0) is None
