"""Partitions are spread evenly, and stay with their members as far as that allows."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from hypothesis import given
from hypothesis import strategies as st

from gnomon.runtime.kafka.assignor import OwnedPartitions, StickyAssignor, assign_partitions

owned = st.builds(
    OwnedPartitions,
    round=st.integers(0, 3),
    numbers=st.lists(st.integers(0, 12), unique=True).map(tuple),
)


@given(st.integers(0, 12), st.dictionaries(st.text("abc", max_size=3), owned, min_size=1))
def test_each_partition_has_one_owner_and_shares_are_even(
    partitions: int, members: dict[str, OwnedPartitions]
) -> None:
    shares = assign_partitions(range(partitions), members)

    assert set(shares) == set(members)
    assert sorted(n for numbers in shares.values() for n in numbers) == list(range(partitions))
    sizes = [len(numbers) for numbers in shares.values()]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"a": OwnedPartitions(1, (2, 3)), "b": OwnedPartitions()}, {"a": [2, 3], "b": [0, 1]}),
        (
            {"b": OwnedPartitions(1, (0, 1, 2, 3)), "a": OwnedPartitions()},
            {"b": [0, 1], "a": [2, 3]},
        ),
        (
            {"b": OwnedPartitions(2, (1, 3)), "a": OwnedPartitions(2, (0, 2))},
            {"b": [1, 3], "a": [0, 2]},
        ),
        ({"z": OwnedPartitions(3, (1, 3))}, {"z": [0, 1, 2, 3]}),
        # a third joins two: the least is moved
        (
            {
                "a": OwnedPartitions(2, (0, 1)),
                "b": OwnedPartitions(2, (2, 3)),
                "0": OwnedPartitions(),
            },
            {"a": [0, 1], "b": [2], "0": [3]},
        ),
        # a was frozen while b was given everything
        (
            {"a": OwnedPartitions(1, (0, 1)), "b": OwnedPartitions(2, (0, 1, 2, 3))},
            {"b": [0, 1], "a": [2, 3]},
        ),
        # more members than partitions
        (
            {name: OwnedPartitions() for name in "abcde"},
            {"a": [0], "b": [1], "c": [2], "d": [3], "e": []},
        ),
    ],
    ids=["joins", "joins one with all", "same", "last", "third", "was away", "too many"],
)
def test_members_keep_their_partitions(
    members: dict[str, OwnedPartitions], expected: dict[str, list[int]]
) -> None:
    assert assign_partitions(range(4), members) == expected


def settle(cluster: Any, members: dict[str, StickyAssignor]) -> dict[str, dict[str, list[int]]]:
    """Run one rebalance as a group does; returns each member's partitions by topic."""
    reports = {name: member.metadata(["x", "y"]) for name, member in members.items()}
    assigned = next(iter(members.values())).assign(cluster, reports)
    for name, member in members.items():
        # over the wire and back
        sent = ConsumerProtocolMemberAssignment.decode(assigned[name].encode())
        member.on_assignment(sent)
    return {name: dict(assigned[name].assignment) for name in members}


def test_a_group_that_grows_and_shrinks_moves_no_more_than_it_must() -> None:
    cluster = SimpleNamespace(partitions_for_topic=lambda _: {0, 1, 2, 3})
    old, new = StickyAssignor(), StickyAssignor()

    alone = settle(cluster, {"m": old})
    both = settle(cluster, {"a": new, "m": old})
    again = settle(cluster, {"m": old, "a": new})
    left = settle(cluster, {"a": new})

    assert alone == {"m": {"x": [0, 1, 2, 3], "y": [0, 1, 2, 3]}}
    assert both == {"m": {"x": [0, 1], "y": [0, 1]}, "a": {"x": [2, 3], "y": [2, 3]}}
    assert again == both
    assert left == {"a": {"x": [0, 1, 2, 3], "y": [0, 1, 2, 3]}}


def test_every_member_learns_the_transactional_ids_of_all_members() -> None:
    cluster = SimpleNamespace(partitions_for_topic=lambda _: {0, 1, 2, 3})
    first, second, old = StickyAssignor("g-1"), StickyAssignor("g-2"), StickyAssignor()

    settle(cluster, {"a": first, "b": second, "c": old})
    assert first.members == second.members == {"g-1", "g-2"}

    settle(cluster, {"b": second})
    assert second.members == {"g-2"}


@pytest.mark.parametrize("user_data", [b"", None, b"\xff", b"[1]", b'{"round": "x"}'])
def test_a_report_that_cannot_be_read_counts_as_owning_nothing(user_data: bytes | None) -> None:
    assignor = StickyAssignor()

    assignor.on_assignment(ConsumerProtocolMemberAssignment(0, [("x", [1])], user_data))

    assert assignor.metadata(["x"]).user_data == StickyAssignor().metadata(["x"]).user_data
