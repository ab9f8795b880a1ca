"""``gnomon broker``: run Apache Kafka on this machine until it is stopped."""

import argparse
import asyncio
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from gnomon.cli.texts.saying import say
from gnomon.contract.access import ROLES, rights_of
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.broker import EmbeddedBroker


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Run Apache Kafka on this machine, for development, tests and small installations.\n"
        "The first start downloads 45 MB. Prints the bootstrap address on standard output."
    )
    parser.add_argument(
        "--port", type=int, default=9092, help="port; 0 chooses a free one (default: 9092)"
    )
    parser.add_argument(
        "--data-dir",
        help="folder; the files are in broker/ below it (default: GNOMON_DATA_DIR, or .gnomon)",
    )
    topics = parser.add_mutually_exclusive_group()
    topics.add_argument(
        "--with-topics",
        dest="topics",
        action="store_true",
        default=True,
        help="create gnomon's topics (default)",
    )
    topics.add_argument(
        "--no-topics", dest="topics", action="store_false", help="do not create topics"
    )
    parser.add_argument(
        "--secure",
        action="store_true",
        help="let in over TLS only, by password, with the least rights of each role;"
        " the files to connect with are in secure-broker/security/",
    )
    parser.add_argument(
        "--download-only", action="store_true", help="download Kafka, but do not start it"
    )
    parser.epilog = "example: gnomon broker --port 9092 --data-dir .gnomon"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run Kafka; return 0 after Ctrl-C or SIGTERM, 1 if Kafka ended by itself."""
    from gnomon.broker import EmbeddedBroker  # noqa: PLC0415  after the arguments are checked

    broker = EmbeddedBroker(
        data_dir=Path(options.data_dir or settings.data_dir),
        port=options.port,
        progress=say,
        long_running=True,
        secure=options.secure,
    )
    if options.download_only:
        java, jars = broker.prepare()
        say(f"ready to start: {len(jars)} jars, {java}")
        return 0
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with broker:
            _announce(broker, options=options, settings=settings)
            status = broker.wait()
            say(f"kafka ended by itself with status {status}; see {broker.log_file}")
    except KeyboardInterrupt:
        say("stopped")
        return 0
    return 1


def _announce(broker: "EmbeddedBroker", *, options: argparse.Namespace, settings: Settings) -> None:
    kafka = broker.connection
    if options.topics:
        from gnomon.operations.topics_admin import create_topics, shape_of  # noqa: PLC0415

        shape = shape_of(settings)
        shape["replication"] = 1  # there is one broker
        created = asyncio.run(create_topics(kafka, prefix=settings.topic_prefix, **shape))
        say(f"topics: {len(created)} created")
    how = f"export GNOMON_BROKERS={kafka}"
    if options.secure:
        from gnomon.operations.rights import grant  # noqa: PLC0415  brings confluent-kafka

        for role in ROLES:
            rights = rights_of(role, prefix=settings.topic_prefix)
            grant(kafka, rights, principal=f"User:{role}")
        how = f". {broker.files.variables_file('worker')}"
        say(f"beside it are variables of {', '.join((*ROLES, 'admin'))}; agents need agent.env")
    print(kafka, flush=True)
    say(f"kafka is up. In another shell: {how}. Ctrl-C stops it.")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
