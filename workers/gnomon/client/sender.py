"""The background thread of a client: started by its first event, with an event loop of its own."""

import _thread
import asyncio
import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from gnomon.client.buffer import Buffer
from gnomon.client.delivery import Loop, Producer
from gnomon.client.report import Reporter

Connect = Callable[[], Awaitable[Producer]]


def kafka(brokers: tuple[str, ...], topic: str) -> Connect:
    """A ``Connect`` that makes idempotent Kafka producers."""

    async def connect() -> Producer:
        from gnomon.client.producer import KafkaProducer  # noqa: PLC0415  slow: not the agent's time

        producer = KafkaProducer(brokers, topic)
        await producer.start()
        return producer

    return connect


class Sender:
    """Owns the thread that moves a buffer's events to Kafka, for one process.

    ``nudge`` is on the agent's path. A fork leaves the thread behind, so the child drops its
    inherited sender (keeping a reference, since its sockets are the parent's) and makes another.
    """

    def __init__(self, buffer: Buffer, *, connect: Connect, reporter: Reporter) -> None:
        self.ended = threading.Event()
        self.importing = False
        self._buffer, self._connect, self._reporter = buffer, connect, reporter
        self._token = [True]
        self._started = False
        self._stopping = self._hurry = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._moving: Loop | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def started(self) -> bool:
        """Whether the thread has been started."""
        return self._started

    def nudge(self, at_start: Callable[[], None]) -> None:
        """Have the thread look at the buffer. ``at_start`` is called if this starts it."""
        if not self._started:
            self._start(at_start)
        elif (moving := self._moving) is not None and moving.asleep:
            moving.asleep = False
            self._tell(moving.wake)

    def hurry(self) -> None:
        """Have everything sent without lingering."""
        self._hurry = True
        if (moving := self._moving) is not None:
            self._tell(moving.hurry)

    def stop(self) -> None:
        """Have the thread end as soon as the buffer is empty."""
        self._stopping = True
        if (moving := self._moving) is not None:
            self._tell(moving.stop)

    def abort(self) -> None:
        """Have the thread end now; what is not settled stays in the buffer."""
        if (task := self._task) is not None:
            self._tell(task.cancel)

    def _start(self, at_start: Callable[[], None]) -> None:
        try:
            self._token.pop()  # one caller gets it, without a lock
        except IndexError:
            return
        self._started = True
        self.importing = True
        at_start()
        # Not threading.Thread: its start() takes locks and waits for the thread to run.
        _thread.start_new_thread(self._run, ())

    def _tell(self, what: Callable[[], Any]) -> None:
        loop = self._loop
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to tell
            if loop is not None:
                loop.call_soon_threadsafe(what)

    def _run(self) -> None:
        """The thread."""
        try:
            self._import()
            loop = _QuietLoop()
            try:
                self._loop = loop
                loop.run_until_complete(self._main())
            finally:
                loop.close()
        except Exception as error:  # the thread's edge: nobody is above to catch it
            self._reporter.trouble(type(error).__name__)
        finally:
            self.ended.set()

    def _import(self) -> None:
        """Load aiokafka; a fork is held up meanwhile, since a child would find it half loaded."""
        try:
            from gnomon.client.producer import hush_this_thread  # noqa: PLC0415  as above

            hush_this_thread()
        finally:
            self.importing = False

    async def _main(self) -> None:
        moving = Loop(self._buffer, connect=self._connect, reporter=self._reporter)
        self._task = asyncio.create_task(moving.run())
        self._moving = moving
        if self._hurry:
            moving.hurry()
        if self._stopping:
            moving.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=1.0)


class _QuietLoop(asyncio.SelectorEventLoop):
    """An event loop that survives fork and interpreter exit, and logs nothing."""

    def __init__(self) -> None:
        # An epoll object is shared with forked children: one closing its inherited sockets would
        # unregister the parent's. poll keeps its list in the process.
        super().__init__(getattr(selectors, "PollSelector", selectors.DefaultSelector)())
        self.set_exception_handler(lambda _loop, _context: None)

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        """Resolve on this thread: executors refuse work once the interpreter is exiting."""
        return socket.getaddrinfo(*args, **kwargs)


def wait_until(done: Callable[[], bool], *, timeout_s: float) -> bool:
    """Look every few milliseconds whether ``done``, for at most ``timeout_s``."""
    deadline_s = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(0.005)
    return True
