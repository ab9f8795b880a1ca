"""One task of an agent while it runs: a context manager, sync and async, or a decorator."""

import sys
from collections.abc import Callable, Mapping
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

from gnomon.client import later, tracing
from gnomon.client.buffer import Buffer, Later
from gnomon.client.checking import (
    END_SIZE,
    LATEST_MS,
    LONGEST_ID,
    LONGEST_REASON,
    MOST_ITERATIONS,
    START_SIZE,
    SURELY_SMALL,
    end_times,
    flat,
    is_identifier,
    plain_text,
    seconds,
)
from gnomon.events import ContextValue

F = TypeVar("F", bound=Callable[..., Any])
LONGEST_NS: Final = 9_000_000 * later.NS_PER_S
"""A task that took longer cannot be said."""
_MODULES: Final = sys.modules


class Owner(Protocol):
    """Where a task's events go. None of it raises.

    Attributes:
        buffer: Takes them in.
        id_prefix: Of the ids made in this process.
        serial: The number of the latest of them.
    """

    buffer: Buffer
    id_prefix: str
    serial: int

    def offer_large(self, *events: Later, start: bool) -> bool:
        """Take in the first of these that is small enough to be sent."""
        ...

    def refuse(self, reason: str) -> None:
        """Count something that cannot be used."""
        ...


