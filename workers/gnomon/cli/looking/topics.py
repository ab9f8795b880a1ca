"""``gnomon topics``: create, list or check the topics of a cluster, and print who needs which rights."""

import argparse
import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gnomon.cli.texts.progress import progress
from gnomon.contract.access import ROLES, as_kafka_acls, as_strimzi, rights_of
from gnomon.errors import ConfigurationError
from gnomon.settings import Settings
from gnomon.text_table import aligned
from gnomon.topics import DEFAULT_PARTITIONS, TOPICS, retention_by_topic

if TYPE_CHECKING:
    from gnomon.operations.topic_differences import TopicState


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "action",
        choices=("create", "list", "check", "acls"),
        help="create missing topics; list existing topics; check them against the contract"
        " (status 1 if they differ); or print the least rights of --role",
    )
    parser.add_argument(
        "--role",
        choices=ROLES,
        help="; ".join(f"{role}: {about}" for role, about in ROLES.items()),
    )
    parser.add_argument("--user", help="who gets the rights (default: the role's name)")
    parser.add_argument(
        "--format",
        choices=("kafka-acls", "strimzi"),
        default="kafka-acls",
        help="lines of kafka-acls.sh, or a KafkaUser of Strimzi (default: %(default)s)",
    )
    parser.add_argument("--brokers", help="host:port,… (default: GNOMON_BROKERS)")
    parser.add_argument("--prefix", help="prefix of every name (default: GNOMON_TOPIC_PREFIX)")
    parser.add_argument(
        "--partitions",
        type=int,
        help=f"partitions of each topic (default: GNOMON_TOPIC_PARTITIONS, or {DEFAULT_PARTITIONS})",
    )
    parser.add_argument(
        "--replication",
        type=int,
        help="copies of each partition (default: GNOMON_TOPIC_REPLICATION, or 1)",
    )
    parser.add_argument(
        "--retention",
        action="append",
        metavar="TOPIC=TIME",
        help="keep records of a topic for 12h, 30d or forever instead of what the contract says;"
        " may be repeated (default: GNOMON_TOPIC_RETENTION)",
    )
    parser.epilog = "example: gnomon topics create --partitions 12 --replication 3"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run ``options.action``; return 1 if ``check`` found a difference."""
    if options.action == "acls":
        return _print_rights(options, settings)
    from gnomon.operations import topics_admin  # noqa: PLC0415  brings aiokafka

    # If the broker does not answer, the error message is enough.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    kafka = settings.kafka.at(options.brokers)
    prefix = settings.topic_prefix if options.prefix is None else options.prefix
    shape = topics_admin.shape_of(settings)
    if options.partitions is not None:
        shape["partitions"] = options.partitions
    if options.replication is not None:
        shape["replication"] = options.replication
    if options.retention is not None:
        shape["retention_ms"] = retention_by_topic(",".join(options.retention))
    if options.action == "create":
        with progress() as on_progress:
            created = asyncio.run(
                topics_admin.create_topics(kafka, prefix=prefix, on_progress=on_progress, **shape)
            )
        print("\n".join(created) if created else "all topics exist; 'check' compares them")
        if len(created) == len(TOPICS):
            return 0
        # A client may have made a topic first, with another number of partitions.
        differences = asyncio.run(topics_admin.check_topics(kafka, prefix=prefix, **shape))
        differing = [str(each) for each in differences if each.what == "partitions"]
        if differing:
            print("\n".join(differing))
        return 1 if differing else 0
    if options.action == "list":
        _print_table(asyncio.run(topics_admin.describe_topics(kafka, prefix=prefix)))
        return 0
    differences = asyncio.run(topics_admin.check_topics(kafka, prefix=prefix, **shape))
    for difference in differences:
        print(difference)
    if not differences:
        print("the topics agree with the contract")
    return 1 if differences else 0


def _print_rights(options: argparse.Namespace, settings: Settings) -> int:
    if options.role is None:
        raise ConfigurationError(f"gnomon topics acls needs --role: {', '.join(ROLES)}")
    prefix = settings.topic_prefix if options.prefix is None else options.prefix
    rights, user = rights_of(options.role, prefix=prefix), options.user or options.role
    if options.format == "strimzi":
        print("\n".join(as_strimzi(rights, user=user)))
    else:
        print("\n".join(as_kafka_acls(rights, principal=f"User:{user}")))
    return 0


def _print_table(states: Sequence["TopicState"]) -> None:
    rows = [("topic", "partitions", "replication", "cleanup", "retention")]
    for state in states:
        cleanup = state.config.get("cleanup.policy", "")
        kept = state.config.get("retention.ms", "") + " ms" if cleanup == "delete" else "latest"
        rows.append((state.name, str(state.partitions), str(state.replication), cleanup, kept))
    print(aligned(rows, left=range(len(rows[0]))))
