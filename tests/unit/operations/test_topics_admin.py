"""Topics compared with the contract, without a cluster."""

from dataclasses import replace

import pytest

from gnomon.operations.topics_admin import TopicState, compare
from gnomon.topics import TOPICS

RIGHT = [
    TopicState(
        name=f"p-{topic.name}",
        partitions=4,
        replication=3,
        config={**topic.config(), "segment.ms": "604800000"},
    )
    for topic in TOPICS
]


def test_topics_that_match_the_contract_do_not_differ_whatever_else_is_set() -> None:
    assert compare(RIGHT, prefix="p-", partitions=4, replication=3) == []


@pytest.mark.parametrize(
    ("wrong", "what", "expected", "found", "remedy"),
    [
        (replace(RIGHT[0], replication=1), "replication", "3", "1", "--replication 1"),
        (replace(RIGHT[0], partitions=8), "partitions", "4", "8", "--partitions 8"),
        (
            replace(RIGHT[0], config={**RIGHT[0].config, "retention.ms": "60000"}),
            "retention.ms",
            "604800000",
            "60000",
            "--entity-name p-task-events --add-config retention.ms=604800000",
        ),
    ],
)
def test_each_kind_of_difference_says_what_to_do(
    wrong: TopicState, what: str, expected: str, found: str, remedy: str
) -> None:
    (difference,) = compare([wrong, *RIGHT[1:]], prefix="p-", partitions=4, replication=3)

    assert (difference.topic, difference.what) == ("p-task-events", what)
    assert (difference.expected, difference.found) == (expected, found)
    assert remedy in str(difference)


def test_topics_of_another_prefix_do_not_count() -> None:
    differences = compare(RIGHT, prefix="q-", partitions=4, replication=3)

    assert [d.topic for d in differences] == [f"q-{topic.name}" for topic in TOPICS]
    assert {d.found for d in differences} == {"missing"}
