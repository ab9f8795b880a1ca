"""How many seconds after a fault does a person hear of it?

The drill watches a stack of its own with the shipped rules and routes, causes real faults, and waits for
the notices of a real Alertmanager.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal, get_args

import msgspec

from gnomon import Client
from gnomon.connection import aiokafka_clients
from gnomon.drill.child import DrillError
from gnomon.drill.monitoring.station import Station
from gnomon.operations.local_stack import LocalStack
from gnomon.topics import TASK_EVENTS

Fault = Literal["dead-letter", "frozen-worker"]
FAULTS: Final[Sequence[Fault]] = get_args(Fault)
ALERT_OF: Final[Mapping[Fault, str]] = {
    "dead-letter": "GnomonDeadLetters",
    "frozen-worker": "GnomonWorkerDown",
}
EVERY_S: Final = 5.0
"""Seconds between two scrapes, as in the shipped prometheus.yml."""
MARGIN_S: Final = 20.0
"""A notice may take this long beside the rule's own waiting time."""
WAIT_S: Final = 60.0
"""How much longer the drill waits before it says that no notice came."""
FROZEN: Final = "vault"
TURN_S: Final = 0.05


class Notified(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one fault.

    Attributes:
        fault: What was done.
        alert: The alert that it must cause.
        receiver: Who was told; ``None`` if nobody was.
        notice_s: Seconds from the fault to the notice; ``None`` if none came.
        limit_s: The rule's own waiting time, and 20 s.
    """

    fault: Fault
    alert: str
    receiver: str | None
    notice_s: float | None
    limit_s: float


class AlertReport(msgspec.Struct, frozen=True, kw_only=True):
    """Result of one drill, as it is written to ``report.json``. ``at_ms``: when it began."""

    drill: Literal["alert"]
    at_ms: int
    notices: Sequence[Notified]
    passed: bool


class AlertDrill:
    """One drill on a running stack that nothing else uses.

    Args:
        stack: Broker and workers.
        faults: What to do, one after the other.
        progress: Called with each step.
    """

    def __init__(
        self, stack: LocalStack, *, faults: Sequence[Fault], progress: Callable[[str], None]
    ) -> None:
        self._stack, self._faults, self._progress = stack, faults, progress

    async def run(self, *, at_ms: int) -> AlertReport:
        """Watch the stack, cause each fault and wait for its notice.

        Args:
            at_ms: When the drill began, epoch milliseconds.

        Raises:
            ConfigurationError: Prometheus or Alertmanager is not installed.
            DrillError: One of them does not work, or an alert fired before the first fault.
        """
        self._progress("starting Prometheus and Alertmanager")
        async with Station(
            self._stack, every_s=EVERY_S, alerting=True, gateway=False, drill="alert"
        ) as station:
            await self._work()
            await station.settled()
            notices = [await self._notified(fault, station) for fault in self._faults]
        return AlertReport(
            drill="alert",
            at_ms=at_ms,
            notices=notices,
            passed=all(n.notice_s is not None and n.notice_s <= n.limit_s for n in notices),
        )

    async def _notified(self, fault: Fault, station: Station) -> Notified:
        alert = ALERT_OF[fault]
        rule = (await station.prometheus.alerts()).get(alert)
        if rule is None:
            raise DrillError(f"the rules have no alert {alert}")
        limit_s = rule.for_s + MARGIN_S
        causes: Mapping[Fault, Callable[[], Awaitable[None]]] = {
            "dead-letter": self._publish_what_no_stage_takes,
            "frozen-worker": self._freeze,
        }
        self._progress(f"{fault}: waiting for {alert}, at most {limit_s:.0f} s")
        began_s = time.monotonic()
        try:
            await causes[fault]()
            while (notice := station.webhook.first(alert, after_s=began_s)) is None:
                if time.monotonic() > began_s + limit_s + WAIT_S:
                    break
                await asyncio.sleep(TURN_S)
        finally:
            self._stack.signal(FROZEN, signal.SIGCONT)
        took_s = None if notice is None else notice.at_s - began_s
        self._progress(f"{fault}: {'no notice' if took_s is None else f'{took_s:.1f} s'}")
        return Notified(
            fault=fault,
            alert=alert,
            receiver=None if notice is None else notice.receiver,
            notice_s=took_s,
            limit_s=limit_s,
        )

    async def _work(self) -> None:
        """Let an agent do a task, so that every stage has something to show."""
        settings = self._stack.settings

        def one() -> None:
            with (
                Client(
                    settings.brokers,
                    topic_prefix=settings.topic_prefix,
                    security=settings.kafka.security,
                ) as client,
                client.task("review", agent_id="drill"),
            ):
                pass

        await asyncio.to_thread(one)

    async def _publish_what_no_stage_takes(self) -> None:
        settings = self._stack.settings
        producer = aiokafka_clients.producer(settings.kafka)
        await producer.start()
        try:
            topic = settings.topic_prefix + TASK_EVENTS.name
            await producer.send_and_wait(topic, b"no task event", key=b"drill")
        finally:
            await producer.stop()

    async def _freeze(self) -> None:
        self._stack.signal(FROZEN, signal.SIGSTOP)


def lines(report: AlertReport) -> list[str]:
    """Return the report as lines of text."""
    return [
        f"{each.fault:<14} {each.alert:<18} "
        + (
            f"no notice within {each.limit_s + WAIT_S:.0f} s"
            if each.notice_s is None
            else f"{each.notice_s:5.1f} s until {each.receiver} was told (limit {each.limit_s:.0f} s)"
        )
        for each in report.notices
    ]
