"""Finds the task types that models surely harm, in a log: the live evidence does not tell types apart."""

from collections.abc import Iterable

import msgspec

from gnomon.verdict.evidence.decided import Decided
from gnomon.verdict.evidence.evidence import Evidence
from gnomon.verdict.result import HarmedType, ModelVerdict
from gnomon.verdict.slices import Slices, judged


class TypeLog:
    """Collects the task types of every model; decisions must be added in the order of their hours.

    Args:
        evidence: Evidence of the same decisions: its settings and window say what counts.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._models: dict[str, Slices] = {}

    def add(self, decided: Decided, *, watermark_ms: int) -> None:
        """Add one decision; ``watermark_ms`` as of ``Evidence.add``."""
        settings = self._evidence.settings
        if decided.started_at_ms < settings.registered_at_ms:
            return
        is_mature = self._evidence.is_mature(decided, watermark_ms)
        baselines, models = self._evidence.split(decided)
        for key, prediction in models.items():
            # A judged baseline is not compared with itself.
            is_itself = prediction.model == settings.reference
            reference = None if is_itself else baselines.get(settings.reference)
            if key not in self._models:
                self._models[key] = Slices(by_agent=False)
            self._models[key].add(decided, prediction, reference, is_mature=is_mature)

    def harmed(self, key: str) -> list[HarmedType]:
        """Return the task types that the model surely harms (e-BH at alpha), by their e-values."""
        slices, settings = self._models.get(key), self._evidence.settings
        found = [] if slices is None else judged(slices.types, settings)
        harmed = [
            HarmedType(
                task_type=each.name,
                blocks=each.blocks,
                improvement=each.estimate,
                e_value=each.e_value,
            )
            for each in found
            if each.harmed and each.e_value is not None
        ]
        return sorted(harmed, key=lambda each: (-each.e_value, each.task_type))


def with_types(models: Iterable[ModelVerdict], log: TypeLog) -> list[ModelVerdict]:
    """Return the verdicts with the task types that each model surely harms."""
    return [msgspec.structs.replace(model, harmed_types=log.harmed(model.key)) for model in models]
