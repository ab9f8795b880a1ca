"""A stall is reported once, and ends the worker when it lasts."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP
from tests.support.polling import eventually

from gnomon.errors import StalledError
from gnomon.runtime.partition.progress import Stall
from gnomon.runtime.process.stall_monitor import StallMonitor

STALL_AFTER_S = 0.05


class Worker:
    """Its stalls are what the test sets."""

    def __init__(self) -> None:
        self.found: list[Stall] = []
        self.ends: list[Mapping[int, Mapping[str, int]]] = []
        self.checks = 0
        self.failures: list[BaseException] = []
        self.last_error: str | None = None
        self.broker: Mapping[TP, int] | Exception = {}

    def observe_end_offsets(self, ends: Mapping[int, Mapping[str, int]]) -> None:
        self.ends.append(ends)

    def stalls(self) -> Sequence[Stall]:
        self.checks += 1
        return self.found

    async def end_offsets(self) -> Mapping[TP, int]:
        if isinstance(self.broker, Exception):
            raise self.broker
        return self.broker

    async def checked(self, times: int = 3) -> None:
        until = self.checks + times
        await eventually(lambda: self.checks >= until, what="some checks")


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    made = Worker()
    monitor = StallMonitor(
        made,
        end_offsets=made.end_offsets,
        last_error=lambda: made.last_error,
        stall_after_s=STALL_AFTER_S,
        on_failure=made.failures.append,
    )
    monitor.start()
    yield made
    await monitor.stop()
    assert len(asyncio.all_tasks()) == 1


def stall(for_s: float, step: str = "applying") -> Stall:
    return Stall("features", 2, step, for_s, 7)


def reported(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [r for r in caplog.records if r.getMessage() == "worker.stalled"]
    return [record.__dict__["step"] for record in found]


async def test_a_stall_is_reported_once(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    worker.found = [stall(STALL_AFTER_S)]
    await worker.checked()
    assert reported(caplog) == ["applying"]

    worker.found = []
    await worker.checked()
    worker.found = [stall(STALL_AFTER_S), stall(STALL_AFTER_S, "fetch")]
    await worker.checked()

    assert sorted(reported(caplog)) == ["applying", "applying", "fetch"]
    assert worker.failures == []


@pytest.mark.parametrize(("times", "ends"), [(2.9, False), (3.1, True)])
async def test_a_stall_that_lasts_three_times_as_long_ends_the_worker(
    worker: Worker,
    times: float,
    ends: bool,  # noqa: FBT001
) -> None:
    worker.found = [stall(0.01, "fetch"), stall(times * STALL_AFTER_S)]
    await worker.checked()

    assert bool(worker.failures) is ends
    assert all(isinstance(error, StalledError) for error in worker.failures)
    assert all("features[2]: applying" in str(error) for error in worker.failures)


async def test_an_engine_that_has_ended_ends_the_worker(worker: Worker) -> None:
    worker.last_error = "the engine crashed: KeyError()"
    await worker.checked()

    assert str(worker.failures[0]) == "the engine crashed: KeyError()"


async def test_end_offsets_are_passed_on_by_partition(worker: Worker) -> None:
    worker.broker = {TP("a", 0): 5, TP("b", 0): 6, TP("a", 1): 7}

    await eventually(lambda: worker.ends and worker.ends[-1], what="an answer")

    assert worker.ends[-1] == {0: {"a": 5, "b": 6}, 1: {"a": 7}}


async def test_a_broker_that_does_not_answer_is_asked_again(worker: Worker) -> None:
    worker.broker = KafkaConnectionError("down")
    await worker.checked()
    assert worker.failures == []
    worker.broker = {TP("a", 0): 5}

    await eventually(lambda: worker.ends and worker.ends[-1] == {0: {"a": 5}}, what="an answer")


async def test_an_error_of_the_monitor_itself_is_not_swallowed(worker: Worker) -> None:
    error = ValueError("a mistake")
    worker.broker = error

    await eventually(lambda: worker.failures, what="it is told")

    assert worker.failures == [error]
