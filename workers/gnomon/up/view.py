"""Shows a running installation: as a live screen, or as lines where there is no terminal."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from gnomon.comparison import BASELINES
from gnomon.comparison.metrics.achieved import Achieved
from gnomon.events import Comparison, ModelPrediction
from gnomon.up.addresses import Addresses
from gnomon.up.health import Health
from gnomon.up.watch import PipelineState

STYLES = {"ready": "green", "starting": "yellow", "down": "red", "off": "dim"}
USUAL_BROKERS = "127.0.0.1:9092"
USUAL_FOLDER = ".gnomon"
EMPTY = "no task has ended yet: set the variables above where your agents run, and start one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the screen shows.

    Attributes:
        addresses: Where agents send to.
        health: Of every part.
        pipeline: What the stages have done.
        running_s: Since the command was given.
        now_ms: Epoch milliseconds.
        data_dir: Folder that holds everything.
    """

    addresses: Addresses
    health: Sequence[Health]
    pipeline: PipelineState
    running_s: float
    now_ms: int
    data_dir: str


def screen(shown: Shown) -> RenderableType:
    """Return the whole screen."""
    return Group(
        Text(f"gnomon up   {clock(shown.running_s)}   {summary(shown.health)}", style="bold"),
        Text(""),
        *map(Text, sending(shown)),
        Text(""),
        *(_one_line(f"  {each.line}", STYLES[each.word]) for each in shown.health),
        Text(""),
        *map(Text, counts(shown.pipeline)),
        *map(_one_line, newest(shown.pipeline.newest, now_ms=shown.now_ms)),
        Text(""),
        *map(Text, looking(shown)),
    )


def sending(shown: Shown) -> list[str]:
    """Return where agents send to, and what is to be set for it."""
    return ["your agents send to", *(f"  {line}" for line in shown.addresses.lines())]


def looking(shown: Shown) -> list[str]:
    """Return where to look, and how it ends."""
    places = {
        "dashboard": shown.addresses.dashboard,
        "metrics": shown.addresses.exporter,
        "commands": "gnomon status, gnomon models list, gnomon doctor",
        "after": _shell(shown),
    }
    return [
        "to look",
        *(f"  {name:<15}{place}" for name, place in places.items() if place),
        f"Ctrl-C stops everything; the next gnomon up goes on with {shown.data_dir}",
    ]


def counts(state: PipelineState) -> list[str]:
    """Return what the stages have read and counted."""
    lag = "  ".join(f"{stage} {records}" for stage, records in state.lag.items())
    ledger = state.ledger
    lines = [
        f"{state.events} events, {state.events_per_s:.0f}/s   lag: {lag or '-'}",
        f"{ledger.predictions} tasks predicted = {ledger.matched} matched + {ledger.pending} pending"
        f" + {ledger.expired} expired + {ledger.cancelled} cancelled",
    ]
    return [*lines, *(_achieved(row) for row in state.models if row.name not in BASELINES)]


def newest(decisions: Sequence[Comparison], *, now_ms: int) -> list[str]:
    """Return one line for each of the newest tasks."""
    return [_task(each, now_ms=now_ms) for each in decisions] or [EMPTY]


def line(shown: Shown) -> str:
    """Return counts and health as one line."""
    state = shown.pipeline
    return (
        f"{clock(shown.running_s)}  {summary(shown.health)}  {state.events} events"
        f"  {state.ledger.predictions} predicted  {state.ledger.matched} matched"
    )


def clock(seconds: float) -> str:
    """Return hours, minutes and seconds."""
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}"


def _shell(shown: Shown) -> str:
    """Return what a shell needs for gnomon's commands to find the brokers and the data folder."""
    addresses, given = shown.addresses, []
    if shown.data_dir != USUAL_FOLDER:
        given.append(f"export GNOMON_DATA_DIR={shlex.quote(str(Path(shown.data_dir).absolute()))}")
    if addresses.kafka_variables is not None:
        given.append(f". {shlex.quote(str(addresses.kafka_variables.with_name('operator.env')))}")
    elif addresses.kafka != USUAL_BROKERS:
        given.append(f"export GNOMON_BROKERS={addresses.kafka}")
    return "; ".join(given)


def summary(health: Sequence[Health]) -> str:
    """Return whether everything is ready, or what is not."""
    unwell = [each.name for each in health if each.word in {"starting", "down"}]
    return "all is ready" if not unwell else f"not ready: {', '.join(unwell)}"


def _achieved(row: Achieved) -> str:
    found = row.headline
    if found is None or found.improvement is None:
        return f"version {row.version}: {row.n} tasks, too few to compare"
    return (
        f"version {row.version}: {row.n} tasks, {100 * found.improvement:+.1f} % better than"
        f" {row.strongest} on {found.n}"
    )


def _task(decision: Comparison, *, now_ms: int) -> str:
    outcome = decision.outcome
    ended: str = outcome.status
    if outcome.duration_s is not None:
        ended = (
            f"{'succeeded' if outcome.succeeded else 'failed'} in {duration(outcome.duration_s)}"
        )
    predicted = [
        f"{_name(each)} {duration(each.duration_s)}"
        for each in decision.predictions
        if each.duration_s is not None
    ]
    ago_s = max(0, now_ms - outcome.at_ms) / 1000
    return (
        f"{clock(ago_s)} ago  {printable(decision.agent_id)}: {printable(decision.task_type)} {ended}"
        f"   predicted: {', '.join(predicted) or 'nothing yet'}"
    )


def duration(seconds: float) -> str:
    """Return a duration in the unit that suits it, with three digits."""
    for unit, length_s in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= length_s:
            return f"{seconds / length_s:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _name(predicted: ModelPrediction) -> str:
    """Return who predicted; a baseline has no versions."""
    if predicted.model in BASELINES:
        return predicted.model
    return f"{predicted.model} {predicted.version}"


def _one_line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def printable(text: str, *, width: int = 24) -> str:
    """Return a foreign name in printable form and short: a terminal executes control characters."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown if len(shown) <= width else f"{shown[: width - 1]}…"
