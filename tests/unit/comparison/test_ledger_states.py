"""Each state of the ledger by table. Tasks expire after 1,000 ms here."""

import msgspec
import pytest
from tests.unit.comparison.build import (
    T0,
    Record,
    cancelled,
    config,
    features,
    finished,
    predicted,
    run,
    shed,
    started,
)

from gnomon.comparison import fold, merge_ledgers
from gnomon.events import Ledger
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.comparison import ComparisonStage

ALL = [features("t"), predicted("t")]
AGAIN = [features("t", 1011), predicted("t", 1011)]


def ledger(**counts: int) -> Ledger:
    return Ledger(partition=3, **counts)


CASES: dict[str, tuple[list[Record], Ledger]] = {
    "only started": ([started("t")], ledger()),
    "predicted, not started": (ALL, ledger()),
    "pending": ([started("t"), *ALL], ledger(predictions=1, pending=1)),
    "features are missing": ([started("t"), predicted("t")], ledger()),
    "one prediction of two": ([started("t"), features("t"), predicted("t", of=2)], ledger()),
    "the same prediction twice is not two": (
        [started("t"), features("t"), predicted("t", of=2), predicted("t", of=2)],
        ledger(),
    ),
    "matched": ([started("t"), *ALL, finished("t", 5)], ledger(predictions=1, matched=1)),
    "matched by predictions that come last": (
        [started("t"), finished("t", 5), *ALL],
        ledger(predictions=1, matched=1),
    ),
    "cancelled": ([started("t"), *ALL, cancelled("t", 5)], ledger(predictions=1, cancelled=1)),
    "finished at the last moment": (
        [started("t"), *ALL, finished("t", 1000)],
        ledger(predictions=1, matched=1),
    ),
    "finished one millisecond after it": (
        [started("t"), *ALL, finished("t", 1001)],
        ledger(predictions=1, expired=1, late=1),
    ),
    "expired by another task's event": (
        [started("t"), *ALL, started("u", 1001)],
        ledger(predictions=1, expired=1),
    ),
    "not expired by a repeat that is not later": (
        [started("t"), *ALL, started("t", 1000)],
        ledger(predictions=1, pending=1, duplicate=1),
    ),
    "a late end, and again": (
        [started("t"), *ALL, finished("t", 1500), cancelled("t", 1500)],
        ledger(predictions=1, expired=1, late=1, duplicate=1),
    ),
    "second start, running": ([started("t"), started("t", 7)], ledger(duplicate=1)),
    "second start, ended": (
        [started("t"), finished("t", 1), started("t")],
        ledger(duplicate=1),
    ),
    "second end": ([started("t"), finished("t", 1), cancelled("t", 2)], ledger(duplicate=1)),
    "end without a start, twice": ([finished("t", 1), cancelled("t", 2)], ledger(orphan=2)),
    "end of another agent's task": (
        [started("t"), finished("t", 1, agent="bob")],
        ledger(orphan=1),
    ),
    "ended task remembered to the last moment": (
        [started("t"), finished("t", 10), started("u", 1010), finished("t", 11)],
        ledger(duplicate=1),
    ),
    "ended task forgotten": (
        [started("t"), finished("t", 10), started("u", 1011), finished("t", 11)],
        ledger(orphan=1),
    ),
    "ended task forgotten, started again": (
        [started("t"), finished("t", 10), started("t", 1011), *ALL, *AGAIN],
        ledger(predictions=2, matched=1, pending=1),
    ),
    "expired task forgotten": (
        [started("t"), started("u", 2001), finished("t", 2001)],
        ledger(orphan=1),
    ),
    "start at the edge of expiry": (
        [started("u", 1000), started("t"), *ALL],
        ledger(predictions=1, pending=1),
    ),
    "start too old to be told from a repeat": (
        [started("u", 1001), started("t"), *ALL],
        ledger(late=1),
    ),
    "shed": ([started("t"), features("t"), shed("t"), finished("t", 5)], ledger(shed=1)),
    "shed before its start": ([features("t"), shed("t"), started("t")], ledger(shed=1)),
    "shed, not started": ([features("t"), shed("t")], ledger()),
    "shed after one prediction of two": (
        [started("t"), features("t"), predicted("t", of=2), shed("t")],
        ledger(shed=1),
    ),
    "shed after its predictions": (
        [started("t"), predicted("t"), shed("t"), features("t")],
        ledger(predictions=1, pending=1),
    ),
    "predicted after it was shed": (
        [started("t"), shed("t"), predicted("t"), features("t")],
        ledger(shed=1),
    ),
    "a prediction too many": (
        [started("t"), predicted("t"), predicted("t", model="m"), features("t")],
        ledger(predictions=1, pending=1),
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("one_by_one", [True, False])
def test_what_becomes_of_a_task(name: str, one_by_one: bool) -> None:  # noqa: FBT001
    records, expected = CASES[name]
    seen = run(*[[r] for r in records]) if one_by_one else run(records)
    assert seen.ledger == expected
    assert len(seen.comparisons) == expected.matched + expected.expired + expected.cancelled


def test_every_state_is_in_the_table() -> None:
    reached = {
        name
        for _, expected in CASES.values()
        for name in msgspec.structs.asdict(expected)
        if getattr(expected, name)
    }
    assert reached == set(Ledger.__struct_fields__) - {
        "incomplete",
        "unread",
    }  # see test_bounds, and below


def test_records_that_were_never_read_are_in_the_ledger_with_the_next_batch() -> None:
    stage = ComparisonStage(Settings(), metrics=Metrics())
    state = stage.new_state(0)
    fold(state.state, [started("t"), *ALL], config=config())
    stage.missed(state, 30)
    again = stage.restore(0, stage.snapshot(state))
    stage.missed(again, 12)

    seen = run([finished("t", 5)], state=again.state)

    assert seen.ledger == ledger(predictions=1, matched=1, unread=42)
    assert merge_ledgers([seen.ledger, seen.ledger]).unread == 84


@pytest.mark.parametrize(
    ("end", "status", "at", "duration_s"),
    [
        (finished("t", 5, duration_s=4.5), "matched", 5, 4.5),
        (cancelled("t", 6), "cancelled", 6, None),
        (started("u", 5000), "expired", 1000, None),
    ],
)
def test_the_outcome_says_when_and_how(
    end: Record, status: str, at: int, duration_s: float | None
) -> None:
    (comparison,) = run([started("t"), *ALL, end]).comparisons
    assert comparison.outcome.status == status
    assert comparison.outcome.at_ms == T0 + at
    assert comparison.outcome.duration_s == duration_s


def test_the_ledger_is_written_only_by_a_batch_that_changed_it() -> None:
    ledger_key = ("comparison-metrics", b"ledger|p3")
    assert run([started("t"), features("t")]).written == []
    assert run([started("t"), features("t")], [predicted("t")], []).written == [ledger_key]


def test_a_day_is_the_default() -> None:
    day = 86_400_000
    settings = config(expire_after_ms=type(config())(partition=0).expire_after_ms)
    in_time = run([started("t"), *ALL, finished("t", day)], settings=settings)
    late = run([started("t"), *ALL, finished("t", day + 1)], settings=settings)
    assert (in_time.ledger.matched, late.ledger.matched) == (1, 0)
