"""``gnomon vault export`` and ``import``."""

import argparse
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnomon.cli.texts.progress import progress
from gnomon.cli.vaults.words import add_choice, chosen
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.store import DecisionStore
    from gnomon.store.moving import Copied

ACTIONS = ("export", "import")
_MOST_TOLD = 10


def configure(actions: Any) -> None:
    """Declare both actions among those of ``gnomon vault``."""
    exporting = actions.add_parser(
        "export",
        help="copy sealed decisions, their numbers and wrapped keys into a folder of Parquet",
        description="Copy sealed decisions with their numbers and wrapped keys into a folder of Parquet, here or"
        " on S3-compatible storage (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL)."
        " Nothing is opened; needs no key.",
        epilog="example: gnomon vault export --to s3://bucket/2026-11 --since 2026-11-01 --reason training",
    )
    exporting.add_argument(
        "--to", required=True, metavar="DIR", help="a folder, or s3://bucket/folder"
    )
    exporting.add_argument("--reason", default="", metavar="TEXT", help="why; kept in the manifest")
    add_choice(exporting)
    importing = actions.add_parser(
        "import",
        help="copy decisions from an export into the store",
        description="Copy decisions, numbers and wrapped keys from an export into the store. A decision that is"
        " there already is replaced by the same. They open with the key that sealed them.",
        epilog="example: gnomon vault import s3://bucket/2026-11",
    )
    importing.add_argument("source", metavar="DIR", help="a folder, or s3://bucket/folder")
    importing.add_argument(
        "--fernet",
        type=Path,
        metavar="KEYFILE",
        help="DIR is a file of Fernet tokens instead, one a line, which these keys open",
    )
    importing.add_argument("--reason", default="", metavar="TEXT", help="why")
    add_choice(importing)


def run(options: argparse.Namespace, settings: Settings, store: "DecisionStore") -> int:
    """Export or import what is chosen; return 1 if the store refused a decision, else 0.

    Raises:
        ConfigurationError: The folder cannot be written to or has an export; or it has none, or a file
            of it was changed.
        KeyUnavailableError: An import needs the store's key, which seals the roots over what it stores.
        StoreUnavailableError: The store or the storage does not answer.
    """
    if options.action == "import" and options.fernet is not None:
        return _import_fernet(options, settings, store)
    from gnomon.operations.audit import audited  # noqa: PLC0415  only in gnomon[workers]
    from gnomon.store import open_ring  # noqa: PLC0415
    from gnomon.store.moving import SqlStore, copy  # noqa: PLC0415
    from gnomon.store.moving.folders import Folder  # noqa: PLC0415
    from gnomon.store.moving.parquet import ParquetStore  # noqa: PLC0415
    from gnomon.store.opening import roots_of_commands  # noqa: PLC0415
    from gnomon.vault import load_key  # noqa: PLC0415

    is_export = options.action == "export"
    folder = ParquetStore(Folder(options.to if is_export else options.source))
    with closing(folder):
        if not is_export:
            folder.manifest()  # before tables are made
            load_key(settings)
            store.create()
        roots = None if is_export else roots_of_commands(open_ring(settings, store), store)
        database = SqlStore(store, roots=roots)
        source, target = (database, folder) if is_export else (folder, database)
        which = chosen(options)
        with (
            audited(
                settings,
                store,
                "exported" if is_export else "imported",
                command=f"gnomon vault {options.action}",
                reason=options.reason,
                scope=options.scope,
            ) as use,
            progress() as on_progress,
        ):
            total = source.count(which)
            done = copy(
                source,
                target,
                which,
                reason=options.reason,
                on_progress=lambda copied: on_progress(
                    f"decisions {options.action}ed", copied, total
                ),
            )
            use.records, use.detail = done.decisions, folder.name
    print(f"{options.action}ed {done.decisions:,} decisions from {source.name} to {target.name}")
    return _refused(done)


def _import_fernet(options: argparse.Namespace, settings: Settings, store: "DecisionStore") -> int:
    from gnomon.operations.vaults.fernet_import import import_fernet  # noqa: PLC0415

    store.create()
    done = import_fernet(
        settings, store, keys=options.fernet, tokens=Path(options.source), reason=options.reason
    )
    print(f"imported {done.decisions:,} decisions from {options.source} to {store.name}")
    for number, reason in done.refused[:_MOST_TOLD]:
        print(f"gnomon: line {number}: {reason}", file=sys.stderr)
    if len(done.refused) > _MOST_TOLD:
        print(f"gnomon: and {len(done.refused) - _MOST_TOLD:,} others", file=sys.stderr)
    return 1 if done.refused else 0


def _refused(done: "Copied") -> int:
    for decision_id, reason in done.refused[:_MOST_TOLD]:
        print(f"gnomon: decision {decision_id} was refused: {reason}", file=sys.stderr)
    if len(done.refused) > _MOST_TOLD:
        print(f"gnomon: and {len(done.refused) - _MOST_TOLD:,} others", file=sys.stderr)
    return 1 if done.refused else 0
