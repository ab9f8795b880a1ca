"""One task of an agent while it runs: a context manager, sync and async, or a decorator."""

import sys
from collections.abc import Callable, Mapping
from math import inf
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack

from gnomon.client import tracing
from gnomon.client.capture import deferred
from gnomon.client.capture.leniency import NoKeywords
from gnomon.client.capture.outcome import SizeFallbacks, add_times
from gnomon.client.capture.sink import TaskSink
from gnomon.client.capture.sizes import END_SIZE, START_SIZE, SURELY_SMALL
from gnomon.client.capture.task_arguments import are_usable, refuse_context
from gnomon.client.capture.task_outcome import ALREADY_ENDED, TaskOutcome
from gnomon.client.capture.validation import LONGEST_ID, LONGEST_REASON, flat
from gnomon.client.values import plain_text, seconds
from gnomon.events import ContextValue

F = TypeVar("F", bound=Callable[..., Any])
LONGEST_NS: Final = 9_000_000 * deferred.NS_PER_S
"""A longer duration does not fit the contract."""
_MODULES: Final = sys.modules
_NOTHING: Final[deferred.Values] = {}
_START_RECORD: Final = deferred.start_record
_END_RECORD: Final = deferred.end_record
_END_BEYOND_START: Final = END_SIZE - START_SIZE


