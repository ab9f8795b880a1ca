"""The methods by which an agent reports a running task's outcome, before the task ends."""

from typing import Never, Unpack

from gnomon.client.capture.deferred import DeferredStart
from gnomon.client.capture.leniency import NoKeywords
from gnomon.client.capture.outcome import Fields, add_failure, add_outcome
from gnomon.client.capture.process_bound import ProcessBound
from gnomon.client.capture.sink import TaskSink
from gnomon.client.capture.validation import MOST_ITERATIONS
from gnomon.client.values import is_traceparent
from gnomon.events import ContextValue

ALREADY_ENDED = "the task has ended before"


class TaskOutcome(ProcessBound):
    """A task's outcome while it is collected. ``Task`` adds the start and the end, and sets these.

    Attributes:
        _fields: The outcome so far, ``None`` while there is none.
        _fields_size: Its estimated size in bytes.
        _link: The task's traceparent, if one was given.
        _over: Whether the task has ended or was cancelled.
        _sink: The part of the client that tasks use.
        _start: The start, once the task has begun.
    """

    __slots__ = ("_fields", "_fields_size", "_link", "_over", "_sink", "_start")

    _fields: Fields | None
    _fields_size: int
    _link: str | None
    _over: bool
    _sink: TaskSink
    _start: DeferredStart | None

    @property
    def over(self) -> bool:
        """Whether the task has ended or was cancelled."""
        return self._over

    def set(
        self,
        /,
        *unusable: Never,
        code_review_iterations: int | None = None,
        deployment_succeeded: bool | None = None,
        **outcome: ContextValue,
    ) -> None:
        """Add to the outcome: these two values, and any others that are flat and finite.

        A value that cannot be used is refused and counted; the others are kept.
        """
        if self._over:
            return self._sink.refuse(ALREADY_ENDED)
        if unusable:
            self._sink.refuse("outcomes are given by name")
        fields = self._fields
        if fields is None:
            fields = self._fields = {}
        count = code_review_iterations
        if count is not None:
            if type(count) is int and 0 <= count <= MOST_ITERATIONS:
                fields["code_review_iterations"] = count
            else:
                self._sink.refuse("code_review_iterations must be an int of 0 or more")
        if deployment_succeeded is not None:
            if type(deployment_succeeded) is bool:
                fields["deployment_succeeded"] = deployment_succeeded
            else:
                self._sink.refuse("deployment_succeeded must be a bool")
        if outcome:
            self._fields_size += add_outcome(fields, outcome, self._sink.refuse)
        return None

    def fail(
        self,
        /,
        error_type: str | BaseException | None = None,
        **unknown: Unpack[NoKeywords],
    ) -> None:
        """Note that the task has not succeeded. Published when the task ends."""
        if unknown:
            self._sink.refuse("unknown argument")
        if self._over:
            return self._sink.refuse(ALREADY_ENDED)
        self._fields_size += add_failure(self._ensure_fields(), error_type, self._sink.refuse)
        return None

    def link(self, /, traceparent: str = "", **unknown: Unpack[NoKeywords]) -> None:
        """Set the W3C Trace Context of the task; by default OpenTelemetry's current span."""
        if unknown:
            self._sink.refuse("unknown argument")
        if not is_traceparent(traceparent):
            return self._sink.refuse("traceparent must be as in W3C Trace Context")
        self._link = traceparent
        if self._start is not None and not self._over:
            self._ensure_fields()["traceparent"] = traceparent
        return None

    def _ensure_fields(self) -> Fields:
        self._fields = {} if self._fields is None else self._fields
        return self._fields
