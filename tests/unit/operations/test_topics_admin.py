"""Topics compared with the contract, without a cluster."""

from dataclasses import replace

import pytest

from gnomon.errors import ConfigurationError
from gnomon.operations.topic_differences import TopicState, compare
from gnomon.operations.topics_admin import shape_of
from gnomon.settings import Settings
from gnomon.topics import DEFAULT_PARTITIONS, TOPICS, retention_by_topic

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


def test_topics_are_judged_by_the_settings_of_the_installation() -> None:
    settings = Settings.from_env(
        {
            "GNOMON_TOPIC_PARTITIONS": "4",
            "GNOMON_TOPIC_REPLICATION": "3",
            "GNOMON_TOPIC_RETENTION": "task-events=30d, decisions=forever",
        }
    )
    kept = {"p-task-events": "2592000000", "p-decisions": "-1"}
    as_set = [
        replace(state, config={**state.config, "retention.ms": kept[state.name]})
        if state.name in kept
        else state
        for state in RIGHT
    ]

    assert compare(as_set, prefix="p-", **shape_of(settings)) == []
    differences = compare(RIGHT, prefix="p-", **shape_of(settings))
    assert {(d.topic, d.expected) for d in differences} == set(kept.items())


@pytest.mark.parametrize(
    "given",
    [
        "task-events",
        "task-events=",
        "task-events=0d",
        "task-events=30",
        "task-events=30m",
        "task-events=-1",
        "agent-features=30d",
        "no-topic=30d",
        "task-events=30d;decisions=1d",
    ],
)
def test_a_retention_that_cannot_be_is_refused_with_the_topics_that_have_one(given: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"task-events=30d.*got '.*task-events, "
    ) as raised:
        retention_by_topic(given)

    assert "agent-features," not in str(raised.value).partition("age:")[2]


def test_the_settings_have_the_contract_s_number_of_partitions() -> None:
    assert Settings().topic_partitions == DEFAULT_PARTITIONS


def test_topics_of_another_prefix_do_not_count() -> None:
    differences = compare(RIGHT, prefix="q-", partitions=4, replication=3)

    assert [d.topic for d in differences] == [f"q-{topic.name}" for topic in TOPICS]
    assert {d.found for d in differences} == {"missing"}
