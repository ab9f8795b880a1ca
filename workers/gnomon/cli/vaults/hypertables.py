"""``gnomon vault hypertables``: numbers in hypertables of TimescaleDB."""

import argparse
from typing import TYPE_CHECKING, Any

from gnomon.cli.vaults.words import age
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.store import DecisionStore

ACTIONS = ("hypertables",)


def configure(actions: Any) -> None:
    """Declare the action among those of ``gnomon vault``."""
    parser = actions.add_parser(
        "hypertables",
        help="keep numbers in hypertables, with sums by hour (PostgreSQL with TimescaleDB)",
        description="Make hypertables of gnomon_tasks and gnomon_predictions, with their rows, and continuous"
        " aggregates of both by hour. Vault workers wait meanwhile. Run it again to change the policies.",
        epilog="example: gnomon vault hypertables --compress-after 30d --keep 730d",
    )
    parser.add_argument(
        "--compress-after",
        type=age,
        metavar="P",
        help="compress rows of tasks that ended so long ago",
    )
    parser.add_argument(
        "--keep",
        type=age,
        metavar="P",
        help="delete rows of tasks that ended longer ago; sealed decisions stay (gnomon vault prune)",
    )


def run(options: argparse.Namespace, settings: Settings, store: "DecisionStore") -> int:
    """Make them; return 0.

    Raises:
        ConfigurationError: The database has no TimescaleDB.
        StoreUnavailableError: The store does not answer.
    """
    from gnomon.store.figures.hypertables import use_hypertables  # noqa: PLC0415  only in gnomon[workers]

    is_changed = use_hypertables(
        store.database, compress_after_ms=options.compress_after, keep_ms=options.keep
    )
    print(
        f"store {store.name} {'has' if is_changed else 'had'} hypertables{' now' if is_changed else ''}"
    )
    return 0
