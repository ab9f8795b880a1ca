"""Pairs CrewAI's start and end events, which arrive in any order, and makes tasks of them."""

import atexit
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from gnomon.events import ContextValue
from gnomon.integrations.recording import Recorder

MAX_WAITING = 1_000
"""Most ends that wait for their start, and most scopes; beyond it the oldest is dropped."""
MAX_WAIT_MS = 1_000
"""How long an end waits for the ends of its calls, measured by the times of later events."""


@dataclass(slots=True)
class _Scope:
    """Counts of one task of a crew, or of one agent outside a crew, and its open calls.

    Attributes:
        calls: Input and output tokens of each model call.
        tools: Names of the tools used.
        open: Ids of the calls that have started and not ended.
        ended_first: Ids of the calls whose end arrived before their start.
    """

    calls: list[tuple[int, int]] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    open: set[str] = field(default_factory=set)
    ended_first: set[str] = field(default_factory=set)

    def started(self, call: str) -> None:
        """Record that a call has started; its end may have arrived already."""
        if call in self.ended_first:
            self.ended_first.discard(call)
        else:
            self.open.add(call)

    def ended(self, call: str) -> None:
        """Record that a call has ended."""
        if call in self.open:
            self.open.discard(call)
        else:
            self.ended_first.add(call)


@dataclass(slots=True, frozen=True, kw_only=True)
class _End:
    at_ms: float
    scope: str
    error_type: str | None


class CrewRunTracker:
    """Pairs starts with ends by id, and counts calls by scope, in any order of arrival.

    It is called on the framework's threads, never on the agent's, so it may use a lock.

    Args:
        recorder: Publishes the task events.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._lock = threading.Lock()
        self._scopes: OrderedDict[str, _Scope] = OrderedDict()
        self._ends: OrderedDict[str, _End] = OrderedDict()
        self._settles_at_exit = False

    def begin(
        self,
        key: str,
        *,
        agent_id: str,
        task_type: str,
        at_ms: float,
        context: Mapping[str, ContextValue],
    ) -> None:
        """Record the start of a run."""
        with self._lock:
            self._recorder.begin(
                key,
                parent=None,
                agent_id=agent_id,
                task_type=task_type,
                context=context,
                at_ms=at_ms,
            )
            self._settle(at_ms)

    def begin_tool(self, key: str, *, scope: str, agent_id: str, tool: str, at_ms: float) -> None:
        """Record the start of a tool call in ``scope``."""
        with self._lock:
            self._recorder.begin(
                key,
                parent=None,
                agent_id=agent_id,
                task_type=f"tool:{tool}",
                is_tool=True,
                at_ms=at_ms,
            )
            self._scope(scope).tools.append(tool)
            self._scope(scope).started(key)
            self._settle(at_ms)

    def end(self, key: str, *, scope: str, at_ms: float, error_type: str | None = None) -> None:
        """Record the end of the run with the id ``key``."""
        with self._lock:
            self._wait(key, _End(at_ms=at_ms, scope=scope, error_type=error_type))
            self._settle(at_ms)

    def end_tool(
        self, key: str, *, scope: str, at_ms: float, error_type: str | None = None
    ) -> None:
        """Record the end of the tool call with the id ``key``."""
        with self._lock:
            self._scope(scope).ended(key)
            self._wait(key, _End(at_ms=at_ms, scope="", error_type=error_type))
            self._settle(at_ms)

    def begin_call(self, key: str, *, scope: str, at_ms: float) -> None:
        """Record the start of a model call in ``scope``."""
        with self._lock:
            self._scope(scope).started(key)
            self._settle(at_ms)

    def end_call(
        self, key: str, *, scope: str, at_ms: float, input_tokens: int = 0, output_tokens: int = 0
    ) -> None:
        """Record the end of a model call, successful or not."""
        with self._lock:
            counted = self._scope(scope)
            counted.calls.append((input_tokens, output_tokens))
            counted.ended(key)
            self._settle(at_ms)

    def settle(self) -> None:
        """Publish every run that has started and ended, without waiting for open calls."""
        with self._lock:
            self._settle(None)

    def _settle(self, now_ms: float | None) -> None:
        """Publish the ends that have a start, and whose calls have ended or are overdue."""
        for key, end in list(self._ends.items()):
            run = self._recorder.run(key)
            if run is None:
                continue
            scope = self._scopes.get(end.scope)
            if scope is not None:
                overdue = now_ms is None or now_ms - end.at_ms > MAX_WAIT_MS
                if scope.open and not overdue:
                    continue
                run.calls.extend(scope.calls)
                run.tools.extend(scope.tools)
                del self._scopes[end.scope]
            del self._ends[key]
            self._recorder.end(key, error_type=end.error_type, at_ms=end.at_ms)

    def _wait(self, key: str, end: _End) -> None:
        self._ends[key] = end
        if len(self._ends) > MAX_WAITING:
            self._ends.popitem(last=False)
        if not self._settles_at_exit:
            # Exit handlers run in reverse order: this one runs before the client closes, whose
            # handler was registered with the first start.
            self._settles_at_exit = True
            atexit.register(self.settle)

    def _scope(self, name: str) -> _Scope:
        scope = self._scopes.get(name)
        if scope is None:
            scope = self._scopes[name] = _Scope()
            if len(self._scopes) > MAX_WAITING:
                self._scopes.popitem(last=False)
        return scope
