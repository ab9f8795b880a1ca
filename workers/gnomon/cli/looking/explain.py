"""``gnomon explain``: tell one decision: what was known, what was predicted and why, and what came."""

import argparse
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from gnomon.cli.keeping.vault import find, with_payloads
from gnomon.cli.vaults.words import declare_opening
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.events import Comparison
    from gnomon.models.registry import Registry
    from gnomon.operations.models.explaining import DecisionExplained


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("id", metavar="DECISION_ID", help="id of a decision or of a task")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--top", type=int, default=5, metavar="N", help="inputs and groups of runs to show (5)"
    )
    declare_opening(parser)
    parser.epilog = (
        "The decision is read from the vault, which needs the key, and the versions from the\n"
        "registry. If a version is missing, the rest is shown.\n\n"
        "example: gnomon explain pr-18842"
    )


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Explain the decision; return 1 if there is no such decision, else 0.

    Raises:
        ConfigurationError: There is no store, or a key is missing or does not open it.
        StoreUnavailableError: The store does not answer.
        UnreadableError: The decision, or a payload that the agent sealed, cannot be opened.
    """
    decision = _read(options, settings)
    if decision is None:
        return 1
    found = _explained(decision, settings)
    if options.json:
        print(msgspec.json.encode(found).decode())
        return 0
    from gnomon.cli.texts.explanation_text import as_text  # noqa: PLC0415

    print(as_text(found, top=max(1, options.top)))
    return 0


def _read(options: argparse.Namespace, settings: Settings) -> "Comparison | None":
    from gnomon.store import DecisionStore  # noqa: PLC0415  only in gnomon[workers]

    store = DecisionStore(settings.store_url)
    try:
        store.check()
        decision = find(
            store, settings, wanted=options.id, command="gnomon explain", reason=options.reason
        )
    finally:
        store.close()
    return None if decision is None else with_payloads(decision, options.sealing_key)


def _explained(decision: "Comparison", settings: Settings) -> "DecisionExplained":
    from gnomon.models.registry import Registry  # noqa: PLC0415  mlflow is slow to import
    from gnomon.operations.models.explaining import explain_decision  # noqa: PLC0415

    @lru_cache
    def registry(model: str) -> "Registry":
        return Registry(uri=settings.mlflow_uri, model_name=model)

    return explain_decision(
        decision, lambda model, version, sha256: registry(model).load(version, sha256=sha256)
    )
