"""``gnomon keys``: create keys, and check that the configured key opens the store."""

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
    actions.add_parser("check", help="show which key is in use, and whether it opens the store")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run ``options.action``; return 0 if the key exists and opens the store.

    Raises:
        KeyUnavailableError: The key is missing, malformed, readable by others, or of another store.
    """
    if options.action == "init-sealing":
        return _init_sealing(options.file or Path(settings.data_dir) / "sealing.pem")
    return _init(options.file, settings) if options.action == "init" else _check(settings)


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
    if settings.key:
        print("GNOMON_KEY is set and is used instead of any key file.")
    elif path.resolve() != Path(settings.key_file).resolve():
        print(f"To use it, set GNOMON_KEY_FILE={path}")
    return 0


def _check(settings: Settings) -> int:
    from gnomon.store import DecisionStore  # noqa: PLC0415  only in gnomon[workers]
    from gnomon.vault import KeyRing, check_key, load_key  # noqa: PLC0415  only in gnomon[workers]

    key = load_key(settings)
    print(f"key {key.id} from {'GNOMON_KEY' if settings.key else settings.key_file}")
    store = DecisionStore(settings.store_url)
    try:
        if not store.exists():
            print(f"store {store.name}: does not exist yet")
            return 0
        store.check()
        if store.canary.get() is None:
            print(f"store {store.name}: contains no sealed record yet")
        else:
            check_key(KeyRing(key, store.keys), store.canary)
            print(f"store {store.name}: opens with this key")
    finally:
        store.close()
    return 0
