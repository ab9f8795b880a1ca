"""A rebuilt state is the state after exactly the committed records that were not quarantined."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.kafka.memory_partition import (
    TOPIC,
    MemoryPartition,
    NumberingStage,
    Record,
    fails,
    records,
)

from gnomon.connection import KafkaConnection
from gnomon.errors import BrokerUnavailableError, StageBrokenError, StoreUnavailableError
from gnomon.records import DeadLetter
from gnomon.runtime.partition.failure_limit import ConsecutiveFailureLimit
from gnomon.runtime.partition.ports import PartitionRef
from gnomon.runtime.partition.recovery import Recovery
from gnomon.runtime.partition.snapshots import Snapshot, SnapshotStore

REF = PartitionRef(kafka=KafkaConnection("none:1"), group="g", prefix="p.", partition=0)


class Rig:
    """A recovery from a log in memory and snapshots in a folder."""

    def __init__(self, folder: Path, *values: bytes, stage: NumberingStage | None = None) -> None:
        self.log = records(*values)
        self.kafka = MemoryPartition({TOPIC: self.log})
        self.stage = stage or NumberingStage()
        self.store = SnapshotStore(folder)
        self.read: list[int] = []
        self.stage.on_apply = lambda records: self.read.extend(r.offset for r in records)
        self.steps = 0

    def save(self, data: bytes, **offsets: int) -> None:
        """A snapshot; ``offsets`` are by base topic name."""
        self.store.save(0, Snapshot({f"p.{name}": n for name, n in offsets.items()}, data))

    def quarantine(self, *offsets: int, reason: str = "stage_error") -> None:
        self.kafka.dead += [DeadLetter(self.log[n], reason) for n in offsets]

    async def rebuild(self, committed: int) -> list[int]:
        recovery = Recovery(
            self.stage,
            REF,
            log=self.kafka,
            snapshots=self.store,
            on_progress=self._step,
            failure_limit=ConsecutiveFailureLimit("numbering"),
        )
        return await recovery.rebuild({TOPIC: committed})

    def _step(self) -> None:
        self.steps += 1


async def test_without_a_snapshot_the_log_is_read_from_its_beginning(tmp_path: Path) -> None:
    rig = Rig(tmp_path, *[b"v"] * 10)

    assert await rig.rebuild(8) == [8]
    assert rig.read == list(range(8))
    assert rig.steps == 3  # after each chunk of three


async def test_nothing_is_written(tmp_path: Path) -> None:
    rig = Rig(tmp_path, b"v", b"x")

    await rig.rebuild(2)

    assert "write" not in rig.kafka.calls
    assert rig.kafka.dead == []


async def test_only_what_follows_the_newest_snapshot_is_read(tmp_path: Path) -> None:
    rig = Rig(tmp_path, *[b"v"] * 10)
    rig.save(b"3", **{"in": 3})
    rig.save(b"7", **{"in": 7})

    assert await rig.rebuild(9) == [9]
    assert rig.read == [7, 8]


async def test_a_snapshot_of_the_committed_offsets_needs_no_record(tmp_path: Path) -> None:
    rig = Rig(tmp_path, *[b"v"] * 3)
    rig.save(b"3", **{"in": 3})

    assert await rig.rebuild(3) == [3]
    assert rig.read == []


@pytest.mark.parametrize(
    ("data", "offsets"),
    [
        (b"9", {"in": 9}),  # ahead of what was committed
        (b"5", {"in": 5, "other": 1}),  # of a stage with another input
        (b"5", {"other": 5}),
        (b"not a number", {"in": 5}),  # the stage refuses it
    ],
)
async def test_an_unusable_snapshot_is_skipped_for_the_one_before(
    tmp_path: Path, data: bytes, offsets: dict[str, int]
) -> None:
    rig = Rig(tmp_path, *[b"v"] * 10)
    rig.save(b"2", **{"in": 2})
    rig.save(data, **offsets)

    assert await rig.rebuild(8) == [8]
    assert rig.read == [2, 3, 4, 5, 6, 7]


async def test_a_stateless_stage_reads_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path, *[b"v"] * 3, stage=NumberingStage(stateful=False))

    assert await rig.rebuild(3) == [0]
    assert rig.kafka.calls == []


async def test_topics_are_read_in_the_order_of_their_times(tmp_path: Path) -> None:
    rig = Rig(tmp_path, stage=NumberingStage(inputs=("a", "b")))
    read: list[tuple[str, int]] = []
    rig.stage.on_apply = lambda records: read.extend((r.topic, r.offset) for r in records)
    rig.kafka.inputs = {
        "p.a": [Record(n, topic="p.a", timestamp=n * 10) for n in range(6)],
        "p.b": [Record(n, topic="p.b", timestamp=25 + n) for n in range(2)],
    }
    recovery = Recovery(
        rig.stage,
        REF,
        log=rig.kafka,
        snapshots=rig.store,
        on_progress=lambda: None,
        failure_limit=ConsecutiveFailureLimit("numbering"),
    )

    assert await recovery.rebuild({"p.a": 5, "p.b": 2}) == [7]
    a, b = [("p.a", n) for n in range(5)], [("p.b", n) for n in range(2)]
    assert read == [*a[:3], *b, *a[3:]]


@pytest.mark.parametrize("reason", ["stage_error", "output_too_large"])
async def test_a_quarantined_record_is_skipped(tmp_path: Path, reason: str) -> None:
    """Also by a version of the stage that could process it: redriving it processes it once."""
    rig = Rig(tmp_path, *[b"v"] * 6)
    rig.quarantine(1, 4, reason=reason)

    assert await rig.rebuild(6) == [4]
    assert rig.read == [0, 2, 3, 5]


async def test_a_record_that_the_stage_refused_itself_is_not_skipped(tmp_path: Path) -> None:
    """Its refusal may have changed the state."""
    rig = Rig(tmp_path, b"v", b"x", b"v")
    rig.quarantine(1, reason="refused")

    await rig.rebuild(3)

    assert rig.read == [0, 1, 2]


async def test_a_record_on_which_the_stage_raises_only_now_is_skipped_with_an_alarm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path, b"v", b"v", b"v", b"v", b"!", b"v", b"v")
    rig.save(b"2", **{"in": 2})

    assert await rig.rebuild(7) == [6]

    (alarm,) = [r for r in caplog.records if r.getMessage() == "recovery.record_left_out"]
    assert (alarm.levelname, alarm.__dict__["topic"], alarm.__dict__["offset"]) == (
        "ERROR",
        TOPIC,
        4,
    )


async def test_each_such_record_raises_one_alarm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The records before it are read again for the second, without the first."""
    rig = Rig(tmp_path, b"v", b"!", *[b"v"] * 6, b"!", b"v")

    assert await rig.rebuild(10) == [8]

    alarms = [r for r in caplog.records if r.getMessage() == "recovery.record_left_out"]
    assert [alarm.__dict__["offset"] for alarm in alarms] == [1, 8]


