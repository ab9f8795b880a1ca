"""From an event to the buffer, on the agent's path: check, count; never raise or wait."""

import os
from dataclasses import replace
from typing import Final, Self, cast

import msgspec

from gnomon import codec
from gnomon.client.capture.deferred import Values, given, plain
from gnomon.client.capture.validation import (
    LARGEST_RECORD,
    SURELY_SMALL,
    flat,
    is_identifier,
    size_of_cancel,
    size_of_end,
    size_of_start,
)
from gnomon.client.config import ClientConfig
from gnomon.client.delivery import process_hooks
from gnomon.client.delivery.buffer import Buffer, Later, Record
from gnomon.client.delivery.log_limits import Reporter
from gnomon.client.delivery.ports import Spool
from gnomon.client.delivery.sender import Nobody, Sender, kafka
from gnomon.client.stats import Stats
from gnomon.events import TaskCancelled, TaskEvent, TaskFinished, TaskStarted
from gnomon.topics import MAX_EVENT_BYTES

_KINDS: Final = (TaskStarted, TaskFinished, TaskCancelled)
_MOST_NAMES: Final = 1_000
_NOT_FLAT: Final = "context and outcome must be flat: strings, finite numbers, bools"
_SURELY_LARGE: Final = 8 * MAX_EVENT_BYTES
"""Of mappings as ``flat`` reckons them: an item takes at least an eighth of that."""


