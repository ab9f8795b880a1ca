"""Writes the explanation of a decision as text for a terminal."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime

from gnomon.models.explaining.explanations import (
    Additive,
    Explanation,
    InputsExplained,
    MixExplained,
    PoolExplained,
)
from gnomon.models.table import MIN_HOUR_SEEN
from gnomon.operations.models.explaining import DecisionExplained, PredictionExplained
from gnomon.text_table import aligned


def as_text(found: DecisionExplained, *, top: int) -> str:
    """Return the explanation as lines.

    Args:
        found: The explanation.
        top: Most inputs of a model, and most groups of runs of a pool, that are shown.
    """
    # A terminal executes control characters, and ids and context come from agents.
    return "\n".join(_printable(line) for line in _lines(found, top))


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in line)


def _lines(found: DecisionExplained, top: int) -> Iterator[str]:
    yield f"decision {found.decision_id}"
    yield f"task {found.task_id} of agent {found.agent_id}, type {found.task_type}, started {_utc(found.started_at_ms)}"
    yield ""
    seen = found.completeness.hour_seen
    yield f"known at the start (the stage had read {seen:.0%} of the last hour)"
    if seen < MIN_HOUR_SEEN:
        yield f"  below {MIN_HOUR_SEEN:.0%}, so models were given no features of the hour"
    yield from _known(found)
    yield ""
    yield "predicted"
    rows: list[tuple[str, ...]] = [
        ("", "duration", "success", "error", "log error", "Brier", "in 80 %", "in 90 %")
    ]
    rows += [_cells(prediction) for prediction in found.predictions]
    yield from _indented(aligned(rows), 2)
    yield ""
    yield "why"
    for prediction in found.predictions:
        yield from _why(prediction, top)
    yield ""
    yield f"came: {_came(found)}"


def _known(found: DecisionExplained) -> Iterator[str]:
    rows = [(each.name, _number(each.value), each.unit) for each in found.features]
    rows.append(("estimate_s", _number(found.estimate_s), "s"))
    for name, value in found.context.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        shown = _number(float(value)) if number and value is not None else str(value)
        rows.append((f"context {name}", shown, "context"))
    yield from _indented(aligned(rows, left=(0, 2)), 2)


def _cells(prediction: PredictionExplained) -> tuple[str, ...]:
    losses = prediction.losses
    inside = [losses.inside.get(level) for level in ("80", "90")]
    return (
        f"{prediction.model} {prediction.version}",
        _seconds(prediction.duration_s),
        _share(prediction.success_probability),
        _seconds(losses.absolute_error_s),
        _number(losses.log_error),
        _number(losses.brier),
        *("-" if each is None else "yes" if each else "no" for each in inside),
    )


def _why(prediction: PredictionExplained, top: int) -> Iterator[str]:
    name = f"{prediction.model} {prediction.version}"
    if prediction.reason is not None:
        yield f"  {name}: {prediction.reason}"
        return
    yield f"  {name}, sha256 {prediction.sha256}"
    if prediction.reproduced is False:
        yield "    predicts another result here, so this explanation is not of the recorded one"
    if prediction.explanation is None:
        yield f"    no explanation: {prediction.missing}"
    else:
        yield from _indented("\n".join(_explanation(prediction.explanation, top)), 4)
    if prediction.intervals is not None:
        for level, each in prediction.intervals.by_level.items():
            yield (
                f"    {level} % interval: {_seconds(each.low_s)} to {_seconds(each.high_s)};"
                f" the model's own: {_seconds(each.own_low_s)} to {_seconds(each.own_high_s)}"
            )


def _explanation(explanation: Explanation | None, top: int) -> Iterator[str]:
    if isinstance(explanation, MixExplained):
        runs = ("no run", "one run", "two or more runs")[explanation.same_type_runs]
        yield f"mix, for {runs} of the type by this agent"
        for part, (of_duration, of_success) in explanation.weights.items():
            duration_s, probability = explanation.predicted[part]
            yield (
                f"  {part}: {_seconds(duration_s)} with weight {of_duration:.2f},"
                f" {_share(probability)} with weight {of_success:.2f}"
            )
            yield from _indented("\n".join(_explanation(explanation.parts[part], top)), 4)
        low_s, high_s = explanation.within_s
        yield f"the duration of the trees counts between {_seconds(low_s)} and {_seconds(high_s)}"
    elif isinstance(explanation, PoolExplained):
        yield from _pool(explanation, top)
    elif isinstance(explanation, InputsExplained):
        yield from _inputs("duration", explanation.duration, top)
        if explanation.longest_s is not None and (
            explanation.duration.prediction > explanation.longest_s
        ):
            yield f"cut to the longest duration that it predicts, {_seconds(explanation.longest_s)}"
        yield from _inputs("success", explanation.success, top)
    else:
        yield "no explanation of this kind of model"


_SOURCES = {
    "own": "own last runs of the type",
    "agent": "own last runs of any type",
    "all": "median of all runs",
}


def _pool(explanation: PoolExplained, top: int) -> Iterator[str]:
    rows = [("pool of runs", "runs", "weight", "duration", "weight", "success")]
    for group in explanation.groups[:top]:
        source = _SOURCES.get(group.source, f"runs of {group.agent_id} of the type")
        runs = "-" if group.runs is None else str(group.runs)
        weights = (_share(group.weight), _share(group.success_weight))
        figures = (_seconds(group.duration_s), _share(group.success_rate))
        rows.append((source, runs, weights[0], figures[0], weights[1], figures[1]))
    yield from aligned(rows).splitlines()
    if (hidden := len(explanation.groups) - top) > 0:
        yield f"and {hidden} groups with less weight"
    yield f"half of the weight is reached at a run of: {explanation.decided_by}"


def _inputs(quantity: str, sum_: Additive, top: int) -> Iterator[str]:
    base = Additive(scale=sum_.scale, base=sum_.base, contributions={}, method=sum_.method)
    shown = _seconds if sum_.scale == "log_seconds" else _share
    yield f"{quantity}: {shown(base.prediction)} for any task, {shown(sum_.prediction)} for this ({sum_.method})"
    ranked = sorted(sum_.contributions.items(), key=lambda item: -abs(item[1]))
    rows = [(name, _effect(value, sum_.scale)) for name, value in ranked[:top] if value]
    if rows:
        yield from _indented(aligned(rows), 2)


def _effect(value: float, scale: str) -> str:
    """Return a contribution: durations and odds are multiplied, probabilities are added up."""
    if scale == "probability":
        return f"{100 * value:+.1f} points"
    what = "" if scale == "log_seconds" else " odds"
    return f"x {math.exp(min(value, 700.0)):.3g}{what}"


def _came(found: DecisionExplained) -> str:
    outcome = found.outcome
    if outcome.status != "matched":
        return f"{outcome.status} at {_utc(outcome.at_ms)}"
    ended = {True: "success", False: "no success", None: "success unknown"}[outcome.succeeded]
    error = "" if outcome.error_type is None else f" ({outcome.error_type})"
    return f"{_seconds(outcome.duration_s)}, {ended}{error}, at {_utc(outcome.at_ms)}"


def _indented(text: str, by: int) -> Iterator[str]:
    for line in text.splitlines():
        yield " " * by + line


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g} s"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
