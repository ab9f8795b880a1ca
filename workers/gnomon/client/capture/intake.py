"""The intake of one client in one process: its buffer, the sender behind it, its forks and its end."""

import os
from dataclasses import replace
from typing import Final, Self

import msgspec

from gnomon.client.capture.emitter import Emitter
from gnomon.client.capture.validation import is_identifier
from gnomon.client.config import ClientConfig
from gnomon.client.delivery.buffer import Buffer
from gnomon.client.delivery.connections import kafka
from gnomon.client.delivery.ports import Spool
from gnomon.client.delivery.reporter import Reporter
from gnomon.client.delivery.sender import NullSender, Sender
from gnomon.client.process import hooks
from gnomon.client.stats import Stats

_MOST_NAMES: Final = 1_000


class Intake(Emitter):
    """Takes a client's events in and has them sent. Its methods never raise, and few of them wait.

    Args:
        config: Where events go and how much may wait; without brokers everything does nothing.

    Attributes:
        id_prefix: Prefix of the task ids made in this process.
        serial: Number of the latest of those ids.
        names: Task types and agent ids that have been checked, so that a look-up replaces a check.
        enabled: Whether events go anywhere at all.
        exit_timeout_s: How long the client may delay the end of the process.
    """

    def __init__(self, config: ClientConfig) -> None:
        super().__init__(Buffer(max_events=config.max_events, max_bytes=config.max_bytes))
        self._config = config
        self.enabled = bool(config.brokers)
        self.exit_timeout_s = config.exit_timeout_s
        self._closed = False
        self.serial = 0
        self.names: set[str] = set()
        self._inherited: list[Sender] = []
        self._set_up()
        if self.enabled:
            self.buffer.wake = self._wake
            self._register()
        else:
            self.buffer.shut()

    def _set_up(self) -> None:
        config = self._config
        self.id_prefix = os.urandom(8).hex()
        self._reporter = Reporter(self.buffer)
        self._sender = Sender(
            self.buffer,
            connect=kafka(config.connection, config.topic),
            reporter=self._reporter,
            spool=self._open_spool if config.spool_dir else None,
            seal_to=config.seal_to,
            stats_topic=config.stats_topic,
            tenant=config.tenant,
        )

    def _open_spool(self) -> Spool:
        """Called in the background thread, so that the modules for files are imported there."""
        from gnomon.client.spool.spool import FileSpool  # noqa: PLC0415  see above

        return FileSpool(self._config.spool_dir, max_bytes=self._config.spool_bytes)

    def _register(self) -> None:
        hooks.register(self)

    def _wake(self) -> None:
        self._sender.wake(self._close_at_exit)

    def _close_at_exit(self) -> None:
        hooks.close_at_exit(self)

    def beside(self) -> Self:
        """Return an intake for exposures, over the same connection.

        Its stats are not published, because readers of ``client-stats`` count task events. Its spool
        is a folder of its own: a spool does not know to which topic its records belong.
        """
        config = self._config
        spool_dir = config.spool_dir and f"{config.spool_dir}/exposures"
        return type(self)(
            replace(
                config,
                topic=config.exposures_topic,
                stats_topic="",
                tenant="",
                spool_dir=spool_dir,
                seal_to=None,  # an exposure has no payload to seal
            )
        )

    def learn(self, name: object) -> bool:
        """Return whether ``name`` can be a task type or an agent id; count one that cannot."""
        if not is_identifier(name):
            self.refuse("task_type and agent_id must be strings of 1 to 256 characters")
            return False
        if len(self.names) < _MOST_NAMES:
            self.names.add(name)
        return True

    def refuse(self, reason: str) -> None:
        """Count something invalid; the background thread may log the reason."""
        if not self.enabled:
            return
        self.buffer.invalid += 1
        if self._reporter.refusal is None and not self._closed:
            self._reporter.refusal = reason
            self._wake()

    def stats(self) -> Stats:
        """Return the counts of one instant."""
        if not self.enabled:
            return Stats()
        return msgspec.structs.replace(self.buffer.stats(), unsealed=self._sender.unsealed)

    def expedite(self) -> None:
        """Send the waiting events without lingering."""
        self._sender.expedite()

    def waiting(self) -> int:
        """Return how many accepted events are neither delivered, refused nor spooled."""
        return self.buffer.pending

    def delays_fork(self) -> bool:
        """Return whether the thread does something that a fork must not interrupt."""
        return self._sender.delays_fork

    def may_connect(self) -> bool:
        """Return whether Kafka's library may look up an address at any time."""
        return self._sender.is_started

    def reset_after_fork(self) -> None:
        """Begin anew in a forked child: an empty buffer, new ids, no thread yet.

        The inherited sender is kept and never used, because its sockets are the parent's. If nothing
        can be set up, the child counts events and does nothing else.
        """
        self._inherited.append(self._sender)
        self.buffer.clear()
        try:
            self._set_up()
        except Exception:  # the agent's edge: a fork must not fail for this
            self._sender = NullSender()
            self._shut()

    def begin_close(self) -> float:
        """Refuse events from now on and stop the sender; return how long it may take, in seconds."""
        self._shut()
        self._sender.stop(self.exit_timeout_s)
        return self.exit_timeout_s

    def _shut(self) -> None:
        self._closed = True
        self.buffer.shut()

    def end_close(self, timeout_s: float) -> int:
        """Wait for the sender, then give up; return how many accepted events did not arrive."""
        self._sender.stop(timeout_s)
        self._sender.join(timeout_s)
        hooks.forget(self)
        return self.buffer.pending + self.buffer.failed