async def test_a_snapshot_of_a_stage_with_fewer_inputs_is_not_used(tmp_path: Path) -> None:
    rig = Rig(tmp_path, *[b"v"] * 3)
    rig.kafka.inputs["p.new"] = records(b"v", topic="p.new")
    rig.save(b"3", **{"in": 3})
    recovery = Recovery(
        rig.stage,
        REF,
        log=rig.kafka,
        snapshots=rig.store,
        on_progress=lambda: None,
        failure_limit=ConsecutiveFailureLimit("numbering"),
    )

    assert await recovery.rebuild({TOPIC: 3, "p.new": 1}) == [4]


async def test_a_stage_that_raises_on_every_record_is_broken(tmp_path: Path) -> None:
    rig = Rig(tmp_path, *[b"!"] * 40)
    with pytest.raises(StageBrokenError):
        await rig.rebuild(40)


@pytest.mark.parametrize("call", range(4))
async def test_after_a_broker_error_the_next_attempt_is_complete(tmp_path: Path, call: int) -> None:
    rig = Rig(tmp_path, *[b"v"] * 6)
    rig.kafka.crash_at = call
    with pytest.raises(BrokerUnavailableError):
        await rig.rebuild(6)

    assert await rig.rebuild(6) == [6]


async def test_a_transient_error_of_the_stage_is_not_blamed_on_a_record(tmp_path: Path) -> None:
    rig = Rig(tmp_path, *[b"v"] * 3)
    rig.stage.on_apply = fails(1, StoreUnavailableError("down"))
    with pytest.raises(StoreUnavailableError):
        await rig.rebuild(3)


@given(
    values=st.lists(st.sampled_from([b"v", b"v", b"v", b"!"]), max_size=25),
    data=st.data(),
)
async def test_the_state_does_not_depend_on_snapshots_or_on_where_it_stopped(
    values: list[bytes], data: st.DataObject
) -> None:
    committed = data.draw(st.integers(0, len(values)), label="committed")
    known = data.draw(st.booleans(), label="quarantine is known")
    good = [value != b"!" for value in values]
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder), *values)
        for n in data.draw(st.lists(st.integers(0, len(values)), max_size=3), label="snapshots"):
            rig.save(b"%d" % sum(good[:n]), **{"in": n})
        if known:
            rig.quarantine(*(n for n in range(committed) if not good[n]))

        assert await rig.rebuild(committed) == [sum(good[:committed])]
