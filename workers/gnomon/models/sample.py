"""Chooses the runs of a training from the vault, in memory that does not grow with the vault.

All of the newest runs are chosen, so that the training sees recent work as it is, and the evaluation,
which uses the newest runs, judges it as it is. Of older runs, only the newest of each agent and task
type are chosen, so that rare work is not crowded out by frequent work.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gnomon.events import Comparison
from gnomon.models.runs import is_usable


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingRule:
    """Which runs are chosen.

    Attributes:
        recent: Number of newest runs that are all chosen.
        of_stratum: An older run is chosen if fewer chosen runs have its agent and its task type.
        most: Most runs to choose; no older decision is read after them.
        most_read: Most decisions to read; ``None`` for all.

    Raises:
        ValueError: A number is negative, or ``most`` is below 1.
    """

    recent: int = 20_000
    of_stratum: int = 200
    most: int = 50_000
    most_read: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.recent, self.of_stratum, self.most - 1, self.most_read or 0) < 0:
            raise ValueError(f"a sampling rule needs numbers of runs, got {self}")

    def __str__(self) -> str:
        """Return the rule for people."""
        read = "" if self.most_read is None else f", from the newest {self.most_read:,} decisions"
        return (
            f"the newest {self.recent:,} runs, and of older ones the newest of each agent and task"
            f" type up to {self.of_stratum:,}; at most {self.most:,} in all{read}"
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """The chosen runs, newest first, and the number of decisions that were read for them."""

    runs: list[Comparison]
    read: int


def sample(newest_first: Iterable[Comparison], rule: SamplingRule) -> Sample:
    """Choose runs from decisions in the order of their ends, the latest end first.

    Decisions without an outcome are read and not chosen.
    """
    chosen: list[Comparison] = []
    of_stratum: Counter[tuple[str, str]] = Counter()
    read = 0
    for decision in newest_first:
        if len(chosen) >= rule.most or (rule.most_read is not None and read >= rule.most_read):
            break
        read += 1
        stratum = (decision.agent_id, decision.task_type)
        is_chosen = len(chosen) < rule.recent or of_stratum[stratum] < rule.of_stratum
        if is_chosen and is_usable(decision):
            chosen.append(decision)
            of_stratum[stratum] += 1
    return Sample(chosen, read)
