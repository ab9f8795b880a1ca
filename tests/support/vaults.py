"""A vault stage on a store, fed without Kafka, and what its tests read of it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.support.decisions import a_decision

from gnomon import codec
from gnomon.events import Comparison, Ledger
from gnomon.records import Headers, Outputs
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.vault import VaultStage
from gnomon.vault import create_key_file

T = TypeVar("T")


@dataclass(frozen=True)
class Read:
    """A record of ``comparisons`` as a stage reads it."""

    value: bytes | None
    offset: int
    partition: int = 0
    topic: str = "comparisons"
    timestamp: int = 0
    key: bytes | None = b"agent"
    headers: Headers = ()


def read(decisions: Sequence[Comparison], *, at: int = 0, partition: int = 0) -> list[Read]:
    """Return the records of ``decisions``, from offset ``at`` on."""
    return [
        Read(codec.encode(each), offset, partition) for offset, each in enumerate(decisions, at)
    ]


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[VaultStage]:
    """A vault stage that works within the block."""
    stage = VaultStage(settings, metrics=Metrics())
    await stage.start()
    try:
        yield stage
    finally:
        await stage.stop()


def ledgers(first: int, count: int) -> list[Read]:
    """Return records of ``comparison-metrics``, from offset ``first`` on."""
    return [
        Read(codec.encode(Ledger(partition=0, predictions=n)), n, topic="comparison-metrics")
        for n in range(first, first + count)
    ]


def some(first: int, count: int, *, hour: int = 0) -> list[Comparison]:
    """Return decisions with consecutive numbers that ended in one hour, after that of ``a_decision()``."""
    base = a_decision().outcome.at_ms
    return [
        a_decision(n, ended_at_ms=base + hour * 3_600_000 + n) for n in range(first, first + count)
    ]


class Vault:
    """Context manager: a vault stage that has started.

    Args:
        url: Of the store.
        folder: Where the key is; it is made if there is none.
    """

    def __init__(self, url: str, folder: Path) -> None:
        if not (folder / "kek.key").exists():
            create_key_file(folder / "kek.key")
        self.settings = Settings(data_dir=str(folder), store_url=url)
        self.metrics = Metrics()
        self.stage = VaultStage(self.settings, metrics=self.metrics)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._run(self.stage.start())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self.stage.stop())
        self._runner.close()

    def take(self, records: Sequence[Read]) -> Outputs:
        """Apply one batch."""
        return self._run(self.stage.apply(None, records))

    def take_all(self, batches: Sequence[Sequence[Read]]) -> list[Outputs]:
        """Apply batches of several partitions that were fetched together."""
        found = self.try_all(batches)
        assert all(isinstance(each, Outputs) for each in found), found
        return [each for each in found if isinstance(each, Outputs)]

    def try_all(self, batches: Sequence[Sequence[Read]]) -> list[Outputs | BaseException]:
        """Apply them, and return what each leads to or raises."""

        async def take() -> list[Outputs | BaseException]:
            applied = (self.stage.apply(None, batch) for batch in batches)
            return await asyncio.gather(*applied, return_exceptions=True)

        return self._run(take())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        # Not by ``Runner.run``: for its signal handler it makes a text of the whole result.
        return self._runner.get_loop().run_until_complete(work)
