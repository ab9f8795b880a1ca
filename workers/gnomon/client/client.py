"""``Client``: publishes an agent's tasks without ever blocking the agent or raising into it."""

import os
from collections.abc import Mapping
from typing import Final, Self, Unpack

from gnomon.client.capture.intake import Intake
from gnomon.client.capture.leniency import (
    BrokersKeyword,
    EnvironKeyword,
    EventKeyword,
    NoKeywords,
    TaskTypeKeyword,
    log_disabled,
    take_argument,
)
from gnomon.client.config import ClientConfig, addresses, arguments_from_env, text
from gnomon.client.exposures import Exposures
from gnomon.client.lifecycle import Lifecycle
from gnomon.client.open_tasks import CancelKeywords, OpenTasks
from gnomon.client.task import Task
from gnomon.client.tracing import Traceable
from gnomon.connection import NO_SECURITY, KafkaSecurity
from gnomon.events import ContextValue, TaskEvent
from gnomon.topics import CLIENT_STATS, EXPOSURES, TASK_EVENTS

_RESERVED: Final = ("self", "task")


class Client(Lifecycle, Traceable):
    """Publishes what agents do. Its methods never raise into the agent and never block it.

    Events wait in a bounded buffer. When it is full the newest events are dropped and counted
    (``stats``), starts before ends. One background thread serves all clients of the process; the
    first event starts it, and it delivers and reconnects for ever. A forked child has buffers and a
    thread of its own. At the end of the process the client delivers for at most ``exit_timeout_s``
    more.

    If an argument cannot be used the client does nothing and logs the reason. A method counts and
    ignores keywords that it does not know, and arguments given both by position and by name. Too
    many positional arguments raise ``TypeError``, which the first run of the agent shows.

    Args:
        brokers: Comma-separated ``host:port`` list; empty: do nothing.
        topic: Topic of task events.
        topic_prefix: Put before ``topic``, as in the workers' settings.
        agent_id: The agent of tasks that name none.
        tenant: Whose tasks they are, of several customers; the vault can seal each one's apart.
        max_events: Most events that wait.
        max_bytes: Most bytes of waiting events.
        exit_timeout_s: How long the client may delay the end of the process.
        spool_dir: Folder for events not delivered before the process ends; empty for none.
        spool_bytes: Most bytes of that folder.
        seal_to: Public key (one line or PEM) or its file: context and outcome are sealed for it.
            Needs ``gnomon[sealed]``; a payload that cannot be sealed is dropped, never sent in clear.
        security: What the brokers ask of those who connect; by default nothing.
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
        tenant: str = "",
        max_events: int = 10_000,
        max_bytes: int = 8 << 20,
        exit_timeout_s: float = 2.0,
        spool_dir: str = "",
        spool_bytes: int = 64 << 20,
        seal_to: str | None = None,
        security: KafkaSecurity = NO_SECURITY,
        **unknown: Unpack[BrokersKeyword],
    ) -> None:
        brokers = take_argument(brokers, "", "brokers", unknown)
        try:
            prefix = text(topic_prefix, "topic_prefix")
            config = ClientConfig(
                brokers=addresses(brokers),
                topic=prefix + text(topic, "topic"),
                stats_topic=prefix + CLIENT_STATS.name,
                exposures_topic=prefix + EXPOSURES.name,
                agent_id="" if agent_id is None else agent_id,
                tenant=tenant,
                max_events=max_events,
                max_bytes=max_bytes,
                exit_timeout_s=exit_timeout_s,
                spool_dir=spool_dir,
                spool_bytes=spool_bytes,
                seal_to=seal_to,
                security=security,
            )
            intake = Intake(config)
        except Exception as error:  # the agent's edge: whatever it is, the agent goes on
            log_disabled(error)
            config = ClientConfig()
            intake = Intake(config)
        self._publish_through(intake, config.agent_id)
        self._ignore(unknown)

    def _publish_through(self, intake: Intake, agent_id: str) -> None:
        """Send all events to ``intake`` from now on."""
        self._intake, self._agent_id = intake, agent_id
        if type(self).emit is Client.emit:
            self.emit = intake.emit  # type: ignore[method-assign]  # saves the agent a call
        self._open = OpenTasks(intake.refuse)
        self._exposures: Exposures | None = None

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] = os.environ, /, **unknown: Unpack[EnvironKeyword]
    ) -> Self:
        """Make a client of ``GNOMON_BROKERS``, ``GNOMON_KAFKA_*`` and the other variables of agents.

        What no variable says comes from the file that ``GNOMON_CONFIG`` names. Without brokers, or with ``GNOMON_DISABLED=1``, it does nothing.
        """
        environ = take_argument(environ, os.environ, "environ", unknown)
        try:
            arguments = arguments_from_env(environ)
        except Exception as error:  # the agent's edge: as above
            log_disabled(error)
            return cls("")
        made = cls(**arguments._asdict())
        made._ignore(unknown)
        return made

    def task(
        self,
        task_type: str = "",
        /,
        *,
        agent_id: str | None = None,
        task_id: str | None = None,
        estimate_s: float | None = None,
        context: Mapping[str, ContextValue] | None = None,
        **unknown: Unpack[TaskTypeKeyword],
    ) -> Task:
        """Return a task to use as ``with``, ``async with`` or as a decorator.

        Args:
            task_type: What kind of work it is.
            agent_id: The agent that does it; by default the client's.
            task_id: The agent's own id for it; by default one is made.
            estimate_s: The agent's own estimate of the duration, in seconds.
            context: What is known beforehand: a flat mapping, so that a model can use it. Items
                that are not flat and finite are counted and left out.
            unknown: Counted as invalid and ignored.
        """
        if unknown:
            task_type = take_argument(task_type, "", "task_type", unknown)
            self._ignore(unknown)
        agent = self._agent_id if agent_id is None else agent_id
        return Task(self._intake, task_type, agent, task_id, estimate_s, context)

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
        **unknown: Unpack[TaskTypeKeyword],
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
        """End a task, given as ``start`` returned it or by its id.

        ``finished_at_ms`` and ``duration_s`` are for replays; by default they are measured. Further
        keywords are outcomes, as in ``Task.set``; one named ``self`` or ``task`` is taken for a
        mistake, counted and ignored.
        """
        if outcome and not outcome.keys().isdisjoint(_RESERVED):
            task = take_argument(task, "", "task", outcome)
            self._ignore({name: outcome.pop(name) for name in _RESERVED if name in outcome})
        begun = self._open.remove(task)
        if begun is None:
            return
        if begun.over:
            self._intake.refuse("the task has ended before")
            return
        begun.set(
            code_review_iterations=code_review_iterations,
            deployment_succeeded=deployment_succeeded,
            **outcome,
        )
        if succeeded is False or error_type is not None:
            begun.fail(error_type)
        elif succeeded is not True:
            self._intake.refuse("succeeded must be a bool")
            return
        begun.end(finished_at_ms=finished_at_ms, duration_s=duration_s)

    def cancel(
        self, task: Task | str = "", reason: str = "", /, **unknown: Unpack[CancelKeywords]
    ) -> None:
        """Publish that a task from ``start`` will have no outcome."""
        task = take_argument(task, "", "task", unknown)
        reason = take_argument(reason, "", "reason", unknown)
        self._ignore(unknown)
        begun = self._open.remove(task)
        if begun is not None:
            begun.cancel(reason)

    def emit(self, event: TaskEvent | None = None, /, **unknown: Unpack[EventKeyword]) -> bool:
        """Publish an event made elsewhere; return whether it was accepted."""
        return self._intake.emit(event, **unknown)

    def exposures(self, /, **unknown: Unpack[NoKeywords]) -> Exposures:
        """Return what publishes exposures of experiments over this client's connection.

        ``flush`` and ``close`` of the client wait for tasks alone; the end of the process waits for
        exposures too.
        """
        self._ignore(unknown)
        if self._exposures is None:
            self._exposures = Exposures(self._intake.beside())
        return self._exposures
