"""Keeps the state of each task according to task-events alone: running, ended, or expired.

The result depends only on the order of that one topic, so it is the same in every run. Time is
the watermark: the greatest event time accepted so far. When a record advances the watermark,
tasks that are due expire first; then the record is applied.
"""

from heapq import heappop, heappush, heapreplace
from typing import Final

from gnomon.comparison.config import ComparisonConfig
from gnomon.comparison.decisions import Decisions
from gnomon.events import Outcome, TaskCancelled, TaskEvent, TaskFinished, TaskStarted

RUNNING: Final = 0
ENDED: Final = 1
EXPIRED: Final = 2


class Tasks:
    """Tasks of one partition that are running or ended recently.

    Attributes:
        known: ``time << 2 | state`` by agent and task. ``time`` is the start of a running task,
            and the moment at which any other task is forgotten (epoch milliseconds). An integer
            takes 200 bytes less than an object would, and a day of tasks is kept.
        agents: The first agents that started a task, as keys.
        watermark_ms: Greatest event time accepted.
        duplicate: Starts of a known task, and ends of an ended task.
        late: First ends of expired tasks, and starts older than the expiry time. Such a start
            cannot be told from a repeat, because tasks that expired so long ago are forgotten.
        orphan: Ends of unknown tasks; a repeated end counts again.
        due: Heap of (due time, agent, task), one entry for each known task, never later than
            the time at which the task expires or is forgotten.
    """

    __slots__ = ("agents", "due", "duplicate", "known", "late", "orphan", "watermark_ms")

    def __init__(self) -> None:
        self.known: dict[str, dict[str, int]] = {}
        self.agents: dict[str, None] = {}
        self.watermark_ms = 0
        self.duplicate = self.late = self.orphan = 0
        self.due: list[tuple[int, str, str]] = []

    def apply(self, event: TaskEvent, decisions: Decisions, config: ComparisonConfig) -> None:
        """Apply one accepted event, and pass starts and ends on to ``decisions``."""
        if isinstance(event, TaskStarted):
            at_ms = event.started_at_ms
            if at_ms > self.watermark_ms:
                self._advance(at_ms, decisions, config.expire_after_ms)
            self._start(event, decisions, config)
        elif isinstance(event, TaskFinished):
            at_ms = event.finished_at_ms
            if at_ms > self.watermark_ms:
                self._advance(at_ms, decisions, config.expire_after_ms)
            self._end(event, at_ms, decisions, config.expire_after_ms)
        else:
            at_ms = event.cancelled_at_ms
            if at_ms > self.watermark_ms:
                self._advance(at_ms, decisions, config.expire_after_ms)
            self._end(event, at_ms, decisions, config.expire_after_ms)

    def schedule(self, expire_after_ms: int) -> None:
        """Rebuild ``due`` from ``known``."""
        self.due = sorted(
            (
                (state >> 2) + (expire_after_ms if state & 3 == RUNNING else 0),
                agent_id,
                task_id,
            )
            for agent_id, tasks in self.known.items()
            for task_id, state in tasks.items()
        )

    def _start(self, event: TaskStarted, decisions: Decisions, config: ComparisonConfig) -> None:
        agent_id, task_id, at_ms = event.agent_id, event.task_id, event.started_at_ms
        tasks = self.known.get(agent_id)
        if tasks is not None and task_id in tasks:
            self.duplicate += 1
            return
        due_ms = at_ms + config.expire_after_ms
        if due_ms < self.watermark_ms:
            self.late += 1
            decisions.start(agent_id, task_id, at_ms, void=True)
            return
        if tasks is None:
            tasks = self.known[agent_id] = {}
            if len(self.agents) < config.max_agents:
                self.agents[agent_id] = None
        tasks[task_id] = at_ms << 2 | RUNNING
        heappush(self.due, (due_ms, agent_id, task_id))
        decisions.start(agent_id, task_id, at_ms, tenant=event.tenant)

    def _end(
        self,
        event: TaskFinished | TaskCancelled,
        at_ms: int,
        decisions: Decisions,
        expire_after_ms: int,
    ) -> None:
        agent_id, task_id = event.agent_id, event.task_id
        tasks = self.known.get(agent_id)
        state = None if tasks is None else tasks.get(task_id)
        if tasks is None or state is None:
            self.orphan += 1
        elif state & 3 == ENDED:
            self.duplicate += 1
        elif state & 3 == EXPIRED:
            self.late += 1
            tasks[task_id] = state - EXPIRED + ENDED
        else:
            started_at_ms = state >> 2
            # A task is never forgotten before its start would expire: see Key in decisions.
            forget_ms = max(at_ms, started_at_ms) + expire_after_ms
            tasks[task_id] = forget_ms << 2 | ENDED
            decisions.end(agent_id, task_id, started_at_ms, _outcome(event))

    def _advance(self, at_ms: int, decisions: Decisions, expire_after_ms: int) -> None:
        """Move the watermark; expire and forget the tasks that it passes, in order of time."""
        self.watermark_ms = at_ms
        due = self.due
        while due and due[0][0] < at_ms:
            due_ms, agent_id, task_id = due[0]
            tasks = self.known[agent_id]
            state = tasks[task_id]
            if state & 3 == RUNNING:
                forget_ms = due_ms + expire_after_ms
                tasks[task_id] = forget_ms << 2 | EXPIRED
                outcome = Outcome(status="expired", at_ms=due_ms)
                decisions.end(agent_id, task_id, state >> 2, outcome)
            else:
                forget_ms = state >> 2
            if forget_ms >= at_ms:
                heapreplace(due, (forget_ms, agent_id, task_id))
                continue
            heappop(due)
            del tasks[task_id]
            if not tasks:
                del self.known[agent_id]


def _outcome(event: TaskFinished | TaskCancelled) -> Outcome:
    if isinstance(event, TaskCancelled):
        return Outcome(status="cancelled", at_ms=event.cancelled_at_ms)
    return Outcome(
        status="matched",
        at_ms=event.finished_at_ms,
        duration_s=event.duration_s,
        succeeded=event.succeeded,
        code_review_iterations=event.code_review_iterations,
        deployment_succeeded=event.deployment_succeeded,
        error_type=event.error_type,
        reported=event.outcome,
        sealed_outcome=event.sealed_outcome,
    )
