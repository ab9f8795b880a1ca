"""A stage whose outputs show which records it has processed, in which order, and how often."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gnomon.errors import TransientError
from gnomon.records import DeadLetter, Outputs, SourceRecord


@dataclass
class Counted:
    """How many records of the partition were processed."""

    n: int = 0
    partition: int = 0


@dataclass
class CountingStage:
    """Numbers the records of each partition.

    The value ``x`` is refused with a dead letter. On a value ``!…`` the stage changes the state and
    raises, up to ``raises_left`` times, with the value in the message. A value ``+n`` makes an output
    of more than n bytes. ``hangs`` is awaited before each batch; ``turns`` has the partition of each.
    """

    name: str = "counting"
    inputs: tuple[str, ...] = ("task-events",)
    output: str = "task-features"
    stateful: bool = True
    linger_ms: int = 20
    nice: int = 0
    failures_left: int = 0
    raises_left: int = 1_000_000
    hangs: Callable[[], Awaitable[object]] | None = None
    on_tick: Outputs | None = None
    ticks: int = 0
    largest_batch: int = 0
    turns: list[int] = field(default_factory=list)
    restored: list[int] = field(default_factory=list)
    gaps: dict[int, int] = field(default_factory=dict)
    given_up: list[int] = field(default_factory=list)

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.output,)

    async def start(self) -> None:
        """Nothing to acquire."""

    async def stop(self) -> None:
        """Nothing to release."""

    def new_state(self, partition: int) -> Counted:
        return Counted(partition=partition)

    def give_up(self, partition: int) -> None:
        self.given_up.append(partition)

    async def apply(self, state: Counted, records: Sequence[SourceRecord]) -> Outputs:
        if self.failures_left:
            self.failures_left -= 1
            raise TransientError("not available")
        self.turns += [record.partition for record in records[:1]]
        if self.hangs is not None:
            await self.hangs()
        self.largest_batch = max(self.largest_batch, len(records))
        outputs = Outputs()
        for record in records:
            state.n += 1
            if (record.value or b"").startswith(b"!") and self.raises_left:
                self.raises_left -= 1
                state.n += 1000
                raise ValueError(f"cannot count {record.value!r}")
            if record.value == b"x":
                outputs.dead.append(DeadLetter(record, "poison", "an x"))
                continue
            output = {"n": state.n, "topic": record.topic, "offset": record.offset}
            if (record.value or b"").startswith(b"+"):
                output["more"] = "." * int(record.value or b"")
            outputs.topic(self.output).append((record.key, json.dumps(output).encode()))
        return outputs

    def tick(self, state: Counted, idle_ms: int) -> Outputs | None:
        self.ticks += 1
        return self.on_tick

    def missed(self, state: Counted, records: int) -> None:
        self.gaps[state.partition] = records

    def snapshot(self, state: Counted) -> bytes:
        return str(state.n).encode()

    def restore(self, partition: int, data: bytes) -> Counted:
        self.restored.append(partition)
        return Counted(int(data), partition)

    def status(self) -> Mapping[str, object]:
        return {"counting": True}
