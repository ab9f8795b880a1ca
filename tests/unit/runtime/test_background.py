"""Work beside the batches goes on after any error, and says so meanwhile."""

import asyncio
import logging

import pytest
from tests.support.polling import eventually

from gnomon.runtime.background import BackgroundWork, failing


class Source:
    """Counts how often it is followed; fails while ``broken``."""

    def __init__(self) -> None:
        self.rounds = 0
        self.broken: Exception | None = None

    async def follow(self) -> None:
        self.rounds += 1
        if self.broken is not None:
            raise self.broken


@pytest.mark.parametrize(
    "error", [ValueError("v"), OSError(5, "io"), MemoryError(), KeyError("k"), RecursionError()]
)
async def test_any_error_delays_the_work_and_is_told_until_it_succeeds(error: Exception) -> None:
    source = Source()
    source.broken = error
    work = BackgroundWork("following a topic", source.follow, pause_s=0.001)
    work.start()
    try:
        await eventually(lambda: source.rounds > 3, what="it is begun again")
        assert failing([work]) == [f"following a topic: {error!r}"]

        source.broken = None
        await eventually(lambda: failing([work]) == [], what="it succeeds")
    finally:
        await work.stop()


async def test_an_error_is_logged_once_for_as_long_as_it_lasts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Source()
    source.broken = ValueError("one")
    work = BackgroundWork("following a topic", source.follow, pause_s=0.001)
    with caplog.at_level(logging.INFO):
        work.start()
        await eventually(lambda: source.rounds > 5, what="it fails often")
        source.broken = ValueError("two")
        await eventually(lambda: str(work.error) == "ValueError('two')", what="another error")
        source.broken = None
        await eventually(lambda: work.error is None, what="it succeeds")
        await work.stop()

    assert [record.message for record in caplog.records] == [
        "background.failed",
        "background.failed",
        "background.recovered",
    ]


async def test_it_ends_when_it_is_stopped() -> None:
    forever = asyncio.Event()
    ended: list[bool] = []

    async def work() -> None:
        try:
            await forever.wait()
        finally:
            ended.append(True)

    running = BackgroundWork("waiting", work, pause_s=0.001)
    running.start()
    await asyncio.sleep(0)
    await running.stop()

    assert ended == [True]
    assert failing([running, None]) == []