class Outlet:
    """The buffer of one client in one process, and what moves its events.

    Args:
        config: Where to and how much; without brokers everything here does nothing.

    Attributes:
        buffer: Where events wait; a forked child has an empty one.
        id_prefix: Of the task ids made in this process.
        serial: The number of the latest of them.
        names: Types and agents of tasks that have been found good: to be looked up, not looked at.
        enabled: Whether events go anywhere at all.
    """

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self.enabled = bool(config.brokers)
        self.exit_timeout_s = config.exit_timeout_s
        self._closed = False
        self.serial = 0
        self.names: set[str] = set()
        self._lengths: dict[str, int] = {}
        self._inherited: list[Sender] = []
        self.buffer = Buffer(max_events=config.max_events, max_bytes=config.max_bytes)
        self.buffer.make = plain
        self._set_up()
        if self.enabled:
            self.buffer.wake = self._wake
            self._live()
        else:
            self.buffer.shut()

    def _set_up(self) -> None:
        config = self._config
        self.id_prefix = os.urandom(8).hex()
        self._reporter = Reporter(self.buffer)
        self._sender = Sender(
            self.buffer,
            connect=kafka(config.brokers, config.topic),
            reporter=self._reporter,
            spool=self._open_spool if config.spool_dir else None,
            seal_to=config.seal_to,
            stats_topic=config.stats_topic,
        )

    def _open_spool(self) -> Spool:
        """Called in the background thread: what reads and writes files is loaded there."""
        from gnomon.client.spool.spool import FileSpool  # noqa: PLC0415  as said

        return FileSpool(self._config.spool_dir, max_bytes=self._config.spool_bytes)

    def _live(self) -> None:
        process_hooks.register(self)

    def _wake(self) -> None:
        self._sender.nudge(self._prepare)

    def _prepare(self) -> None:
        process_hooks.close_at_exit(self)

    def beside(self) -> Self:
        """An outlet for exposures, over the same connection.

        Its figures are not published: readers of ``client-stats`` count task events. Its spool is a
        folder of its own, since a spool does not know of which topic its records are.
        """
        config = self._config
        spool_dir = config.spool_dir and f"{config.spool_dir}/exposures"
        return type(self)(
            replace(
                config,
                topic=config.exposures_topic,
                stats_topic="",
                spool_dir=spool_dir,
                seal_to=None,  # an exposure has no payload to seal
            )
        )

    def emit(  # noqa: PLR0911  as few steps as there can be
        self, event: TaskEvent | None = None, /, **unknown: object
    ) -> bool:
        """Take ``event`` if it is valid and there is room; otherwise count why not."""
        if unknown:
            return self._emit_named(event, unknown)
        try:
            # As few calls as there can be: each costs the agent a twentieth of the whole.
            if type(event) is TaskFinished:
                size = size_of_end(event, self._lengths)
                if size > 0:
                    if event.context or event.outcome:
                        return self._emit_with_mappings(event, size)
                    # ``offer_later`` in place, so here too no call comes in between.
                    buffer = self.buffer
                    room, space = buffer.room, buffer.space - size
                    if room <= 0 or space < 0:
                        return buffer.refuse(start=False)
                    buffer.room, buffer.space = room - 1, space
                    buffer.queue.append((size, event))
                    if buffer.idle:
                        buffer.wake()
                    return True
            elif type(event) is TaskStarted:
                size = size_of_start(event)
                if size > 0:
                    return (
                        self._emit_with_mappings(event, size)
                        if event.context
                        else self.buffer.offer_start((size, event))
                    )
            return self._emit_other(event)
        except Exception as error:  # the agent's edge: nothing may reach it
            self.refuse(_reason(error))
            return False

    def _emit_named(self, event: TaskEvent | None, named: dict[str, object]) -> bool:
        """``emit`` for what was given by name: only ``event`` can be, and only once."""
        if event is None:
            event = cast("TaskEvent | None", named.pop("event", None))
        if named:
            self.refuse("unknown argument")
        return self.emit(event)

    def _emit_other(self, event: TaskEvent | None) -> bool:
        """Take a cancellation, or what is not valid at a glance."""
        if type(event) is TaskCancelled and (size := size_of_cancel(event)) > 0:
            return self.buffer.offer_later((size, event))
        return self._emit_odd(event)

    def _emit_with_mappings(self, event: TaskStarted | TaskFinished, size: int) -> bool:
        """Take an event that is valid but for its mappings, of which it gets copies."""
        start = type(event) is TaskStarted
        if not self.buffer.has_room(start=start):
            return False
        context, more, refused = flat(event.context)
        outcome: Values = {}
        if isinstance(event, TaskFinished):
            outcome, much, unfit = flat(event.outcome)
            more, refused = more + much, refused + unfit
        if refused:
            self.refuse(_NOT_FLAT)
            return False
        copy = (size + more, given, event, context, outcome)
        if size + more > SURELY_SMALL:
            return self.offer_large(copy, start=start)
        return self.buffer.offer_start(copy) if start else self.buffer.offer_later(copy)

    def _emit_odd(self, event: TaskEvent | None) -> bool:
        """Take an event about which nothing is known: by what every reader will do."""
        if event is None or type(event) not in _KINDS:
            self.refuse("it is no task event")
            return False
        buffer = self.buffer
        if not buffer.has_room(start=type(event) is TaskStarted):
            return False
        looks = [flat(mapping) for mapping in _mappings(event)]
        if any(refused for _, _, refused in looks):
            self.refuse(_NOT_FLAT)
            return False
        texts = [v for v in msgspec.structs.astuple(event) if isinstance(v, str | bytes)]
        if sum(map(len, texts)) > MAX_EVENT_BYTES or sum(n for _, n, _ in looks) > _SURELY_LARGE:
            buffer.oversize += 1
            return False
        value = codec.encode(event)
        if len(value) > LARGEST_RECORD:
            buffer.oversize += 1
            return False
        if codec.decode_task_event(value) != event:
            raise ValueError  # something of it would be another value for its readers
        return buffer.offer(Record(event.agent_id.encode(), value))

    def offer_large(self, *events: Later, start: bool) -> bool:
        """Take in the first of these that is small enough to be sent; the others are encoded."""
        buffer = self.buffer
        if not buffer.has_room(start=start):
            return False
        for event in events:
            if event[0] <= _SURELY_LARGE:
                record = event[1](event)
                if len(record.value) <= LARGEST_RECORD:
                    return buffer.offer(record)
        buffer.oversize += 1
        return False

    def learn(self, name: object) -> bool:
        """Whether ``name`` can be a type or an agent; counts one that cannot."""
        if not is_identifier(name):
            self.refuse("task_type and agent_id must be strings of 1 to 256 characters")
            return False
        if len(self.names) < _MOST_NAMES:
            self.names.add(name)
        return True

    def refuse(self, reason: str) -> None:
        """Count something invalid; the background thread may say so in the log."""
        if not self.enabled:
            return
        self.buffer.invalid += 1
        if self._reporter.note is None and not self._closed:
            self._reporter.note = reason
            self._wake()

    def stats(self) -> Stats:
        """The figures of one instant."""
        if not self.enabled:
            return Stats()
        return msgspec.structs.replace(self.buffer.stats(), unsealed=self._sender.unsealed)

    def hurry(self) -> None:
        """Have what waits sent without lingering."""
        self._sender.hurry()

    def waiting(self) -> int:
        """How many accepted events are neither delivered nor refused nor in a spool."""
        return self.buffer.pending

    def is_fragile(self) -> bool:
        """Whether the thread is at what a fork must not interrupt."""
        return self._sender.fragile

    def may_connect(self) -> bool:
        """Whether Kafka's library may look up an address at any time."""
        return self._sender.started

    def begin_anew(self) -> None:
        """In a forked child: an empty buffer, new ids, no thread yet.

        The inherited sender is kept, never used: its sockets are the parent's. Where nothing can
        be set up the child counts and does nothing else.
        """
        self._inherited.append(self._sender)
        self.buffer.clear()
        try:
            self._set_up()
        except Exception:  # the agent's edge: a fork must not fail for this
            self._sender = Nobody()
            self._shut()

    def begin_close(self) -> float:
        """Refuse events from now on and have the thread end; return the time it may take."""
        self._shut()
        self._sender.stop(self.exit_timeout_s)
        return self.exit_timeout_s

    def _shut(self) -> None:
        self._closed = True
        self.buffer.shut()

    def end_close(self, timeout_s: float) -> int:
        """Wait for the thread, then give up; return how many accepted events did not arrive."""
        self._sender.stop(timeout_s)
        self._sender.join(timeout_s)
        process_hooks.forget(self)
        return self.buffer.pending + self.buffer.failed


def _mappings(event: TaskEvent) -> tuple[object, ...]:
    if isinstance(event, TaskCancelled):
        return ()
    return (event.context, event.outcome) if isinstance(event, TaskFinished) else (event.context,)


def _reason(error: Exception) -> str:
    """Name what is wrong with an event without repeating its values."""
    if isinstance(error, msgspec.ValidationError):
        return codec.refusal(b"", error).detail
    return type(error).__name__
