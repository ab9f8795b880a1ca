"""``Client``: an agent says what it does, and never waits or fails for saying it."""

import asyncio
import os
import time
from collections.abc import Mapping
from typing import Any, Final, Self, TypeVar, cast

from gnomon.client.capture.intake import Outlet
from gnomon.client.capture.validation import class_name, seconds
from gnomon.client.config import ClientConfig, addresses, arguments_from_env, text
from gnomon.client.delivery.log_limits import say
from gnomon.client.delivery.waiting import wait_until
from gnomon.client.exposures import Exposures
from gnomon.client.open_tasks import OpenTasks
from gnomon.client.stats import Stats
from gnomon.client.task import Task
from gnomon.client.tracing import Traceable
from gnomon.errors import ConfigurationError
from gnomon.events import ContextValue, TaskEvent
from gnomon.topics import CLIENT_STATS, EXPOSURES, TASK_EVENTS

FLUSH_S: Final = 2.0
T = TypeVar("T")
_SLIPS: Final = ("self", "task")


class Client(Traceable):
    """Publishes what agents do. Its methods never raise into the agent and never block it.

    What cannot be sent at once waits in a bounded buffer; what does not fit is dropped and
    counted (``stats``), the newest first, starts before ends. One background thread for all clients
    of the process, started by the first event, delivers and reconnects for ever; a forked child
    has buffers and a thread of its own. As the process ends the client delivers for at most
    ``exit_timeout_s`` more. An argument that cannot be used makes a client that does nothing, and a
    log line. Keywords that a method does not know, or that say again what was said by position, are
    counted and ignored, whatever their names; one that is called with too many positional arguments
    raises ``TypeError``, as anything does: the first run of the agent shows it.

    Args:
        brokers: Comma-separated ``host:port`` list; empty: do nothing.
        topic: Topic of task events.
        topic_prefix: Put before ``topic``, as in the workers' settings.
        agent_id: The agent of tasks that name none.
        max_events: Most events that wait.
        max_bytes: Most bytes of those.
        exit_timeout_s: How long the end of the process may be held up.
        spool_dir: Folder for what cannot be delivered before the process ends; empty: none.
        spool_bytes: Most bytes of that folder.
        seal_to: Public key (one line or PEM) or its file: context and outcome are sealed for it.
            Needs ``gnomon[sealed]``; what cannot be sealed is dropped, never sent in clear.
        unknown: Counted as invalid and ignored.
    """

    def __init__(
        self,
        brokers: str = "",
        /,
        *,
        topic: str = TASK_EVENTS.name,
        topic_prefix: str = "",
        agent_id: str | None = None,
        max_events: int = 10_000,
        max_bytes: int = 8 << 20,
        exit_timeout_s: float = 2.0,
        spool_dir: str = "",
        spool_bytes: int = 64 << 20,
        seal_to: str | None = None,
        **unknown: object,
    ) -> None:
        brokers = given(brokers, "", "brokers", unknown)
        try:
            prefix = text(topic_prefix, "topic_prefix")
            config = ClientConfig(
                brokers=addresses(brokers),
                topic=prefix + text(topic, "topic"),
                stats_topic=prefix + CLIENT_STATS.name,
                exposures_topic=prefix + EXPOSURES.name,
                agent_id="" if agent_id is None else agent_id,
                max_events=max_events,
                max_bytes=max_bytes,
                exit_timeout_s=exit_timeout_s,
                spool_dir=spool_dir,
                spool_bytes=spool_bytes,
                seal_to=seal_to,
            )
            outlet = Outlet(config)
        except Exception as error:  # the agent's edge: whatever it is, the agent goes on
            say_why(error)
            config = ClientConfig()
            outlet = Outlet(config)
        self._publish(outlet, config.agent_id)
        self._ignore(unknown)

    def _publish(self, outlet: Outlet, agent_id: str) -> None:
        """Publish by way of ``outlet``."""
        self._outlet, self._agent_id = outlet, agent_id
        if type(self).emit is Client.emit:
            self.emit = outlet.emit  # type: ignore[method-assign]  # the agent is spared a call
        self._open = OpenTasks()
        self._exposures: Exposures | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, /, **unknown: object) -> Self:
        """A client of ``GNOMON_BROKERS``, ``GNOMON_TOPIC_PREFIX`` and ``GNOMON_AGENT_ID``.

        Without brokers, or with ``GNOMON_DISABLED=1``, it does nothing.
        """
        environ = given(environ, os.environ, "environ", unknown)
        try:
            arguments = arguments_from_env(environ)
        except Exception as error:  # the agent's edge: as above
            say_why(error)
            return cls("")
        made = cls(**arguments._asdict())
        made._ignore(unknown)
        return made

    @property
    def enabled(self) -> bool:
        """Whether events go anywhere at all."""
        return self._outlet.enabled

    def task(
        self,
        task_type: str = "",
        /,
        *,
        agent_id: str | None = None,
        task_id: str | None = None,
        estimate_s: float | None = None,
        context: Mapping[str, ContextValue] | None = None,
        **unknown: object,
    ) -> Task:
        """A task to use as ``with``, ``async with`` or as a decorator.

        Args:
            task_type: What kind of work it is.
            agent_id: Who does it; by default the client's.
            task_id: The agent's own id for it; by default one is made.
            estimate_s: The agent's own guess of the duration, in seconds.
            context: What is known beforehand: a flat mapping, so that a model can use it. What
                of it is not flat and finite is counted and left out.
            unknown: Counted as invalid and ignored.
        """
        if unknown:
            task_type = given(task_type, "", "task_type", unknown)
            self._ignore(unknown)
        agent = self._agent_id if agent_id is None else agent_id
        return Task(self._outlet, task_type, agent, task_id, estimate_s, context)

    def start(
        self,
        task_type: str = "",
        /,
        *,
        agent_id: str | None = None,
        task_id: str | None = None,
        estimate_s: float | None = None,
        context: Mapping[str, ContextValue] | None = None,
        started_at_ms: int | None = None,
        **unknown: object,
    ) -> Task:
        """Begin a task that ends elsewhere, with ``finish`` or ``cancel``.

        ``started_at_ms`` is for replays. The rest is as in ``task``.
        """
        task = self.task(
            task_type,
            agent_id=agent_id,
            task_id=task_id,
            estimate_s=estimate_s,
            context=context,
            **unknown,
        )
        task.begin(started_at_ms)
        self._open.add(task)
        return task

    def finish(
        self,
        task: Task | str = "",
        /,
        *,
        succeeded: bool = True,
        error_type: str | BaseException | None = None,
        code_review_iterations: int | None = None,
        deployment_succeeded: bool | None = None,
        finished_at_ms: int | None = None,
        duration_s: float | None = None,
        **outcome: ContextValue,
    ) -> None:
        """End a task, given as it came from ``start`` or by its id.

        ``finished_at_ms`` and ``duration_s`` are for replays; they are measured by default. What
        else is given is as in ``Task.set``; but an outcome named ``self`` or ``task`` is taken for a
        slip, counted and ignored.
        """
        if outcome and not outcome.keys().isdisjoint(_SLIPS):
            task = given(task, "", "task", outcome)
            self._ignore({name: outcome.pop(name) for name in _SLIPS if name in outcome})
        begun = self._begun(task)
        if begun is None:
            return
        if begun.over:
            self._outlet.refuse("the task has ended before")
            return
        begun.set(
            code_review_iterations=code_review_iterations,
            deployment_succeeded=deployment_succeeded,
            **outcome,
        )
        if succeeded is False or error_type is not None:
            begun.fail(error_type)
        elif succeeded is not True:
            self._outlet.refuse("succeeded must be a bool")
            return
        begun.end(finished_at_ms=finished_at_ms, duration_s=duration_s)

    def cancel(self, task: Task | str = "", reason: str = "", /, **unknown: object) -> None:
        """A task from ``start`` will have no outcome."""
        task = given(task, "", "task", unknown)
        reason = given(reason, "", "reason", unknown)
        self._ignore(unknown)
        begun = self._begun(task)
        if begun is not None:
            begun.cancel(reason)

    def emit(self, event: TaskEvent | None = None, /, **unknown: object) -> bool:
        """Publish an event made elsewhere; returns whether it was accepted."""
        return self._outlet.emit(event, **unknown)

    def exposures(self, /, **unknown: object) -> Exposures:
        """What publishes exposures of experiments over this client's connection.

        ``flush`` and ``close`` of the client are about tasks; the end of the process is about both.
        """
        self._ignore(unknown)
        if self._exposures is None:
            self._exposures = Exposures(self._outlet.beside())
        return self._exposures

    def stats(self, /, **unknown: object) -> Stats:
        """What became of every event so far."""
        self._ignore(unknown)
        return self._outlet.stats()

    def flush(self, timeout_s: float = FLUSH_S, /, **unknown: object) -> int:
        """Wait for the buffer to empty, at most ``timeout_s``.

        What is in the spool does not wait here: it is kept until it is delivered.

        Returns:
            Events that did not arrive: those that still wait, and those refused meanwhile.
        """
        timeout_s = given(timeout_s, FLUSH_S, "timeout_s", unknown)
        self._ignore(unknown)
        outlet, failed = self._outlet, self.stats().failed
        outlet.hurry()
        wait_until(lambda: not outlet.waiting(), timeout_s=self._seconds(timeout_s, FLUSH_S))
        return outlet.waiting() + self.stats().failed - failed

    async def aflush(self, timeout_s: float = FLUSH_S, /, **unknown: object) -> int:
        """``flush`` for a coroutine: the event loop goes on meanwhile."""
        timeout_s = given(timeout_s, FLUSH_S, "timeout_s", unknown)
        self._ignore(unknown)
        outlet, failed = self._outlet, self.stats().failed
        outlet.hurry()
        deadline_s = time.monotonic() + self._seconds(timeout_s, FLUSH_S)
        # The background thread knows of no event loop.
        while outlet.waiting() and time.monotonic() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        return outlet.waiting() + self.stats().failed - failed

    def close(self, timeout_s: float | None = None, /, **unknown: object) -> int:
        """Deliver for at most ``timeout_s`` (``exit_timeout_s`` by default), then end for good.

        Returns:
            Accepted events that never arrived.
        """
        timeout_s = given(timeout_s, None, "timeout_s", unknown)
        self._ignore(unknown)
        budget_s = self._outlet.begin_close()
        return self._outlet.end_close(self._seconds(timeout_s, budget_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        left = await self.aflush(self._outlet.exit_timeout_s)
        self.close(0.0 if left else None)

    def _ignore(self, unknown: Mapping[str, object]) -> None:
        """Count keywords that a method does not know."""
        if unknown:
            self._outlet.refuse("unknown argument")

    def _begun(self, task: Task | str) -> Task | None:
        """The task that is meant, no longer remembered as open."""
        begun = self._open.remove(task)
        if begun is None:
            self._outlet.refuse("no such task was started")
        return begun

    def _seconds(self, given: float | None, default: float) -> float:
        """How long to wait: ``given`` if it is a number."""
        if given is None:
            return default
        found = seconds(given)
        if found is None:
            self._outlet.refuse("timeout_s must be a finite number of seconds")
        return default if found is None else found


def given(value: T, default: T, name: str, unknown: dict[str, Any]) -> T:
    """What was given by position, or else by name.

    Such parameters are positional only, so that the name said once more ends in ``unknown`` and
    does not raise.
    """
    return cast("T", unknown.pop(name, default)) if value is default else value


def say_why(error: Exception) -> None:
    """Say that a client does nothing. Of errors that are not ours only the kind is shown."""
    ours = isinstance(error, ConfigurationError)
    say("%s; nothing will be sent", str(error) if ours else class_name(error))
