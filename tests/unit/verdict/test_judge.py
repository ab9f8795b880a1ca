"""The words, what they follow from, and input that nobody would wish for."""

import json
import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from tests.unit.verdict.build import (
    T0,
    control,
    decided,
    gathered,
    model,
    simulated,
    with_rule,
)

from gnomon.verdict import Decided, Drill, ModelVerdict, VerdictSettings, judge
from gnomon.verdict.checks import Check
from gnomon.verdict.evidence.series import Series
from gnomon.verdict.evidence.sums import Sums
from gnomon.verdict.sequence import Plan, bounds

DAY = 86_400_000
HELD = [Drill(drill=d, at_ms=T0 - DAY, passed=True) for d in ("isolation", "rollback", "alert")]


def verdict(
    rows: Sequence[Decided], settings: VerdictSettings | None = None, drills: Sequence[Drill] = HELD
) -> ModelVerdict:
    (found,) = judge(gathered(rows, settings), drills=drills, now_ms=T0)
    msgspec.json.decode(msgspec.json.encode(found), type=ModelVerdict)
    return found


def changed(**fields: object) -> VerdictSettings:
    return VerdictSettings(**{"mature_after_s": 0, **fields})  # type: ignore[arg-type]


def test_a_model_that_is_much_better_may_go() -> None:
    found = verdict(simulated(ratio=0.6))
    assert (found.word, found.blocked_by) == ("GO", [])
    assert all(each.passed for each in found.criteria.values())
    low, high = found.criteria["improvement"].low, found.criteria["improvement"].high
    assert low is not None
    assert high is not None
    assert 0.2 < low < 0.4 < high
    assert (found.decisions, found.blocks, found.active_hours, found.agents) == (1500, 300, 30, 10)


@pytest.mark.parametrize(("ratio", "word"), [(0.95, "NO-GO"), (1.6, "STOP-HARM")])
def test_a_model_that_is_no_better_may_not(ratio: float, word: str) -> None:
    assert verdict(simulated(ratio=ratio)).word == word


@pytest.mark.parametrize(
    ("criterion", "settings"),
    [
        ("improvement", changed(delta=0.38)),
        ("decisions", changed(min_decisions=1500)),
        ("blocks", changed(min_blocks=301)),
        ("active_hours", changed(min_active_hours=31)),
        ("accuracy", changed(accuracy=0.88)),
        ("drills", changed(drills=("restore",))),
    ],
)
def test_one_criterion_that_does_not_hold_is_enough(
    criterion: str, settings: VerdictSettings
) -> None:
    found = verdict(simulated(ratio=0.6), settings)
    assert found.word == "CONTINUE"
    assert criterion in found.blocked_by


def test_exactly_the_needed_number_of_blocks_and_hours_will_do() -> None:
    settings = changed(min_decisions=1499, min_blocks=300, min_active_hours=30)
    assert verdict(simulated(ratio=0.6), settings).word == "GO"


