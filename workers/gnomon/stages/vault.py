"""Stage 4, vault: reads comparisons and metrics; writes sealed decisions and numbers to SQL, decisions to a topic.

A decision is stored sealed or not at all, in one SQL transaction with its numbers and with the Merkle roots that
cover it. That precedes the transaction that commits the input offsets: what is read again after a crash
between the two is published as it was stored, so effectively once.
A large batch is stored in parts, and what several partitions have waiting together.
Each upsert also stores the keys that sealed it, if they are missing: the store may have been restored.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gnomon.errors import StoreUnavailableError, TransientError
from gnomon.records import Outputs, SourceRecord, one_topic
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.joining import Joining, Waiting
from gnomon.stages.vault_roots import RootedStore
from gnomon.stages.vault_sealing import BatchSealer, Sealed
from gnomon.stages.vault_writing import Batch, BatchWriter
from gnomon.stages.verdict_history import VerdictHistory
from gnomon.store import DecisionStore, open_ring
from gnomon.topics import COMPARISON_METRICS, COMPARISONS, DECISIONS, VAULT_ROOTS
from gnomon.vault import KeyRing, check_key, load_key

MOST_AT_ONCE = 2_000
"""So many records of a partition are sealed and stored at once: more would not fit in a processor's cache."""
FEWEST_AT_ONCE = 500
"""Each partition adds a list of hashes and two seals to a transaction, which take about a millisecond. With 250
records, that and their hashes were a twelfth of the stage's time."""
MOST_RECORDS = 4_000
"""A transaction of the store gets no further batch after this many records: it would not make it cheaper."""
CALLS_AT_ONCE = 2
"""While one thread waits for the store, another seals."""
SWITCH_EVERY_S = 0.0005
"""A thread to which the store has answered waits for the one that seals, ten times as long by default."""
YOUNG_OBJECTS = 300_000
"""The batches of some partitions have so many objects, of which none is garbage while it is collected."""