class Task(TaskOutcome):
    """One task. Made by ``Client.task`` and ``Client.start``; its methods never raise.

    Leaving the ``with`` block ends the task. It has succeeded unless an exception left the block,
    which passes on untouched, or ``fail`` or ``cancel`` was called. As a decorator it makes a task
    of each call. Arguments that cannot be used are counted and left out; without a type and an agent
    nothing is published.
    """

    __slots__ = (
        "_agent_id",
        "_context",
        "_estimate_s",
        "_given_id",
        "_number",
        "_started_ns",
        "_task_type",
    )

    def __init__(  # noqa: PLR0917  keywords would cost the agent's call a tenth
        self,
        sink: TaskSink,
        task_type: str,
        agent_id: str,
        task_id: str | None,
        estimate_s: float | None,
        context: Mapping[str, ContextValue] | None,
    ) -> None:
        self._sink = sink
        self._task_type, self._agent_id, self._given_id = task_type, agent_id, task_id
        self._estimate_s, self._context = estimate_s, context
        sink.serial = self._number = sink.serial + 1
        self._start = self._fields = self._link = None
        self._fields_size = 0
        self._over = False

    @property
    def task_id(self) -> str:
        """The task's id. A task that is begun again is another one, with another id if it was made."""
        if self._start is not None:
            return deferred.task_id(self._start[2], self._start[3])
        if self._given_id is not None:
            return self._given_id
        return deferred.task_id(self._sink.id_prefix, self._number)

    def begin(self, /, started_at_ms: int | None = None, **unknown: Unpack[NoKeywords]) -> Self:
        """Start the clock and publish the start, now or (in a replay) at ``started_at_ms``."""
        self._ignore(unknown)
        return self._begin(started_at_ms)

    def _begin(self, started_at_ms: int | None = None) -> Self:
        """Do the same as ``begin``; ``with`` calls this, which takes no keywords and costs less."""
        if self._start is not None or self._over:
            self._renew()
        sink, task_type, agent_id = self._sink, self._task_type, self._agent_id
        number, link, estimate_s = self._given_id, self._link, self._estimate_s
        if not (
            type(task_type) is type(agent_id) is str
            and task_type in sink.names
            and agent_id in sink.names
        ) and not (sink.learn(task_type) and sink.learn(agent_id)):
            return self
        size, context = START_SIZE + len(task_type) + len(agent_id), _NOTHING
        if self._context is not None:
            context, more, refused = flat(self._context)
            size += more
            if refused:
                refuse_context(refused, sink.refuse)
        if estimate_s is not None:
            estimate_s = seconds(estimate_s)
            if estimate_s is None:
                sink.refuse("estimate_s must be a finite number of seconds")
        if link is None and "opentelemetry.trace" in _MODULES:
            link = tracing.current_traceparent()
        at_ns = time_ns()
        if number is not None or started_at_ms is not None:
            if not are_usable(number, started_at_ms, sink.refuse):
                return self
            at_ns = at_ns if started_at_ms is None else started_at_ms * deferred.NS_PER_MS
        start = self._start = (
            size,
            _START_RECORD,
            sink.id_prefix,
            self._number if number is None else number,
            agent_id,
            task_type,
            at_ns,
            estimate_s,
            context,
            link,
        )
        if size > SURELY_SMALL:
            sink.offer_large(start, start=True)
        else:
            sink.buffer.offer_start(start)
        self._started_ns = perf_counter_ns()
        return self

    def end(
        self,
        /,
        *,
        finished_at_ms: int | None = None,
        duration_s: float | None = None,
        **unknown: Unpack[NoKeywords],
    ) -> None:
        """Stop the clock and publish the end; once only.

        Times that are not given are measured. A given end without a duration implies the duration.
        """
        self._ignore(unknown)
        if finished_at_ms is not None or duration_s is not None:
            self._end_at(finished_at_ms, duration_s)
        else:
            self._end()

    def _end(self, longest_ns: float = LONGEST_NS) -> None:
        """Publish the end, unless the measured duration exceeds ``longest_ns``."""
        start = self._start
        if start is None or self._over:
            return self._refuse_end()
        self._over = True
        duration_ns = perf_counter_ns() - self._started_ns
        if duration_ns > longest_ns:
            return self._sink.refuse("the task took longer than an event can hold")
        fields = self._fields
        size = start[0] + _END_BEYOND_START
        if fields is not None:
            size += self._fields_size
        if size > SURELY_SMALL:
            self._end_large((size, _END_RECORD, start, time_ns(), duration_ns, fields))
        else:
            self._sink.buffer.offer_later(
                (size, _END_RECORD, start, time_ns(), duration_ns, fields)
            )
        return None

    def _end_at(self, finished_at_ms: object, duration_s: object) -> None:
        """Publish the end with given times."""
        if (start := self._start) is None or self._over:
            self._refuse_end()
            return
        start_ms = start[6] // deferred.NS_PER_MS
        if add_times(self._ensure_fields(), start_ms, finished_at_ms, duration_s):
            self._end(inf)  # the measured duration is not published
        else:
            self._over = True
            self._sink.refuse("finished_at_ms and duration_s must fit the start")

    def cancel(self, /, reason: str = "", **unknown: Unpack[NoKeywords]) -> None:
        """Publish at once that the task will have no outcome."""
        self._ignore(unknown)
        start = self._start
        if start is None or self._over:
            return self._refuse_end()
        self._over = True
        text = plain_text(reason, LONGEST_REASON)
        if text is None:
            self._sink.refuse("reason must be a string")
            text = ""
        size = START_SIZE + LONGEST_ID + len(text)
        self._sink.buffer.offer_later((size, deferred.cancel_record, start, time_ns(), text))
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
        # A generator that is closed before its end has done the work it was asked for.
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
        return tracing.traced(function, self._copy, self._sink.refuse)

    def _copy(self) -> "Task":
        """Return a task like this one, for one call of a decorated function."""
        return Task(
            self._sink, self._task_type, self._agent_id, None, self._estimate_s, self._context
        )

    def _ignore(self, unknown: Mapping[str, object]) -> None:
        """Count unknown keywords as invalid."""
        if unknown:
            self._sink.refuse("unknown argument")

    def _renew(self) -> None:
        """Become another task, because this one has begun before."""
        sink = self._sink
        sink.serial = self._number = sink.serial + 1
        self._start = self._fields = None
        self._fields_size = 0
        self._over = False

    def _end_large(self, end: deferred.DeferredEnd) -> None:
        """Publish an end that may be too large, and count the payloads left out of it."""
        sink, fallbacks = self._sink, SizeFallbacks(end)
        if sink.offer_large(*fallbacks.candidates, start=False):
            sink.buffer.oversize += fallbacks.left_out

    def _refuse_end(self) -> None:
        self._sink.refuse(ALREADY_ENDED if self._over else "the task was never begun")