def test_what_passes_lies_within_its_bounds() -> None:
    """Thirty blocks of correlated hours: the bound at 0 alone would pass, the interval has no end."""
    rng = np.random.default_rng(3334)
    b = np.abs(rng.normal(size=30)) + 0.1
    c = 0.5 * (0.5 * b + 0.5 * np.abs(rng.normal(size=30)))
    sums = Sums()
    for block in range(30):
        sums.add(f"agent-{block % 3}", block // 4, round(b[block] * 1e9), round(c[block] * 1e9))
    sums.close_hours()
    plan, series = Plan.of(VerdictSettings()), Series.of(sums)
    check = Check("seconds", "control", series, plan, delta=0.0, sure=True, bounded=True)
    assert bounds(series, plan, 0.0).low > 0
    assert check.interval.low == -math.inf
    assert not check.passed


def test_a_day_is_not_judged_before_it_is_over() -> None:
    found = verdict(simulated(ratio=0.3, hours=23, tasks=6))
    assert found.word == "CONTINUE"
    assert found.criteria["improvement"].low is None
    assert found.criteria["improvement"].estimate == pytest.approx(0.69, abs=0.05)
    assert found.decides_in_hours == 1


def test_many_expired_tasks_block() -> None:
    rows = simulated(ratio=0.6)
    rows = [
        *rows,
    ] + [
        decided(
            10**6 + n, control(40.0), model(70.0), status="expired", ended_ms=60_000, hour=n % 30
        )
        for n in range(90)
    ]
    found = verdict(rows)
    assert found.blocked_by == ["unresolved"]
    assert found.criteria["unresolved"].estimate == pytest.approx(90 / 1590)
    versus = found.against["control"]["log_loss"]
    assert versus.worst is not None
    assert versus.best is not None
    assert versus.estimate is not None
    assert versus.worst < versus.estimate < versus.best


def test_a_model_must_answer_where_a_baseline_does() -> None:
    rows = simulated(ratio=0.6)
    rows = [
        *rows,
    ] + [decided(10**6 + n, control(50.0), model(None, None), hour=n % 30) for n in range(90)]
    assert verdict(rows).blocked_by == ["answered"]
    rows = simulated(ratio=0.6)
    rows = [
        *rows,
    ] + [decided(10**6 + n, control(None, None), model(None, None), hour=n % 30) for n in range(90)]
    assert verdict(rows).word == "GO"


def test_a_model_must_also_say_how_likely_success_is() -> None:
    """It keeps silent where it would be wrong: what is left of its accuracy is perfect."""
    silent = [
        msgspec.structs.replace(
            row,
            predictions=tuple(
                msgspec.structs.replace(said, success_probability=None)
                if said.model == "m" and ((said.success_probability or 0) >= 0.5) != row.succeeded
                else said
                for said in row.predictions
            ),
        )
        for row in simulated(ratio=0.6)
    ]
    found = verdict(silent)
    assert found.criteria["accuracy"].estimate == 1.0
    assert found.blocked_by == ["answered"]
    assert found.criteria["answered"].estimate == pytest.approx(0.9, abs=0.02)


def test_a_model_worse_than_a_simple_rule_may_not_go() -> None:
    """Much better than control, and 10 % worse than the one line."""
    rows = with_rule(simulated(ratio=0.6), "same-type", "m")
    rng = np.random.default_rng(3)
    rows = [
        msgspec.structs.replace(
            row,
            predictions=tuple(
                msgspec.structs.replace(
                    s, duration_s=s.duration_s * float(np.exp(rng.normal(0, 0.15)))
                )
                if s.model == "m" and s.duration_s is not None
                else s
                for s in row.predictions
            ),
        )
        for row in rows
    ]
    found = verdict(rows)
    assert found.criteria["improvement"].passed
    assert "simple_rules" in found.blocked_by
    assert found.strongest == "same-type"
    assert found.word == "NO-GO"


def test_beating_every_rule_surely_is_a_setting() -> None:
    rows = with_rule(simulated(ratio=0.6), "type", "m", noise=0.05)
    rows = with_rule(rows, "same-type", "control")
    found, strict = verdict(rows), verdict(rows, changed(sure_against_every=True))
    assert found.against["type"]["log_loss"].estimate == pytest.approx(0.01, abs=0.01)
    assert found.criteria["simple_rules"].passed
    assert not strict.criteria["simple_rules"].passed


@pytest.mark.parametrize("name", ["control", "same-type", "type"])
@pytest.mark.parametrize("hours", [24, 40])
def test_a_model_equal_to_a_baseline_never_goes(name: str, hours: int) -> None:
    rows = simulated(ratio=0.5, hours=hours)
    rows = [
        row for row in with_rule(rows, "same-type", "m") for row in with_rule([row], "type", "m")
    ]
    rows = [
        msgspec.structs.replace(
            row,
            predictions=(
                *(s for s in row.predictions if s.model != "m"),
                next(
                    msgspec.structs.replace(s, model="m", version="1")
                    for s in row.predictions
                    if s.model == name
                ),
            ),
        )
        for row in rows
    ]
    for settings in (changed(), changed(delta=0, alpha=0.49, accuracy=0.01, min_decisions=0)):
        assert verdict(rows, settings).word != "GO"


def test_drills_count_for_thirty_days_and_the_last_one_counts() -> None:
    rows = simulated(ratio=0.6)
    old = [msgspec.structs.replace(HELD[0], at_ms=T0 - 30 * DAY), *HELD[1:]]
    assert verdict(rows, drills=old).word == "GO"
    old[0] = msgspec.structs.replace(HELD[0], at_ms=T0 - 30 * DAY - 1)
    assert verdict(rows, drills=old).criteria["drills"].missing == ["isolation"]
    failed = [*HELD, Drill(drill="alert", at_ms=T0 - 1, passed=False)]
    assert verdict(rows, drills=failed).criteria["drills"].missing == ["alert"]
    at_once = [*HELD, msgspec.structs.replace(HELD[2], passed=False)]
    for drills in (at_once, at_once[::-1]):
        assert verdict(rows, drills=drills).criteria["drills"].missing == ["alert"]
    assert verdict(rows, drills=[]).word == "CONTINUE"
    assert verdict(rows, changed(drills=()), drills=[]).word == "GO"


def test_an_agent_that_is_harmed_is_named() -> None:
    rows = simulated(ratio=0.5, hours=40)
    rng = np.random.default_rng(2)
    rows = [
        msgspec.structs.replace(
            row,
            predictions=tuple(
                msgspec.structs.replace(s, duration_s=500 * float(np.exp(rng.normal())))
                if s.model == "m"
                else s
                for s in row.predictions
            ),
        )
        if row.agent_id == "agent-3"
        else row
        for row in rows
    ]
    found = verdict(rows)
    assert [each.agent_id for each in found.harm] == ["agent-3"]
    assert found.harm[0].blocks == 40
    assert found.harm[0].e_value > 200
    assert verdict(simulated(ratio=0.5, hours=40)).harm == []


def test_how_long_it_will_take_is_foretold() -> None:
    whole = simulated(ratio=0.72, hours=400, agents=4, tasks=5)
    first = verdict([row for row in whole if row.started_at_ms < T0 + 30 * 3_600_000])
    assert first.word == "CONTINUE"
    assert first.decides_in_hours is not None
    hours = next(
        hours
        for hours in range(34, 400, 4)
        if verdict([r for r in whole if r.started_at_ms < T0 + hours * 3_600_000]).word == "GO"
    )
    assert (hours - 30) / 3 < first.decides_in_hours < (hours - 30) * 3


def test_models_are_in_the_order_of_their_versions() -> None:
    said = [
        model(1.0, name=name, version=version, sha256=None)
        for name, version in (("b", "2"), ("a", "10"), ("a", "9"), ("a", "x"))
    ]
    found = judge(gathered([decided(1, control(1.0), *said)]))
    assert [(m.name, m.version) for m in found] == [("a", "x"), ("a", "9"), ("a", "10"), ("b", "2")]


# What nobody would wish for.


def replaced(rows: Sequence[Decided], **fields: object) -> list[Decided]:
    return [msgspec.structs.replace(row, **fields) for row in rows]


def predicted(rows: Sequence[Decided], name: str, **fields: object) -> list[Decided]:
    return [
        msgspec.structs.replace(
            row,
            predictions=tuple(
                msgspec.structs.replace(s, **fields) if s.model == name else s
                for s in row.predictions
            ),
        )
        for row in rows
    ]


def test_nothing_at_all() -> None:
    assert judge(gathered([])) == []
    assert judge(gathered([decided(1, control(1.0))])) == []


def test_a_model_without_decisions() -> None:
    rows = [
        decided(1, control(1.0), model(None, None)),
        decided(2, control(1.0), model(2.0), status="cancelled"),
        decided(3, model(2.0)),
    ]
    for row in rows:
        found = verdict([row])
        assert found.word == "CONTINUE"
        assert found.criteria["improvement"].estimate is None
        assert found.blocks == 0
        assert found.decides_in_hours is None


def test_one_agent_only() -> None:
    found = verdict(replaced(simulated(ratio=0.5, hours=60), agent_id="ada"))
    assert found.word == "GO"
    like_these = found.against["control"]["log_loss"].agents_like_these
    assert (like_these.low, like_these.high) == (None, None)


def test_all_failed() -> None:
    rows = replaced(simulated(ratio=0.6), succeeded=False)
    sure = predicted(
        predicted(rows, "m", success_probability=0.0), "control", success_probability=0.3
    )
    assert verdict(sure).word == "GO"
    wrong = predicted(rows, "m", success_probability=1.0)
    assert verdict(wrong).word == "NO-GO"
    assert verdict(wrong).criteria["accuracy"].estimate == 0


def test_zero_durations() -> None:
    rows = replaced(simulated(ratio=0.6), duration_s=0.0)
    exact = verdict(predicted(rows, "m", duration_s=0.0))
    assert exact.criteria["improvement"].estimate == 1.0
    assert exact.word == "GO"
    both = verdict(predicted(predicted(rows, "m", duration_s=0.0), "control", duration_s=0.0))
    assert both.word == "CONTINUE"


@pytest.mark.parametrize("absurd", [math.inf, math.nan, 1.7e308])
def test_infinite_estimates(absurd: float) -> None:
    rows = simulated(ratio=0.6)
    against = verdict(predicted(rows, "control", duration_s=absurd), changed(clip_s={"control": 9}))
    assert against.criteria["improvement"].passed
    found = verdict(predicted(rows, "m", duration_s=absurd))
    assert found.word == "STOP-HARM"
    json.loads(msgspec.json.encode(found), parse_constant=pytest.fail)


def test_a_baseline_without_error() -> None:
    rows = [
        msgspec.structs.replace(
            row,
            predictions=(control(row.duration_s, float(bool(row.succeeded))), row.predictions[1]),
        )
        for row in simulated(ratio=0.6)
    ]
    found = verdict(rows)
    assert found.word == "STOP-HARM"
    assert found.criteria["improvement"].estimate is None
    assert found.criteria["brier"].estimate is None


def test_settings_changed_in_the_middle() -> None:
    """What was predicted before the change was registered is of another experiment."""
    rows = simulated(ratio=0.6, hours=50)
    later = changed(delta=0.25, registered_at_ms=T0 + 20 * 3_600_000)
    found = verdict(rows, later)
    alone = verdict([row for row in rows if row.hour >= T0 // 3_600_000 + 20], later)
    assert found == alone
    assert found.active_hours == 30
