"""Runs a stage as a process: signals, exit status, and a watchdog that ends it if all else fails."""

import asyncio
import logging
import signal
from typing import TypeVar

from gnomon.errors import BrokerUnavailableError, ConfigurationError, GnomonError
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.ports import Stage
from gnomon.runtime.process.loop_watchdog import Watchdog
from gnomon.runtime.process.memory import tune_malloc
from gnomon.runtime.process.parent import ParentMonitor, tell_broker_answered
from gnomon.runtime.process.priority import be_nice
from gnomon.runtime.process.stage_worker import StageWorker
from gnomon.runtime.process.stall_monitor import EXIT_AFTER_LIMITS
from gnomon.runtime.process.supervisor import EXIT_CONFIGURATION, EXIT_NO_BROKER
from gnomon.settings import Settings

logger = logging.getLogger(__name__)
State = TypeVar("State")

WAIT_FOR_BROKER_S = 120.0
"""How long a supervised process waits for a broker before it exits. Exiting at once would only cause a
restart, which takes seconds of processor time."""
SHUTDOWN_S = 15.0
"""How long a process may take to exit after its work has ended; less than a supervisor waits."""


async def run_stage(
    stage: Stage[State],
    *,
    settings: Settings,
    metrics: Metrics,
    host: str,
    port: int,
    supervised: bool,
    parent: ParentMonitor | None,
) -> int:
    """Run one stage until SIGTERM, SIGINT or the end of ``parent``, if one is given.

    A supervised process yields to other stages of the machine, waits for its broker, and tells its
    supervisor when one has answered.

    Returns:
        0 after a clean stop, 1 after an error, 2 when it can never work as configured, 3 when no broker
        answered.
    """
    tune_malloc()
    if supervised:  # all stages share this machine
        be_nice(stage.nice)
    watchdog = Watchdog(limit_s=EXIT_AFTER_LIMITS * settings.stall_after_s)
    watchdog.start()
    worker = StageWorker(
        stage,
        settings=settings,
        metrics=metrics,
        wait_for_broker_s=WAIT_FOR_BROKER_S if supervised else 0.0,
        on_broker=tell_broker_answered if supervised else lambda: None,
    )

    def stop() -> None:
        watchdog.end_within(SHUTDOWN_S, status=0)
        worker.stop()

    loop = asyncio.get_running_loop()
    if parent is not None:
        parent.on_end(lambda: loop.call_soon_threadsafe(stop))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    status = 1
    try:
        status = await _run(worker, host, port)
    finally:
        watchdog.end_within(SHUTDOWN_S, status)
    return status


async def _run(worker: StageWorker[State], host: str, port: int) -> int:
    try:
        await worker.run(host=host, port=port)
    except BrokerUnavailableError as error:
        logger.error("worker.no_broker", extra={"reason": str(error)})  # noqa: TRY400
        return EXIT_NO_BROKER
    except ConfigurationError as error:
        logger.error("worker.misconfigured", extra={"reason": str(error)})  # noqa: TRY400
        return EXIT_CONFIGURATION
    except GnomonError as error:
        logger.exception("worker.ended", extra={"reason": str(error)})
        return 1
    return 0