class Task:
    """One task. Made by ``Client.task`` and ``Client.start``; its methods never raise.

    Leaving the ``with`` block ends the task: with success, unless an exception came out of it
    (which passes on untouched) or ``fail`` or ``cancel`` was called. Used as a decorator it makes
    a task of each call. What of its arguments cannot be used is counted and left out; without a
    type and an agent nothing is published.
    """

    __slots__ = (
        "_agent_id",
        "_begun",
        "_context",
        "_estimate_s",
        "_given_id",
        "_link",
        "_number",
        "_over",
        "_owner",
        "_said",
        "_said_size",
        "_t0_ns",
        "_task_type",
    )

    def __init__(  # noqa: PLR0917  keywords would cost the agent's call a tenth
        self,
        owner: Owner,
        task_type: str,
        agent_id: str,
        task_id: str | None,
        estimate_s: float | None,
        context: Mapping[str, ContextValue] | None,
    ) -> None:
        self._owner = owner
        self._task_type, self._agent_id, self._given_id = task_type, agent_id, task_id
        self._estimate_s, self._context = estimate_s, context
        owner.serial = self._number = owner.serial + 1
        self._begun: later.Begun | None = None
        self._said: dict[str, Any] | None = None
        self._link: str | None = None
        self._over = False

    @property
    def over(self) -> bool:
        """Whether it has ended or was cancelled."""
        return self._over

    @property
    def task_id(self) -> str:
        """Its id. One that is entered again is another task, with another id if it was made."""
        if self._begun is not None:
            return later.task_id(self._begun[2], self._begun[3])
        given = self._given_id
        return later.task_id(self._owner.id_prefix, self._number if given is None else given)

    def begin(self, started_at_ms: int | None = None) -> None:
        """Start the clock and publish the start, now or (a replay) at ``started_at_ms``."""
        if self._begun is not None or self._over:
            self._renew()
        owner, task_type, agent_id = self._owner, self._task_type, self._agent_id
        estimate_s, link = self._estimate_s, self._link
        number = self._number if self._given_id is None else self._given_id
        if type(number) is not int and not is_identifier(number):
            return owner.refuse("task_id must be a string of 1 to 256 characters")
        if not (is_identifier(task_type) and is_identifier(agent_id)):
            return owner.refuse("task_type and agent_id must be strings of 1 to 256 characters")
        size = START_SIZE + len(task_type) + len(agent_id)
        context: later.Values = {}
        if self._context is not None:
            context, more = self._flat(self._context, "context")
            size += more
        if estimate_s is not None:
            estimate_s = seconds(estimate_s)
            if estimate_s is None:
                owner.refuse("estimate_s must be a finite number of seconds")
        if link is None and "opentelemetry.trace" in _MODULES:
            link = tracing.current_traceparent()
        at_ns = time_ns()
        if started_at_ms is not None:
            if type(started_at_ms) is not int or not 0 <= started_at_ms < LATEST_MS:
                return owner.refuse("started_at_ms must be milliseconds since 1970")
            at_ns = started_at_ms * later.NS_PER_MS
        begun = self._begun = (
            size,
            later.started,
            owner.id_prefix,
            number,
            agent_id,
            task_type,
            at_ns,
            estimate_s,
            context,
            link,
        )
        if size > SURELY_SMALL:
            owner.offer_large(begun, start=True)
        else:
            owner.buffer.offer_start(begun)
        self._t0_ns = perf_counter_ns()
        return None

    def end(self, *, finished_at_ms: int | None = None, duration_s: float | None = None) -> None:
        """Stop the clock and publish the end; once only.

        What is not given is measured; of given times the duration follows.
        """
        begun = self._begun
        if begun is None or self._over:
            return self._refuse_end()
        took_ns = perf_counter_ns() - self._t0_ns
        self._over = True
        if finished_at_ms is not None or duration_s is not None:
            if not self._take_times(begun, finished_at_ms, duration_s):
                return self._owner.refuse("finished_at_ms and duration_s must fit the start")
        elif took_ns > LONGEST_NS:
            return self._owner.refuse("it took too long to be said")
        size, said = begun[0] + END_SIZE - START_SIZE, self._said
        if said is not None:
            size += self._said_size
        ended = (size, later.finished, begun, time_ns(), took_ns, said)
        if size > SURELY_SMALL:
            self._end_large(ended)
        else:
            self._owner.buffer.offer_later(ended)
        return None

    def cancel(self, reason: str = "") -> None:
        """The task will have no outcome. Published at once."""
        begun = self._begun
        if begun is None or self._over:
            return self._refuse_end()
        self._over = True
        text = plain_text(reason, LONGEST_REASON)
        if text is None:
            self._owner.refuse("reason must be a string")
            text = ""
        event = (START_SIZE + LONGEST_ID + len(text), later.cancelled, begun, time_ns(), text)
        self._owner.buffer.offer_later(event)
        return None

    def set(
        self,
        *,
        code_review_iterations: int | None = None,
        deployment_succeeded: bool | None = None,
        **outcome: ContextValue,
    ) -> None:
        """Say more of the outcome: these two, and whatever else is flat and finite.

        What cannot be used is refused and counted, and the rest kept.
        """
        if self._over:
            return self._owner.refuse("the task has ended before")
        if code_review_iterations is not None:
            if (
                type(code_review_iterations) is int
                and 0 <= code_review_iterations <= MOST_ITERATIONS
            ):
                self._say("code_review_iterations", code_review_iterations)
            else:
                self._owner.refuse("code_review_iterations must be an int of 0 or more")
        if deployment_succeeded is not None:
            if type(deployment_succeeded) is bool:
                self._say("deployment_succeeded", deployment_succeeded)
            else:
                self._owner.refuse("deployment_succeeded must be a bool")
        if outcome:
            kept, size = self._flat(outcome, "outcome")
            said = self._said
            self._say("outcome", {**said.get("outcome", {}), **kept} if said else kept, size=size)
        return None

    def fail(self, error_type: str | BaseException | None = None) -> None:
        """The task has not succeeded. Published when it ends."""
        if self._over:
            return self._owner.refuse("the task has ended before")
        self._say("succeeded", value=False)
        if error_type is None:
            return None
        name: object = error_type
        if isinstance(error_type, BaseException):
            name = type.__dict__["__qualname__"].__get__(type(error_type))
        text = plain_text(name, LONGEST_ID)
        if text is None:
            return self._owner.refuse("error_type must be a string or an exception")
        self._say("error_type", text, size=len(text))
        return None

    def link(self, traceparent: str) -> None:
        """The W3C Trace Context around it; by default that of OpenTelemetry's current span."""
        if not tracing.is_traceparent(traceparent):
            return self._owner.refuse("traceparent must be as in W3C Trace Context")
        self._link = traceparent
        if self._begun is not None and not self._over:
            self._say("traceparent", traceparent)
        return None

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._over:
            return
        # A generator that is closed before its end has done what was asked of it.
        if kind is not None and kind is not GeneratorExit:
            self.fail(error)
        self.end()

    async def __aenter__(self) -> Self:
        self.begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Make a task of each call of ``function``, as ``Client.traced`` does."""
        return tracing.traced(function, self._again)

    def _again(self) -> "Task":
        """A task like this one, for one call of a decorated function."""
        return Task(
            self._owner, self._task_type, self._agent_id, None, self._estimate_s, self._context
        )

    def _renew(self) -> None:
        """Be another task, since this one has been begun before."""
        owner = self._owner
        owner.serial = self._number = owner.serial + 1
        self._begun = self._said = None
        self._over = False

    def _say(self, name: str, value: object, *, size: int = 0) -> None:
        if self._said is None:
            self._said, self._said_size = {}, 0
        self._said[name] = value
        self._said_size += size

    def _flat(self, given: object, name: str) -> tuple[later.Values, int]:
        """What of ``given`` can be sent, and its size."""
        try:
            kept, size, refused = flat(given)
        except Exception:  # the agent's edge: its mapping may raise anything
            kept, size, refused = {}, 0, 1
        for _ in range(refused):
            self._owner.refuse(f"{name} must be flat: strings, finite numbers, bools")
        return kept, size

    def _take_times(self, begun: later.Begun, at_ms: object, duration_s: object) -> bool:
        """Say when it ended and how long it took, as given; ``False`` where that cannot be."""
        times = end_times(begun[6] // later.NS_PER_MS, at_ms, duration_s)
        if times is None:
            return False
        for name, value in times.items():
            self._say(name, value)
        return True

    def _end_large(self, ended: later.Ended) -> None:
        """Publish an end that may be too large: if it is, without context, then without outcome."""
        size, make, begun, at_ns, took_ns, said = ended
        bare: later.Begun = (*begun[:8], {}, begun[9])
        rest = {name: value for name, value in (said or {}).items() if name != "outcome"}
        self._owner.offer_large(
            ended,
            (size, make, bare, at_ns, took_ns, said),
            (size, make, bare, at_ns, took_ns, rest),
            start=False,
        )

    def _refuse_end(self) -> None:
        begun = self._begun is not None
        self._owner.refuse("the task has ended before" if begun else "the task was never begun")