class VaultStage:
    """Seals the bytes of each comparison unchanged and stores them, with their numbers beside them.

    The metrics and ledgers of the comparison stage are stored too, the last of each hour.

    Args:
        settings: Settings of the worker.
        metrics: Where to count.
        history: Stores verdicts over time beside.
        now_ms: The clock, epoch milliseconds.
    """

    name = "vault"
    inputs = (COMPARISONS.name, COMPARISON_METRICS.name)
    outputs = (DECISIONS.name, VAULT_ROOTS.name)
    stateful = False
    linger_ms = 500  # no user waits for a row

    def __init__(
        self,
        settings: Settings,
        *,
        metrics: Metrics,
        history: VerdictHistory | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._settings, self._metrics, self._history = settings, metrics, history
        self._now_ms = now_ms
        self.nice = settings.nice
        self._store: DecisionStore | None = None
        self._keyring: KeyRing | None = None
        self._writer: BatchWriter | None = None
        self._joining = Joining(
            self._write, size=_records_of, most=MOST_RECORDS, at_once=CALLS_AT_ONCE
        )
        self._stored = self._applying = 0

    async def start(self) -> None:
        """Load the key and open the store.

        Raises:
            KeyUnavailableError: There is no key, or it does not open this store.
            KeyProviderUnavailableError: Whoever holds the key does not answer.
            StoreUnavailableError: The store does not answer.
        """
        sys.setswitchinterval(SWITCH_EVERY_S)
        gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
        self._show_key_file()
        load_key(self._settings)  # without a key no store is made
        self._store = await asyncio.to_thread(_open_store, self._settings.store_url)
        self._keyring = await asyncio.to_thread(open_ring, self._settings, self._store)
        canary = await asyncio.to_thread(check_key, self._keyring, self._store.canary)
        rooted = RootedStore(self._store, self._keyring)
        await asyncio.to_thread(rooted.cover)
        self._writer = BatchWriter(
            rooted,
            self._keyring,
            BatchSealer(self._settings, self._keyring, self._store.index_keys),
            canary=canary,
            topic_prefix=self._settings.topic_prefix,
        )
        if self._history is not None:
            self._history.start(self._store)

    async def stop(self) -> None:
        """Close the store."""
        self._joining.close()
        if self._history is not None:
            await self._history.stop()
        if self._store is not None:
            await asyncio.to_thread(self._store.close)

    def new_state(self, partition: int) -> None:
        """There is no state."""

    async def apply(self, state: None, records: Sequence[SourceRecord]) -> Outputs:
        """Seal and store the batch, together with those of other partitions that wait, then publish it.

        Raises:
            StoreUnavailableError: Not all was stored; a retry may succeed.
        """
        metrics_topic = self._settings.topic_prefix + COMPARISON_METRICS.name
        looked = records[:1] if one_topic(records) else records
        from_offset = next((each.offset for each in looked if each.topic != metrics_topic), 0)
        outputs = Outputs()
        stored = 0
        self._applying += 1
        try:
            while stored < len(records):
                part = records[stored : stored + self._at_once()]
                outputs.extend(await self._stored_outputs(Batch(part, from_offset)))
                stored += len(part)
        finally:
            self._applying -= 1
        return outputs

    def _at_once(self) -> int:
        """How many records of each partition are stored at once.

        While a worker catches up, each partition covers a long time. Rows are stored by time, so a transaction
        changes the fewest pages if it has a short time of all partitions, not a long time of one.
        """
        fair = CALLS_AT_ONCE * MOST_RECORDS // self._applying
        return min(MOST_AT_ONCE, max(FEWEST_AT_ONCE, fair))

    async def _stored_outputs(self, batch: Batch) -> Outputs:
        try:
            outputs = await self._joining.result_of(batch)
        except StoreUnavailableError:
            self._metrics.set("gnomon_store_up", 0)
            raise
        self._metrics.set("gnomon_store_up", 1)
        return outputs

    async def _write(self, waiting: Sequence[Waiting[Batch, Outputs]]) -> None:
        """Store the batches that wait in one transaction; if one raises, each alone."""
        if self._writer is None:
            raise RuntimeError("start() was not awaited")
        batches = [each.item for each in waiting]
        try:
            stored = await asyncio.to_thread(self._writer.write, batches)
        except TransientError:
            raise
        except Exception as error:
            # A record of one partition must not look like poison in the others.
            if len(waiting) == 1:
                if not waiting[0].done.done():
                    waiting[0].done.set_exception(error)
                return
            for each in waiting:
                await self._write([each])
            return
        finally:
            self._show_stored(self._writer.committed())
        for each, of_batch in zip(waiting, stored, strict=True):
            if not each.done.done():
                each.done.set_result(of_batch)

    def _show_stored(self, sealed: Sequence[Sealed]) -> None:
        """Count decisions when they are committed: a batch that is repeated finds them stored."""
        self._stored += len(sealed)
        self._metrics.count("gnomon_vault_sealed_total", len(sealed))
        self._show_ages(sealed)
        if self._keyring is None:
            return
        if made_ms := self._keyring.newest_ms({each.row.key_id for each in sealed}):
            self._metrics.set("gnomon_vault_data_key_created_timestamp_seconds", made_ms / 1000)

    def _show_ages(self, sealed: Sequence[Sealed]) -> None:
        """Show how long ago the tasks of these decisions ended, and the trace of one of them."""
        now_ms, ages = self._now_ms(), []
        example: tuple[float, str] | None = None
        for each in sealed:
            row = each.row
            if row.status == "matched":
                age_s = max(0, now_ms - row.ended_at_ms) / 1000
                ages.append(age_s)
                if example is None and each.trace_id:
                    example = (age_s, each.trace_id)
        self._metrics.observe_all("gnomon_end_to_end_seconds", ages, example=example)

    def _show_key_file(self) -> None:
        """Show how old the key file is; a key from elsewhere has no known age."""
        if not self._settings.key:
            with suppress(OSError):
                written_s = Path(self._settings.key_file).stat().st_mtime
                self._metrics.set("gnomon_vault_key_file_modified_timestamp_seconds", written_s)

    def tick(self, state: None, idle_ms: int) -> None:
        """Do nothing: time alone has no effect."""

    def snapshot(self, state: None) -> bytes:
        """There is no state."""
        return b""

    def restore(self, partition: int, data: bytes) -> None:
        """There is no state."""

    def status(self) -> Mapping[str, object]:
        """Return how many decisions this process has stored."""
        return {"sealed": self._stored}

    def degraded(self) -> Sequence[str]:
        """Return why no verdicts are stored, a sentence each."""
        return () if self._history is None else self._history.degraded()


def _open_store(url: str) -> DecisionStore:
    store = DecisionStore(url)
    store.create()
    return store


def _records_of(batch: Batch) -> int:
    return len(batch.records)
