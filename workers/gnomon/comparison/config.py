"""Settings of the comparison."""

from dataclasses import dataclass

from gnomon.verdict import LIVE_SETTINGS, VerdictSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonConfig:
    """Settings of the comparison of one partition.

    The output records depend on the records read and on these settings alone. A state must
    therefore be folded, and restored, with the settings it began with.

    Attributes:
        partition: The partition, which ledger and metrics name.
        topic_prefix: The installation's prefix of topic names.
        expire_after_ms: A task without an end expires when the watermark is later than its start
            by this much. An ended task is remembered for the same time, to recognise repeats.
        max_clock_ahead_ms: Task events further ahead of their record's timestamp do not count.
        max_disorder: How far features or predictions may be out of order, counted in starts. If
            they are missing for one task but present for a task that started this many starts
            later, they will never come. It must be more than twice the largest batch of any
            stage, because the predictions of a batch may be grouped by model.
        max_waiting: Most tasks that wait for features and predictions, and most that wait for
            their start. Beyond it the oldest task is given up. This happens only if another stage
            is down for long; results then depend on how the topics interleave.
        max_agents: Number of agents with metrics of their own: the first that start a task.
        verdict: Settings of the live verdict. Of a state that is restored with other settings, the
            evidence is dropped.
    """

    partition: int
    topic_prefix: str = ""
    expire_after_ms: int = 86_400_000
    max_clock_ahead_ms: int = 600_000
    max_disorder: int = 32_768
    max_waiting: int = 500_000
    max_agents: int = 256
    verdict: VerdictSettings = LIVE_SETTINGS
