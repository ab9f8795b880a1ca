"""``gnomon topics``: create, list or check the topics of a cluster."""

import argparse
import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gnomon.settings import Settings
from gnomon.text_table import aligned
from gnomon.topics import DEFAULT_PARTITIONS

if TYPE_CHECKING:
    from gnomon.operations.topics_admin import TopicState


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "action",
        choices=("create", "list", "check"),
        help="create missing topics; list existing topics;"
        " or check them against the contract (status 1 if they differ)",
    )
    parser.add_argument("--brokers", help="host:port,… (default: GNOMON_BROKERS)")
    parser.add_argument("--prefix", help="prefix of every name (default: GNOMON_TOPIC_PREFIX)")
    parser.add_argument(
        "--partitions",
        type=int,
        default=DEFAULT_PARTITIONS,
        help="partitions of each topic (default: %(default)s)",
    )
    parser.add_argument(
        "--replication", type=int, default=1, help="copies of each partition (default: 1)"
    )
    parser.epilog = "example: gnomon topics create --partitions 12 --replication 3"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run ``options.action``; return 1 if ``check`` found a difference."""
    from gnomon.operations import topics_admin  # noqa: PLC0415  brings aiokafka

    # If the broker does not answer, the error message is enough.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    brokers = options.brokers or settings.brokers
    prefix = settings.topic_prefix if options.prefix is None else options.prefix
    shape = {"partitions": options.partitions, "replication": options.replication}
    if options.action == "create":
        created = asyncio.run(topics_admin.create_topics(brokers, prefix=prefix, **shape))
        print("\n".join(created) if created else "all topics exist; 'check' compares them")
        return 0
    if options.action == "list":
        _print_table(asyncio.run(topics_admin.describe_topics(brokers, prefix=prefix)))
        return 0
    differences = asyncio.run(topics_admin.check_topics(brokers, prefix=prefix, **shape))
    for difference in differences:
        print(difference)
    if not differences:
        print("the topics agree with the contract")
    return 1 if differences else 0


def _print_table(states: Sequence["TopicState"]) -> None:
    rows = [("topic", "partitions", "replication", "cleanup", "retention")]
    for state in states:
        cleanup = state.config.get("cleanup.policy", "")
        kept = state.config.get("retention.ms", "") + " ms" if cleanup == "delete" else "latest"
        rows.append((state.name, str(state.partitions), str(state.replication), cleanup, kept))
    print(aligned(rows, left=range(len(rows[0]))))
