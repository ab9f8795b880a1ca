"""``gnomon tail``: print the decoded records of a topic."""

import argparse
import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gnomon.settings import Settings
from gnomon.topics import BY_NAME

if TYPE_CHECKING:
    from gnomon.records import SourceRecord


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("topic", metavar="TOPIC", choices=sorted(BY_NAME), help=", ".join(BY_NAME))
    parser.add_argument("--json", action="store_true", help="print each record as one line of JSON")
    parser.add_argument(
        "--offsets", action="store_true", help="with --json: partition and offset in each line"
    )
    parser.add_argument("--from-beginning", action="store_true", help="start with existing records")
    parser.add_argument("--no-follow", action="store_true", help="stop at the end of the topic")
    parser.add_argument("--brokers", metavar="B", help="host:port,… (GNOMON_BROKERS)")
    parser.add_argument("--prefix", metavar="P", help="prefix of topic names (GNOMON_TOPIC_PREFIX)")
    parser.epilog = "example: gnomon tail shadow-predictions --from-beginning --json"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Print records until the end of the topic, or until Ctrl-C."""
    # If the broker does not answer, the error message is enough.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asyncio.run(_tail(options, settings))
    return 0


async def _tail(options: argparse.Namespace, settings: Settings) -> None:
    from gnomon.runtime.kafka.reading import as_json, read_topic, with_offset  # noqa: PLC0415

    prefix = settings.topic_prefix if options.prefix is None else options.prefix
    async for record in read_topic(
        kafka=settings.kafka.at(options.brokers),
        topic=prefix + options.topic,
        follow=not options.no_follow,
        last=None if options.from_beginning or options.no_follow else 0,
    ):
        line = as_json(record)
        if options.offsets:
            line = with_offset(record, line)
        print(line.decode(errors="replace") if options.json else _plain(record, line), flush=True)


def _plain(record: "SourceRecord", line: bytes) -> str:
    """Return one line: time, partition and offset, key, and the fields in short form."""
    at = datetime.fromtimestamp(record.timestamp / 1000, tz=UTC).strftime("%H:%M:%S.%f")[:-3]
    key = (record.key or b"-").decode(errors="replace")
    try:
        value: Any = json.loads(line)
    except ValueError:
        return f"{at} {record.partition}:{record.offset} {key} {line!r}"
    skipped = {"kind", "agent_id", "sealed", "error_histogram"}
    fields = " ".join(
        f"{name}={_short(found)}" for name, found in value.items() if name not in skipped
    )
    return f"{at} {record.partition}:{record.offset} {key} {fields}"


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        inside = ",".join(f"{name}:{_short(found)}" for name, found in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_short, value))}]"
    return "-" if value is None else str(value)
