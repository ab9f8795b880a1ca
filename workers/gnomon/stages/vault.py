"""Stage 4, vault: reads comparisons; writes sealed decisions to SQL and to a topic.

A decision is stored sealed or not at all. The SQL upsert precedes the transaction that commits the input
offsets, so after a crash between the two a decision is stored again under the same id: effectively once.
Each upsert also stores the keys that sealed it, if they are missing: the store may have been restored.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from gnomon import codec
from gnomon.events import SealedDecision
from gnomon.records import DeadLetter, Outputs, SourceRecord
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.topics import COMPARISONS, DECISIONS
from gnomon.vault import KeyRing, check_key, load_key, seal_bytes


class _SealedOutcome(msgspec.Struct, gc=False):
    status: Literal["matched", "expired", "cancelled"]
    at_ms: int


class _ToSeal(msgspec.Struct, gc=False):
    """The fields of a comparison that sealing needs; the rest stays encoded."""

    decision_id: str
    started_at_ms: int
    outcome: _SealedOutcome


class VaultStage:
    """Seals the bytes of each comparison unchanged and stores them."""

    name = "vault"
    inputs = (COMPARISONS.name,)
    stateful = False
    linger_ms = 250  # no user waits for a row
    nice = 5

    def __init__(self, settings: Settings, *, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._store: DecisionStore | None = None
        self._keyring: KeyRing | None = None
        self._canary: bytes | None = None
        self._decode = msgspec.json.Decoder(_ToSeal).decode
        self._stored = 0

    async def start(self) -> None:
        """Load the key and open the store.

        Raises:
            KeyUnavailableError: There is no key, or it does not open this store.
            StoreUnavailableError: The store does not answer.
        """
        key = load_key(self._settings)
        self._store = await asyncio.to_thread(_open_store, self._settings.store_url)
        self._keyring = KeyRing(key, self._store.keys)
        self._canary = await asyncio.to_thread(check_key, self._keyring, self._store.canary)

    async def stop(self) -> None:
        """Close the store."""
        if self._store is not None:
            await asyncio.to_thread(self._store.close)

    def new_state(self, partition: int) -> None:
        """There is no state."""

    async def apply(self, state: None, records: Sequence[SourceRecord]) -> Outputs:
        """Seal and store the batch, then publish it.

        Raises:
            StoreUnavailableError: Nothing was stored; a retry may succeed.
        """
        return await asyncio.to_thread(self._seal_and_store, records)

    def _seal_and_store(self, records: Sequence[SourceRecord]) -> Outputs:
        outputs = Outputs()
        rows: list[SealedDecision] = []
        for record in records:
            row = self._seal(record, outputs)
            if row is not None:
                rows.append(row)
        if rows and self._store is not None and self._keyring is not None:
            keys = self._keyring.rows_of(row.key_id for row in rows)
            self._store.upsert(rows, keys=keys, canary=self._canary)
            self._stored += len(rows)
            self._metrics.count("gnomon_vault_sealed_total", len(rows))
        published = outputs.topic(DECISIONS.name)
        encode = codec.encode
        for row in rows:
            published.append((row.decision_id.encode(), encode(row)))
        return outputs

    def _seal(self, record: SourceRecord, outputs: Outputs) -> SealedDecision | None:
        value = record.value or b""
        try:
            head = self._decode(value)
        except codec.UNDECODABLE as error:
            refusal = codec.refusal(record.value, error)
            outputs.dead.append(DeadLetter(record, refusal.reason, refusal.detail))
            return None
        if self._keyring is None:
            raise RuntimeError("start() was not awaited")
        key_id, sealed = seal_bytes(self._keyring, decision_id=head.decision_id, plain=value)
        return SealedDecision(
            decision_id=head.decision_id,
            key_id=key_id,
            sealed=sealed,
            status=head.outcome.status,
            started_at_ms=head.started_at_ms,
            ended_at_ms=head.outcome.at_ms,
        )

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


def _open_store(url: str) -> DecisionStore:
    store = DecisionStore(url)
    store.create()
    return store
