"""The kinds of faults, what each does to the rig, and a seeded plan of them."""

import asyncio
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.faults.elsewhere import registry_away, store_restored
from tests.faults.fault import Fault
from tests.faults.log_lost import READERS, retention_passes, topic_made_again
from tests.faults.rig import SESSION_S, STAGES, Rig

ANY = STAGES
ALONE = "alone"
"""In place of a stage: no other fault happens meanwhile."""
STATEFUL = ("features", "comparison")
START_S = 300.0
"""How long Kafka may take to check its files; it has hundreds, and a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inflicted:
    """One fault that has happened, with its begin and end in monotonic seconds."""

    fault: Fault
    from_s: float
    until_s: float

    @property
    def affected(self) -> Sequence[str]:
        """The stages that must recover."""
        if self.fault.stage == ALONE:
            return READERS
        return STAGES if self.fault.kind.startswith("broker") else (self.fault.stage,)


async def kill(rig: Rig, fault: Fault) -> None:
    """SIGKILL at a random instant."""
    rig.signal(fault.stage, signal.SIGKILL)


async def kill_committing(rig: Rig, fault: Fault) -> None:
    """SIGKILL while a transaction is under way."""
    await rig.step(fault.stage, ("committing",), timeout_s=5.0)
    rig.signal(fault.stage, signal.SIGKILL)


async def kill_recovering(rig: Rig, fault: Fault) -> None:
    """SIGKILL, and again while the next process rebuilds its state."""
    rig.signal(fault.stage, signal.SIGKILL)
    await asyncio.sleep(0.2)
    await rig.step(fault.stage, ("new", "recovering"), timeout_s=30.0)
    await asyncio.sleep(fault.between(0.0, 0.5))
    rig.signal(fault.stage, signal.SIGKILL)


async def kill_starting(rig: Rig, fault: Fault) -> None:
    """SIGKILL, and again a few seconds later, in whatever step the next process is."""
    rig.signal(fault.stage, signal.SIGKILL)
    await asyncio.sleep(fault.between(1.0, 10.0))
    rig.signal(fault.stage, signal.SIGKILL)


async def freeze(rig: Rig, fault: Fault) -> None:
    """SIGSTOP for longer than the session; no other worker takes over."""
    rig.signal(fault.stage, signal.SIGSTOP)
    await asyncio.sleep(fault.between(SESSION_S + 2, SESSION_S + 5))
    rig.signal(fault.stage, signal.SIGCONT)


async def zombie(rig: Rig, fault: Fault) -> None:
    """SIGSTOP of a worker whose partitions another takes over, then SIGCONT."""
    other = rig.join(fault.stage)
    await rig.ready(other, timeout_s=30.0)
    rig.signal(fault.stage, signal.SIGSTOP)
    await asyncio.sleep(fault.between(SESSION_S + 4, SESSION_S + 8))
    rig.signal(fault.stage, signal.SIGCONT)
    await asyncio.sleep(3.0)
    await rig.leave(other)


async def join(rig: Rig, fault: Fault) -> None:
    """A second worker joins, and later stops normally."""
    other = rig.join(fault.stage)
    await rig.ready(other, timeout_s=30.0)
    await asyncio.sleep(fault.between(0.0, 4.0))
    await rig.leave(other)


async def join_and_kill(rig: Rig, fault: Fault) -> None:
    """The first worker is killed while a second joins; that one leaves when the first is back."""
    other = rig.join(fault.stage)
    await asyncio.sleep(fault.between(1.0, 6.0))
    rig.signal(fault.stage, signal.SIGKILL)
    await rig.ready(other, timeout_s=30.0)
    await asyncio.sleep(fault.between(0.0, 4.0))
    await rig.leave(other)


async def broker(rig: Rig, fault: Fault) -> None:
    """SIGKILL of Kafka, and a restart with the same data."""
    await asyncio.to_thread(rig.broker.kill)
    await asyncio.sleep(fault.between(0.0, 3.0))
    await asyncio.to_thread(rig.broker.start, START_S)


async def broker_recovering(rig: Rig, fault: Fault) -> None:
    """SIGKILL of a worker, and of Kafka while the next process rebuilds its state."""
    rig.signal(fault.stage, signal.SIGKILL)
    await asyncio.sleep(0.2)
    await rig.step(fault.stage, ("new", "recovering"), timeout_s=30.0)
    await broker(rig, fault)


async def snapshots_refused(rig: Rig, fault: Fault) -> None:
    """Snapshots can be neither written nor read for a while, also while the state is rebuilt."""
    folders = [rig.snapshots_of(fault.stage) / str(n) for n in _whole(rig)]
    await asyncio.to_thread(_block, folders)
    await asyncio.sleep(fault.between(3.0, 6.0))
    rig.signal(fault.stage, signal.SIGKILL)
    await asyncio.sleep(1.0)
    await rig.ready(fault.stage, timeout_s=30.0)
    await asyncio.to_thread(_unblock, folders)


async def snapshot_corrupt(rig: Rig, fault: Fault) -> None:
    """The newest snapshots are truncated or altered, then SIGKILL."""
    folders = [rig.snapshots_of(fault.stage) / str(n) for n in _whole(rig)]
    await asyncio.to_thread(_spoil, folders, cut=fault.chance < 0.5)
    rig.signal(fault.stage, signal.SIGKILL)


def _block(folders: Sequence[Path]) -> None:
    for folder in folders:
        if folder.is_dir():
            aside = folder.with_suffix(".aside")
            shutil.rmtree(aside, ignore_errors=True)
            try:
                folder.rename(aside)
                folder.touch()
            except OSError:  # the worker has created it again in between
                continue


def _unblock(folders: Sequence[Path]) -> None:
    for folder in folders:
        aside = folder.with_suffix(".aside")
        if folder.is_file() and aside.is_dir():
            folder.unlink()
            aside.rename(folder)


def _whole(rig: Rig) -> list[int]:
    """Return the partitions whose state can be folded from the log, without a snapshot."""
    return [n for n in range(rig.partitions) if n not in rig.history.torn]


def _spoil(folders: Sequence[Path], *, cut: bool) -> None:
    for folder in folders:
        newest = max(folder.glob("*.snapshot"), default=None)
        if newest is not None:
            raw = bytearray(newest.read_bytes())
            if cut:
                raw = raw[: len(raw) // 2]
            else:
                raw[len(raw) * 2 // 3] ^= 0x55
            newest.write_bytes(raw)


KINDS: Mapping[str, tuple[Callable[[Rig, Fault], Awaitable[None]], Sequence[str]]] = {
    "kill": (kill, ANY),
    "kill_committing": (kill_committing, ANY),
    "kill_recovering": (kill_recovering, ANY),
    "broker": (broker, ("all",)),
    "broker_recovering": (broker_recovering, ANY),
    "zombie": (zombie, ANY),
    "join": (join, ANY),
    "freeze": (freeze, ANY),
    "kill_starting": (kill_starting, ANY),
    "join_and_kill": (join_and_kill, ANY),
    "snapshot_corrupt": (snapshot_corrupt, STATEFUL),
    "snapshots_refused": (snapshots_refused, STATEFUL),
    "store_restored": (store_restored, ("vault",)),
    "registry_away": (registry_away, ("shadow",)),
    "retention_passes": (retention_passes, (ALONE,)),
    "topic_made_again": (topic_made_again, (ALONE,)),
}
"""What each kind does, and to which stages."""


WITH_BROKER = frozenset({"broker_recovering", "store_restored"})
"""Kinds that kill the broker too, or that end in nothing if another fault kills it meanwhile."""


def plan(
    *, seed: int, faults: int, seconds: float, kinds_of: Sequence[str] = tuple(KINDS)
) -> list[Fault]:
    """Plan ``faults`` faults at random times within ``seconds``; each kind occurs before any is repeated."""
    random = Random(seed)  # noqa: S311  a test's plan, not a secret
    kinds: list[str] = []
    while len(kinds) < faults:
        kinds.extend(random.sample(kinds_of, len(kinds_of)))
    drawn = [
        Fault(
            kind=kind,
            stage=random.choice(KINDS[kind][1]),
            at_s=random.uniform(0.05, 0.9) * seconds,
            chance=random.random(),
        )
        for kind in kinds[:faults]
    ]
    return sorted(drawn, key=lambda fault: fault.at_s)


class Inflicter:
    """Causes the planned faults, each at its time; faults of different stages may overlap.

    Attributes:
        inflicted: Those that have happened.
    """

    def __init__(self, rig: Rig, say: Callable[[str], None]) -> None:
        self.inflicted: list[Inflicted] = []
        self._rig, self._say = rig, say
        # A fault that stops a worker or moves its folder must undo that before the next one.
        self._locks = {stage: asyncio.Lock() for stage in (*STAGES, "all")}

    async def run(self, planned: Sequence[Fault]) -> None:
        """Return when the last is over."""
        begun_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in planned:
                group.create_task(self._inflict(fault, begun_s))

    async def _inflict(self, fault: Fault, begun_s: float) -> None:
        # By the time of the stream: some faults hold it, and none may be left when it is over.
        while (early_s := fault.at_s - self._rig.publisher.flown_s) > 0:  # noqa: ASYNC110
            await asyncio.sleep(early_s)
        async with AsyncExitStack() as held:
            for lock in self._locks_of(fault):
                await held.enter_async_context(lock)
            from_s = time.monotonic()
            self._say(f"{from_s - begun_s:6.1f} s  {fault.kind} {fault.stage}")
            await KINDS[fault.kind][0](self._rig, fault)
            self.inflicted.append(Inflicted(fault=fault, from_s=from_s, until_s=time.monotonic()))

    def _locks_of(self, fault: Fault) -> list[asyncio.Lock]:
        """Return the locks that a fault needs, always in the same order."""
        if fault.stage == ALONE:
            return list(self._locks.values())
        with_kafka = ["all"] if fault.kind in WITH_BROKER else []
        return [self._locks[name] for name in (fault.stage, *with_kafka)]
