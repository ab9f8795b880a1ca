"""``gnomon status``: show workers, lag, live models, the verdict, the ledger, and the clients."""

import argparse
import asyncio
import json
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from gnomon.errors import RegistryUnavailableError
from gnomon.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gnomon.comparison.metrics.version_figures import VersionFigures
    from gnomon.connection import KafkaConnection
    from gnomon.drift import Drift
    from gnomon.events import Ledger
    from gnomon.operations.clients import ClientOverview
    from gnomon.operations.lag import StageOverview
    from gnomon.operations.models.model_states import VersionState
    from gnomon.verdict import Evidence

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
    from gnomon.comparison import BASELINES  # noqa: PLC0415
    from gnomon.operations.clients import clients, totals  # noqa: PLC0415
    from gnomon.operations.models.feature_drift import sentence  # noqa: PLC0415
    from gnomon.operations.models.model_states import states_of  # noqa: PLC0415

    # If the broker does not answer, the error message is enough.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    kafka = settings.kafka.at(options.brokers)
    prefix = settings.topic_prefix if options.prefix is None else options.prefix
    stages, figures, reported, switches, evidence = asyncio.run(_read(kafka, prefix))
    counts = _counts(figures.ledger)
    found = clients(
        reported,
        now_ms=time.time_ns() // 1_000_000,
        behind=any(stage.lag for stage in stages if stage.name == "features"),
    )
    shown, summed = found[: max(0, options.clients)], totals(found)
    states = states_of(switches)
    models = _models(settings)
    verdicts = _verdicts(evidence, settings)
    drifts = _drifts(models, settings, kafka=kafka, prefix=prefix)
    if options.json:
        print(
            json.dumps(
                {
                    "stages": [stage.as_dict() for stage in stages],
                    "models": models,
                    "model_states": [msgspec.to_builtins(state) for state in states],
                    "figures": msgspec.to_builtins(figures.versions),
                    "verdicts": verdicts,
                    "feature_drift": {v: msgspec.to_builtins(each) for v, each in drifts.items()},
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
    for version in figures.versions:
        if version.model not in BASELINES:
            print(_figures_line(version))
    for verdict in verdicts:
        print(_verdict_line(verdict))
    for number, drift in drifts.items():
        print(f"drift       version {number}  {sentence(drift)}")
    print()
    print("ledger      " + "  ".join(f"{name} {n}" for name, n in counts.items()))
    if found:
        print()
        _print_clients(shown, summed, known=len(found))
    return 0


async def _read(kafka: "KafkaConnection", prefix: str) -> Any:
    """Read all topics at once."""
    from gnomon.operations.clients import read_clients  # noqa: PLC0415
    from gnomon.operations.lag import overview  # noqa: PLC0415
    from gnomon.operations.models.latest_metrics import read_figures  # noqa: PLC0415
    from gnomon.operations.models.model_states import read_switches  # noqa: PLC0415
    from gnomon.operations.models.verdicts import read_evidence  # noqa: PLC0415
    from gnomon.runtime.kafka.reading import all_at_once  # noqa: PLC0415

    readers: Sequence[Any] = (overview, read_figures, read_clients, read_switches, read_evidence)
    return await all_at_once(each(kafka=kafka, prefix=prefix) for each in readers)


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
        print(f"            {state.model} version {state.version} {state.sentence(partitions)}")


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


def _plain(producer_id: str) -> str:
    """Return the id in printable form: a terminal executes control characters in foreign ids."""
    printable = "".join(c if c.isprintable() else "?" for c in producer_id)
    return printable if len(printable) <= ID_WIDTH else f"{printable[: ID_WIDTH - 1]}…"


def _counts(ledger: "Ledger") -> dict[str, int]:
    counts: dict[str, int] = msgspec.structs.asdict(ledger)
    del counts["partition"]
    return counts


def _figures_line(found: "VersionFigures") -> str:
    """Return the error of a version beside the strongest baseline's, and how its intervals hold."""
    against = found.against.get(found.strongest or "")
    censored = f", {found.expired} without an end not counted" if found.expired else ""
    parts = [f"{found.n} tasks{censored}"]
    if found.mae_s is not None:
        parts.append(f"error {found.mae_s:.3g} s")
    if against is not None and against.improvement is not None:
        parts.append(
            f"{100 * against.improvement:+.1f} % better than {found.strongest}"
            f" ({against.baseline_mae_s:.3g} s on {against.n})"
        )
    for level, covered, worst, width_s in (
        (80, found.coverage_80, found.worst_agent_80, found.mean_width_80_s),
        (90, found.coverage_90, found.worst_agent_90, found.mean_width_90_s),
    ):
        if covered is not None:
            agent = "" if worst is None else f", worst agent {100 * worst:.0f} %"
            parts.append(f"{100 * covered:.1f} % in {level} %{agent}, {width_s:.3g} s wide")
    return f"predicts    {found.model} version {found.version}  {'; '.join(parts)}"


def _verdicts(evidence: "Sequence[Evidence]", settings: Settings) -> "list[dict[str, Any]]":
    """Judge the newest experiment; return what is shown of each model."""
    from gnomon.operations.models.verdicts import live_verdicts, summary_of  # noqa: PLC0415
    from gnomon.stages.drill_reports import read_drills  # noqa: PLC0415

    if not evidence:
        return []
    drills = read_drills((), settings.data_dir)
    judged = live_verdicts(evidence[0], drills=drills, now_ms=time.time_ns() // 1_000_000)
    return [
        summary_of(model) | {"settings_sha256": judged.settings_sha256} for model in judged.models
    ]


def _verdict_line(verdict: "Mapping[str, Any]") -> str:
    from gnomon.operations.models.verdicts import beside_strongest  # noqa: PLC0415

    blocked, beside = ", ".join(verdict["blocked_by"]), beside_strongest(verdict)
    parts = [f"{verdict['decisions']} decisions"]
    if beside:
        parts.append(beside)
    if verdict["harmed_agents"]:
        parts.append(f"harms {len(verdict['harmed_agents'])} agents")
    if blocked:
        parts.append(f"blocked by {blocked}")
    return f"verdict     {verdict['name']} version {verdict['version']}  {verdict['word']}: {'; '.join(parts)}"


def _drifts(
    models: "list[dict[str, str]] | str",
    settings: Settings,
    *,
    kafka: "KafkaConnection",
    prefix: str,
) -> "dict[str, Drift]":
    """Return how far features have moved from what each live version was trained on."""
    from gnomon.models.registry.reading import open_reader  # noqa: PLC0415
    from gnomon.operations.models.feature_drift import read_drift  # noqa: PLC0415

    if isinstance(models, str):
        return {}
    live = [model["version"] for model in models]
    try:
        registry = open_reader(uri=settings.mlflow_uri, model_name=settings.model_name)
        return read_drift(registry, live, kafka=kafka, prefix=prefix)
    except RegistryUnavailableError:
        return {}


def _models(settings: Settings) -> list[dict[str, str]] | str:
    from gnomon.models.registry.reading import open_reader  # noqa: PLC0415

    try:
        live = open_reader(uri=settings.mlflow_uri, model_name=settings.model_name).live()
    except RegistryUnavailableError as error:
        return f"the registry does not answer: {error}"
    return [{"name": m.name, "version": m.version, "aliases": ", ".join(m.aliases)} for m in live]
