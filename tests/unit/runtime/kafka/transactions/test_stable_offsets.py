"""What is ended before the offsets of a partition are read, and what is not."""

from collections.abc import Mapping, Sequence

import pytest
from aiokafka import errors as kafka
from aiokafka.structs import TopicPartition

from gnomon.errors import BrokerUnavailableError
from gnomon.runtime.kafka.transactions.group import GroupMember
from gnomon.runtime.kafka.transactions.group_offsets import GroupOffset
from gnomon.runtime.kafka.transactions.stable_offsets import StableOffsets

IN = TopicPartition("in", 0)


class Source:
    """A group with one committed offset; ``calls`` has what was asked, in order."""

    def __init__(self, metadata: str) -> None:
        self.calls: list[str] = []
        self._metadata = metadata
        self.error: Exception | None = None
        self.offsets = [7]
        """What is answered; the last for ever."""

    async def end_other(self, transactional_id: str) -> None:
        self.calls.append(f"end {transactional_id}")

    async def group_offsets(
        self, group: str, tps: Sequence[TopicPartition], *, require_stable: bool
    ) -> Mapping[TopicPartition, GroupOffset]:
        self.calls.append(f"{group} {'stable' if require_stable else 'any'}")
        if self.error is not None:
            raise self.error
        offset = self.offsets[0]
        if require_stable and len(self.offsets) > 1:
            del self.offsets[0]
        return {tp: GroupOffset(offset, self._metadata) for tp in tps}


def member(*ids: str, generation: int = 4) -> GroupMember:
    return GroupMember("g", generation, "m", None, frozenset(ids))


def reader(source: Source) -> StableOffsets:
    async def at_once(_: float) -> None:
        """Do not wait."""

    return StableOffsets(source, stage="features", transactional_id="g-me", sleep=at_once)


@pytest.mark.parametrize(
    ("metadata", "ids", "ended"),
    [
        ("g-dead", {"g-me", "g-other"}, ["end g-dead"]),
        ("g-other", {"g-me", "g-other"}, []),
        ("g-me", {"g-me"}, []),
        ("", {"g-me"}, []),
        ("a note of somebody else", {"g-me"}, []),
        ("g-dead", set(), []),  # the leader does not send ids, so nobody is known to be gone
    ],
)
async def test_what_an_owner_left_open_is_ended_unless_it_may_be_a_member(
    metadata: str, ids: set[str], ended: list[str]
) -> None:
    source = Source(metadata)
    offsets = reader(source)
    offsets.joined(member(*ids), can_end=True)

    assert await offsets.read([IN]) == {IN: 7}

    assert source.calls == ["g any", *ended, "g stable"]


async def test_it_is_ended_once_in_a_generation() -> None:
    source = Source("g-dead")
    offsets = reader(source)
    for generation in (4, 5):
        offsets.joined(member("g-me", generation=generation), can_end=True)
        await offsets.read([IN])
        await offsets.read([IN])

    assert source.calls.count("end g-dead") == 2


async def test_what_members_of_the_last_generation_left_open_is_ended_too() -> None:
    source = Source("g-me")
    offsets = reader(source)
    offsets.joined(member("g-me", "g-first", "g-second"), can_end=False)
    offsets.joined(member("g-me", "g-second", generation=5), can_end=True)

    await offsets.read([IN])

    assert source.calls == ["end g-first", "g any", "g stable"]


async def test_brokers_that_do_not_answer_are_a_transient_error() -> None:
    source = Source("")
    source.error = kafka.RequestTimedOutError()
    offsets = reader(source)
    offsets.joined(member("g-me"), can_end=True)

    with pytest.raises(BrokerUnavailableError, match="offsets of g"):
        await offsets.read([IN])


@pytest.mark.parametrize("committed", [True, False])
async def test_offsets_older_than_known_ones_are_asked_for_again(*, committed: bool) -> None:
    source = Source("")
    offsets = reader(source)
    offsets.joined(member("g-me"), can_end=True)
    if committed:
        offsets.committed({IN: 9})
    else:
        source.offsets = [9]
        await offsets.read([IN])

    source.offsets = [3, -1, 9]

    assert await offsets.read([IN]) == {IN: 9}


async def test_offsets_that_stay_older_are_not_taken() -> None:
    source = Source("")
    offsets = reader(source)
    offsets.joined(member("g-me"), can_end=True)
    offsets.committed({IN: 8})

    with pytest.raises(BrokerUnavailableError, match=r"in\[0\]: .* up to 7, but 8 was committed"):
        await offsets.read([IN])


async def test_offsets_that_stay_pending_are_named() -> None:
    source = Source("")
    source.error = kafka.ConcurrentTransactions()
    offsets = reader(source)
    offsets.joined(member("g-me"), can_end=True)

    with pytest.raises(BrokerUnavailableError, match="offsets of g stay pending"):
        await offsets.read([IN])
