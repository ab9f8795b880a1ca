"""Records that are no records: silent for task-events, dead letters for the rest."""

import pytest
from tests.unit.comparison.build import (
    PREFIX,
    T0,
    Record,
    config,
    event,
    features,
    finished,
    predicted,
    run,
    started,
)

from gnomon import codec
from gnomon.comparison import ComparisonState, fold
from gnomon.errors import EventError
from gnomon.events import TaskFinished
from gnomon.features.config import FeaturesConfig
from gnomon.features.fold import fold as features_fold
from gnomon.features.state import FeaturesState

BAD: dict[str, tuple[bytes | None, str]] = {
    "no value": (None, "empty"),
    "nothing": (b"", "not_json"),
    "half of JSON": (b'{"kind":', "not_json"),
    "no UTF-8": (b'{"kind":"\xff"}', "not_json"),
    "nested without end": (b'{"x":' * 10_000, "not_json"),
    "no object": (b"[]", "invalid"),
    "unknown kind": (b'{"kind":"other.v9"}', "unknown_kind"),
    "fields are missing": (b'{"kind":"task_started.v1"}', "invalid"),
}
GOOD = [started("t"), features("t"), predicted("t"), finished("t", 1)]


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("topic", ["task-features", "shadow-predictions"])
def test_a_bad_record_is_a_dead_letter_and_its_neighbours_go_on(name: str, topic: str) -> None:
    value, reason = BAD[name]
    bad = Record(PREFIX + topic, value)
    seen = run([GOOD[0], GOOD[1], bad, *GOOD[2:]])
    (letter,) = seen.dead
    assert letter.record is bad
    assert letter.reason in {reason, "invalid", "unknown_kind"}
    assert seen.ledger.matched == 1


@pytest.mark.parametrize("name", BAD)
def test_a_bad_task_event_is_passed_over(name: str) -> None:
    bad = Record(PREFIX + "task-events", BAD[name][0])
    seen = run([GOOD[0], bad, *GOOD[1:]])
    assert seen.dead == []
    assert seen.ledger.matched == 1


@pytest.mark.parametrize(
    ("broken", "by"),
    [(b'"tasks_completed_1h":4', b'"tasks_completed_1h":-4'), (b'"hour_seen":0.25', b'"x":1')],
)
def test_features_are_checked_though_they_are_only_passed_on(broken: bytes, by: bytes) -> None:
    value = features("t").value
    assert value is not None
    assert broken in value
    seen = run([Record(PREFIX + "task-features", value.replace(broken, by)), *GOOD[2:]])
    assert len(seen.dead) == (by != b'"x":1')


def test_a_clock_ahead_does_not_move_the_watermark() -> None:
    """600,000 ms ahead of the record is taken, one more is not."""
    late_start = started("u", 5000)
    pending = GOOD[:3]
    refused = Record(late_start.topic, late_start.value, timestamp=T0 + 5000 - 600_001)
    taken = Record(late_start.topic, late_start.value, timestamp=T0 + 5000 - 600_000)
    assert run([*pending, refused]).ledger.pending == 1
    assert run([*pending, taken]).ledger.expired == 1


def test_an_oversize_event_is_not_read() -> None:
    value = started("u", 5000).value
    assert value is not None
    at_limit = value + b" " * (65_536 - len(value))
    taken = run([*GOOD[:3], Record(PREFIX + "task-events", at_limit)])
    refused = run([*GOOD[:3], Record(PREFIX + "task-events", at_limit + b" ")])
    assert (taken.ledger.expired, refused.ledger.expired) == (1, 0)


def test_a_record_of_another_topic_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="decisions"):
        fold(ComparisonState(), [Record(PREFIX + "decisions", b"")], config=config())


def unbelievable(duration_s: float, reviews: int) -> Record:
    return event(
        TaskFinished(
            agent_id="a",
            task_id="t",
            task_type="x",
            started_at_ms=T0,
            finished_at_ms=T0,
            duration_s=duration_s,
            succeeded=True,
            code_review_iterations=reviews,
        )
    )


CANDIDATES = {
    **{name: Record(PREFIX + "task-events", value) for name, (value, _) in BAD.items()},
    "good": started("t"),
    "ahead": Record(PREFIX + "task-events", started("t").value, timestamp=T0 - 600_001),
    "just not ahead": Record(PREFIX + "task-events", started("t").value, timestamp=T0 - 600_000),
    "oversize": Record(PREFIX + "task-events", b" " * 65_537),
    "longest": unbelievable(9e6, 1),
    "too long": unbelievable(9.1e6, 1),
    "most reviews": unbelievable(1.0, 100_000_000),
    "too many reviews": unbelievable(1.0, 100_000_001),
}


@pytest.mark.parametrize("name", CANDIDATES)
def test_the_features_stage_refuses_the_same_records(name: str) -> None:
    """Else a start could have features and never be known here, or the reverse."""
    record = CANDIDATES[name]
    theirs = features_fold(FeaturesState(), [record], config=FeaturesConfig()).dead
    reason = None
    try:
        codec.read_task_event(record, max_clock_ahead_ms=600_000)
    except EventError as error:
        reason = error.reason
    assert [letter.reason for letter in theirs] == ([] if reason is None else [reason])
