"""``gnomon vault prove``: shows to others that a sealed decision is under a root, and checks such a proof."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gnomon.errors import ConfigurationError

if TYPE_CHECKING:
    from gnomon.operations.vaults.proving import InclusionProof
    from gnomon.store import DecisionStore


def configure(actions: Any) -> None:
    """Declare the arguments, among the actions of ``gnomon vault``."""
    parser = actions.add_parser(
        "prove",
        help="prove that a decision is under a root",
        description="Print the proof that a sealed decision is under the Merkle root of its hour, as JSON."
        " With --check, check such a proof: this needs neither the store nor a key.",
        epilog="example: gnomon vault prove 0a1b… > proof.json; gnomon vault prove --check proof.json"
        " --root roots.jsonl",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("id", nargs="?", metavar="ID", help="id of a decision")
    what.add_argument("--check", type=Path, metavar="FILE", help="check the proof in this file")
    parser.add_argument(
        "--root",
        type=Path,
        metavar="FILE",
        help="prove or check by the roots in this file (gnomon vault verify --save-root)",
    )


def prove(options: argparse.Namespace, store: "DecisionStore") -> int:
    """Print the proof of ``options.id``; return 0.

    Raises:
        ConfigurationError: There is no such decision, or no root has it.
        StoreUnavailableError: The store does not answer.
    """
    from gnomon.operations.vaults.proving import prove  # noqa: PLC0415  only in gnomon[workers]
    from gnomon.operations.verifying import read_file  # noqa: PLC0415

    kept = None if options.root is None else read_file(options.root)
    print(msgspec.json.encode(prove(store, options.id, kept=kept)).decode())
    return 0


def check(options: argparse.Namespace) -> int:
    """Check the proof in ``options.check``; return 1 if it proves nothing, else 0.

    Raises:
        ConfigurationError: A file cannot be read.
    """
    from gnomon.operations.vaults.proving import refusal  # noqa: PLC0415  only in gnomon[workers]
    from gnomon.operations.verifying import read_file  # noqa: PLC0415
    from gnomon.operations.verifying.findings import utc_hour  # noqa: PLC0415

    kept = None if options.root is None else read_file(options.root)
    proof = _read(options.check)
    root, name = proof.root, proof.decision.decision_id
    where = f"the root of partition {root.partition}, {utc_hour(root.hour)}"
    if refused := refusal(proof, kept):
        print(f"decision {name} is not proved to be under {where}: {refused}")
        return 1
    print(f"decision {name} is under {where}: {root.root}")
    if kept is None:
        print("gnomon: whose root that is was not compared: give --root FILE", file=sys.stderr)
    return 0


def _read(path: Path) -> "InclusionProof":
    from gnomon.operations.vaults.proving import InclusionProof  # noqa: PLC0415

    try:
        return msgspec.json.decode(path.read_bytes(), type=InclusionProof)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no proof of gnomon vault prove: {error}") from error
