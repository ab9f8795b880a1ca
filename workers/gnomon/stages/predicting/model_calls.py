"""Calls model versions so that a broken one costs its own predictions and a limited time, nothing else.

Each version has a thread of its own, because Python cannot interrupt a computation: a batch stops
waiting for the thread when the version's time is over, and goes on without its predictions. The thread
goes on until the call returns; its result is then dropped. A version whose calls go wrong again and
again is skipped for a while (``gnomon.models.circuit_breaker``).
"""

import asyncio
import contextlib
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

from gnomon.models.circuit_breaker import CallLimits, CircuitBreaker
from gnomon.models.predictor import LoadedModel
from gnomon.runtime.metrics import Metrics

logger = logging.getLogger(__name__)

T = TypeVar("T")
Status = Literal["predicted", "slow", "failed", "abandoned", "skipped"]
"""How a call ended. ``slow`` is over its budget, but its predictions came in time to be used."""
STATUSES: Final[tuple[Status, ...]] = ("predicted", "slow", "failed", "abandoned", "skipped")
MISSING: Final = frozenset({"failed", "abandoned", "skipped"})
"""The ends of a call without predictions."""


class JoinedCallError(Exception):
    """A model raised for the batches of several partitions: each is to be predicted alone."""


class Called(NamedTuple, Generic[T]):
    """The result of a call.

    Attributes:
        value: What the version predicted; ``None`` if the call went wrong or was not made.
        skipped: Why the version is out of operation; ``None`` if it is not.
    """

    value: T | None
    skipped: str | None


class _Answer(NamedTuple):
    value: Any
    error: str | None
    took_s: float


