"""From an event to the buffer, on the agent's path: check, encode, count; never raise or wait."""

import itertools
import math
import os

import msgspec

from gnomon import codec
from gnomon.client import lifecycle
from gnomon.client.buffer import Buffer, Record, Stats
from gnomon.client.config import ClientConfig
from gnomon.client.delivery import Spool
from gnomon.client.identity import MOST_BYTES as IDENTITY_BYTES
from gnomon.client.report import Reporter
from gnomon.client.sender import Sender, kafka
from gnomon.events import TaskCancelled, TaskEvent, TaskFinished, TaskStarted
from gnomon.topics import MAX_EVENT_BYTES

_KINDS = (TaskStarted, TaskFinished, TaskCancelled)


class Outlet:
    """The buffer and the background thread of one client in one process.

    Args:
        config: Where to and how much; without brokers everything here does nothing.
    """

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self.enabled = bool(config.brokers)
        self._closed = False
        self._inherited: list[Sender] = []
        self._set_up()
        if self.enabled:
            lifecycle.register(self)

    def _set_up(self) -> None:
        config = self._config
        self._ids = itertools.count()
        self._id_prefix = os.urandom(8).hex()
        self._buffer = Buffer(max_events=config.max_events, max_bytes=config.max_bytes)
        self._reporter = Reporter(self._buffer)
        self._sender = Sender(
            self._buffer,
            connect=kafka(config.brokers, config.topic),
            reporter=self._reporter,
            spool=self._open_spool if config.spool_dir else None,
            seal_to=config.seal_to,
            stats_topic=config.stats_topic,
        )

    def _open_spool(self) -> Spool:
        """Called in the background thread: what reads and writes files is loaded there."""
        from gnomon.client.spool import FileSpool  # noqa: PLC0415  as said

        return FileSpool(self._config.spool_dir, max_bytes=self._config.spool_bytes)

    def new_task_id(self) -> str:
        """An id nobody else has, in this process or another."""
        return f"{self._id_prefix}-{next(self._ids):x}"

    def emit(self, event: TaskEvent) -> bool:
        """Take ``event`` if it is valid and there is room; otherwise count why not."""
        if not self.enabled:
            return False
        try:
            return self._emit(event)
        except Exception as error:  # the agent's edge: nothing may reach it
            self.refuse(_reason(error))
            return False

    def _emit(self, event: TaskEvent) -> bool:
        buffer = self._buffer
        if self._closed:
            buffer.closed += 1
            return False
        if type(event) not in _KINDS:
            self.refuse("it is no task event")
            return False
        start = type(event) is TaskStarted
        if not buffer.has_room(start=start):
            return False
        if isinstance(event, TaskStarted) and not self._may_be_encoded(event):
            return False
        value = codec.encode(event)
        if len(value) > MAX_EVENT_BYTES - IDENTITY_BYTES:
            buffer.oversize += 1
            return False
        codec.decode_task_event(value)  # what every reader will do: the contract itself
        accepted = buffer.offer(Record(event.agent_id.encode(), value))
        self._sender.nudge(self._prepare)
        return accepted

    def _may_be_encoded(self, event: TaskStarted) -> bool:
        """Refuse what JSON would silently change (NaN, bytes), and what is surely too large."""
        estimate_s, length = event.estimate_s, 0
        if estimate_s is not None and not math.isfinite(estimate_s):
            self.refuse("estimate_s is not finite")
            return False
        for value in event.context.values():
            if isinstance(value, str):
                length += len(value)
            elif isinstance(value, float):
                if not math.isfinite(value):
                    self.refuse("a value of context is not finite")
                    return False
            elif value is not None and not isinstance(value, int):
                self.refuse("a value of context is neither a string, a number nor a bool")
                return False
        if length > MAX_EVENT_BYTES:
            self._buffer.oversize += 1
            return False
        return True

    def refuse(self, reason: str) -> None:
        """Count something invalid; the background thread may say so in the log."""
        if not self.enabled:
            return
        self._buffer.invalid += 1
        if self._reporter.note is None and not self._closed:
            self._reporter.note = reason
            self._sender.nudge(self._prepare)

    def _prepare(self) -> None:
        lifecycle.close_at_exit(self)

    def stats(self) -> Stats:
        """The figures of one instant."""
        return self._buffer.stats()

    def hurry(self) -> None:
        """Have what waits sent without lingering."""
        self._sender.hurry()

    def is_importing(self) -> bool:
        """Whether the thread is at what a fork must not interrupt."""
        return self._sender.importing

    def begin_anew(self) -> None:
        """In a forked child: an empty buffer, new ids, no thread yet.

        The inherited sender is kept, never used: its sockets are the parent's.
        """
        self._inherited.append(self._sender)
        self._set_up()

    def begin_close(self) -> float:
        """Refuse events from now on and have the thread end; return the time it may take."""
        self._closed = True
        self._sender.stop(self._config.exit_timeout_s)
        return self._config.exit_timeout_s

    def end_close(self, timeout_s: float) -> int:
        """Wait for the thread, then give up; return how many accepted events did not arrive."""
        self._sender.stop(timeout_s)
        self._sender.join(timeout_s)
        lifecycle.forget(self)
        return self._buffer.pending + self._buffer.failed


def _reason(error: Exception) -> str:
    """Name what is wrong with an event without repeating its values."""
    if isinstance(error, msgspec.ValidationError):
        return codec.refusal(b"", error).detail
    return type(error).__name__
