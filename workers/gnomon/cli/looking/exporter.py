"""``gnomon exporter``: serve the figures of the whole installation to Prometheus."""

import argparse
import asyncio
import logging
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.drift import Drift

ABOUT = (
    "Each worker serves its own metrics. The exporter serves what no worker alone knows: brokers and topics,"
    " lag also while no worker runs, clients and their losses, figures of model versions, drift, drills and"
    " the last verification of the vault. It only reads. Run one for an installation."
)
DEFAULT_PORT = 9180
MAX_PORT = 65_535


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = ABOUT
    parser.add_argument("--host", metavar="H", help="address (GNOMON_LISTEN_HOST)")
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, metavar="P", help="port (9180; 0: a free one)"
    )
    parser.add_argument(
        "--every",
        type=_seconds,
        default=15.0,
        metavar="S",
        help="seconds between two reads of the brokers (15); clients and models half as often, drift a 20th",
    )
    parser.add_argument(
        "--with-parent",
        action="store_true",
        help="stop when the process that started it has ended",
    )
    parser.epilog = "example: gnomon exporter --port 9180"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Serve until SIGTERM."""
    from gnomon.telemetry import configure_logging  # noqa: PLC0415

    configure_logging(level=settings.log_level, log_format=settings.log_format)
    # If the broker does not answer, the exporter's own line is enough.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asyncio.run(_serve(options, settings))
    return 0


async def _serve(options: argparse.Namespace, settings: Settings) -> None:
    from gnomon import __version__  # noqa: PLC0415  only in gnomon[workers]
    from gnomon.operations.exporter.service import Exporter  # noqa: PLC0415
    from gnomon.runtime.process.parent import ParentMonitor, await_adoption  # noqa: PLC0415
    from gnomon.stages.drill_reports import read_drills  # noqa: PLC0415

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if options.with_parent:
        ParentMonitor(await_adoption).on_end(lambda: loop.call_soon_threadsafe(ended.set))
    exporter = Exporter(
        settings,
        every_s=options.every,
        read_drills=lambda: read_drills((), settings.data_dir),
        read_drift=lambda: _drift(settings),
    )
    exporter.metrics.describe_process(
        stage="exporter", version=__version__, settings=settings.digest()
    )
    exporter.metrics.watch_certificates(settings.kafka.security)
    host = settings.listen_host if options.host is None else options.host
    await exporter.run(host=host, port=options.port, ended=ended)


def _drift(settings: Settings) -> "Mapping[str, Drift]":
    from gnomon.models.registry.reading import open_reader  # noqa: PLC0415
    from gnomon.operations.models.feature_drift import read_drift  # noqa: PLC0415

    registry = open_reader(uri=settings.mlflow_uri, model_name=settings.model_name)
    live = [version.version for version in registry.live()]
    return read_drift(registry, live, kafka=settings.kafka, prefix=settings.topic_prefix)


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 3_600:  # noqa: PLR2004  as the message says
        raise argparse.ArgumentTypeError(f"expected 1 to 3600 seconds, got {text!r}")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"expected 0 to {MAX_PORT}, got {text!r}")
    return value
