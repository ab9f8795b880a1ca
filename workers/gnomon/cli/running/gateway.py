"""``gnomon gateway``: accept task events and OTLP traces over HTTP."""

import argparse
import asyncio
import os

from gnomon.errors import ConfigurationError
from gnomon.settings import Settings

MAX_PORT = 65_535
MIB = 1 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=int,
        default=4318,
        help="port (default: %(default)s, OTLP/HTTP's; 0: a free one)",
    )
    parser.add_argument(
        "--max-body-mib",
        type=int,
        default=16,
        metavar="N",
        help="largest body, after decompression (default: %(default)s)",
    )
    parser.add_argument(
        "--drain-s",
        type=float,
        default=10.0,
        metavar="S",
        help="longest time to deliver accepted events at the end (default: %(default)s)",
    )
    parser.add_argument(
        "--certfile",
        default="",
        metavar="F",
        help="serve over TLS with this certificate and key, PEM",
    )
    parser.add_argument("--brokers", metavar="B", help="host:port,… (GNOMON_BROKERS)")
    parser.add_argument("--prefix", metavar="P", help="of topic names (GNOMON_TOPIC_PREFIX)")
    parser.epilog = (
        "POST /v1/events accepts task events as JSON: one, an array, or one per line. POST\n"
        "/v1/traces accepts OTLP. There are also /livez, /readyz and /metrics. If\n"
        "GNOMON_GATEWAY_TOKEN is set, senders must give it as Authorization: Bearer. If\n"
        "GNOMON_SPOOL_DIR is set, events that no broker accepts are kept there.\n"
        "\n"
        "examples:\n"
        "  gnomon gateway\n"
        "  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 opentelemetry-instrument app\n"
        "  curl --data-binary @events.ndjson http://127.0.0.1:4318/v1/events"
    )


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Serve until SIGTERM; return 1 if accepted events could not be delivered in time."""
    from gnomon.client import Client  # noqa: PLC0415
    from gnomon.client.config import arguments_from_env  # noqa: PLC0415
    from gnomon.gateway.delivery import MAX_BYTES, MAX_EVENTS  # noqa: PLC0415
    from gnomon.gateway.process import serve  # noqa: PLC0415
    from gnomon.gateway.server import GatewayConfig  # noqa: PLC0415
    from gnomon.telemetry import configure_logging  # noqa: PLC0415

    configure_logging(level=settings.log_level, log_format=settings.log_format)
    kafka = settings.kafka.at(options.brokers)
    given = arguments_from_env(
        {
            **os.environ,
            "GNOMON_BROKERS": kafka.brokers,
            "GNOMON_DISABLED": "",
            "GNOMON_CONFIG": options.config or "",
        }
    )
    config = GatewayConfig(
        host=options.host,
        port=options.port,
        token=settings.gateway_token,
        max_body_bytes=options.max_body_mib * MIB,
        settings_digest=settings.digest(),
        certfile=options.certfile,
        has_tenant=bool(given.tenant),
    )
    client = Client(
        kafka.brokers,
        security=kafka.security,
        topic_prefix=settings.topic_prefix if options.prefix is None else options.prefix,
        max_events=MAX_EVENTS,
        max_bytes=MAX_BYTES,
        exit_timeout_s=options.drain_s,
        spool_dir=given.spool_dir,
        spool_bytes=given.spool_bytes,
        seal_to=given.seal_to,
        tenant=given.tenant,
    )
    if not client.enabled:
        raise ConfigurationError(f"brokers must be a list of host:port, got {kafka.brokers!r}")
    return asyncio.run(serve(client, config, drain_s=options.drain_s))
