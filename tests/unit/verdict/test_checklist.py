"""The checklist for a rollout: what passes, fails or is unknown, and what to do."""

from collections.abc import Sequence

import pytest
from tests.unit.verdict.build import T0, control, decided, gathered, model, simulated

from gnomon.verdict import Decided, Drill, VerdictSettings, judge
from gnomon.verdict.result import Item, Latency

DAY = 86_400_000
NAMES = (
    "improvement", "accuracy", "decisions", "shadow without errors", "no impact on production",
    "security in place", "dashboards live", "alerting drilled", "rollback drilled",
)  # fmt: skip
HELD = [
    Drill(drill=name, at_ms=T0 - 30 * DAY, passed=True)
    for name in ("isolation", "security", "dashboards", "alert", "rollback")
]


def items(
    rows: Sequence[Decided] | None = None,
    drills: Sequence[Drill] = HELD,
    settings: VerdictSettings | None = None,
) -> dict[str, Item]:
    rows = simulated(ratio=0.6) if rows is None else rows
    (found,) = judge(gathered(rows, settings), drills=drills, now_ms=T0)
    assert all(bool(item.todo) == (item.status != "passed") for item in found.checklist)
    return {item.name: item for item in found.checklist}


def test_all_of_it_can_pass() -> None:
    found = items()
    assert tuple(found) == NAMES
    assert {item.status for item in found.values()} == {"passed"}
    assert [found["decisions"].figure, found["decisions"].needed] == [1500, 1000]
    assert found["improvement"].needed == 0.2
    assert found["improvement"].figure == pytest.approx(0.4, abs=0.05)
    assert found["accuracy"].figure == pytest.approx(0.9, abs=0.02)
    assert [found["alerting drilled"].figure, found["alerting drilled"].unit] == [30, "days"]


@pytest.mark.parametrize(
    ("ratio", "accuracy", "statuses"),
    [
        (0.97, 0.9, ("failed", "passed")),
        (0.78, 0.9, ("unknown", "passed")),
        (0.6, 0.6, ("passed", "failed")),
        (0.6, 0.76, ("passed", "unknown")),
    ],
)
def test_what_is_not_sure_is_unknown(
    ratio: float, accuracy: float, statuses: tuple[str, str]
) -> None:
    found = items(simulated(ratio=ratio, accuracy=accuracy))
    assert (found["improvement"].status, found["accuracy"].status) == statuses


def test_without_bounds_it_is_unknown() -> None:
    found = items(simulated(ratio=0.3, hours=5))
    assert (found["improvement"].status, found["accuracy"].status) == ("unknown", "unknown")
    assert "active hours" in found["improvement"].todo


def test_exactly_a_thousand_decisions_are_too_few() -> None:
    rows = simulated(ratio=0.6)
    assert items(rows[:1000])["decisions"].status == "failed"
    assert items(rows[:1001])["decisions"].status == "passed"


def test_a_model_that_says_nothing_has_errors() -> None:
    silent = [decided(10**6 + n, control(50.0), model(None, None), hour=n % 30) for n in range(90)]
    found = items([*simulated(ratio=0.6), *silent])["shadow without errors"]
    assert found.status == "failed"
    assert found.figure == pytest.approx(1500 / 1590)
    assert "model.refused" in found.todo


def test_many_tasks_without_an_end_are_an_error() -> None:
    lost = [
        decided(
            10**6 + n, control(40.0), model(70.0), status="expired", ended_ms=60_000, hour=n % 30
        )
        for n in range(90)
    ]
    found = items([*simulated(ratio=0.6), *lost])["shadow without errors"]
    assert found.status == "failed"
    assert "gnomon status" in found.todo


def test_without_a_baseline_nothing_is_known_of_errors() -> None:
    rows = [decided(n, model(3.0)) for n in range(5)]
    assert items(rows)["shadow without errors"].status == "unknown"


@pytest.mark.parametrize(
    ("item", "drill", "todo"),
    [
        ("no impact on production", "isolation", "gnomon drill isolation"),
        ("security in place", "security", "gnomon drill security"),
        ("dashboards live", "dashboards", "gnomon drill record dashboards --passed"),
        ("alerting drilled", "alert", "gnomon drill record alert --passed"),
        ("rollback drilled", "rollback", "gnomon drill rollback"),
    ],
)
def test_the_last_drill_counts_for_thirty_days(item: str, drill: str, todo: str) -> None:
    def status(*drills: Drill) -> str:
        return items(drills=drills)[item].status

    passed = Drill(drill=drill, at_ms=T0 - DAY, passed=True)
    failed = Drill(drill=drill, at_ms=T0, passed=False)
    old = Drill(drill=drill, at_ms=T0 - 30 * DAY - 1, passed=True)
    assert status() == "unknown"
    assert status(old) == "unknown"
    assert status(passed) == "passed"
    assert status(failed, passed) == "failed"
    assert status(old, Drill(drill=drill, at_ms=T0 - 31 * DAY, passed=False)) == "unknown"
    assert todo in items(drills=[])[item].todo
    assert items(drills=[old])[item].figure == pytest.approx(30)


def test_what_drills_measured_is_the_figure() -> None:
    latency = {
        "p50": Latency(ratio=1.02, limit=1.1), "p99": Latency(ratio=1.2, limit=1.5),
        "none": Latency(),
    }  # fmt: skip
    drills = [
        Drill(drill="isolation", at_ms=T0, passed=True, compared={"up": latency}),
        Drill(drill="rollback", at_ms=T0, passed=False, longest_s=7.5),
    ]
    found = items(drills=drills)
    impact, back = found["no impact on production"], found["rollback drilled"]
    assert (impact.figure, impact.needed, impact.unit) == (1.02, 1.1, "ratio")
    assert (back.figure, back.needed, back.unit, back.status) == (7.5, 5.0, "seconds", "failed")
