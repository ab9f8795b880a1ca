"""Notices that an input topic is not the one that it was, or does not fit the other topics of a stage."""

from collections.abc import Mapping, Sequence

from gnomon.errors import ConfigurationError, LostRecordsError
from gnomon.runtime.kafka.topic_facts import TopicFacts


class InputTopics:
    """What is known of the input topics of a stage.

    Args:
        names: Their full names.
        outputs: Full names of topics to which the stage writes by the number of the input partition.
    """

    def __init__(self, names: Sequence[str], outputs: Sequence[str] = ()) -> None:
        self._names, self._outputs = names, outputs
        self._logs: dict[str, str] = {}

    @property
    def compared(self) -> list[str]:
        """Every topic of which ``check`` needs the facts."""
        return [*self._names, *self._outputs]

    def check(self, found: Mapping[str, TopicFacts]) -> None:
        """Compare what a broker says now with what it said first.

        A topic that does not exist for the moment is ignored: another check tells when it is back.

        Args:
            found: The facts of the topics that exist, by full name.

        Raises:
            LostRecordsError: A topic was deleted and made again: the states here are of the old one.
            ConfigurationError: The topics have different numbers of partitions, or an output has fewer.
                Keys have moved to other partitions then, so states are wrong even where records still fit.
        """
        for topic in self._names:
            if topic not in found:
                continue
            log = found[topic].log
            if self._logs.setdefault(topic, log) != log:
                raise LostRecordsError(
                    f"{topic} was deleted and made again: its offsets mean other records now"
                )
        counts = {topic: found[topic].partitions for topic in self.compared if topic in found}
        inputs = {topic: n for topic, n in counts.items() if topic in self._names}
        require_equal_counts(inputs)
        most = max(inputs.values(), default=0)
        fewer = {topic: n for topic, n in counts.items() if topic in self._outputs and n < most}
        require_equal_counts(inputs | fewer)


def require_equal_counts(partitions: Mapping[str, int]) -> None:
    """Check that topics have the same number of partitions.

    Raises:
        ConfigurationError: They differ; the message has each number.
    """
    if len(set(partitions.values())) > 1:
        counts = ", ".join(f"{topic} has {n}" for topic, n in sorted(partitions.items()))
        most = max(partitions.values())
        raise ConfigurationError(
            f"all topics of a stage need the same number of partitions: {counts}. Give each {most},"
            " with kafka-topics.sh --alter --partitions; gnomon topics check names all that differ"
        )
