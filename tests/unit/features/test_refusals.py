"""Records that are not taken in, and why."""

import msgspec
import pytest
from tests.unit.features.support import (
    HOUR,
    MINUTE,
    T0,
    Record,
    cancelled,
    finished,
    started,
    vectors,
)

from gnomon import codec
from gnomon.events import TaskEvent
from gnomon.features import FeaturesConfig, FeaturesState, fold, snapshot

GOOD = codec.encode(finished("f", T0))


def changed(**fields: object) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(GOOD) | fields)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty"),
        (b"", "not_json"),
        (b"{", "not_json"),
        (GOOD.replace(b'"f"', b'"\xff"'), "not_json"),
        (GOOD[:-1] + b',"deep":' + b"[" * 50_000, "not_json"),
        (changed(kind="task_paused.v1"), "unknown_kind"),
        (b"[]", "invalid"),
        (changed(agent_id=""), "invalid"),
        (changed(finished_at_ms=T0 - 1), "invalid"),
        (changed(duration_s=-1), "invalid"),
        (changed(duration_s=9_000_001.0), "invalid"),
        (changed(duration_s=1e300), "invalid"),
        (changed(code_review_iterations=100_000_001), "invalid"),
        (changed(code_review_iterations=2**80), "invalid"),
        (changed(padding="x" * 65_536), "oversize"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_refused_record_is_kept_with_its_reason_and_changes_nothing(
    value: bytes | None, reason: str
) -> None:
    state = FeaturesState()
    before = [Record(GOOD), Record(codec.encode(started("first", T0)))]
    fold(state, before, config=FeaturesConfig())
    untouched = snapshot(state)
    record = Record(value)

    outputs = fold(state, [record], config=FeaturesConfig())

    (letter,) = outputs.dead
    assert letter.record is record
    assert letter.reason == reason
    assert letter.detail
    assert outputs.by_topic == {}
    assert snapshot(state) == untouched


def test_neighbours_of_a_refused_record_go_on() -> None:
    outputs = fold(
        FeaturesState(),
        [Record(GOOD), Record(b"{"), Record(codec.encode(started("s", T0)))],
        config=FeaturesConfig(),
    )
    assert [v.features.tasks_completed_1h for v in vectors(outputs)] == [1]
    assert len(outputs.dead) == 1


@pytest.mark.parametrize(
    "event",
    [started("s", T0), finished("s", T0), cancelled("s", T0)],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.parametrize(
    ("behind_ms", "reasons"),
    [(10 * MINUTE + 1, ["clock_ahead"]), (10 * MINUTE, []), (0, []), (-9000 * HOUR, [])],
)
def test_a_clock_ahead_of_the_brokers(event: TaskEvent, behind_ms: int, reasons: list[str]) -> None:
    """A replay, long after the events, is no matter."""
    state = FeaturesState()
    record = Record(codec.encode(event), timestamp=T0 - behind_ms)

    outputs = fold(state, [record], config=FeaturesConfig())

    assert [letter.reason for letter in outputs.dead] == reasons
    assert (snapshot(state) == snapshot(FeaturesState())) == bool(reasons)


def test_the_clock_allowed_ahead_is_a_setting() -> None:
    record = Record(codec.encode(started("s", T0)), timestamp=T0 - 6)
    config = FeaturesConfig(max_clock_ahead_ms=5)
    assert [d.reason for d in fold(FeaturesState(), [record], config=config).dead] == [
        "clock_ahead"
    ]
