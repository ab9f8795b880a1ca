"""Every figure that is not of the store, recomputed by pandas from what was read of topics, registry and files."""

import math

import pandas as pd
import pytest
from tests.integration.dashboard.conftest import NOW_MS, Look
from tests.integration.dashboard.fake_source import FakeSource, judged

from gnomon.dashboard.views.drift import features
from gnomon.dashboard.views.experiments import experiments
from gnomon.dashboard.views.live import impact_lines, ledger_sum
from gnomon.dashboard.views.models import largest, listed
from gnomon.dashboard.views.operations import last_drills, letters, of_clients
from gnomon.drift import Drift, Word
from gnomon.drift.monitor import FeatureDrift
from gnomon.events import Ledger
from gnomon.operations.clients import ClientOverview
from gnomon.operations.dead_letters import DeadLetterRecord
from gnomon.verdict import Drill


def letter(number: int, stage: str, reason: str) -> DeadLetterRecord:
    headers = {"stage": stage, "reason": reason, "detail": "d", "topic": "task-events"}
    return DeadLetterRecord(number % 2, number, NOW_MS - number, None, None, headers)


def client(number: int) -> ClientOverview:
    return ClientOverview(
        producer_id=f"p{number}",
        accepted=100 * number,
        delivered=90 * number,
        spooled=number,
        waiting=0,
        failed=0,
        dropped=2 * number,
        received=90 * number,
        repeated=0,
        missing=number % 3,
        lost=number % 5,
        ended=bool(number % 2),
        heard_ms=NOW_MS - number,
    )


def test_dead_letters_are_counted_by_stage_and_reason() -> None:
    read = [
        letter(n, ("features", "vault")[n % 3 == 0], ("invalid", "oversize")[n % 2])
        for n in range(250)
    ]
    rows = pd.DataFrame([(e.headers["stage"], e.headers["reason"]) for e in read])
    found = letters(read)
    assert found.read == len(rows)
    assert {(s, r): n for s, r, n in found.by_reason} == rows.value_counts().to_dict()
    assert [e.id for e in found.newest] == [e.id for e in read[:100]]


def test_clients_are_summed_and_those_who_lost_most_come_first() -> None:
    read = [client(n) for n in range(150)]
    rows = pd.DataFrame(
        [(e.producer_id, e.accepted, e.delivered, e.dropped, e.spooled, e.missing, e.lost) for e in read],
        columns=["id", "accepted", "delivered", "dropped", "spooled", "missing", "lost"],
    )  # fmt: skip
    found = of_clients(read)
    assert found.known == len(rows)
    for name in rows.columns[1:]:
        assert found.totals[name] == rows[name].sum()
    worst = (rows.lost + rows.dropped).sort_values(ascending=False)
    assert [e.lost + (e.dropped or 0) for e in found.worst] == worst.tolist()[:100]


def test_the_last_drill_of_each_kind_is_shown() -> None:
    held = [Drill(drill=("a", "b")[n % 2], at_ms=n, passed=n % 3 == 0) for n in (5, 1, 4, 2, 3)]
    rows = pd.DataFrame([(e.drill, e.at_ms, e.passed) for e in held], columns=["d", "at", "passed"])
    last = rows.sort_values("at").groupby("d").tail(1).sort_values("d")
    assert [(e.drill, e.at_ms, e.passed) for e in last_drills(held)] == [
        tuple(row) for row in last.itertuples(index=False)
    ]


def test_drift_of_each_feature() -> None:
    drift = Drift(
        word=Word.RETRAIN,
        training_rows=500,
        rows=1_000,
        features={
            "a": FeatureDrift(word=Word.RETRAIN, psi=0.31, distance=0.5),
            "b": FeatureDrift(word=Word.RETRAIN, psi=0.01, distance=None),
        },
        changes=[],
    )
    assert [(e.version, e.feature, e.psi, e.distance) for e in features({"7": drift})] == [
        ("7", "a", 0.31, 0.5),
        ("7", "b", 0.01, None),
    ]


def test_importance_is_ordered_and_versions_are_those_of_the_registry(source: FakeSource) -> None:
    given = {f"input-{n}": math.sin(n) for n in range(40)}
    expected = pd.Series(given).sort_values(ascending=False)[:15]
    assert largest(given) == list(expected.items())
    for shown, registered in zip(listed(source.versions()), source.versions(), strict=True):
        assert (shown.version, shown.created_at_ms) == (
            registered.version,
            registered.created_at_ms,
        )
        assert (shown.mae_s, shown.control_mae_s, shown.accuracy) == (12.0, 20.0, 0.81)
        assert registered.sha256 is not None
        assert registered.sha256.startswith(shown.sha256)


def test_experiments_are_shown_in_percent_and_points() -> None:
    (found,) = experiments([judged("prompts", at_ms=1)])
    (variant,) = found.variants
    percent = [f"{100 * (math.exp(x) - 1):+.1f} %" for x in (-0.2, -0.3, -0.1)]
    assert variant.duration == f"{percent[0]} ({percent[1]} to {percent[2]})"
    assert variant.failure == "+1.0 points (-2.0 to +4.0)"
    assert (variant.units, variant.tasks, found.crossed, found.immature) == (400, 2_000, 1, 3)
    (few,) = experiments([judged("prompts", at_ms=1, units=12)])[0].variants
    assert (few.duration, few.failure, few.units) == ("-", "-", 12)
    assert few.hidden


@pytest.mark.usefixtures("source")
def test_live_adds_up_lag_and_workers(look: Look) -> None:
    page = look("live")
    shown = {each.label: each.value for each in page.metric}
    assert (shown["Lag"], shown["Workers"], shown["Events per second"]) == ("28", "4", "12.5")
    assert (shown["predictions"], shown["matched"], shown["pending"]) == ("1,000", "950", "20")
    (stages,) = [each.value for each in page.dataframe if "lag" in each.value]
    assert stages.lag.tolist() == [7, 7, 7, 7]


def test_production_impact_is_the_difference_of_what_was_measured(source: FakeSource) -> None:
    impact = source.impact().impact
    assert impact is not None
    rows = pd.DataFrame(
        [(phase, q, e.without_ms, e.with_ms) for phase, of in impact.latency.items() for q, e in of.items()],
        columns=["phase", "quantile", "without", "with"],
    )  # fmt: skip
    found = impact_lines(impact)
    assert [each.quantile for each in found] == rows["quantile"].tolist()
    more = pd.Series([each.more_ms for each in found], dtype=float)
    pd.testing.assert_series_equal(more, rows["with"] - rows["without"], check_names=False)


def test_the_ledger_is_the_sum_of_all_its_fields() -> None:
    ledger = Ledger(
        partition=3, predictions=9, matched=4, pending=3, expired=1, cancelled=1, late=5
    )
    counts = ledger_sum(ledger).counts
    assert counts == {
        name: getattr(ledger, name) for name in Ledger.__struct_fields__ if name != "partition"
    }
