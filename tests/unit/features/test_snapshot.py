"""State as bytes and back."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.features.support import (
    HOUR,
    MINUTE,
    T0,
    configs,
    events,
    finished,
    random_log,
    records,
    run,
    started,
)  # fmt: skip

from gnomon.errors import GnomonError
from gnomon.events import TaskEvent
from gnomon.features import FeaturesConfig, FeaturesState, SnapshotError, fold, restore, snapshot


@given(events, configs, st.data())
def test_a_fold_goes_on_from_a_snapshot_as_if_there_had_been_none(
    given_events: list[TaskEvent], config: FeaturesConfig, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(given_events)))
    state = FeaturesState()
    run(given_events[:cut], state=state, config=config)

    restored = restore(snapshot(state))

    rest = records(given_events[cut:])
    assert fold(restored, rest, config=config) == fold(state, rest, config=config)
    assert snapshot(restored) == snapshot(state)


@pytest.mark.parametrize("every", [1, 97])
def test_a_long_log_with_many_snapshots(every: int) -> None:
    log = random_log(3, count=600)
    state = FeaturesState()
    got = []

    for i in range(0, len(log), every):
        got += run(log[i : i + every], state=state)
        state = restore(snapshot(state))

    assert got == run(log)


def test_writing_a_snapshot_changes_nothing() -> None:
    state = FeaturesState()
    run(random_log(1, count=200), state=state)
    assert snapshot(state) == snapshot(state)


def _bytes() -> bytes:
    state = FeaturesState()
    run(random_log(1, count=50), state=state)
    return snapshot(state)


GOOD = _bytes()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not a snapshot"),
        (GOOD[:10], "not a snapshot"),
        (GOOD[:18], "not a snapshot"),
        (b"x" + GOOD, "not a snapshot"),
        (GOOD[:16] + b"\x09\x00" + GOOD[18:], "version 9"),
        (GOOD[:-1], "damaged"),
        (GOOD + b"\0", "damaged"),
        (GOOD[:200] + bytes([GOOD[200] ^ 1]) + GOOD[201:], "damaged"),
        (GOOD[:18] + b"\0\0\0\0", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(SnapshotError, match=says):
        restore(data)


OLDER = base64.b64decode(
    "Z25vbW9uLmZlYXR1cmVzAAIAL8ZN+RQAAACTzwAAAZd0INwAzwAAAZ19FKwAAsAAAACSoWHcABDPAAABl3RXyoDP"
    "AAABnX0UrAD/A84BvQyHGMQQYMYhdJcBAADAsCJ0lwEAAMQQAFhH+A0AAAAArCP8BgAAAMQILQAAAAAAAADEAMQQ"
    "dDABAAAAAAB0MQEAAAAAAMQQgWFF6C4DAADBjEPoLgMAAMQIdDMBAAAAAADECIDKV3SXAQAAxBgBgGCNngIAAAEA"
    "6wi/AQAAAIB1hN8AAACRkqF4xBgBgGCNngIAAAEA6wi/AQAAAIB1hN8AAABLAAAAkqFi3AAQzwAAAZd0IjuQzwAA"
    "AZ19FKwA/wHOAb0R7BjEAMQAxADEAMQAxADECHQyAQAAAAAAxAiQOyJ0lwEAAMQIAAAAAAAAAACQ"
)
"""Version 2, as release 0.1.0 wrote it of the five events below, of task ids ``t0`` to ``t3``."""


def test_a_snapshot_of_the_earlier_version_is_read() -> None:
    log: list[TaskEvent] = [
        started("t1", T0),
        finished("t1", T0 + MINUTE, duration_s=60.0, reviews=2, deployed=True),
        started("t2", T0 + 90_000, agent="b", task_type="y"),
        finished("t0", T0 + 2 * MINUTE, duration_s=30.0, succeeded=False),
        started("t3", T0 + HOUR),
    ]
    state = FeaturesState()
    run(log, state=state)
    assert snapshot(restore(OLDER)) == snapshot(state)


def test_the_error_is_one_of_ours() -> None:
    assert issubclass(SnapshotError, GnomonError)
    assert issubclass(SnapshotError, ValueError)


def test_an_empty_state() -> None:
    restored = restore(snapshot(FeaturesState()))
    assert run(random_log(1, count=50), state=restored) == run(random_log(1, count=50))
