"""What the fold needs to know beforehand."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonConfig:
    """Settings of the comparison of one partition.

    The records a state leads to are a function of the offsets it has read and of these settings:
    a state must be folded, and restored, with the settings it began with.

    Attributes:
        partition: The partition, for the ledger and the figures.
        topic_prefix: The installation's prefix of topic names.
        expire_after_ms: A task without an end expires when the watermark passes its start by
            this; a task that ended is remembered as long, to know repeats.
        max_clock_ahead_ms: Task events further ahead of their record's timestamp do not count.
        max_disorder: A part (features, predictions) that has not come when the same part of a
            task has that started this many starts later, will never come. More than twice the
            largest batch of any stage, because a batch's predictions may be grouped by model.
        max_waiting: How many tasks may wait for features and predictions, and how many for their
            start. The oldest is given up beyond it: a last resort, while another stage is down,
            and the one case in which results depend on how the topics interleave.
        max_agents: How many agents have figures of their own: the first that start a task.
    """

    partition: int
    topic_prefix: str = ""
    expire_after_ms: int = 86_400_000
    max_clock_ahead_ms: int = 600_000
    max_disorder: int = 32_768
    max_waiting: int = 500_000
    max_agents: int = 256