class _Thread:
    """Makes the calls of one version, one after another. The thread does not keep a process alive."""

    def __init__(self, name: str, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._waiting: SimpleQueue[
            tuple[Callable[[], object], asyncio.Future[_Answer], asyncio.AbstractEventLoop] | None
        ] = SimpleQueue()
        Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, call: Callable[[], object]) -> asyncio.Future[_Answer]:
        """Make the call after those before it; it is not made if the future is cancelled by then."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Answer] = loop.create_future()
        self._waiting.put((call, future, loop))
        return future

    def close(self) -> None:
        """End the thread after the call that it is making."""
        self._waiting.put(None)

    def _run(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            call, future, loop = waiting
            if future.cancelled():
                continue
            answer = self._made(call)
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
                loop.call_soon_threadsafe(_resolve, future, answer)
            del waiting, call, future, answer  # a thread that waits must not keep a batch in memory

    def _made(self, call: Callable[[], object]) -> _Answer:
        began_s = self._clock_s()
        value, error = None, None
        try:
            value = call()
        except BaseException as raised:
            # The class alone: a message may quote what the model was given.
            error = type(raised).__name__
        return _Answer(value, error, self._clock_s() - began_s)


def _resolve(future: asyncio.Future[_Answer], answer: _Answer) -> None:
    if not future.done():
        future.set_result(answer)


class _Version:
    """One live version: its thread, its circuit breaker, and the counts of its calls."""

    def __init__(
        self, model: LoadedModel, limits: CallLimits, clock_s: Callable[[], float]
    ) -> None:
        self.name, self.number = model.name, model.version
        self.breaker = CircuitBreaker(limits)
        self.calls: Counter[Status] = Counter()
        self.last_failure: str | None = None
        self.thread = _Thread(f"gnomon-model-{model.version}", clock_s)


class ModelCalls:
    """Calls the live versions. All methods belong to one event loop.

    Args:
        limits: The limits of each version.
        metrics: Where to count.
        clock_s: Monotonic clock, in seconds. It is also called by the versions' threads.
    """

    def __init__(
        self, limits: CallLimits, *, metrics: Metrics, clock_s: Callable[[], float]
    ) -> None:
        self._limits, self._metrics, self._clock_s = limits, metrics, clock_s
        self._versions: dict[str, _Version] = {}

    async def call(
        self, model: LoadedModel, tasks: int, predict: Callable[[], T], *, joined: bool = False
    ) -> Called[T]:
        """Call ``predict`` in the thread of ``model``, unless the version is skipped.

        Args:
            model: The version.
            tasks: Number of tasks of the batch.
            predict: Computes the version's predictions for the batch.
            joined: Whether the tasks are those of several batches, any of which may be what the model
                cannot predict. An error then counts as no call.

        Raises:
            JoinedCallError: The model raised for joined batches.
        """
        version = self._versions.get(model.sha256)
        if version is None:
            version = self._versions[model.sha256] = _Version(model, self._limits, self._clock_s)
            for status in MISSING:  # shown as 0: the first one that is missing is an increase
                self._metrics.count("gnomon_predictions_missing_total", 0, version.number, status)
        breaker = version.breaker
        if not breaker.admits(self._clock_s()):
            self._count(version, "skipped", tasks)
            return Called(None, breaker.reason)
        is_trial = breaker.state == "half-open"
        value = await self._answer(version, tasks, predict, joined=joined)
        out_of_operation = value is None and is_trial
        return Called(value, breaker.reason if out_of_operation else None)

    async def _answer(
        self, version: _Version, tasks: int, predict: Callable[[], T], *, joined: bool
    ) -> T | None:
        breaker, wait_s = version.breaker, self._limits.wait_s(tasks)
        future = version.thread.submit(predict)
        try:
            await asyncio.wait([future], timeout=None if math.isinf(wait_s) else wait_s)
        except asyncio.CancelledError:
            future.cancel()
            breaker.cancelled(self._clock_s())
            raise
        if not future.done():
            future.cancel()
            breaker.abandoned(wait_s, self._clock_s())
            self._note(version, "abandoned", tasks, f"no answer within {wait_s:.1f} s")
            return None
        value, error, took_s = future.result()
        self._metrics.observe("gnomon_model_seconds", took_s, version.number)
        if error is not None and joined:
            breaker.cancelled(self._clock_s())
            raise JoinedCallError(error)
        if error is not None:
            breaker.failed(error, self._clock_s())
            self._note(version, "failed", tasks, error)
            return None
        if breaker.answered(took_s=took_s, tasks=tasks, now_s=self._clock_s()):
            self._count(version, "predicted", tasks)
        else:
            self._note(version, "slow", tasks, f"{took_s * 1000:.0f} ms")
        predicted: T = value
        return predicted

    def keep(self, live: Iterable[LoadedModel]) -> None:
        """Forget the versions that are not in ``live``; one that becomes live again begins anew."""
        kept = {model.sha256 for model in live}
        for sha256 in [known for known in self._versions if known not in kept]:
            version = self._versions.pop(sha256)
            version.thread.close()
            self._metrics.remove("gnomon_model_seconds", version.number)
            for status in STATUSES:
                self._metrics.remove("gnomon_model_calls_total", version.number, status)
                self._metrics.remove("gnomon_predictions_missing_total", version.number, status)
        self._show_skipped()

    def close(self) -> None:
        """End the threads."""
        self.keep(())

    def status(self) -> Sequence[Mapping[str, object]]:
        """Return for each version its circuit breaker's state, and how its calls ended."""
        now_s = self._clock_s()
        return [
            {
                "version": version.number,
                "sha256": sha256,
                "state": version.breaker.state,
                "reason": version.breaker.reason,
                "trial_in_s": version.breaker.trial_in_s(now_s),
                "last_failure": version.last_failure,
                "calls": {status: version.calls[status] for status in STATUSES},
            }
            for sha256, version in self._versions.items()
        ]

    def degraded(self) -> Sequence[str]:
        """Return which versions are skipped, a sentence each."""
        return [
            f"version {version.number} is skipped: {version.breaker.reason}"
            for version in self._versions.values()
            if version.breaker.state != "closed"
        ]

    def _note(self, version: _Version, status: Status, tasks: int, what: str) -> None:
        """Count a call that went wrong, and log it."""
        version.last_failure = f"{status}: {what}"
        logger.warning(
            "model.failed",
            extra={
                "model": version.name,
                "version": version.number,
                "status": status,
                "reason": what,
                "breaker": version.breaker.state,
            },
        )
        self._count(version, status, tasks)

    def _count(self, version: _Version, status: Status, tasks: int) -> None:
        version.calls[status] += 1
        self._metrics.count("gnomon_model_calls_total", 1, version.number, status)
        if status in MISSING:
            self._metrics.count("gnomon_predictions_missing_total", tasks, version.number, status)
        self._show_skipped()

    def _show_skipped(self) -> None:
        skipped = sum(v.breaker.state != "closed" for v in self._versions.values())
        self._metrics.set("gnomon_models_skipped", skipped, "shadow")
