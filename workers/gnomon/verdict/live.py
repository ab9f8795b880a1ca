"""Collects the evidence of one partition as decisions arrive, and what to publish of it.

The records of all partitions together give the evidence that ``gnomon verdict`` computes from the same
comparisons with the same settings: see ``gnomon.verdict.merged``. Two things differ from a log. The
training window must be known before, so the settings must fix its constants. And a task id that is
used again after the comparison stage forgot it counts again.

The state is a fixed number of sums for each model version, baseline, loss and agent. Only blocks that
may still grow, and decisions that are not mature, are kept beside them.
"""

from bisect import insort
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from gnomon.events import (
    EvidenceEvent,
    HourEvidence,
    LossEvidence,
    ModelEvidence,
    VerdictExperiment,
)
from gnomon.verdict.challenger import LOG_LOSS, Challenger, Versus
from gnomon.verdict.decided import HOUR_MS, Decided
from gnomon.verdict.evidence import Evidence, by_key
from gnomon.verdict.harm import e_value
from gnomon.verdict.judge import label_of
from gnomon.verdict.sequence import Plan
from gnomon.verdict.settings import BASELINES, VerdictSettings
from gnomon.verdict.sums import Sums, T
from gnomon.verdict.window import WindowBuilder

MAX_VERSIONS: Final = 16
"""Model versions with evidence in one partition. Beyond it the version without a new prediction for
the longest time is forgotten. Only that can depend on how the topics interleave."""
MAX_SUSPECTS: Final = 50
"""Agents of one partition that are published as possibly harmed, those with the greatest e-values."""
LIVE_SETTINGS: Final = VerdictSettings(
    mature_after_s=3600.0, clip_s=dict.fromkeys(BASELINES, 3600.0)
)
"""Settings of the live verdict if none are registered."""

KeyedEvidence = tuple[str, EvidenceEvent | None]
"""Key and record of the topic verdict-evidence; ``None`` deletes the key's record."""


class AgentClock(msgspec.Struct, array_like=True):
    """The latest time in an agent's decisions, and its decisions that are not mature, by their start."""

    newest_ms: int = 0
    waiting: list[Decided] = []


class _Saved(msgspec.Struct, array_like=True):
    evidence: Evidence
    clocks: dict[str, AgentClock]
    open_from_hour: int
    looked_hour: int
    unannounced: bool
    retired: dict[str, tuple[int, int]]


