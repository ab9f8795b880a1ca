"""Reads the live evidence from its topic, and judges it."""

from collections.abc import Mapping, Sequence
from typing import Any

from gnomon import codec
from gnomon.connection import KafkaConnection
from gnomon.events import EvidenceEvent
from gnomon.runtime.kafka.reading import partitions_of, read_topic
from gnomon.topics import VERDICT_EVIDENCE
from gnomon.verdict import Drill, Evidence, ModelVerdict, Verdicts, judge, merge_evidence


async def read_evidence(
    *, kafka: KafkaConnection, prefix: str, within_s: float = 3.0
) -> list[Evidence]:
    """Return the evidence of all partitions, added up by experiment; the newest experiment comes first.

    Args:
        kafka: The cluster.
        prefix: Prefix of topic names.
        within_s: For how long brokers that do not answer are asked again.

    Returns:
        Nothing if the topic does not exist, or if no model has predicted yet.

    Raises:
        BrokerUnavailableError: No broker answers.
    """
    topic = prefix + VERDICT_EVIDENCE.name
    if not (await partitions_of(kafka, [topic], within_s=within_s)).get(topic):
        return []
    latest: dict[bytes, EvidenceEvent] = {}
    async for record in read_topic(kafka=kafka, topic=topic, follow=False):
        key = record.key or b""
        if record.value is None:
            latest.pop(key, None)
        else:
            latest[key] = codec.decode_evidence(record.value)
    return merge_evidence(latest.values())


def live_verdicts(evidence: Evidence, *, drills: Sequence[Drill], now_ms: int) -> Verdicts:
    """Judge live evidence.

    Args:
        evidence: As ``read_evidence`` returns it.
        drills: All drills that were run.
        now_ms: The time from which the age of drills is measured (epoch milliseconds).

    Returns:
        The verdicts. ``records`` and ``repeats`` are 0: decisions are not counted apart from models.
    """
    return Verdicts(
        models=judge(evidence, drills=drills, now_ms=now_ms),
        settings_sha256=evidence.settings.sha256(),
        settings=evidence.settings,
        window=evidence.window,
        newest=False,
        now_ms=now_ms,
        watermark_ms=max((c.last_ms or 0 for c in evidence.challengers.values()), default=0),
        records=0,
        repeats=0,
        drills=list(drills),
    )


def beside_strongest(verdict: Mapping[str, Any]) -> str:
    """Return a summary's log loss beside the strongest baseline's; empty without one."""
    over = verdict["improvement_over_strongest"]
    if over is None:
        return ""
    side = "below" if over >= 0 else "above"
    return f"log loss {abs(100 * over):.1f} % {side} {verdict['strongest']}"


def summary_of(model: ModelVerdict) -> dict[str, object]:
    """Return the fields of a verdict that ``gnomon status`` shows, for JSON."""
    strongest = model.against.get(model.strongest or "", {}).get("log_loss")
    improvement = model.criteria["improvement"]
    return {
        "name": model.name,
        "version": model.version,
        "sha256": model.sha256,
        "word": model.word,
        "blocked_by": model.blocked_by,
        "decisions": model.decisions,
        "immature": model.immature,
        "active_hours": model.active_hours,
        "decides_in_hours": model.decides_in_hours,
        "improvement": improvement.estimate,
        "improvement_low": improvement.low,
        "improvement_high": improvement.high,
        "strongest": model.strongest,
        "improvement_over_strongest": None if strongest is None else strongest.estimate,
        "harmed_agents": [harmed.agent_id for harmed in model.harm],
    }
