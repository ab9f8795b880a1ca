"""Notices that an input topic is not the one that it was, or does not fit the others."""

from collections.abc import Mapping, Sequence

from gnomon.errors import ConfigurationError, LostRecordsError
from gnomon.runtime.kafka.topic_facts import TopicFacts


class InputTopics:
    """What is known of the input topics of a stage.

    Args:
        names: Their full names.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._logs: dict[str, str] = {}

    def check(self, found: Mapping[str, TopicFacts]) -> None:
        """Compare what a broker says now with what it said first.

        A topic that does not exist for the moment is ignored: another check tells when it is back.

        Args:
            found: The facts of the topics that exist, by full name.

        Raises:
            LostRecordsError: A topic was deleted and made again: the states here are of the old one.
            ConfigurationError: The topics have different numbers of partitions.
        """
        for topic in self._names:
            if topic not in found:
                continue
            log = found[topic].log
            if self._logs.setdefault(topic, log) != log:
                raise LostRecordsError(
                    f"{topic} was deleted and made again: its offsets mean other records now"
                )
        require_equal_counts(
            {topic: found[topic].partitions for topic in self._names if topic in found}
        )


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