class LiveEvidence:
    """The evidence of one partition: ``add`` the decisions of a batch, then ``close`` the batch.

    Attributes:
        evidence: The sums.
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
        self.clocks: dict[str, AgentClock] = {}
        self.open_from_hour = self.looked_hour = 0
        self._retired: dict[str, tuple[int, int]] = {}
        self._unannounced = False
        self._changed: dict[str, set[int]] = {}
        self._touched: dict[str, set[str]] = {}
        self._suspects: dict[str, dict[str, float]] = {}

    def add(self, decided: Decided) -> None:
        """Add a decision, and score those of its agent that have become mature."""
        evidence, clock = self.evidence, self.clocks.get(decided.agent_id)
        if clock is None:
            clock = self.clocks[decided.agent_id] = AgentClock()
        keys = self._models(decided)
        registered = decided.started_at_ms >= evidence.settings.registered_at_ms
        if keys and registered and decided.hour >= self.open_from_hour:
            evidence.count(decided)
            self._note(decided, keys)
            if decided.status == "matched":
                insort(clock.waiting, decided, key=_start)
        clock.newest_ms = max(clock.newest_ms, decided.newest_ms)
        mature = 0
        for waiting in clock.waiting:
            if not evidence.is_mature(waiting, clock.newest_ms):
                break
            evidence.score(waiting)
            self._note(waiting, self._models(waiting))
            mature += 1
        del clock.waiting[:mature]

    def close(self, partition: int) -> Iterator[KeyedEvidence]:
        """End the batch, and yield the records that changed."""
        yield from self._forget_versions(partition)
        if self._changed:
            yield self._experiment(partition)
        for key in sorted(self._changed):
            yield from self._records(key, partition, self._changed[key])
        self._changed.clear()
        self._touched.clear()

    def announce(self, partition: int) -> Iterator[KeyedEvidence]:
        """Yield all records of an experiment that began with a restart, once, and delete the old ones."""
        if not self._unannounced:
            return
        self._unannounced = False
        for key, hours in self._retired.items():
            yield from _deleted(key, range(*hours), partition)
        self._retired = {}
        yield self._experiment(partition)
        for key, challenger in self.evidence.challengers.items():
            yield from self._records(key, partition, _hours(challenger))

    def encode(self) -> bytes:
        """Encode the state between two batches as JSON."""
        return msgspec.json.encode(
            _Saved(
                self.evidence,
                self.clocks,
                self.open_from_hour,
                self.looked_hour,
                self._unannounced,
                self._retired,
            )
        )

    @classmethod
    def decode(cls, data: bytes, settings: VerdictSettings) -> "LiveEvidence":
        """Decode what ``encode`` returned. Evidence of other settings is dropped: a new experiment begins.

        Raises:
            msgspec.DecodeError: ``data`` is no such state.
        """
        saved, live = _decode(data), cls(settings)
        live._unannounced, live._retired = saved.unannounced, saved.retired
        if saved.evidence.settings != settings:
            for key, challenger in saved.evidence.challengers.items():
                hours = _hours(challenger)
                live._retired[key] = hours.start, hours.stop
            live._unannounced = True
            return live
        live.evidence, live.clocks = saved.evidence, saved.clocks
        live.open_from_hour, live.looked_hour = saved.open_from_hour, saved.looked_hour
        return live

    def _models(self, decided: Decided) -> Iterable[str]:
        return by_key(decided.predictions, self.evidence.settings.judged_baselines)[1]

    def _note(self, decided: Decided, keys: Iterable[str]) -> None:
        for key in keys:
            self._changed.setdefault(key, set()).add(decided.hour)
            self._touched.setdefault(key, set()).add(decided.agent_id)

    def _forget_versions(self, partition: int) -> Iterator[KeyedEvidence]:
        challengers = self.evidence.challengers
        oldest = sorted(challengers, key=lambda key: (challengers[key].last_ms or 0, key))
        for key in oldest[: max(0, len(oldest) - MAX_VERSIONS)]:
            challenger = challengers.pop(key)
            for kept in (self._changed, self._touched, self._suspects):
                kept.pop(key, None)
            yield from _deleted(key, _hours(challenger), partition)

    def forget_hours(self, before_hour: int) -> None:
        """Forget what was only kept for decisions that were predicted before ``before_hour``: none follow."""
        if before_hour <= self.open_from_hour:
            return
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

    def _experiment(self, partition: int) -> KeyedEvidence:
        settings = self.evidence.settings
        return f"settings|p{partition}", VerdictExperiment(
            partition=partition,
            settings_sha256=settings.sha256(),
            settings=settings.canonical().decode(),
        )

    def _records(self, key: str, partition: int, hours: Iterable[int]) -> Iterator[KeyedEvidence]:
        challenger, settings_sha256 = (
            self.evidence.challengers[key],
            self.evidence.settings.sha256(),
        )
        model, version = label_of(challenger)
        suspects = self._suspected(key, challenger)
        counts = msgspec.structs.asdict(challenger.counts)
        yield (
            _key(key, "all", partition),
            ModelEvidence(
                model=model,
                version=version,
                sha256=challenger.sha256,
                partition=partition,
                settings_sha256=settings_sha256,
                labels=sorted(map(list, challenger.labels.values())),
                first_ms=challenger.first_ms,
                last_ms=challenger.last_ms,
                against={name: _losses(each) for name, each in sorted(challenger.against.items())},
                accuracy=LossEvidence(blocks=challenger.hits.blocks, agents=challenger.hits.totals),
                suspects={agent: suspects.agents[agent] for agent in self._worst(key)}
                if suspects
                else {},
                judged_agents=sum(
                    row[T] >= self.evidence.settings.min_blocks for row in suspects.agents.values()
                )
                if suspects
                else 0,
                **counts,
            ),
        )
        for hour in sorted(hours):
            totals = {
                name: {
                    loss: sums.waiting[hour]
                    for loss, sums in each.sums.items()
                    if hour in sums.waiting
                }
                for name, each in sorted(challenger.against.items())
            }
            accuracy = challenger.hits.waiting.get(hour, [])
            if accuracy or any(totals.values()):
                yield (
                    _key(key, str(hour), partition),
                    HourEvidence(
                        model=model,
                        version=version,
                        sha256=challenger.sha256,
                        partition=partition,
                        settings_sha256=settings_sha256,
                        hour=hour,
                        against=totals,
                        accuracy=accuracy,
                    ),
                )

    def _suspected(self, key: str, challenger: Challenger) -> Sums | None:
        """Test the agents with new tasks for harm; return the sums that tell of it."""
        settings = self.evidence.settings
        versus = challenger.against.get(settings.reference)
        sums = versus.sums.get(LOG_LOSS) if versus is not None else None
        if sums is None:
            return None
        plan = Plan.of(settings)
        found = self._suspects.get(key)
        agents = sums.agents if found is None else self._touched.get(key, set())
        found = self._suspects.setdefault(key, {})
        for agent in agents:
            row = sums.agents.get(agent)
            if row is None or row[T] < settings.min_blocks:
                continue
            e = e_value(row, plan)
            if e * settings.alpha >= 1:
                found[agent] = e
            else:
                found.pop(agent, None)
        return sums

    def _worst(self, key: str) -> list[str]:
        found = self._suspects.get(key, {})
        return sorted(found, key=lambda agent: (-found[agent], agent))[:MAX_SUSPECTS]


_decode = msgspec.json.Decoder(_Saved).decode


def _start(decided: Decided) -> tuple[int, str]:
    return decided.started_at_ms, decided.decision_id


def _hours(challenger: Challenger) -> range:
    if challenger.first_ms is None or challenger.last_ms is None:
        return range(0)
    return range(challenger.first_ms // HOUR_MS, challenger.last_ms // HOUR_MS + 1)


def _deleted(key: str, hours: range, partition: int) -> Iterator[KeyedEvidence]:
    yield _key(key, "all", partition), None
    for hour in hours:
        yield _key(key, str(hour), partition), None


def _losses(versus: Versus) -> dict[str, LossEvidence]:
    return {
        loss: LossEvidence(
            blocks=sums.blocks,
            agents=sums.totals,
            worst=versus.worst.get(loss, []),
            best=versus.best.get(loss, []),
        )
        for loss, sums in sorted(versus.sums.items())
    }


def _key(model: str, of: str, partition: int) -> str:
    """Return ``<SHA-256, or name@version>|<all, or hour>|p<partition>``; ``|`` in a name becomes ``%7C``."""
    return f"{model.replace('%', '%25').replace('|', '%7C')}|{of}|p{partition}"
