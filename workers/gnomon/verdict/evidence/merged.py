"""Adds up the evidence that the partitions published, so that it can be judged."""

from collections.abc import Iterable

from gnomon.events import (
    EvidenceEvent,
    HourEvidence,
    LossEvidence,
    ModelEvidence,
    VerdictExperiment,
)
from gnomon.verdict.challenger import Challenger, Counts, Versus
from gnomon.verdict.evidence.evidence import Evidence
from gnomon.verdict.evidence.sums import Sums, add_row
from gnomon.verdict.evidence.task_losses import LOG_LOSS
from gnomon.verdict.evidence.window import WindowBuilder
from gnomon.verdict.settings import read_settings


def merge_evidence(latest: Iterable[EvidenceEvent]) -> list[Evidence]:
    """Return the evidence of each experiment, ready for ``judge``; that with the newest prediction first.

    Args:
        latest: The latest record of each key of verdict-evidence, of all partitions.

    Returns:
        Usually one; several while workers with different settings run, or before old records are
        deleted. Rows of agents are only those of agents that may be harmed.
    """
    found: dict[str, Evidence] = {}
    listed = list(latest)
    for event in listed:
        if isinstance(event, VerdictExperiment) and event.settings_sha256 not in found:
            settings = read_settings(event.settings.encode())
            window = WindowBuilder(settings).build()
            found[event.settings_sha256] = Evidence(settings=settings, window=window)
    for event in listed:
        of = found.get(event.settings_sha256)
        if of is None or isinstance(event, VerdictExperiment):
            continue
        key = event.sha256 or f"{event.model}@{event.version}"
        challenger = of.challengers.setdefault(key, Challenger(event.sha256, judged_agents=0))
        if isinstance(event, ModelEvidence):
            _add(challenger, event, of.settings.reference)
        else:
            _add_hour(challenger, event)
    for evidence in found.values():
        # An hour may be known before its model: partitions write one record after another.
        evidence.challengers = {k: c for k, c in evidence.challengers.items() if c.labels}
        evidence.close_hours()
    return sorted(found.values(), key=_newest_ms, reverse=True)


def _newest_ms(evidence: Evidence) -> int:
    return max((c.last_ms or 0 for c in evidence.challengers.values()), default=0)


def _add(challenger: Challenger, event: ModelEvidence, reference: str) -> None:
    part = Challenger(event.sha256, first_ms=event.first_ms, last_ms=event.last_ms)
    part.labels = {f"{name}@{version}": (name, version) for name, version in event.labels}
    part.counts = Counts(**{name: getattr(event, name) for name in Counts.__struct_fields__})
    challenger.merge_counts(part)
    challenger.judged_agents = (challenger.judged_agents or 0) + event.judged_agents
    if event.accuracy is not None:
        _add_rows(challenger.hits, event.accuracy)
    for name, losses in event.against.items():
        versus = challenger.against.setdefault(name, Versus())
        for loss, rows in losses.items():
            sums = versus.sums.setdefault(loss, Sums())
            _add_rows(sums, rows)
            if (name, loss) == (reference, LOG_LOSS):
                sums.agents.update({a: list(row) for a, row in event.suspects.items()})
            for kept, added in ((versus.worst, rows.worst), (versus.best, rows.best)):
                if added:
                    add_row(kept.setdefault(loss, [0, 0]), added)


def _add_rows(sums: Sums, rows: LossEvidence) -> None:
    add_row(sums.blocks, rows.blocks)
    add_row(sums.totals, rows.agents)


def _add_hour(challenger: Challenger, event: HourEvidence) -> None:
    if event.accuracy:
        add_row(challenger.hits.waiting.setdefault(event.hour, [0, 0]), event.accuracy)
    for name, losses in event.against.items():
        versus = challenger.against.setdefault(name, Versus())
        for loss, total in losses.items():
            sums = versus.sums.setdefault(loss, Sums())
            add_row(sums.waiting.setdefault(event.hour, [0, 0]), total)
