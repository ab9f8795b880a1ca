"""A broken version costs its own predictions and a limited time, and nothing else."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.support.polling import eventually

from gnomon.models.circuit_breaker import CallLimits
from gnomon.runtime.metrics import Metrics
from gnomon.stages.predicting.model_calls import ModelCalls

FAST = CallLimits(
    budget_ms=50.0, budget_task_ms=0.0, grace_s=0.05, failures_in_a_row=2, pause_s=60.0
)


@dataclass
class Clock:
    """Seconds that pass only when a test says so."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Calls:
    """Calls with their metrics and clock; ``made`` names the threads of the calls."""

    calls: ModelCalls
    metrics: Metrics
    clock: Clock
    made: list[str] = field(default_factory=list)

    async def call(self, model: Any, predict: Callable[[], Any] = lambda: 1) -> tuple[Any, Any]:
        def predicting() -> Any:
            self.made.append(threading.current_thread().name)
            return predict()

        return await self.calls.call(model, 10, predicting)

    def shown(self, line: str) -> bool:
        return f"\n{line}\n" in self.metrics.exposition()[0].decode()


@dataclass(frozen=True)
class Version:
    version: str
    name: str = "m"

    @property
    def sha256(self) -> str:
        return f"sha-{self.version}"


@asynccontextmanager
async def model_calls(limits: CallLimits = FAST) -> AsyncIterator[Calls]:
    metrics, clock = Metrics(), Clock()
    calls = ModelCalls(limits, metrics=metrics, clock_s=clock)
    yield Calls(calls, metrics, clock)
    calls.close()


def no() -> None:
    raise RuntimeError("the payload of ada")


async def test_each_version_is_called_in_a_thread_of_its_own() -> None:
    async with model_calls() as those:
        assert await those.call(Version("1"), lambda: 41) == (41, None)
        assert await those.call(Version("2"), lambda: 42) == (42, None)
        assert await those.call(Version("1"), lambda: 43) == (43, None)

        assert those.made == ["gnomon-model-1", "gnomon-model-2", "gnomon-model-1"]
        assert those.shown('gnomon_model_calls_total{status="predicted",version="1"} 2.0')


async def test_a_version_that_fails_is_skipped_then_tried_and_others_go_on() -> None:
    broken, good = Version("1"), Version("2")
    async with model_calls() as those:
        for _ in range(2):
            assert await those.call(broken, no) == (None, None)
        assert await those.call(good) == (1, None)
        reason = "2 calls in a row went wrong, the last with RuntimeError"
        for _ in range(3):
            assert await those.call(broken) == (None, reason)

        assert those.made.count("gnomon-model-1") == 2
        assert those.calls.degraded() == [f"version 1 is skipped: {reason}"]
        assert those.shown('gnomon_models_skipped{stage="shadow"} 1.0')
        assert those.shown('gnomon_model_calls_total{status="failed",version="1"} 2.0')
        assert those.shown('gnomon_predictions_missing_total{reason="failed",version="1"} 20.0')
        assert those.shown('gnomon_predictions_missing_total{reason="skipped",version="1"} 30.0')
        assert those.calls.status()[0] == {
            "version": "1",
            "sha256": "sha-1",
            "state": "open",
            "reason": reason,
            "trial_in_s": 60.0,
            "last_failure": "failed: RuntimeError",
            "calls": {"predicted": 0, "slow": 0, "failed": 2, "abandoned": 0, "skipped": 3},
        }

        those.clock.now_s += 60.0
        assert await those.call(broken, no) == (None, reason.replace("2", "3"))  # the trial
        those.clock.now_s += 120.0
        assert await those.call(broken) == (1, None)
        assert those.calls.degraded() == []
        assert those.shown('gnomon_models_skipped{stage="shadow"} 0.0')


