"""Keeps the live verdict over time: one vault worker judges once a minute and stores the last of each hour."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Final

from gnomon import codec
from gnomon.errors import ConfigurationError, StoreUnavailableError
from gnomon.events import EvidenceEvent
from gnomon.runtime.background import BackgroundWork, failing
from gnomon.stages.live_verdicts import ReadEvidence
from gnomon.store import DecisionStore
from gnomon.store.figures import verdict_rows
from gnomon.verdict import Drill, judge, merge_evidence

logger = logging.getLogger(__name__)

EVERY_S: Final = 60.0
LEASE: Final = "verdicts"
_LEASE_MS: Final = 150_000
"""A worker that was killed leaves the judging to another after this."""


class VerdictHistory:
    """Judges and stores, as long as this process has the lease.

    Args:
        read: Reads verdict-evidence.
        drills: Returns all drills that were run.
        now_ms: The clock, epoch milliseconds.
        every_s: Seconds between two judgements.
    """

    def __init__(
        self,
        read: ReadEvidence,
        *,
        drills: Callable[[], Sequence[Drill]],
        now_ms: Callable[[], int],
        every_s: float = EVERY_S,
    ) -> None:
        self._read, self._drills, self._now_ms = read, drills, now_ms
        self._owner = secrets.token_hex(8)
        self._work = BackgroundWork("storing verdicts", self._look, pause_s=every_s)
        self._store: DecisionStore | None = None
        self._latest: dict[bytes, bytes] = {}

    def start(self, store: DecisionStore) -> None:
        """Begin to judge, and to write to ``store``."""
        self._store = store
        self._work.start()

    async def stop(self) -> None:
        """Stop, and let another worker take over at once."""
        await self._work.stop()
        if self._store is not None:
            lease = self._store.lease(LEASE, owner=self._owner)
            with contextlib.suppress(StoreUnavailableError):
                await asyncio.to_thread(lease.release, now_ms=self._now_ms(), note="")

    def degraded(self) -> Sequence[str]:
        """Return what keeps verdicts from being stored, a sentence each."""
        return failing((self._work,))

    async def _look(self) -> None:
        store = self._store
        if store is None:
            return
        lease = store.lease(LEASE, owner=self._owner)
        now_ms = self._now_ms()
        if not await asyncio.to_thread(lease.acquire, now_ms=now_ms, for_ms=_LEASE_MS):
            return
        latest: dict[bytes, bytes] = {}
        async for record in self._read(follow=False):
            key = record.key or b""
            if record.value is None:
                latest.pop(key, None)
            else:
                latest[key] = record.value
        if latest != self._latest:
            await asyncio.to_thread(self._judge, store, list(latest.values()))
            self._latest = latest

    def _judge(self, store: DecisionStore, records: Sequence[bytes]) -> None:
        events: list[EvidenceEvent] = []
        for record in records:
            with contextlib.suppress(*codec.UNDECODABLE):
                events.append(codec.decode_evidence(record))
        now_ms = self._now_ms()
        try:
            drills = self._drills()
        except ConfigurationError as error:
            logger.warning("drills.unreadable", extra={"reason": str(error)})
            drills = ()
        for evidence in merge_evidence(events):
            models = judge(evidence, drills=drills, now_ms=now_ms)
            settings = evidence.settings.sha256()
            rows = verdict_rows(models, settings_sha256=settings, at_ms=now_ms)
            store.figures.write_verdicts(rows)
