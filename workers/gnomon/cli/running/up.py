"""``gnomon up``: run all of gnomon on this machine for one's own agents, until Ctrl-C."""

import argparse
import asyncio
import signal
import time
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gnomon.cli.texts.saying import say
from gnomon.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from gnomon.up.addresses import Ports

MAX_PORT = 65_535


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Run all of gnomon on this machine for agents of your own: Apache Kafka, topics, the key that\n"
        "seals decisions (made at the first start: back it up), every stage, learning, the gateway, the\n"
        "exporter, and the dashboard if it is installed. Ctrl-C stops everything; the next start goes on with the same\n"
        "data folder (GNOMON_DATA_DIR, or .gnomon)."
    )
    for name, default, about in (
        ("kafka", 9092, "Kafka"),
        ("gateway", 4318, "the gateway: OTLP and JSON over HTTP"),
        ("dashboard", 8501, "the dashboard"),
        ("exporter", 9180, "the exporter: metrics of the whole installation"),
    ):
        parser.add_argument(
            f"--{name}-port",
            type=_port,
            default=default,
            metavar="P",
            help=f"port of {about} ({default}); 0 takes a free one",
        )
    parser.add_argument(
        "--workers-port",
        type=_port,
        metavar="P",
        help="port of the first stage's /metrics and /status; the others use the next ports"
        " (GNOMON_LISTEN_PORT; 9100); 0 takes free ones",
    )
    parser.add_argument(
        "--brokers", metavar="B", help="use these brokers, host:port,…, and start no Kafka"
    )
    parser.add_argument(
        "--secure",
        action="store_true",
        help="TLS for Kafka and gateway; agents need a password, and senders to the gateway a token",
    )
    parser.epilog = (
        "examples:\n"
        "  gnomon up\n"
        "  gnomon up --secure --gateway-port 4319\n"
        "  GNOMON_BROKERS=127.0.0.1:9092 python examples/agent.py    # in another shell"
    )


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run until Ctrl-C or SIGTERM, then stop everything in order and return 0.

    Raises:
        ConfigurationError: A port is taken, or a file cannot be used; the message says what to do.
        BrokerUnavailableError: The brokers that were named do not answer.
        StackError: A part has stopped for good; everything else was stopped too.
    """
    from gnomon.errors import ConfigurationError  # noqa: PLC0415
    from gnomon.up.addresses import (  # noqa: PLC0415
        Ports,
        gateway_token,
        require_free,
        token_file,
    )

    began_s = time.monotonic()
    if options.brokers and options.secure:
        raise ConfigurationError(
            "gnomon up --secure secures a Kafka of its own: leave out --brokers, and see docs/security.md"
            " for how to connect to a secured one"
        )
    first = settings.listen_port if options.workers_port is None else options.workers_port
    ports = Ports(
        kafka=options.kafka_port,
        gateway=options.gateway_port,
        dashboard=options.dashboard_port,
        exporter=options.exporter_port,
        workers=first,
    )
    require_free(_wanted(ports, own_broker=not options.brokers))
    if options.secure and not settings.gateway_token:
        gateway_token(token_file(settings.data_dir))
    if options.brokers:
        settings = settings.reaching(settings.kafka.at(options.brokers))
    with suppress(asyncio.CancelledError):
        asyncio.run(_up(options, settings, ports=ports, began_s=began_s))
    say("everything is stopped")
    return 0


async def _up(
    options: argparse.Namespace, settings: Settings, *, ports: "Ports", began_s: float
) -> None:
    from gnomon.cli.texts.up_screen import Screen  # noqa: PLC0415
    from gnomon.operations.local_stack import LocalStack  # noqa: PLC0415
    from gnomon.stages import STAGES  # noqa: PLC0415
    from gnomon.up.run import Up  # noqa: PLC0415

    cancel_on_signals(say)
    async with LocalStack(
        settings,
        own_broker=not options.brokers,
        stages=STAGES,
        progress=say,
        secure=options.secure,
        broker_port=ports.kafka,
        first_port=ports.workers,
        keep_broker=not options.brokers,
        partitions=settings.topic_partitions,
    ) as stack:
        up = Up(
            stack,
            ports=ports,
            secure=options.secure,
            dashboard=dashboard_is_there(),
            began_s=began_s,
        )
        with Screen() as show:
            await up.run(show)


def cancel_on_signals(say: "Callable[[str], None]") -> None:
    """Let the first Ctrl-C or SIGTERM cancel the running task, which then stops everything in order.

    Further ones are ignored: what is under way would be left undone.
    """
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    asked = False

    def cancel() -> None:
        nonlocal asked
        if task is not None and not asked:
            asked = True
            say("stopping")
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, cancel)


def dashboard_is_there() -> bool:
    """Return whether ``gnomon dashboard`` exists and its packages are installed."""
    from gnomon.cli.main import COMMANDS  # noqa: PLC0415  it imports this module

    return "dashboard" in {name for name, *_ in COMMANDS} and find_spec("streamlit") is not None


def _wanted(ports: "Ports", *, own_broker: bool) -> list[tuple[str, int]]:
    from gnomon.stages import STAGES  # noqa: PLC0415

    count = len(STAGES) if ports.workers else 0
    return [
        *([("--kafka-port", ports.kafka)] if own_broker else []),
        ("--gateway-port", ports.gateway),
        ("--exporter-port", ports.exporter),
        *([("--dashboard-port", ports.dashboard)] if dashboard_is_there() else []),
        *(("--workers-port", ports.workers + number) for number in range(count)),
    ]


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"expected a port up to {MAX_PORT}, got {text!r}")
    return port
