"""What ``restore`` refuses; that it goes on as before is in test_interleaving."""

import time

import pytest
from tests.unit.comparison.build import (
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

from gnomon.comparison import ComparisonState, fold, restore, snapshot
from gnomon.events import Interval, Intervals

INTERVALS = Intervals(
    bucket=1, by_level={"80": Interval(low_s=1.0, high_s=3.0, own_low_s=1.5, own_high_s=2.5)}
)


def busy_state(tasks: int = 5) -> ComparisonState:
    """Tasks in every state that is kept."""
    state = ComparisonState()
    records: list[Record] = []
    for number in range(tasks):
        task = f"t{number}"
        records += [started(task), features(task), predicted(task), features(f"x{task}")]
        records += [started(f"w{task}"), shed(f"s{task}")]
    records += [finished("t0", 5), finished("wt0", 5)]
    records += [started("i"), features("i"), predicted("i", sha256="ab", intervals=INTERVALS)]
    records += [finished("i", 5)]
    fold(state, records, config=config())
    return state


def test_every_kind_of_waiting_survives() -> None:
    state = busy_state()
    again = restore(snapshot(state), config=config())
    assert snapshot(again) == snapshot(state)
    rest = [features("wt0"), predicted("wt0"), finished("t1", 6), started("xt1"), predicted("xt1")]
    assert fold(again, rest, config=config()) == fold(state, rest, config=config())


def test_a_snapshot_changes_nothing() -> None:
    state = busy_state()
    assert snapshot(state) == snapshot(state)
    assert run([finished("t1", 6)], state=state).ledger.matched == 3


def test_a_task_cancelled_before_it_began_is_remembered_as_long() -> None:
    """Its clock was set back; until 1,000 ms after its start nothing may take its place."""
    state = ComparisonState()
    fold(state, [started("t", 500), cancelled("t", 100)], config=config())
    again = restore(snapshot(state), config=config())
    for one in (state, again):
        ledger = run([started("u", 1500), started("t", 500)], state=one).ledger
        assert (ledger.duplicate, ledger.late) == (1, 0)


def test_any_changed_byte_is_refused() -> None:
    data = snapshot(busy_state())
    for position in range(0, len(data), 7):
        broken = bytearray(data)
        broken[position] ^= 1
        with pytest.raises(ValueError, match="snapshot"):
            restore(bytes(broken), config=config())


@pytest.mark.parametrize("length", [0, 4, 5, 20, 21, 30, -1])
def test_a_truncated_one_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        restore(snapshot(busy_state())[:length], config=config())


def test_another_version_is_refused() -> None:
    data = snapshot(ComparisonState())
    assert data[:5] == b"GNCM\x04"
    with pytest.raises(ValueError, match="begins with"):
        restore(data[:4] + b"\x02" + data[5:], config=config())


def test_it_is_fast() -> None:
    """10,000 waiting tasks in well under a second, there and back."""
    state = busy_state(3000)
    began_s = time.process_time()  # other processes do not count
    restore(snapshot(state), config=config())
    assert time.process_time() - began_s < 1.0
