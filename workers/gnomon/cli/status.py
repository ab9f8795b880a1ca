"""``gnomon status``: show workers, lag, live models, the ledger, and the clients."""

import argparse
import asyncio
import json
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from gnomon.errors import RegistryUnavailableError
from gnomon.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gnomon.operations.clients import ClientOverview
    from gnomon.operations.lag import StageOverview
    from gnomon.operations.model_states import VersionState

COLUMNS = (
    "accepted", "delivered", "spooled", "waiting", "dropped", "received", "repeated", "missing",
    "lost",
)  # fmt: skip

ID_WIDTH = 17


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--brokers", metavar="B", help="host:port,… (GNOMON_BROKERS)")
    parser.add_argument("--prefix", metavar="P", help="prefix of topic names (GNOMON_TOPIC_PREFIX)")
    parser.add_argument(
        "--clients", type=int, default=10, metavar="N", help="show at most the N newest (10)"
    )
    parser.epilog = "example: gnomon status --json"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Ask the broker and the registry, which works whether or not workers run on this machine."""
    from gnomon.operations.clients import clients, read_clients, totals  # noqa: PLC0415
    from gnomon.operations.lag import overview, read_ledger  # noqa: PLC0415
    from gnomon.operations.model_states import read_switches, states_of  # noqa: PLC0415

    # If the broker does not answer, the error message is enough.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    brokers = options.brokers or settings.brokers
    prefix = settings.topic_prefix if options.prefix is None else options.prefix
    stages = asyncio.run(overview(brokers=brokers, prefix=prefix))
    counts = asyncio.run(read_ledger(brokers=brokers, prefix=prefix))
    reported = asyncio.run(read_clients(brokers=brokers, prefix=prefix))
    found = clients(
        reported,
        now_ms=time.time_ns() // 1_000_000,
        behind=any(stage.lag for stage in stages if stage.name == "features"),
    )
    shown, summed = found[: max(0, options.clients)], totals(found)
    switches = asyncio.run(read_switches(brokers=brokers, prefix=prefix))
    states = states_of(switches)
    models = _models(settings)
    if options.json:
        print(
            json.dumps(
                {
                    "stages": [stage.as_dict() for stage in stages],
                    "models": models,
                    "model_states": [msgspec.to_builtins(state) for state in states],
                    "ledger": counts,
                    "clients": [client.as_dict() for client in shown],
                    "clients_known": len(found),
                    "clients_total": summed,
                }
            )
        )
        return 0
    _print_stages(stages)
    print()
    _print_models(models, states, partitions=len(switches))
    print()
    print("ledger      " + "  ".join(f"{name} {n}" for name, n in counts.items()))
    if found:
        print()
        _print_clients(shown, summed, known=len(found))
    return 0


def _print_stages(stages: "Sequence[StageOverview]") -> None:
    print(f"{'stage':<12}{'workers':>8}{'lag':>12}")
    for stage in stages:
        print(f"{stage.name:<12}{stage.workers:>8}{stage.lag:>12}")


def _print_models(
    models: "list[dict[str, str]] | str", states: "Sequence[VersionState]", *, partitions: int
) -> None:
    """Print each live version with its aliases and what it does, and then those that should be live."""
    if isinstance(models, str):
        print(f"models      {models}")
        models = []
    elif not models:
        print("models      none is live: control predicts alone")
    for model in models:
        print(f"model       {model['name']} version {model['version']}  {model['aliases']}")
    for state in states:
        said = _plain(state.sentence(partitions), width=200)
        print(f"            {state.model} version {state.version} {said}")


def _print_clients(
    shown: "Sequence[ClientOverview]", summed: "dict[str, int]", *, known: int
) -> None:
    print(f"{'client':<{ID_WIDTH + 1}}{''.join(f'{name:>10}' for name in COLUMNS)}  last heard")
    for client in shown:
        figures = client.as_dict()
        heard = datetime.fromtimestamp(client.heard_ms / 1000, tz=UTC)
        print(
            f"{_plain(client.producer_id):<{ID_WIDTH + 1}}{_row(figures)}"
            f"  {heard:%Y-%m-%d %H:%M:%S}{' ended' if client.ended else ''}"
        )
    if known > len(shown):
        print(f"… and {known - len(shown)} more")
    print(f"{f'all {known}':<{ID_WIDTH + 1}}{_row(summed)}")


def _row(figures: "Mapping[str, int | None]") -> str:
    found = (figures[name] for name in COLUMNS)
    return "".join(f"{'-' if figure is None else figure:>10}" for figure in found)


def _plain(text: str, *, width: int = ID_WIDTH) -> str:
    """Return the text in printable form: a terminal executes control characters in foreign texts."""
    printable = "".join(c if c.isprintable() else "?" for c in text)
    return printable if len(printable) <= width else f"{printable[: width - 1]}…"


def _models(settings: Settings) -> list[dict[str, str]] | str:
    from gnomon.models.registry import Registry  # noqa: PLC0415  mlflow is slow to import

    try:
        live = Registry(uri=settings.mlflow_uri, model_name=settings.model_name).live()
    except RegistryUnavailableError as error:
        return f"the registry does not answer: {error}"
    return [{"name": m.name, "version": m.version, "aliases": ", ".join(m.aliases)} for m in live]
