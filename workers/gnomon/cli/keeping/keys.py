"""``gnomon keys``: create and list keys, change or destroy them, and check that they open the store."""

import argparse
import sys
from pathlib import Path

from gnomon.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = "example: gnomon keys init && gnomon keys check"
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    init = actions.add_parser("init", help="create a key file; an existing one is not overwritten")
    init.add_argument("--file", type=Path, metavar="F", help="path of the file (GNOMON_KEY_FILE)")
    sealing = actions.add_parser(
        "init-sealing",
        help="create a key pair for confidential context",
        description="Create a key pair. The public key is printed; agents encrypt context and"
        " outcome with it. Only the private key, which is in the file, decrypts them.",
        epilog="example: export GNOMON_SEAL_TO=$(gnomon keys init-sealing --file sealing.pem)",
    )
    sealing.add_argument(
        "--file", type=Path, metavar="F", help="the private key (sealing.pem in the data folder)"
    )
    listing = actions.add_parser(
        "list", help="list the keys of each scope", epilog="example: gnomon keys list --data-keys"
    )
    listing.add_argument("--data-keys", action="store_true", help="also those of each process")
    listing.add_argument("--json", action="store_true", help="print one JSON object per line")
    _declare_changes(actions)
    checking = actions.add_parser(
        "check",
        help="show which key is in use, and whether it opens the store",
        epilog="example: gnomon keys check --all",
    )
    checking.add_argument(
        "--all",
        action="store_true",
        help="unwrap every key, not the canary's alone, and look whether any is lost",
    )
    audit = actions.add_parser(
        "audit",
        help="list who opened or destroyed something, newest first",
        epilog="example: gnomon keys audit --limit 100 --json",
    )
    audit.add_argument("--limit", type=int, default=20, metavar="N", help="most to list (20)")
    audit.add_argument("--json", action="store_true", help="print one JSON object per line")


def _declare_changes(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    rotating = actions.add_parser(
        "rotate",
        help="make a key that wraps from now on",
        description="Without --scope, put a key into the key file, before those that are there."
        " A key that a service holds is rotated there.",
        epilog="example: gnomon keys rotate && gnomon keys rewrap",
    )
    rotating.add_argument("--scope", metavar="S", help="a key for this scope instead")
    actions.add_parser(
        "rewrap",
        help="wrap all keys by the newest; no record is touched",
        epilog="example: gnomon keys rewrap",
    )
    resealing = actions.add_parser(
        "reencrypt",
        help="seal a scope's decisions anew, after its key became known",
        description="Rotate the scope's key first. May be interrupted and run again.",
        epilog="example: gnomon keys rotate --scope tenant:acme && gnomon keys reencrypt tenant:acme",
    )
    resealing.add_argument("scope", metavar="SCOPE")
    shredding = actions.add_parser(
        "shred",
        help="destroy the keys of a scope, so that nothing of it can ever be read",
        epilog="example: gnomon keys shred tenant:acme --reason 'contract 4711 ended' --yes",
    )
    shredding.add_argument("scope", metavar="SCOPE")
    shredding.add_argument(
        "--yes", action="store_true", help="it cannot be undone: say that you mean it"
    )
    for parser in (resealing, shredding):
        parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the audit")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run ``options.action``; return 0 if all keys that were needed could be used.

    Raises:
        KeyUnavailableError: The key is missing, malformed, readable by others, or of another store.
        KeyProviderUnavailableError: Whoever holds the key does not answer.
        ConfigurationError: There is no such scope, or no store.
        StoreUnavailableError: The store does not answer.
    """
    if options.action == "init-sealing":
        return _init_sealing(options.file or Path(settings.data_dir) / "sealing.pem")
    if options.action == "init":
        return _init(options.file, settings)
    from gnomon.cli.keeping import keys_of_store  # noqa: PLC0415  only in gnomon[workers]

    return keys_of_store.run(options, settings)


def _init_sealing(path: Path) -> int:
    from gnomon.vault import create_sealing_key  # noqa: PLC0415  only in gnomon[workers]

    key = create_sealing_key(path)
    # Only the public key goes to standard output, so that a script can use it.
    print(f"made {path} (sealing key {key.id}): the private key.", file=sys.stderr)
    print(
        "Keep it away from agents and broker, and back it up: without it, sealed payloads can never"
        " be read.\nGive agents the public key, as GNOMON_SEAL_TO or Client(seal_to=...):",
        file=sys.stderr,
    )
    print(key.public.line())
    return 0


def _init(file: Path | None, settings: Settings) -> int:
    from gnomon.vault import create_key_file  # noqa: PLC0415  only in gnomon[workers]

    path = file or Path(settings.key_file)
    key = create_key_file(path)
    print(f"made {path} (key {key.id})")
    print("Back it up apart from the store: without it no sealed decision can ever be read again.")
    if settings.key_provider:
        print("GNOMON_KEY_PROVIDER is set and is used instead of this file.")
    elif settings.key:
        print("GNOMON_KEY is set and is used instead of any key file.")
    elif path.resolve() != Path(settings.key_file).resolve():
        print(f"To use it, set GNOMON_KEY_FILE={path}")
    return 0
