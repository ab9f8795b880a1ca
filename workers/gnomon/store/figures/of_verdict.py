"""The rows of a verdict: its word, the improvement over each baseline, and the checklist. Pure."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from gnomon.store.figures.of_decision import HOUR_MS, Row

if TYPE_CHECKING:
    from gnomon.verdict import ModelVerdict


class VerdictRows(NamedTuple):
    """Rows for ``gnomon_verdicts``, ``gnomon_improvements`` and ``gnomon_checklist``."""

    verdicts: list[Row]
    improvements: list[Row]
    checklist: list[Row]


def verdict_rows(
    models: "Iterable[ModelVerdict]", *, settings_sha256: str, at_ms: int
) -> VerdictRows:
    """Return the rows of the verdicts at ``at_ms``, epoch milliseconds."""
    rows = VerdictRows([], [], [])
    for model in models:
        key = (settings_sha256, model.name, model.version, at_ms // HOUR_MS)
        rows.verdicts.append((*key, *_verdict(model, at_ms)))
        for baseline, losses in model.against.items():
            for loss, found in losses.items():
                bounds = (found.estimate, found.low, found.high)
                reach = (found.active_hours, found.blocks)
                rows.improvements.append((*key, baseline, loss, *bounds, *reach))
        for item in model.checklist:
            figures = (item.figure, item.needed)
            rows.checklist.append((*key, item.name, item.status, item.unit, *figures))
    return rows


def _verdict(model: "ModelVerdict", at_ms: int) -> Row:
    improvement = model.criteria["improvement"]
    return (
        at_ms,
        model.word,
        ",".join(model.blocked_by),
        model.decisions,
        model.blocks,
        model.active_hours,
        model.agents,
        model.immature,
        model.expired,
        model.cancelled,
        len(model.harm),
        improvement.estimate,
        improvement.low,
        improvement.high,
        model.within_25,
        model.decides_in_hours,
        model.strongest,
    )
