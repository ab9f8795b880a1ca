"""Batches of a partition: outputs and offsets together, retries, poison and ticks."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.kafka.memory_partition import (
    TOPIC,
    CrashError,
    NumberingStage,
    fails,
    numbered,
)
from tests.support.kafka.processor_rig import ProcessorRig

from gnomon.errors import ConfigurationError, FencedError, StageBrokenError, StoreUnavailableError
from gnomon.records import Outputs
from gnomon.runtime.partition import processor as module
from gnomon.runtime.partition import retrying


@pytest.fixture
def rig(tmp_path: Path) -> Callable[..., ProcessorRig]:
    return lambda *values, stage=None: ProcessorRig(tmp_path, *values, stage=stage)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_BACKOFF_S", 0.0)
    monkeypatch.setattr(module, "RETRIES_S", (0.0, 0.0))


async def test_outputs_and_offsets_are_written_together(rig: Callable[..., ProcessorRig]) -> None:
    here = rig(*[b"v"] * 3)

    await here.process()

    assert here.kafka.written["out"] == numbered(0, 1, 2)
    assert here.kafka.committed == {TOPIC: 3} == here.processor.commits.offsets
    assert here.kafka.calls.count("write") == 1
    assert here.metric("gnomon_records_total", topic=TOPIC) == 3
    assert here.metric("gnomon_partition_offset", topic=TOPIC) == 3


async def test_a_dead_letter_of_the_stage_is_in_the_same_transaction(
    rig: Callable[..., ProcessorRig],
) -> None:
    here = rig(b"v", b"x", b"v")

    await here.process()

    assert here.kafka.written["out"] == numbered(0, 2)
    assert here.dead == [(1, "refused")]
    assert here.kafka.calls.count("write") == 1
    assert here.metric("gnomon_dead_letters_total", reason="refused") == 1


@pytest.mark.parametrize("step", ["write", "written"])
async def test_a_failed_transaction_is_done_once_by_the_successor(
    rig: Callable[..., ProcessorRig], step: str
) -> None:
    """Whether it failed before the commit or only its acknowledgement was lost."""
    here = rig(*[b"v"] * 4)
    await here.process(0, 2)
    # The first of these calls of the second batch; the writer is opened before.
    here.kafka.crash_at = len(here.kafka.calls) + {"write": 1, "written": 2}[step]
    with pytest.raises(CrashError, match=f"at {step}"):
        await here.process(2, recover=False)
    here.kafka.crash_at = None

    await here.succeed()

    assert here.kafka.written["out"] == numbered(0, 1, 2, 3)


async def test_a_transient_error_is_retried_on_the_same_state(
    rig: Callable[..., ProcessorRig],
) -> None:
    here = rig(b"v", b"v", stage=NumberingStage(on_apply=fails(3)))

    await here.process()

    assert here.kafka.written["out"] == numbered(0, 1)
    assert here.dead == []


async def test_a_transient_error_ends_the_batch_when_the_worker_stops(
    rig: Callable[..., ProcessorRig],
) -> None:
    here = rig(b"v", stage=NumberingStage(on_apply=fails(99, StoreUnavailableError("down"))))
    here.stopping = True

    with pytest.raises(StoreUnavailableError):
        await here.process()

    assert here.kafka.committed == {}


async def test_a_configuration_error_is_not_blamed_on_a_record(
    rig: Callable[..., ProcessorRig],
) -> None:
    here = rig(b"v", stage=NumberingStage(on_apply=fails(1, ConfigurationError("no key"))))

    with pytest.raises(ConfigurationError):
        await here.process()

    assert here.dead == []


@pytest.mark.parametrize("times", [1, 2])
async def test_an_error_that_does_not_come_again_makes_no_dead_letter(
    rig: Callable[..., ProcessorRig], times: int
) -> None:
    here = rig(b"v", b"v", stage=NumberingStage(on_apply=fails(times, KeyError("flaky"))))

    await here.process()

    assert here.dead == []
    assert here.kafka.written["out"] == numbered(0, 1)


@pytest.mark.parametrize("at", range(5))
async def test_a_poison_record_is_quarantined_and_leaves_nothing(
    rig: Callable[..., ProcessorRig], at: int
) -> None:
    values = [b"v"] * 5
    values[at] = b"!"
    here = rig(b"v", *values, b"v")

    await here.process(0, 1)
    await here.process(1, 6, recover=False)
    await here.process(6, recover=False)

    poison = at + 1
    assert here.dead == [(poison, "stage_error")]
    assert here.kafka.written["out"] == numbered(*(n for n in range(7) if n != poison))
    assert here.kafka.committed == {TOPIC: 7}
    assert here.metric("gnomon_dead_letters_total", reason="stage_error") == 1


async def test_outputs_that_are_too_large_quarantine_their_record(
    rig: Callable[..., ProcessorRig],
) -> None:
    here = rig(b"v", b"L", b"v")
    here.kafka.largest = 400

    await here.process()

    assert here.dead == [(1, "output_too_large")]
    assert here.kafka.written["out"] == numbered(0, 2)
    assert here.kafka.committed == {TOPIC: 3}


async def test_a_crash_while_poison_is_searched_repeats_nothing(
    rig: Callable[..., ProcessorRig], tmp_path: Path
) -> None:
    """At any of its calls; the successor goes on from what was committed."""
    whole = rig(b"v", b"!", b"v", b"v", b"!", b"v")
    await whole.process()
    expected = numbered(0, 2, 3, 5)
    assert whole.kafka.written["out"] == expected

    for crash_at in range(1, len(whole.kafka.calls)):
        here = ProcessorRig(tmp_path / f"crash-{crash_at}", *(r.value or b"" for r in whole.log))
        here.kafka.crash_at = crash_at
        with pytest.raises(CrashError):
            await here.process()
        await here.succeed()

        assert here.kafka.written["out"] == expected, whole.kafka.calls[crash_at]
        assert here.dead == [(1, "stage_error"), (4, "stage_error")]


async def test_a_stage_that_raises_on_every_record_is_broken(
    rig: Callable[..., ProcessorRig],
) -> None:
    here = rig(*[b"!"] * 40)

    with pytest.raises(StageBrokenError):
        await here.process()

    assert here.dead == []
    assert here.kafka.committed == {}


async def test_a_fenced_processor_writes_nothing(rig: Callable[..., ProcessorRig]) -> None:
    here = rig(b"v", b"v")
    async with here.kafka.open_writer() as writer:
        await here.processor.recover()
        async with here.kafka.open_writer():
            await here.processor.process(writer, here.log)
            with pytest.raises(FencedError):
                await here.processor.settle(writer)

    assert here.kafka.written["out"] == []
    assert here.processor.commits.offsets == {TOPIC: 0}


async def test_the_lag_is_what_is_not_processed(rig: Callable[..., ProcessorRig]) -> None:
    here = rig(*[b"v"] * 3)
    await here.process(0, 2)
    assert here.processor.lag == 0  # no end offset is known

    here.processor.end_offsets = {TOPIC: 10}
    assert here.processor.lag == 8
    await here.process(2, recover=False)

    assert here.processor.lag == 7
    assert here.stage.lags == [2, 8]  # the batch itself when nothing is known


async def test_a_tick_writes_without_offsets(rig: Callable[..., ProcessorRig]) -> None:
    here = rig(b"v", stage=NumberingStage(on_tick=Outputs({"out": [(None, b"tick")]})))
    await here.process()

    async with here.kafka.open_writer() as writer:
        await here.processor.tick(writer, 1.5)

    assert here.stage.idle_ms == [1500]
    assert here.kafka.written["out"] == [*numbered(0), b"tick"]
    assert here.kafka.committed == {TOPIC: 1}


async def test_while_records_wait_no_time_passes(rig: Callable[..., ProcessorRig]) -> None:
    here = rig(b"v", stage=NumberingStage(on_tick=Outputs({"out": [(None, b"tick")]})))
    await here.process()
    async with here.kafka.open_writer() as writer:
        for end in (2, 1):
            here.processor.end_offsets = {TOPIC: end}
            await here.processor.tick(writer, 1.5)

    assert here.stage.idle_ms == [0, 1500]
    assert here.kafka.written["out"][-2:] == [b"tick", b"tick"]


@pytest.mark.parametrize(
    ("outputs", "writes"),
    [(None, 0), (Outputs(), 0), (Outputs({"out": []}), 0), (Outputs({"out": [(None, b"")]}), 1)],
)
async def test_an_empty_tick_is_no_transaction(
    rig: Callable[..., ProcessorRig], outputs: Outputs | None, writes: int
) -> None:
    here = rig(b"v", stage=NumberingStage(on_tick=outputs))
    await here.process()

    async with here.kafka.open_writer() as writer:
        await here.processor.tick(writer, 1.0)

    assert here.kafka.calls.count("write") == 1 + writes


async def test_a_tick_that_is_too_large_is_dropped(rig: Callable[..., ProcessorRig]) -> None:
    here = rig(b"v", stage=NumberingStage(on_tick=Outputs({"out": [(None, b"t" * 500)]})))
    here.kafka.largest = 400
    await here.process()

    async with here.kafka.open_writer() as writer:
        await here.processor.tick(writer, 1.0)

    assert here.kafka.written["out"] == numbered(0)