async def test_slow_answers_are_used_until_the_version_is_skipped() -> None:
    slow = Version("1")
    async with model_calls() as those:

        def taking_its_time() -> int:
            those.clock.now_s += 0.051
            return 7

        assert [await those.call(slow, taking_its_time) for _ in range(2)] == [(7, None)] * 2
        value, skipped = await those.call(slow)
        assert value is None
        assert skipped == "2 calls in a row went wrong, the last with 51 ms, allowed are 50 ms"
        assert those.shown('gnomon_model_calls_total{status="slow",version="1"} 2.0')
        assert those.shown('gnomon_model_seconds_count{version="1"} 2.0')


async def test_a_version_that_hangs_holds_a_batch_up_for_its_budget_and_grace_once() -> None:
    hanging, released = Version("1"), threading.Event()
    async with model_calls() as those:
        began_s = time.monotonic()
        assert await those.call(hanging, released.wait) == (None, None)
        first_s = time.monotonic() - began_s
        assert (await those.call(hanging))[1] == "no answer within 0.1 s"
        those.clock.now_s += 60.0
        # The trial waits behind the call that hangs, and is not made after it.
        assert (await those.call(hanging))[1] == "no answer within 0.1 s"
        assert len(those.made) == 1
        assert 0.1 <= first_s < 5.0

        released.set()
        those.clock.now_s += 120.0
        assert await those.call(hanging) == (1, None)
        assert len(those.made) == 2
        assert those.shown('gnomon_model_calls_total{status="abandoned",version="1"} 2.0')


async def test_without_a_budget_a_batch_waits_as_long_as_it_takes() -> None:
    released = threading.Event()
    async with model_calls(CallLimits(budget_ms=0.0, grace_s=0.0)) as those:
        call = asyncio.create_task(those.call(Version("1"), lambda: released.wait() and 5))
        await eventually(lambda: those.made != [], what="it is called")
        those.clock.now_s += 1e6
        released.set()

        assert await call == (5, None)


async def test_a_trial_whose_batch_is_cancelled_is_made_again() -> None:
    broken, released = Version("1"), threading.Event()
    async with model_calls() as those:
        for _ in range(2):
            await those.call(broken, no)
        those.clock.now_s += 60.0
        trial = asyncio.create_task(those.call(broken, released.wait))
        await eventually(lambda: len(those.made) == 3, what="the trial is under way")
        trial.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trial
        released.set()

        assert await those.call(broken) == (1, None)


async def test_a_version_that_is_no_longer_live_is_forgotten_with_its_metrics() -> None:
    async with model_calls() as those:
        for _ in range(2):
            await those.call(Version("17"), no)
        await those.call(Version("2"))
        kept: Any = [Version("2")]
        those.calls.keep(kept)

        assert [row["version"] for row in those.calls.status()] == ["2"]
        assert 'version="17"' not in those.metrics.exposition()[0].decode()
        assert those.shown('gnomon_models_skipped{stage="shadow"} 0.0')
        assert await those.call(Version("17")) == (1, None)  # begins anew
        await eventually(
            lambda: [t.name for t in threading.enumerate()].count("gnomon-model-17") == 1,
            what="the first thread has ended",
        )


def test_a_process_ends_although_a_version_hangs() -> None:
    code = """
import asyncio, time
from types import SimpleNamespace
from gnomon.models.circuit_breaker import CallLimits
from gnomon.runtime.metrics import Metrics
from gnomon.stages.predicting.model_calls import ModelCalls
limits = CallLimits(budget_ms=10.0, grace_s=0.01)
calls = ModelCalls(limits, metrics=Metrics(), clock_s=time.monotonic)
model = SimpleNamespace(name="m", version="1", sha256="s")
print(asyncio.run(calls.call(model, 1, lambda: time.sleep(3600))))
calls.close()
"""
    done = subprocess.run(  # noqa: S603  our own interpreter and code
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True
    )

    assert done.stdout.strip() == "Called(value=None, skipped=None)"
