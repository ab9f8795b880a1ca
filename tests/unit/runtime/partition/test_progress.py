"""When a partition stalls, with a clock that the test controls."""

import pytest

from gnomon.runtime.partition.progress import Progress, Step


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("step", ["recovering", "applying", "committing", "snapshotting"])
def test_a_step_that_does_not_end_makes_no_progress(clock: Clock, step: Step) -> None:
    progress = Progress(clock)
    progress.enter(step)
    progress.observe_lag(0)  # nothing waits behind the current batch

    clock.now_s += 7

    assert progress.since_advance_s == 7
    assert str(progress.stall("features", 3)) == f"features[3]: {step} for 7 s"


def test_an_idle_partition_is_no_stall_while_the_broker_confirms_that_nothing_waits(
    clock: Clock,
) -> None:
    progress = Progress(clock)
    progress.enter("idle")
    for _ in range(10):
        clock.now_s += 2
        progress.observe_lag(0)
    assert progress.since_advance_s == 0

    clock.now_s += 5  # the broker no longer answers

    assert progress.since_advance_s == 5


def test_lag_without_progress_is_a_stalled_fetch(clock: Clock) -> None:
    progress = Progress(clock)
    progress.enter("idle")
    progress.observe_lag(0)
    clock.now_s += 3600
    progress.observe_lag(0)  # an idle time before does not count
    clock.now_s += 4
    progress.observe_lag(12)
    clock.now_s += 4
    progress.observe_lag(12)

    stall = progress.stall("shadow", 0)

    assert (stall.step, stall.for_s, stall.lag) == ("fetch", 8.0, 12)


def test_progress_starts_the_time_again(clock: Clock) -> None:
    progress = Progress(clock)
    progress.enter("applying")
    progress.observe_lag(12)
    clock.now_s += 50

    progress.advanced()
    clock.now_s += 1

    assert progress.since_advance_s == 1
