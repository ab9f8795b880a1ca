"""From what a framework says of its runs to task events: open runs, what is counted in them.

Handlers call this on the agent's thread, so it takes no lock: every step is one operation on a
dictionary with string keys or one ``list.append``, which parallel branches cannot tear.
"""

import functools
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ParamSpec, Protocol

from gnomon.client import Client
from gnomon.client.tracing import current_traceparent
from gnomon.events import ContextValue, TaskCancelled, TaskEvent, TaskFinished, TaskStarted

P = ParamSpec("P")
logger = logging.getLogger("gnomon")

MOST_OPEN_RUNS = 10_000
"""Runs whose end is awaited; then the oldest is forgotten."""
LONGEST_NAME = 256
LONGEST_REASON = 1024
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
MS_PER_S = 1_000


class Emitter(Protocol):
    """Where events go: a ``Client``, or a test's recorder."""

    def emit(self, event: TaskEvent) -> bool:
        """Publish ``event``; returns whether it was accepted. Never raises."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """One open task.

    ``calls`` has the input and output tokens of each call of a model, of runs inside this one
    too; ``totals`` what the framework itself summed up, which then counts instead. Times that a
    framework gives are finer than a millisecond.
    """

    task_id: str
    agent_id: str
    task_type: str
    parent: "Run | None"
    is_tool: bool
    context: dict[str, ContextValue]
    started_at_ms: float
    t0_ns: int
    traceparent: str | None
    calls: list[tuple[int, int]] = field(default_factory=list)
    totals: list[tuple[int, int]] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    facts: dict[str, ContextValue] = field(default_factory=dict)

    def outcome(self) -> dict[str, ContextValue]:
        """How the run went, in figures. A tool says nothing of itself."""
        if self.is_tool:
            return {}
        tokens = self.totals or self.calls
        given, made = sum(pair[0] for pair in tokens), sum(pair[1] for pair in tokens)
        # Not every model says what a call has cost: none is not the same as nothing.
        figures = {"input_tokens": given, "output_tokens": made} if given or made else {}
        counts = {"llm_calls": len(self.calls), "tool_calls": len(self.tools)}
        return {**counts, **figures, **self.facts}


class Recorder:
    """Makes task events of runs, which are known by the ids their framework gives them.

    Args:
        client: Where events go; by default the process's own, ``Client.from_env()``.
        framework: Said in every context.
    """

    def __init__(self, client: Emitter | None = None, *, framework: str) -> None:
        self._client = default_client() if client is None else client
        self._framework = framework
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self.default_agent_id = os.environ.get("GNOMON_AGENT_ID", "")

    def run(self, key: str | None) -> Run | None:
        """The task that ``key`` is, or is a part of."""
        return None if key is None else self._runs.get(key)

    def begin(
        self,
        key: str,
        *,
        parent: str | None,
        agent_id: str,
        task_type: str,
        context: Mapping[str, ContextValue] | None = None,
        is_tool: bool = False,
        at_ms: float | None = None,
    ) -> Run:
        """A task begins, now or at ``at_ms``."""
        inside = self.run(parent)
        run = Run(
            task_id=_name(key, "run"),
            agent_id=_name(agent_id, self.default_agent_id or self._framework),
            task_type=_name(task_type, "run"),
            parent=inside,
            is_tool=is_tool,
            context={"framework": self._framework, **(context or {})},
            started_at_ms=time.time_ns() // NS_PER_MS if at_ms is None else at_ms,
            t0_ns=time.perf_counter_ns(),
            traceparent=current_traceparent(),
        )
        self._keep(key, run)
        self._client.emit(
            TaskStarted(
                agent_id=run.agent_id,
                task_id=run.task_id,
                task_type=run.task_type,
                started_at_ms=int(run.started_at_ms),
                context=run.context,
                traceparent=run.traceparent,
            )
        )
        return run

    def begin_tool(self, key: str, *, parent: str | None, tool: str) -> None:
        """An agent begins to use a tool: a task of that agent, counted in its run."""
        inside = self.run(parent)
        agent_id = self.default_agent_id or tool if inside is None else inside.agent_id
        self.begin(key, parent=parent, agent_id=agent_id, task_type=f"tool:{tool}", is_tool=True)
        for around in _lineage(inside):
            around.tools.append(tool)

    def enter(self, key: str, *, parent: str | None) -> None:
        """A part of a task begins that is no task itself: what is inside it belongs to the task."""
        inside = self.run(parent)
        if inside is not None:
            self._keep(key, inside)

    def leave(self, key: str) -> None:
        """Such a part ends."""
        self._runs.pop(key, None)

    def call(self, parent: str | None, *, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """A model has been called inside ``parent``."""
        for around in _lineage(self.run(parent)):
            around.calls.append((input_tokens, output_tokens))

    def model(self, parent: str | None, *, model: object, provider: object = None) -> None:
        """Which model works in ``parent``: the first that is named stays."""
        run = self.run(parent)
        if run is None:
            return
        for key, value in (("model", model), ("provider", provider)):
            if isinstance(value, str) and value:
                run.facts.setdefault(key, value[:LONGEST_NAME])

    def end(
        self,
        key: str,
        *,
        succeeded: bool = True,
        error_type: str | None = None,
        at_ms: float | None = None,
    ) -> None:
        """A task ends, now or at ``at_ms``; nothing if it is not open."""
        run = self._runs.pop(key, None)
        if run is None:
            return
        duration_s = (time.perf_counter_ns() - run.t0_ns) / NS_PER_S
        if at_ms is not None:
            duration_s = max(at_ms - run.started_at_ms, 0) / MS_PER_S
        now_ms = time.time_ns() // NS_PER_MS if at_ms is None else at_ms
        self._client.emit(
            TaskFinished(
                agent_id=run.agent_id,
                task_id=run.task_id,
                task_type=run.task_type,
                started_at_ms=int(run.started_at_ms),
                finished_at_ms=int(max(now_ms, run.started_at_ms)),
                duration_s=duration_s,
                succeeded=succeeded and error_type is None,
                error_type=None if error_type is None else error_type[:LONGEST_NAME],
                context=run.context,
                outcome=run.outcome(),
                traceparent=run.traceparent,
            )
        )

    def cancel(self, key: str, reason: str) -> None:
        """A task was given up; nothing if it is not open."""
        run = self._runs.pop(key, None)
        if run is not None:
            self._client.emit(
                TaskCancelled(
                    agent_id=run.agent_id,
                    task_id=run.task_id,
                    cancelled_at_ms=int(max(time.time_ns() // NS_PER_MS, run.started_at_ms)),
                    reason=reason[:LONGEST_REASON],
                )
            )

    def _keep(self, key: str, run: Run) -> None:
        self._runs[key] = run
        if len(self._runs) > MOST_OPEN_RUNS:
            try:
                self._runs.popitem(last=False)
            except KeyError:  # others have ended theirs meanwhile
                return


@functools.cache
def default_client() -> Client:
    """The client that all integrations of this process share."""
    return Client.from_env()


@functools.cache
def shared(framework: str) -> Recorder:
    """The recorder of ``framework`` on the shared client."""
    return Recorder(framework=framework)


def guarded(handler: Callable[P, None]) -> Callable[P, None]:
    """A handler that raises nothing into its framework; the first time it would, a log line."""

    @functools.wraps(handler)
    def quiet(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            handler(*args, **kwargs)
        except Exception as error:  # the agent's edge: nothing may reach it
            _report(handler.__qualname__, type(error).__name__)

    return quiet


@functools.cache
def _report(where: str, error_type: str) -> None:
    """Say it once: the cache is what makes the second time silent."""
    logger.warning("gnomon: %s: %s; the agent is unaffected", where, error_type)


def _name(given: object, otherwise: str) -> str:
    """A name of an acceptable length."""
    return given[:LONGEST_NAME] if isinstance(given, str) and given else otherwise


def _lineage(run: Run | None) -> list[Run]:
    """The run and those around it, innermost first."""
    found = []
    while run is not None:
        found.append(run)
        run = run.parent
    return found
