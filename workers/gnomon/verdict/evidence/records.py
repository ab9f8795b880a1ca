"""Makes the records of the topic verdict-evidence from the evidence of one partition."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from gnomon.events import (
    EvidenceEvent,
    HourEvidence,
    LossEvidence,
    ModelEvidence,
    VerdictExperiment,
)
from gnomon.verdict.challenger import Challenger, Versus
from gnomon.verdict.evidence.decided import HOUR_MS
from gnomon.verdict.judge import label_of
from gnomon.verdict.settings import VerdictSettings

KeyedEvidence = tuple[str, EvidenceEvent | None]
"""Key and record of the topic verdict-evidence; ``None`` deletes the key's record."""


def experiment_record(settings: VerdictSettings, partition: int) -> tuple[str, VerdictExperiment]:
    """Return the record with the settings of a partition."""
    return f"settings|p{partition}", VerdictExperiment(
        partition=partition,
        settings_sha256=settings.sha256(),
        settings=settings.canonical().decode(),
    )


def model_record(
    key: str,
    challenger: Challenger,
    settings_sha256: str,
    partition: int,
    *,
    suspects: dict[str, list[int]],
    judged_agents: int,
) -> KeyedEvidence:
    """Return the record with the sums of a model.

    Args:
        key: What identifies the model: its SHA-256, or name and version without one.
        challenger: Its evidence.
        settings_sha256: Hash of the verdict's settings.
        partition: Number of the partition.
        suspects: Rows over blocks of the agents that may be harmed.
        judged_agents: Number of agents that were tested.
    """
    model, version = label_of(challenger)
    return topic_key(key, "all", partition), ModelEvidence(
        model=model,
        version=version,
        sha256=challenger.sha256,
        partition=partition,
        settings_sha256=settings_sha256,
        labels=sorted(map(list, challenger.labels.values())),
        first_ms=challenger.first_ms,
        last_ms=challenger.last_ms,
        against={name: _losses(each) for name, each in sorted(challenger.against.items())},
        accuracy=LossEvidence(blocks=challenger.hits.blocks, agents=challenger.hits.totals),
        suspects=suspects,
        judged_agents=judged_agents,
        **msgspec.structs.asdict(challenger.counts),
    )


def hour_records(
    key: str,
    challenger: Challenger,
    settings_sha256: str,
    partition: int,
    *,
    hours: Iterable[int],
) -> Iterator[KeyedEvidence]:
    """Yield the totals of those of ``hours`` that have any; arguments as of ``model_record``."""
    model, version = label_of(challenger)
    for hour in sorted(hours):
        totals = {
            name: {
                loss: sums.waiting[hour] for loss, sums in each.sums.items() if hour in sums.waiting
            }
            for name, each in sorted(challenger.against.items())
        }
        accuracy = challenger.hits.waiting.get(hour, [])
        if accuracy or any(totals.values()):
            yield (
                topic_key(key, str(hour), partition),
                HourEvidence(
                    model=model,
                    version=version,
                    sha256=challenger.sha256,
                    partition=partition,
                    settings_sha256=settings_sha256,
                    hour=hour,
                    against=totals,
                    accuracy=accuracy,
                ),
            )


def deletions(key: str, hours: Sequence[int], partition: int) -> Iterator[KeyedEvidence]:
    """Yield what deletes all records of a model."""
    yield topic_key(key, "all", partition), None
    for hour in hours:
        yield topic_key(key, str(hour), partition), None


def hours_of(challenger: Challenger) -> range:
    """Return the hours, counted from 1970, in which the model predicted, and those between them."""
    if challenger.first_ms is None or challenger.last_ms is None:
        return range(0)
    return range(challenger.first_ms // HOUR_MS, challenger.last_ms // HOUR_MS + 1)


def topic_key(model: str, of: str, partition: int) -> str:
    """Return ``<SHA-256, or name@version>|<all, or hour>|p<partition>``; ``|`` in a name becomes ``%7C``."""
    return f"{model.replace('%', '%25').replace('|', '%7C')}|{of}|p{partition}"


def _losses(versus: Versus) -> dict[str, LossEvidence]:
    return {
        loss: LossEvidence(
            blocks=sums.blocks,
            agents=sums.totals,
            worst=versus.worst.get(loss, []),
            best=versus.best.get(loss, []),
        )
        for loss, sums in sorted(versus.sums.items())
    }
