"""One task of an agent while it runs: a context manager, sync and async, or a decorator."""

import sys
from collections.abc import Callable, Mapping
from math import inf
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Any, Final, Never, Self, TypeVar

from gnomon.client import tracing
from gnomon.client.capture import deferred
from gnomon.client.capture.outcome import Cuts, Fields, add_failure, add_outcome, add_times
from gnomon.client.capture.owner import Owner
from gnomon.client.capture.shared import Shared
from gnomon.client.capture.validation import (
    END_SIZE,
    LONGEST_ID,
    LONGEST_REASON,
    MOST_ITERATIONS,
    START_SIZE,
    SURELY_SMALL,
    flat,
    is_identifier,
    is_time,
    plain_text,
    seconds,
)
from gnomon.events import ContextValue

F = TypeVar("F", bound=Callable[..., Any])
LONGEST_NS: Final = 9_000_000 * deferred.NS_PER_S
"""A task that took longer cannot be said."""
_MODULES: Final = sys.modules
_NOTHING: Final[deferred.Values] = {}
_STARTED: Final = deferred.started
_FINISHED: Final = deferred.finished
_SIZE_OF_ENDING: Final = END_SIZE - START_SIZE


class Task(Shared):
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
        self._begun: deferred.Begun | None = None
        self._said: Fields | None = None
        self._said_size = 0
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
            return deferred.task_id(self._begun[2], self._begun[3])
        if self._given_id is not None:
            return self._given_id
        return deferred.task_id(self._owner.id_prefix, self._number)

    def begin(self, /, started_at_ms: int | None = None, **unknown: object) -> Self:
        """Start the clock and publish the start, now or (a replay) at ``started_at_ms``."""
        self._ignore(unknown)
        return self._begin(started_at_ms)

    def _begin(self, started_at_ms: int | None = None) -> Self:
        """``begin``, which ``with`` is spared the keywords of."""
        if self._begun is not None or self._over:
            self._renew()
        owner, task_type, agent_id = self._owner, self._task_type, self._agent_id
        number, link, estimate_s = self._given_id, self._link, self._estimate_s
        if not (
            type(task_type) is type(agent_id) is str
            and task_type in owner.names
            and agent_id in owner.names
        ) and not (owner.learn(task_type) and owner.learn(agent_id)):
            return self
        size, context = START_SIZE + len(task_type) + len(agent_id), _NOTHING
        if self._context is not None:
            context, more, refused = flat(self._context)
            size += more
            if refused:
                self._refuse_context(refused)
        if estimate_s is not None:
            estimate_s = self._checked_estimate()
        if link is None and "opentelemetry.trace" in _MODULES:
            link = tracing.current_traceparent()
        at_ns = time_ns()
        if number is not None or started_at_ms is not None:
            if not self._are_usable(number, started_at_ms):
                return self
            at_ns = at_ns if started_at_ms is None else started_at_ms * deferred.NS_PER_MS
        begun = self._begun = (
            size,
            _STARTED,
            owner.id_prefix,
            self._number if number is None else number,
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
        return self

    def end(
        self,
        /,
        *,
        finished_at_ms: int | None = None,
        duration_s: float | None = None,
        **unknown: object,
    ) -> None:
        """Stop the clock and publish the end; once only.

        What is not given is measured; of given times the duration follows.
        """
        self._ignore(unknown)
        if finished_at_ms is not None or duration_s is not None:
            self._end_as_said(finished_at_ms, duration_s)
        else:
            self._end()

    def _end(self, longest_ns: float = LONGEST_NS) -> None:
        """Publish the end, unless it took longer than can be said."""
        begun = self._begun
        if begun is None or self._over:
            return self._refuse_end()
        self._over = True
        took_ns = perf_counter_ns() - self._t0_ns
        if took_ns > longest_ns:
            return self._owner.refuse("it took too long to be said")
        said = self._said
        size = begun[0] + _SIZE_OF_ENDING
        if said is not None:
            size += self._said_size
        if size > SURELY_SMALL:
            self._end_large((size, _FINISHED, begun, time_ns(), took_ns, said))
        else:
            self._owner.buffer.offer_later((size, _FINISHED, begun, time_ns(), took_ns, said))
        return None

    def _end_as_said(self, finished_at_ms: object, duration_s: object) -> None:
        """Publish the end with times that are given."""
        if (begun := self._begun) is None or self._over:
            self._refuse_end()
        elif add_times(self._saying(), begun[6] // deferred.NS_PER_MS, finished_at_ms, duration_s):
            self._end(inf)  # what the clock says is not published
        else:
            self._over = True
            self._owner.refuse("finished_at_ms and duration_s must fit the start")

    def cancel(self, /, reason: str = "", **unknown: object) -> None:
        """The task will have no outcome. Published at once."""
        self._ignore(unknown)
        begun = self._begun
        if begun is None or self._over:
            return self._refuse_end()
        self._over = True
        text = plain_text(reason, LONGEST_REASON)
        if text is None:
            self._owner.refuse("reason must be a string")
            text = ""
        event = (START_SIZE + LONGEST_ID + len(text), deferred.cancelled, begun, time_ns(), text)
        self._owner.buffer.offer_later(event)
        return None

    def set(
        self,
        /,
        *unusable: Never,
        code_review_iterations: int | None = None,
        deployment_succeeded: bool | None = None,
        **outcome: ContextValue,
    ) -> None:
        """Say more of the outcome: these two, and whatever else is flat and finite.

        What cannot be used is refused and counted, and the rest kept.
        """
        if self._over:
            return self._owner.refuse("the task has ended before")
        if unusable:
            self._owner.refuse("an outcome is said by name")
        said = self._said
        if said is None:
            said = self._said = {}
        count = code_review_iterations
        if count is not None:
            if type(count) is int and 0 <= count <= MOST_ITERATIONS:
                said["code_review_iterations"] = count
            else:
                self._owner.refuse("code_review_iterations must be an int of 0 or more")
        if deployment_succeeded is not None:
            if type(deployment_succeeded) is bool:
                said["deployment_succeeded"] = deployment_succeeded
            else:
                self._owner.refuse("deployment_succeeded must be a bool")
        if outcome:
            self._said_size += add_outcome(said, outcome, self._owner.refuse)
        return None

    def fail(self, /, error_type: str | BaseException | None = None, **unknown: object) -> None:
        """The task has not succeeded. Published when it ends."""
        self._ignore(unknown)
        if self._over:
            return self._owner.refuse("the task has ended before")
        self._said_size += add_failure(self._saying(), error_type, self._owner.refuse)
        return None

    def link(self, /, traceparent: str = "", **unknown: object) -> None:
        """The W3C Trace Context around it; by default that of OpenTelemetry's current span."""
        self._ignore(unknown)
        if not tracing.is_traceparent(traceparent):
            return self._owner.refuse("traceparent must be as in W3C Trace Context")
        self._link = traceparent
        if self._begun is not None and not self._over:
            self._saying()["traceparent"] = traceparent
        return None

    __enter__ = _begin

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
        self._end()

    async def __aenter__(self) -> Self:
        self.begin()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        self.__exit__(*raised)

    def __call__(self, function: F) -> F:
        """Make a task of each call of ``function``, as ``Client.traced`` does."""
        return tracing.traced(function, self._again, self._owner.refuse)

    def _again(self) -> "Task":
        """A task like this one, for one call of a decorated function."""
        return Task(
            self._owner, self._task_type, self._agent_id, None, self._estimate_s, self._context
        )

    def _ignore(self, unknown: Fields) -> None:
        """Count keywords that nobody knows."""
        if unknown:
            self._owner.refuse("unknown argument")

    def _refuse_context(self, count: int) -> None:
        for _ in range(count):
            self._owner.refuse("context must be flat: strings, finite numbers, bools")

    def _checked_estimate(self) -> float | None:
        estimate_s = seconds(self._estimate_s)
        if estimate_s is None:
            self._owner.refuse("estimate_s must be a finite number of seconds")
        return estimate_s

    def _are_usable(self, task_id: object, started_at_ms: object) -> bool:
        """Whether an id and a time that are given can be the task's."""
        if task_id is not None and not is_identifier(task_id):
            self._owner.refuse("task_id must be a string of 1 to 256 characters")
            return False
        if started_at_ms is not None and not is_time(started_at_ms):
            self._owner.refuse("started_at_ms must be milliseconds since 1970")
            return False
        return True

    def _renew(self) -> None:
        """Be another task, since this one has been begun before."""
        owner = self._owner
        owner.serial = self._number = owner.serial + 1
        self._begun = self._said = None
        self._said_size = 0
        self._over = False

    def _saying(self) -> Fields:
        self._said = {} if self._said is None else self._said
        return self._said

    def _end_large(self, ended: deferred.Ended) -> None:
        """Publish an end that may be too large, and count what had to be left out of it."""
        owner, cuts = self._owner, Cuts(ended)
        if owner.offer_large(*cuts.ends, start=False):
            owner.buffer.oversize += cuts.left_out

    def _refuse_end(self) -> None:
        self._owner.refuse("the task has ended before" if self._over else "it was never begun")
