"""Turns the runs of a framework into task events: keeps open runs and counts what happens in them.

Handlers call this on the agent's thread, so it uses no lock: every step is one atomic operation,
on a dictionary with string keys or with ``list.append``.
"""

import functools
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gnomon.client import Client
from gnomon.client.tracing import current_traceparent
from gnomon.events import ContextValue, TaskCancelled, TaskEvent, TaskFinished, TaskStarted

MAX_OPEN_RUNS = 10_000
"""Most runs that wait for their end; beyond it the oldest is dropped."""
MAX_NAME_CHARS = 256
MAX_REASON_CHARS = 1024
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
MS_PER_S = 1_000


class Emitter(Protocol):
    """Publishes events: a ``Client``, or a test's recorder."""

    def emit(self, event: TaskEvent) -> bool:
        """Publish ``event``; return whether it was accepted. Never raises."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """One open task.

    Attributes:
        task_id: Id of the run in its framework.
        agent_id: Name of the agent.
        task_type: Type of the task.
        parent: The run around this one.
        is_tool: Whether this is a tool call.
        context: What is known at the start.
        started_at_ms: Start, epoch milliseconds, with a fraction if the framework gives one.
        t0_ns: Start on the monotonic clock, nanoseconds.
        traceparent: W3C trace context of the work around the run.
        calls: Input and output tokens of each model call, including those of runs inside.
        totals: Tokens as summed by the framework; if there are any, they replace ``calls``.
        tools: Names of the tools used.
        facts: Further values of the outcome.
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
        """Return the counts of the run. A tool call has none."""
        if self.is_tool:
            return {}
        tokens = self.totals or self.calls
        given, made = sum(pair[0] for pair in tokens), sum(pair[1] for pair in tokens)
        # Not every model reports tokens: unknown is not the same as zero.
        token_counts = {"input_tokens": given, "output_tokens": made} if given or made else {}
        counts = {"llm_calls": len(self.calls), "tool_calls": len(self.tools)}
        return {**counts, **token_counts, **self.facts}


class Recorder:
    """Publishes task events of runs, which are identified by the ids of their framework.

    Args:
        client: Client that publishes; by default the one of this process, ``Client.from_env()``.
        framework: Name of the framework, part of every context.
    """

    def __init__(self, client: Emitter | None = None, *, framework: str) -> None:
        self._client = default_client() if client is None else client
        self._framework = framework
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self.default_agent_id = os.environ.get("GNOMON_AGENT_ID", "")

    def run(self, key: str | None) -> Run | None:
        """Return the task that ``key`` is, or is a part of; ``None`` if there is none."""
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
        """Record and publish the start of a task, now or at ``at_ms``."""
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
        """Record and publish the start of a tool call: a task of the agent, counted in its run."""
        inside = self.run(parent)
        agent_id = self.default_agent_id or tool if inside is None else inside.agent_id
        self.begin(key, parent=parent, agent_id=agent_id, task_type=f"tool:{tool}", is_tool=True)
        for around in _lineage(inside):
            around.tools.append(tool)

    def enter(self, key: str, *, parent: str | None) -> None:
        """Record the start of a part of a task that is no task itself, such as a graph's node."""
        inside = self.run(parent)
        if inside is not None:
            self._keep(key, inside)

    def leave(self, key: str) -> None:
        """Record the end of such a part."""
        self._runs.pop(key, None)

    def call(self, parent: str | None, *, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """Record a model call inside ``parent``."""
        for around in _lineage(self.run(parent)):
            around.calls.append((input_tokens, output_tokens))

    def model(self, parent: str | None, *, model: object, provider: object = None) -> None:
        """Record the model that ``parent`` uses; the first one recorded is kept."""
        run = self.run(parent)
        if run is None:
            return
        for key, value in (("model", model), ("provider", provider)):
            if isinstance(value, str) and value:
                run.facts.setdefault(key, value[:MAX_NAME_CHARS])

    def end(
        self,
        key: str,
        *,
        succeeded: bool = True,
        error_type: str | None = None,
        at_ms: float | None = None,
    ) -> None:
        """Publish the end of a task, now or at ``at_ms``; do nothing if it is not open."""
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
                error_type=None if error_type is None else error_type[:MAX_NAME_CHARS],
                context=run.context,
                outcome=run.outcome(),
                traceparent=run.traceparent,
            )
        )

    def cancel(self, key: str, reason: str) -> None:
        """Publish that a task was cancelled; do nothing if it is not open."""
        run = self._runs.pop(key, None)
        if run is not None:
            self._client.emit(
                TaskCancelled(
                    agent_id=run.agent_id,
                    task_id=run.task_id,
                    cancelled_at_ms=int(max(time.time_ns() // NS_PER_MS, run.started_at_ms)),
                    reason=reason[:MAX_REASON_CHARS],
                )
            )

    def _keep(self, key: str, run: Run) -> None:
        self._runs[key] = run
        if len(self._runs) > MAX_OPEN_RUNS:
            try:
                self._runs.popitem(last=False)
            except KeyError:  # other threads have ended theirs meanwhile
                return


@functools.cache
def default_client() -> Client:
    """Return the client that all integrations of this process share."""
    return Client.from_env()


@functools.cache
def shared(framework: str) -> Recorder:
    """Return the recorder of ``framework`` that uses the shared client."""
    return Recorder(framework=framework)


def _name(given: object, otherwise: str) -> str:
    """Return ``given``, shortened to the longest allowed name, or ``otherwise`` if it is empty."""
    return given[:MAX_NAME_CHARS] if isinstance(given, str) and given else otherwise


def _lineage(run: Run | None) -> list[Run]:
    """Return the run and the runs around it, innermost first."""
    found = []
    while run is not None:
        found.append(run)
        run = run.parent
    return found
