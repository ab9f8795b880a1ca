"""Shows what ``gnomon train`` did, as lines of text or as JSON."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gnomon.operations.models.training import Fit

_BASELINES = {"control": "control", "same_type": "same-type", "type": "type"}


def as_dict(fit: "Fit", *, version: str, alias: str) -> dict[str, object]:
    """Return what was done, for JSON; ``evaluation`` has the means over the origins."""
    from gnomon.models.table import left_out  # noqa: PLC0415  heavy

    found = fit.trained.evaluation
    return {
        "version": version,
        "alias": alias,
        "learner": fit.trained.learner,
        "decisions": fit.trained.decisions,
        "read": fit.read,
        "unreadable": fit.unreadable.total(),
        "left_out": left_out(fit.trained.runs),
        "current": None if fit.current is None else fit.current.version,
        "origins": 0 if found is None else len(found.origins),
        "evaluation": None if found is None else found.mean(),
        "spread": None if found is None else found.spread(),
    }


def lines(fit: "Fit", *, version: str, alias: str) -> Iterator[str]:
    """Yield what was done, for people."""
    from gnomon.models.table import left_out  # noqa: PLC0415  heavy

    unreadable = fit.unreadable.total()
    beside = f", {unreadable} could not be opened" if unreadable else ""
    trained, found = fit.trained, fit.trained.evaluation
    yield (
        f"version {version} is {alias}: {trained.learner} on {trained.decisions} of {fit.read}"
        f" decisions{beside}"
    )
    for name, why in left_out(trained.runs).items():
        yield f"  context {name!r} is not used: {why}"
    if found is None:
        yield "not evaluated: too few runs had ended before the last ones began"
        return
    mean, spread = found.mean(), found.spread()
    yield (
        f"on {found.n_eval} later runs, {len(found.origins)} times trained on earlier ones only"
        " (mean ± standard deviation):"
    )
    yield f"  {'':9}  {'error':>20}  {'log error':>15}  {'right':>15}  {'Brier':>15}  better by"
    yield f"  {'this one':9}  {_row('', mean, spread)}"
    names = dict(_BASELINES)
    if fit.current is not None:
        names["current"] = f"version {fit.current.version}"
    for prefix, name in names.items():
        if mean.get(f"{prefix}_n"):
            better = _value(f"{prefix}_improvement", mean, spread, "{:+.1%}")
            yield f"  {name:9}  {_row(f'{prefix}_', mean, spread)}  {better}"
    if fit.current is not None and not mean.get("current_n"):
        yield f"  version {fit.current.version} predicted none of these runs"
    yield f"  within a quarter of the duration: {_value('within_25', mean, spread, '{:.1%}')}"


def _row(prefix: str, mean: Mapping[str, float], spread: Mapping[str, float]) -> str:
    return "  ".join(
        f"{_value(prefix + name, mean, spread, form):>{width}}"
        for name, form, width in (
            ("mae_s", "{:,.1f} s", 20),
            ("log_error", "{:.3f}", 15),
            ("accuracy", "{:.1%}", 15),
            ("brier", "{:.3f}", 15),
        )
    )


def _value(name: str, mean: Mapping[str, float], spread: Mapping[str, float], form: str) -> str:
    if name not in mean:
        return "-"
    shown = form.format(mean[name])
    return f"{shown} ± {form.replace('+', '').format(spread[name])}" if name in spread else shown
