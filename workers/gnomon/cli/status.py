"""``gnomon status``: what runs, how far behind, which models are live, and the ledger."""

import argparse
import asyncio
import json
import logging
from typing import TYPE_CHECKING

from gnomon.errors import RegistryUnavailableError
from gnomon.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gnomon.runtime.overview import StageOverview


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.add_argument("--brokers", metavar="B", help="host:port,… (GNOMON_BROKERS)")
    parser.add_argument("--prefix", metavar="P", help="of topic names (GNOMON_TOPIC_PREFIX)")
    parser.epilog = "example: gnomon status --json"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Ask the broker and the registry; works whether or not workers run here."""
    from gnomon.runtime.overview import overview, read_ledger  # noqa: PLC0415

    # What a missing broker means is said once, by the error itself.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    brokers = options.brokers or settings.brokers
    prefix = settings.topic_prefix if options.prefix is None else options.prefix
    stages = asyncio.run(overview(brokers=brokers, prefix=prefix))
    counts = asyncio.run(read_ledger(brokers=brokers, prefix=prefix))
    models = _models(settings)
    if options.json:
        print(
            json.dumps(
                {
                    "stages": [stage.as_dict() for stage in stages],
                    "models": models,
                    "ledger": counts,
                }
            )
        )
        return 0
    _print_stages(stages)
    print()
    if isinstance(models, str):
        print(f"models      {models}")
    for model in [] if isinstance(models, str) else models:
        print(f"model       {model['name']} version {model['version']}  {model['aliases']}")
    if not models:
        print("models      none is live: control predicts alone")
    print()
    print("ledger      " + "  ".join(f"{name} {n}" for name, n in counts.items()))
    return 0


def _print_stages(stages: "Sequence[StageOverview]") -> None:
    print(f"{'stage':<12}{'workers':>8}{'lag':>12}")
    for stage in stages:
        print(f"{stage.name:<12}{stage.workers:>8}{stage.lag:>12}")


def _models(settings: Settings) -> list[dict[str, str]] | str:
    from gnomon.models.registry import Registry  # noqa: PLC0415  mlflow is slow to import

    try:
        live = Registry(uri=settings.mlflow_uri, model_name=settings.model_name).live()
    except RegistryUnavailableError as error:
        return f"the registry does not answer: {error}"
    return [{"name": m.name, "version": m.version, "aliases": ", ".join(m.aliases)} for m in live]
