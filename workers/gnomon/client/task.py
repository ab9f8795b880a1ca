"""One task of an agent while it runs: a context manager, sync and async, or a decorator."""

import functools
import inspect
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast

from gnomon.events import ContextValue, TaskCancelled, TaskEvent, TaskFinished, TaskStarted

F = TypeVar("F", bound=Callable[..., Any])
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
MS_PER_S = 1_000
LONGEST_ERROR_TYPE = 256
LONGEST_REASON = 1024


class Owner(Protocol):
    """Where a task's events go. None of it raises."""

    def new_task_id(self) -> str:
        """An id nobody else has."""
        ...

    def emit(self, event: TaskEvent) -> bool:
        """Publish ``event``."""
        ...

    def refuse(self, reason: str) -> None:
        """Count something that cannot be used."""
        ...


class Task:
    """One task. Made by ``Client.task`` and ``Client.start``; its methods never raise.

    Leaving the ``with`` block ends the task: with success, unless an exception came out of it
    (which passes on untouched) or ``fail`` or ``cancel`` was called. Used as a decorator it makes
    a task of each call.

    Attributes:
        task_id: Its id, unless one was given a different one for each time it is entered.
    """

    __slots__ = (
        "_agent_id",
        "_context",
        "_deployment_succeeded",
        "_error_type",
        "_estimate_s",
        "_given_id",
        "_iterations",
        "_over",
        "_owner",
        "_started_at_ms",
        "_succeeded",
        "_t0_ns",
        "_task_type",
        "task_id",
    )

    def __init__(
        self,
        owner: Owner,
        task_type: str,
        *,
        agent_id: str,
        task_id: str | None,
        estimate_s: float | None,
        context: Mapping[str, ContextValue] | None,
    ) -> None:
        self._owner, self._given_id = owner, task_id
        self._task_type, self._agent_id = task_type, agent_id
        self._estimate_s, self._context = estimate_s, context
        self._reset()

    def _reset(self) -> None:
        self.task_id = self._owner.new_task_id() if self._given_id is None else self._given_id
        self._started_at_ms = self._t0_ns = 0
        self._over = False
        self._succeeded = True
        self._error_type: str | None = None
        self._iterations: int | None = None
        self._deployment_succeeded: bool | None = None

    def begin(self, started_at_ms: int | None = None) -> None:
        """Start the clock and publish the start, now or (a replay) at ``started_at_ms``."""
        if started_at_ms is not None and type(started_at_ms) is not int:
            self._owner.refuse("started_at_ms must be an int")
            started_at_ms = None
        now_ms = time.time_ns() // NS_PER_MS
        self._started_at_ms = now_ms if started_at_ms is None else started_at_ms
        try:
            event = TaskStarted(
                agent_id=self._agent_id,
                task_id=self.task_id,
                task_type=self._task_type,
                started_at_ms=self._started_at_ms,
                estimate_s=self._estimate_s,
                context=dict(self._context) if self._context else {},
            )
        except Exception:  # the agent's edge: its mapping may raise anything
            self._owner.refuse("context must be a mapping")
        else:
            self._owner.emit(event)
        self._t0_ns = time.perf_counter_ns()

    def end(self, *, finished_at_ms: int | None = None, duration_s: float | None = None) -> None:
        """Stop the clock and publish the end; once only.

        What is not given is measured; of given times the duration follows.
        """
        elapsed_s = (time.perf_counter_ns() - self._t0_ns) / NS_PER_S
        if self._ended_before():
            return
        try:
            if finished_at_ms is None:
                finished_at_ms = self._now_ms()
            elif duration_s is None:
                duration_s = (finished_at_ms - self._started_at_ms) / MS_PER_S
            event = TaskFinished(
                agent_id=self._agent_id,
                task_id=self.task_id,
                task_type=self._task_type,
                started_at_ms=self._started_at_ms,
                finished_at_ms=finished_at_ms,
                duration_s=elapsed_s if duration_s is None else duration_s,
                succeeded=self._succeeded,
                code_review_iterations=self._iterations,
                deployment_succeeded=self._deployment_succeeded,
                error_type=self._error_type,
            )
        except Exception:  # the agent's edge: given times may be anything
            self._owner.refuse("finished_at_ms must be an int, not before the start")
            return
        self._owner.emit(event)

    def cancel(self, reason: str = "") -> None:
        """The task will have no outcome. Published at once."""
        if self._ended_before():
            return
        self._owner.emit(
            TaskCancelled(
                agent_id=self._agent_id,
                task_id=self.task_id,
                cancelled_at_ms=self._now_ms(),
                reason=reason[:LONGEST_REASON] if isinstance(reason, str) else reason,
            )
        )

    def _ended_before(self) -> bool:
        if self._over:
            self._owner.refuse("the task has ended before")
            return True
        self._over = True
        return False

    def _now_ms(self) -> int:
        """The wall clock, which may have been set back since the start."""
        return max(time.time_ns() // NS_PER_MS, self._started_at_ms)

    def set(
        self,
        *,
        code_review_iterations: int | None = None,
        deployment_succeeded: bool | None = None,
        **unknown: object,
    ) -> None:
        """Say more of the outcome. A value of the wrong kind is refused, and the rest kept."""
        if code_review_iterations is not None:
            if type(code_review_iterations) is int and code_review_iterations >= 0:
                self._iterations = code_review_iterations
            else:
                self._owner.refuse("code_review_iterations must be an int of 0 or more")
        if deployment_succeeded is not None:
            if type(deployment_succeeded) is bool:
                self._deployment_succeeded = deployment_succeeded
            else:
                self._owner.refuse("deployment_succeeded must be a bool")
        if unknown:
            self._owner.refuse("unknown attribute")

    def fail(self, error_type: str | BaseException | None = None) -> None:
        """The task has not succeeded. Published when it ends."""
        self._succeeded = False
        if isinstance(error_type, BaseException):
            error_type = type(error_type).__qualname__
        if isinstance(error_type, str):
            self._error_type = error_type[:LONGEST_ERROR_TYPE]
        elif error_type is not None:
            self._owner.refuse("error_type must be a string or an exception")

    def __enter__(self) -> Self:
        if self._started_at_ms:
            self._reset()
        self.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.fail(kind.__qualname__)
        if not self._over:
            self.end()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _again(self) -> "Task":
        """A task like this one, for one call of a decorated function."""
        return Task(
            self._owner,
            self._task_type,
            agent_id=self._agent_id,
            task_id=None,
            estimate_s=self._estimate_s,
            context=self._context,
        )

    def __call__(self, function: F) -> F:
        """Make a task of each call of ``function`` (a ``def`` or an ``async def``)."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

            return cast("F", awaited)

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return cast("F", called)
