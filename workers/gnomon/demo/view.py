"""The demo's screen: the same facts as a live picture, or as plain lines where there is no tty."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gnomon.comparison import BASELINES
from gnomon.comparison.achieved import Achieved
from gnomon.demo.watch import Picture
from gnomon.events import Ledger


def live(picture: Picture, *, left_s: float, step: str) -> RenderableType:
    """The whole screen."""
    lag = "  ".join(f"{stage} {records}" for stage, records in picture.lag.items())
    return Group(
        Text(f"gnomon demo   {left_s:.0f} s left   {step}", style="bold"),
        Text(f"{picture.events_per_s:.0f} events/s   {picture.events} in all   lag: {lag or '-'}"),
        models_table(picture.models),
        Text(ledger_line(picture.ledger)),
    )


def line(picture: Picture, *, left_s: float, step: str) -> str:
    """The same in one line."""
    models = [row for row in picture.models if row.name not in BASELINES]
    said = "baselines only"
    if models:
        best = models[-1]
        said = f"{best.name} {best.version}: {percent(best.improvement)} better than control on {best.n}"
    return (
        f"{left_s:>4.0f} s left  {picture.events_per_s:>4.0f} events/s"
        f"  lag {sum(picture.lag.values())}  matched {picture.ledger.matched}  {said}  {step}"
    )


def models_table(models: Sequence[Achieved]) -> Table:
    """Each version's figures beside control's on the same tasks."""
    table = Table("model", title=None, expand=False)
    for head in ("version", "n", "error s", "control s", "better by", "right", "control", "±25 %"):
        table.add_column(head, justify="right")
    for row in models:
        table.add_row(
            row.name,
            row.version,
            str(row.n),
            seconds(row.mae_s),
            seconds(row.control_mae_s),
            percent(row.improvement),
            percent(row.accuracy),
            percent(row.control_accuracy),
            percent(row.within_25),
        )
    return table


def ledger_line(ledger: Ledger) -> str:
    """The identity, and what is counted beside it."""
    return (
        f"ledger: {ledger.predictions} predictions = {ledger.matched} matched"
        f" + {ledger.pending} pending + {ledger.expired} expired + {ledger.cancelled} cancelled"
        f"   (duplicate {ledger.duplicate}, late {ledger.late}, orphan {ledger.orphan},"
        f" shed {ledger.shed})"
    )


def seconds(value: float | None) -> str:
    """Three digits, or a dash."""
    return "-" if value is None else f"{value:.3g}"


def percent(value: float | None) -> str:
    """One decimal, or a dash."""
    return "-" if value is None else f"{100 * value:.1f} %"


def verdict(models: Sequence[Achieved]) -> str:
    """What the figures say, and what they cannot say yet."""
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
