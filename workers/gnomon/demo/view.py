"""Shows the state of the demo: as a live screen, or as plain lines if there is no terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gnomon.comparison import BASELINES
from gnomon.comparison.metrics.achieved import Achieved
from gnomon.events import Ledger
from gnomon.up.watch import PipelineState

_HEADS = (
    "version",
    "n",
    "expired",
    "error s",
    "strongest",
    "its s",
    "better by",
    "right",
    "its right",
    "±25 %",
    "in 80 %",
)


def live(state: PipelineState, *, left_s: float, step: str) -> RenderableType:
    """Return the whole screen."""
    lag = "  ".join(f"{stage} {records}" for stage, records in state.lag.items())
    return Group(
        Text(f"gnomon demo   {left_s:.0f} s left   {step}", style="bold"),
        Text(f"{state.events_per_s:.0f} events/s   {state.events} in all   lag: {lag or '-'}"),
        models_table(state.models),
        Text(ledger_line(state.ledger)),
    )


def line(state: PipelineState, *, left_s: float, step: str) -> str:
    """Return the state as one line of text."""
    models = [row for row in state.models if row.name not in BASELINES]
    summary = "baselines only"
    if models:
        best = models[-1]
        summary = f"{best.name} {best.version}: {_headline(best)}"
    return (
        f"{left_s:>4.0f} s left  {state.events_per_s:>4.0f} events/s"
        f"  lag {sum(state.lag.values())}  matched {state.ledger.matched}  {summary}  {step}"
    )


def models_table(models: Sequence[Achieved]) -> Table:
    """Return a table that compares each version with the strongest baseline on the same tasks."""
    table = Table("model", title=None, expand=False)
    for head in _HEADS:
        table.add_column(head, justify="right")
    for row in models:
        table.add_row(
            row.name,
            row.version,
            str(row.n),
            str(row.expired),
            seconds(row.mae_s),
            row.strongest or "-",
            seconds(row.headline.baseline_mae_s if row.headline else None),
            percent(row.headline.improvement if row.headline else None),
            percent(row.accuracy),
            percent(row.headline.baseline_accuracy if row.headline else None),
            percent(row.within_25),
            percent(row.coverage_80),
        )
    return table


def _headline(row: Achieved) -> str:
    if row.headline is None or row.strongest is None:
        return f"nothing to compare on {row.n}"
    found = row.headline
    return f"{percent(found.improvement)} better than {row.strongest} on {found.n}"


def ledger_line(ledger: Ledger) -> str:
    """Return the ledger's equation and its other counts as one line."""
    return (
        f"ledger: {ledger.predictions} predictions = {ledger.matched} matched"
        f" + {ledger.pending} pending + {ledger.expired} expired + {ledger.cancelled} cancelled"
        f"   (duplicate {ledger.duplicate}, late {ledger.late}, orphan {ledger.orphan},"
        f" shed {ledger.shed})"
    )


def seconds(value: float | None) -> str:
    """Format seconds with three digits; a dash for ``None``."""
    return "-" if value is None else f"{value:.3g}"


def percent(value: float | None) -> str:
    """Format a share as a percentage with one decimal; a dash for ``None``."""
    return "-" if value is None else f"{100 * value:.1f} %"


def verdict(models: Sequence[Achieved]) -> str:
    """Return a sentence on the newest model, and on why the demo is too short for a decision."""
    tried = [m for m in models if m.name not in BASELINES and m.improvement is not None]
    if not tried:
        return "verdict: CONTINUE. No model has predicted yet; the baselines stand."
    newest = tried[-1]
    beside, better, n = "control", newest.improvement, newest.n
    if newest.strongest is not None and newest.headline is not None:
        beside = f"{newest.strongest}, the strongest baseline"
        better, n = newest.headline.improvement, newest.headline.n
    side = "better" if (better or 0) > 0 else "no better"
    return (
        f"verdict: CONTINUE. Version {newest.version} is {side} than {beside}"
        f" ({percent(better)} on {n} tasks), but the unit of evidence is an"
        " agent's hour, and this demo has seen minutes."
    )
