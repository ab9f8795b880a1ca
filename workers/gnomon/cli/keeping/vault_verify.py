"""``gnomon vault verify``: finds sealed decisions that were changed, removed or added in the store."""

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnomon.cli.texts.progress import progress
from gnomon.errors import ConfigurationError
from gnomon.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from gnomon.operations.verifying import Finding, OlderRoots, Scope
    from gnomon.store import DecisionStore
    from gnomon.vault.tamper import StatementSeal

HOUR_S = 3_600


def configure(actions: Any) -> None:
    """Declare the arguments, among the actions of ``gnomon vault``."""
    parser = actions.add_parser(
        "verify",
        help="find decisions that were changed, removed or added in the store",
        description="Compare every sealed decision with the Merkle roots that gnomon stored and published"
        " with it. Each difference is printed with its record and hour; the status is then 1.",
        epilog="example: gnomon vault verify --save-root roots.jsonl",
    )
    parser.add_argument("--partition", type=int, metavar="N", help="only this partition")
    parser.add_argument("--since", type=_hour, metavar="T", help="first hour, ISO 8601, UTC")
    parser.add_argument("--until", type=_hour, metavar="T", help="the hour after the last")
    parser.add_argument(
        "--root",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="roots kept earlier with --save-root; may be given several times",
    )
    parser.add_argument(
        "--save-root", type=Path, metavar="FILE", help="keep all roots, if nothing was found"
    )
    parser.add_argument(
        "--store-only", action="store_true", help="do not compare with the topic vault-roots"
    )
    parser.add_argument(
        "--decisions",
        action="store_true",
        help="compare all records of the topic decisions too",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")


def run(options: argparse.Namespace, settings: Settings, store: "DecisionStore") -> int:
    """Verify ``store``; return 1 if anything was found, else 0.

    Raises:
        ConfigurationError: A key or a file is missing.
        StoreUnavailableError: The store does not answer.
        BrokerUnavailableError: No broker answers, and ``--store-only`` is not given.
    """
    from gnomon.operations.verifying import (  # noqa: PLC0415  only in gnomon[workers]
        Scope,
        StoreVerifier,
        roots_of,
        write_file,
    )
    from gnomon.vault import load_key  # noqa: PLC0415
    from gnomon.vault.tamper import StatementSeal  # noqa: PLC0415

    scope = Scope(partition=options.partition, since=options.since, until=options.until)
    if options.save_root is not None and scope != Scope():
        raise ConfigurationError(
            "--save-root keeps the roots of all hours: give it without --partition, --since and --until"
        )
    seal = StatementSeal.of(load_key(settings), store.keys)
    older = _older(options, settings, seal)
    began_s, found = time.monotonic(), 0

    def tell(finding: "Finding") -> None:
        nonlocal found
        found += 1
        print(json.dumps(asdict(finding)) if options.json else finding.line(), flush=True)

    with progress() as on_progress:
        verifier = StoreVerifier(
            store,
            seal,
            older=older,
            scope=scope,
            progress=lambda done, of, _: on_progress("hours verified", done, of),
        )
        for finding in verifier.findings():
            tell(finding)
    published = ""
    if options.decisions:
        published = _compare_decisions(settings, store, scope, tell)
    _say(
        f"{verifier.records} records in {verifier.hours} hours, compared with the store's roots"
        f"{''.join(f' and {each.source}' for each in older)}{published}, in {time.monotonic() - began_s:.1f} s:"
        f" {found or 'no'} {'difference' if found == 1 else 'differences'}"
    )
    if found or scope == Scope():
        _keep(settings, passed=not found)
    if options.save_root is not None and not found:
        write_file(options.save_root, roots_of(store))
        _say(f"kept the roots in {options.save_root}: keep it where nobody can change it")
    return min(found, 1)


def _compare_decisions(
    settings: Settings, store: "DecisionStore", scope: "Scope", tell: "Callable[[Finding], None]"
) -> str:
    """Compare the topic with the store; return the words that say so."""
    from gnomon.operations.verifying import PublishedDecisions, compare_topic  # noqa: PLC0415
    from gnomon.topics import DECISIONS  # noqa: PLC0415

    topic = settings.topic_prefix + DECISIONS.name
    published = PublishedDecisions(store, topic, scope)
    asyncio.run(compare_topic(settings.kafka, published, topic, tell))
    return f", {published.records} records of topic {topic} with the store"


def _older(
    options: argparse.Namespace, settings: Settings, seal: "StatementSeal"
) -> list["OlderRoots"]:
    from gnomon.operations.verifying import read_file, read_roots_topic  # noqa: PLC0415
    from gnomon.topics import VAULT_ROOTS  # noqa: PLC0415

    found = [read_file(path) for path in options.root]
    if not options.store_only:
        topic = settings.topic_prefix + VAULT_ROOTS.name
        found.append(asyncio.run(read_roots_topic(settings.kafka, topic, seal)))
    return found


def _keep(settings: Settings, *, passed: bool) -> None:
    """Keep the outcome for the metric; what was found counts more than a file that cannot be written."""
    from gnomon.operations.exporter.verification import (  # noqa: PLC0415  only in gnomon[workers]
        Verification,
        write_verification,
    )

    now_ms = time.time_ns() // 1_000_000
    try:
        write_verification(settings.data_dir, Verification(at_ms=now_ms, passed=passed))
    except ConfigurationError as error:
        _say(f"gnomon exporter will not know the outcome: {error}")


def _say(line: str) -> None:
    print(f"gnomon: {line}", file=sys.stderr)


def _hour(word: str) -> int:
    """Return a time as hours since 1970.

    Raises:
        argparse.ArgumentTypeError: It is no time, or not the beginning of an hour.
    """
    try:
        at = datetime.fromisoformat(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{word} is not a time such as 2026-11-02T14") from error
    at_s = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    if at_s % HOUR_S:
        raise argparse.ArgumentTypeError(f"{word} is not the beginning of an hour")
    return int(at_s // HOUR_S)
