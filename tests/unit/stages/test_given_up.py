"""The comparison stage forgets partitions that another worker has."""

from typing import Any

from tests.unit.comparison.build import PREFIX, features, finished, predicted, started

from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.comparison import ComparisonStage


async def test_a_partition_that_was_given_up_counts_no_more() -> None:
    stage = ComparisonStage(Settings(topic_prefix=PREFIX), metrics=Metrics())
    for partition in (0, 1):
        state = stage.new_state(partition)
        records = [started("t"), features("t"), predicted("t"), finished("t", at=2_000)]
        await stage.apply(state, records)
    before: Any = stage.status()

    stage.give_up(1)
    stage.give_up(7)

    after: Any = stage.status()
    assert (before["ledger"].matched, after["ledger"].matched) == (2, 1)
    assert before["unwritten"] == 2 * after["unwritten"] > 0
