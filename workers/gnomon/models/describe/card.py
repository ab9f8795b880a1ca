"""Writes the model card of a version: what it was trained on, how well it predicts, and its limits.

M. Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed
from typing import Final

import numpy as np

from gnomon.models.evaluation import CURRENT, Evaluation
from gnomon.models.runs import outcomes_of
from gnomon.models.table import left_out
from gnomon.models.train import Trained

LIBRARIES: Final = ("gnomon", "numpy", "pandas", "scikit-learn", "skops")
_MOST_NAMES: Final = 10
_RIVALS: Final[Mapping[str, str]] = {
    "control": "control",
    "same_type": "same-type",
    "type": "type",
    CURRENT: "the version it would replace",
}

_INTENDED: Final = """\
## Intended use

It predicts, when a task of an AI agent starts, how long the task takes and whether it succeeds. It runs in
the shadow of production: nothing depends on its predictions unless `gnomon verdict` has said GO and
somebody has decided so. It is not made to judge people, nor to predict agents of another installation."""

_LIMITS: Final = """\
## Limits

- It has learnt only from tasks that ended. A task that still runs, or that expired, is in no row, so very
  long tasks are under-represented.
- For an agent or a task type without runs in the data, it falls back to what others did.
- It knows only the past: if the work, the agents or the models behind them change, train again.
- The spread is the standard deviation between origins. It is no confidence interval: origins share runs, and
  runs of one hour share causes. `gnomon verdict` judges with these taken into account.
- It loads only with the minor version of scikit-learn that is named above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Facts of a training that the model itself does not contain.

    Attributes:
        reason: Why it was trained.
        sample: How the runs were chosen from the vault.
        data_licence: Licence of the data, as the user stated it.
        current: Number of the version that the new one would replace.
    """

    reason: str = "asked"
    sample: str = ""
    data_licence: str = ""
    current: str | None = None


def model_card(trained: Trained, circumstances: Circumstances) -> str:
    """Return the card in Markdown."""
    parts = [
        f"# {trained.learner}: durations and successes of tasks",
        _facts(trained, circumstances),
        _INTENDED,
        _figures(trained.evaluation, circumstances),
        _LIMITS,
        "## Inputs\n\n" + ", ".join(f"`{name}`" for name, _ in trained.columns),
    ]
    unused = left_out(trained.runs)
    if unused:
        lines = [f"- `{name}`: {why}" for name, why in unused.items()]
        parts.append("Not used, although agents gave it at the start:\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _facts(trained: Trained, circumstances: Circumstances) -> str:
    runs = trained.runs
    durations, successes = outcomes_of(runs)
    median, most = np.quantile(durations, [0.5, 0.9])
    facts = {
        "runs": f"{len(runs):,}, started {_utc(runs[0].started_at_ms)} to "
        f"{_utc(runs[-1].started_at_ms)}, the last one ended {_utc(trained.until_ms)}",
        "chosen": circumstances.sample,
        "agents": _names(run.agent_id for run in runs),
        "task types": _names(run.task_type for run in runs),
        "outcomes": f"{successes.mean():.1%} succeeded; median {median:,.1f} s, nine of ten within {most:,.1f} s",
        "reason": circumstances.reason,
        "licence of the data": circumstances.data_licence or "not stated",
        "libraries": ", ".join(f"{name} {installed(name)}" for name in LIBRARIES),
    }
    rows = [f"| {name} | {_cell(fact)} |" for name, fact in facts.items() if fact]
    return "\n".join(["| | |", "|---|---|", *rows])


def _figures(evaluation: Evaluation | None, circumstances: Circumstances) -> str:
    if evaluation is None:
        return "## Figures\n\nNone: too few runs had ended before the last ones began."
    mean, spread = evaluation.mean(), evaluation.spread()
    lines = [
        f"On {evaluation.n_eval:,} later runs than those of the training, in"
        f" {len(evaluation.origins)} time-ordered split{'s' * (len(evaluation.origins) > 1)};"
        " mean ± standard deviation between the splits.",
        "",
        "| | runs | error (s) | log error | accuracy | Brier score | this version's error is smaller by |",
        "|---|---|---|---|---|---|---|",
        _row("**this version**", "", mean, spread, better=""),
    ]
    for prefix, shown in _RIVALS.items():
        if f"{prefix}_n" in mean:
            name = shown if prefix != CURRENT else f"version {circumstances.current}, {shown}"
            better = _value(f"{prefix}_improvement", mean, spread, "{:.1%}")
            lines.append(_row(name, f"{prefix}_", mean, spread, better=better))
    return "\n".join(["## Figures", "", *lines])


def _row(
    name: str, prefix: str, mean: Mapping[str, float], spread: Mapping[str, float], *, better: str
) -> str:
    runs = mean["n_eval" if not prefix else f"{prefix}n"]
    forms = {"mae_s": "{:,.1f}", "log_error": "{:.3f}", "accuracy": "{:.1%}", "brier": "{:.3f}"}
    cells = [_value(prefix + metric, mean, spread, form) for metric, form in forms.items()]
    return f"| {name} | {runs:,.0f} | {' | '.join(cells)} | {better} |"


def _value(name: str, mean: Mapping[str, float], spread: Mapping[str, float], form: str) -> str:
    if name not in mean:
        return "-"
    shown = form.format(mean[name])
    return f"{shown} ± {form.format(spread[name])}" if name in spread else shown


def _names(names: Iterable[str]) -> str:
    counts = Counter(names)
    shown = [f"{name} ({count:,})" for name, count in counts.most_common(_MOST_NAMES)]
    more = len(counts) - len(shown)
    return f"{len(counts):,}: {', '.join(shown)}{f' and {more:,} more' if more else ''}"


def _cell(text: str) -> str:
    """Return text that cannot end a cell of a Markdown table, or add markup to it."""
    flat = " ".join(text.split())
    return "".join(f"\\{c}" if c in "|<>`*_[]\\" else c for c in flat)


def _utc(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
