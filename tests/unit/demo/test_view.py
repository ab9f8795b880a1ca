"""Tests of the text at the end of the demo, and of what it must not claim."""

import msgspec

from gnomon.comparison.metrics.achieved import Achieved
from gnomon.comparison.metrics.paired import Against
from gnomon.demo.view import ledger_line, verdict
from gnomon.events import Ledger


def a_version(name: str, version: str, improvement: float | None) -> Achieved:
    return Achieved(
        name=name,
        version=version,
        n=120,
        mae_s=1.0,
        control_mae_s=2.0,
        improvement=improvement,
        accuracy=0.9,
        control_accuracy=0.8,
        within_25=0.5,
    )


def test_the_ledger_line_shows_the_identity() -> None:
    line = ledger_line(Ledger(partition=0, predictions=7, matched=4, pending=2, cancelled=1))

    assert "7 predictions = 4 matched + 2 pending + 0 expired + 1 cancelled" in line


def test_minutes_are_never_enough_for_go() -> None:
    said = verdict(
        [
            a_version("control", "0", 0.0),
            a_version("same-type", "0", 0.5),
            a_version("gnomon", "3", 0.42),
        ]
    )

    assert said.startswith("verdict: CONTINUE.")
    assert "Version 3 is better than control (42.0 % on 120 tasks)" in said


def test_a_worse_model_is_called_no_better() -> None:
    assert "no better than control (-10.0 %" in verdict([a_version("gnomon", "1", -0.1)])


def test_without_a_model_the_baselines_stand() -> None:
    assert "No model has predicted" in verdict(
        [a_version("control", "0", 0.0), a_version("same-type", "0", 0.5)]
    )


def test_the_verdict_is_about_the_strongest_baseline_where_it_is_known() -> None:
    beside = Against(
        n=110,
        mae_s=1.0,
        baseline_mae_s=1.1,
        improvement=0.09,
        n_success=0,
        accuracy=None,
        baseline_accuracy=None,
        brier=None,
        baseline_brier=None,
        brier_improvement=None,
    )
    newest = msgspec.structs.replace(
        a_version("gnomon", "3", 0.42), against={"same-type": beside}, strongest="same-type"
    )

    said = verdict([newest])

    assert "better than same-type, the strongest baseline (9.0 % on 110 tasks)" in said
