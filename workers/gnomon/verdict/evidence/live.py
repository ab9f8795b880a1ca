"""Collects the evidence of one partition as decisions arrive, and what to publish of it.

The records of all partitions together give the evidence that ``gnomon verdict`` computes from the same
comparisons with the same settings: see ``gnomon.verdict.evidence.merged``. Two things differ from a log. The
training window must be known before, so the settings must fix its constants. And a task id that is
used again after the comparison stage forgot it counts again.

The state is a fixed number of sums for each model version, baseline, loss and agent. Only blocks that
may still grow, and decisions that are not mature, are kept beside them.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from gnomon.events import VerdictExperiment
from gnomon.verdict.evidence.clock import AgentClock
from gnomon.verdict.evidence.columns import Block, count_all, score_all
from gnomon.verdict.evidence.decided import HOUR_MS, Decided
from gnomon.verdict.evidence.evidence import Evidence
from gnomon.verdict.evidence.records import (
    KeyedEvidence,
    deletions,
    experiment_record,
    hour_records,
    hours_of,
    model_record,
)
from gnomon.verdict.evidence.suspects import Suspects
from gnomon.verdict.evidence.task_losses import PendingLosses
from gnomon.verdict.evidence.window import WindowBuilder
from gnomon.verdict.settings import BASELINES, VerdictSettings

MAX_VERSIONS: Final = 16
"""Model versions with evidence in one partition. Beyond it the version without a new prediction for
the longest time is forgotten. Only that can depend on how the topics interleave."""
MAX_UNSETTLED: Final = 2000
"""Decisions that wait at most until they are counted, so that they take little memory."""
LIVE_SETTINGS: Final = VerdictSettings(
    mature_after_s=3600.0, clip_s=dict.fromkeys(BASELINES, 3600.0)
)
"""Settings of the live verdict if none are registered."""


class _Saved(msgspec.Struct, array_like=True):
    evidence: Evidence
    open_from_hour: int
    looked_hour: int
    unannounced: bool
    retired: dict[str, tuple[int, int]]
    changed: dict[str, list[int]] = {}


class LiveEvidence:
    """The evidence of one partition: ``add`` decisions, and ``close`` every few seconds.

    Attributes:
        evidence: The sums.
        settings_sha256: Hash of their settings.
        clocks: By agent, what is not mature.
        open_from_hour: No decision that is added later was predicted before this hour.
        looked_hour: Hour at which the owner last determined which hours are over.

    Args:
        settings: Settings that fix the constants of the training window.

    Raises:
        ValueError: They do not.
    """

    def __init__(self, settings: VerdictSettings = LIVE_SETTINGS) -> None:
        missing = [name for name in BASELINES if name not in settings.clip_s]
        if settings.mature_after_s is None or missing:
            raise ValueError(
                "the live verdict needs mature_after_s and clip_s of every baseline:"
                f" {', '.join(missing) or 'mature_after_s'} is missing"
            )
        self.evidence = Evidence(settings=settings, window=WindowBuilder(settings).build())
        self.settings_sha256 = settings.sha256()
        self.clocks: dict[str, AgentClock] = {}
        self.open_from_hour = self.looked_hour = 0
        self._retired: dict[str, tuple[int, int]] = {}
        self._unannounced = False
        self._changed: dict[str, set[int]] = {}
        self._added: list[Decided] = []
        self._pending = PendingLosses()
        # A baseline that is judged is compared with the others, which the columns do not tell apart.
        self._one_by_one = bool(settings.judged_baselines)
        self._suspects = Suspects(settings)
        self._record: tuple[str, VerdictExperiment] | None = None

    def add(self, decided: Decided) -> None:
        """Add a decision. It counts after ``settle``, which every other method calls where it matters."""
        self._added.append(decided)
        if len(self._added) >= MAX_UNSETTLED:
            self.settle()

    def settle(self) -> None:
        """Count the decisions that were added, and score those that are mature by now."""
        added, self._added = self._added, []
        new: list[Decided] = []
        touched: dict[str, AgentClock] = {}
        for decided in added:
            clock = touched.get(decided.agent_id)
            if clock is None:
                clock = self.clocks.setdefault(decided.agent_id, AgentClock())
                touched[decided.agent_id] = clock
            clock.newest_ms = max(clock.newest_ms, decided.newest_ms)
            if self._counts(decided):
                if decided.status == "matched" and not self._one_by_one:
                    new.append(decided)
                else:
                    self._count_one(decided)
                if decided.status == "matched":
                    clock.wait_for(decided)
        self._note(count_all(self.evidence, new))
        after_ms = self.evidence.window.mature_after_ms
        self._score([d for clock in touched.values() for d in clock.take_mature(after_ms)])

    def _settle_all(self) -> None:
        self.settle()
        self.evidence.settle(self._pending)

    def _counts(self, decided: Decided) -> bool:
        if decided.started_at_ms < self.evidence.settings.registered_at_ms:
            return False
        judged = any(p.model not in BASELINES or self._one_by_one for p in decided.predictions)
        return judged and decided.hour >= self.open_from_hour

    def _count_one(self, decided: Decided) -> None:
        split = self.evidence.split(decided)
        self.evidence.count(decided, split)
        self._note(Block(key, decided.agent_id, decided.hour) for key in split[1])

    def _score(self, mature: list[Decided]) -> None:
        if not self._one_by_one:
            self._note(score_all(self.evidence, mature, self._pending))
            return
        for decided in mature:
            split = self.evidence.split(decided)
            self.evidence.score(decided, split, pending=self._pending)
            self._note(Block(key, decided.agent_id, decided.hour) for key in split[1])

    def close(self, partition: int) -> Iterator[KeyedEvidence]:
        """Yield the records that changed since the last time."""
        self._settle_all()
        yield from self._forget_versions(partition)
        if self._changed:
            yield self._experiment(partition)
        for key in sorted(self._changed):
            yield from self._records(key, partition, self._changed[key])
        self._changed.clear()

    @property
    def unwritten(self) -> int:
        """Return the number of models whose evidence changed since ``close``, and of decisions to settle."""
        return len(self._changed) + self._unannounced + len(self._added)

    def announce(self, partition: int) -> Iterator[KeyedEvidence]:
        """Yield all records of an experiment that began with a restart, once, and delete the old ones."""
        if not self._unannounced:
            return
        self._settle_all()
        self._unannounced = False
        self._changed.clear()
        for key, hours in self._retired.items():
            yield from deletions(key, range(*hours), partition)
        self._retired = {}
        yield self._experiment(partition)
        for key, challenger in self.evidence.challengers.items():
            yield from self._records(key, partition, hours_of(challenger))

    def encode(self) -> bytes:
        """Encode the state between two batches as JSON, all but ``clocks``."""
        self._settle_all()
        return msgspec.json.encode(
            _Saved(
                self.evidence,
                self.open_from_hour,
                self.looked_hour,
                self._unannounced,
                self._retired,
                {key: sorted(hours) for key, hours in self._changed.items()},
            )
        )

    @classmethod
    def decode(
        cls, data: bytes, clocks: dict[str, AgentClock], settings: VerdictSettings
    ) -> "LiveEvidence":
        """Decode what ``encode`` returned. Evidence of other settings is dropped: a new experiment begins.

        Args:
            data: What ``encode`` returned.
            clocks: The attribute ``clocks`` of the state that was encoded.
            settings: Settings of the verdict.

        Raises:
            msgspec.DecodeError: ``data`` is no such state.
        """
        saved, live = _decode(data), cls(settings)
        live._unannounced, live._retired = saved.unannounced, saved.retired
        if saved.evidence.settings != settings:
            for key, challenger in saved.evidence.challengers.items():
                hours = hours_of(challenger)
                live._retired[key] = hours.start, hours.stop
            live._unannounced = True
            return live
        live.evidence, live.clocks = saved.evidence, clocks
        live._changed = {key: set(hours) for key, hours in saved.changed.items()}
        live.open_from_hour, live.looked_hour = saved.open_from_hour, saved.looked_hour
        return live

    def _experiment(self, partition: int) -> KeyedEvidence:
        """Return the record of the settings, which is made once because hashing them takes long."""
        if self._record is None or self._record[1].partition != partition:
            self._record = experiment_record(self.evidence.settings, partition)
        return self._record

    def _note(self, blocks: Iterable[Block]) -> None:
        for key, agent, hour in blocks:
            self._changed.setdefault(key, set()).add(hour)
            self._suspects.touch(key, agent)

    def _forget_versions(self, partition: int) -> Iterator[KeyedEvidence]:
        challengers = self.evidence.challengers
        oldest = sorted(challengers, key=lambda key: (challengers[key].last_ms or 0, key))
        for key in oldest[: max(0, len(oldest) - MAX_VERSIONS)]:
            challenger = challengers.pop(key)
            self._changed.pop(key, None)
            self._suspects.forget(key)
            yield from deletions(key, hours_of(challenger), partition)

    def forget_hours(self, before_hour: int) -> None:
        """Forget what was only kept for decisions that were predicted before ``before_hour``: none follow."""
        if before_hour <= self.open_from_hour:
            return
        self._settle_all()
        self.open_from_hour = before_hour
        kept = {
            (decided.hour, agent)
            for agent, clock in self.clocks.items()
            for decided in clock.waiting
            if decided.hour < before_hour
        }
        self.evidence.forget(before_hour, kept)
        idle = [
            agent
            for agent, clock in self.clocks.items()
            if not clock.waiting and clock.newest_ms < before_hour * HOUR_MS
        ]
        for agent in idle:
            del self.clocks[agent]

    def _records(self, key: str, partition: int, hours: Iterable[int]) -> Iterator[KeyedEvidence]:
        challenger, settings_sha256 = self.evidence.challengers[key], self.settings_sha256
        suspects, judged = self._suspects.test(key, challenger)
        yield model_record(
            key, challenger, settings_sha256, partition, suspects=suspects, judged_agents=judged
        )
        yield from hour_records(key, challenger, settings_sha256, partition, hours=hours)


_decode = msgspec.json.Decoder(_Saved).decode
