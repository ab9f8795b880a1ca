"""The live verdict over all partitions, followed on the topic of evidence.

A partition knows its own evidence only. So each worker follows verdict-evidence, judges every few
seconds if anything changed, and the comparison stage writes the words with the metrics.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from gnomon import codec
from gnomon.errors import ConfigurationError
from gnomon.events import EvidenceEvent
from gnomon.records import SourceRecord
from gnomon.runtime.background import BackgroundWork, failing
from gnomon.runtime.metrics import Metrics
from gnomon.verdict import Drill, Word, judge, merge_evidence

logger = logging.getLogger(__name__)

NUMBER_OF: Final[Mapping[Word, int]] = {"GO": 1, "CONTINUE": 0, "NO-GO": -1, "STOP-HARM": -2}
"""Values of the gauge."""


class LiveWord(NamedTuple):
    """The verdict on one model version, with the criteria that do not hold."""

    word: Word
    blocked_by: Sequence[str]


class ReadEvidence(Protocol):
    """Reads all partitions of verdict-evidence from their beginning."""

    def __call__(self, *, follow: bool) -> AsyncIterator[SourceRecord]:
        """Yield its records, and wait for more at its end if ``follow``.

        Raises:
            TransientError: No broker answers.
            ConfigurationError: There is no such topic.
        """
        ...


class LiveVerdicts:
    """Keeps the latest words. While the topic cannot be read, the last ones stay.

    Args:
        read: Reads the topic; ``None``: there are no words.
        drills: Returns all drills that were run.
        metrics: Where the words are shown.
        now_ms: The clock, epoch milliseconds.
        every_s: Seconds between two judgements.

    Attributes:
        words: By model and version.
    """

    def __init__(
        self,
        read: ReadEvidence | None,
        *,
        drills: Callable[[], Sequence[Drill]],
        metrics: Metrics,
        now_ms: Callable[[], int],
        every_s: float,
    ) -> None:
        self.words: Mapping[tuple[str, str], LiveWord] = {}
        self._read, self._drills, self._metrics = read, drills, metrics
        self._now_ms, self._every_s = now_ms, every_s
        self._latest: dict[bytes, EvidenceEvent] = {}
        self._changed = False
        self._following = BackgroundWork("following the evidence", self._follow, pause_s=every_s)
        self._judging = BackgroundWork("judging", self._judge_latest, pause_s=every_s)

    async def start(self) -> None:
        """Begin to follow the topic and to judge."""
        if self._read is not None:
            self._following.start()
            self._judging.start()

    async def stop(self) -> None:
        """Stop both."""
        await self._following.stop()
        await self._judging.stop()

    def degraded(self) -> Sequence[str]:
        """Return what keeps the words from being up to date, a sentence each."""
        return failing((self._following, self._judging))

    async def _follow(self) -> None:
        read = self._read
        if read is None:
            return
        latest: dict[bytes, EvidenceEvent] = {}
        async for record in read(follow=False):
            _apply(latest, record)
        # A new table, since records that were deleted would stay in the old one.
        self._latest, self._changed = latest, True
        self._following.succeeded()
        async for record in read(follow=True):
            _apply(latest, record)
            self._changed = True

    async def _judge_latest(self) -> None:
        if not self._changed:
            return
        self._changed = False
        try:
            self.words = await asyncio.to_thread(self._judge, list(self._latest.values()))
        except BaseException:
            self._changed = True  # what could not be judged is judged again
            raise
        for (model, version), found in self.words.items():
            self._metrics.set("gnomon_verdict", NUMBER_OF[found.word], model, version)

    def _judge(self, events: Sequence[EvidenceEvent]) -> dict[tuple[str, str], LiveWord]:
        evidence = merge_evidence(events)
        if not evidence:
            return {}
        try:
            drills = self._drills()
        except ConfigurationError as error:
            logger.warning("drills.unreadable", extra={"reason": str(error)})
            drills = ()
        return {
            (model.name, model.version): LiveWord(model.word, model.blocked_by)
            for model in judge(evidence[0], drills=drills, now_ms=self._now_ms())
        }


def _apply(latest: dict[bytes, EvidenceEvent], record: SourceRecord) -> None:
    key = record.key or b""
    if record.value is None:
        latest.pop(key, None)
    else:
        with contextlib.suppress(*codec.UNDECODABLE):
            latest[key] = codec.decode_evidence(record.value)
