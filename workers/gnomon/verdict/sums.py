"""Sums paired losses over agent-hours, hours and agents: whole numbers, exact in any order.

Records may arrive in any order and be split in any way: states that have read the same records are
equal, byte for byte when encoded. A block, the tasks of one agent predicted in one hour, is open
until ``close_blocks`` adds its squares. An hour's total over all partitions is needed for the
correlation from hour to hour, so hours wait until ``close_hours``, after the partitions are merged.
"""

from typing import Final

import msgspec

T, B, C, BB, BC, CC = range(6)
"""Number of units, sums of the losses of baseline and model, and sums of their products."""
NEVER: Final = 1 << 62
"""An hour that is later than every real one."""


class Hours(msgspec.Struct):
    """Closed hours in the order of time.

    Attributes:
        row: The sums over the hours' totals, in the form of a row of blocks.
        lag: Sums over consecutive active hours: baseline with baseline, baseline with model and
            model with baseline together, model with model.
        first: The first hour's totals; ``last`` likewise.
    """

    row: list[int] = msgspec.field(default_factory=lambda: [0] * 6)
    lag: list[int] = msgspec.field(default_factory=lambda: [0] * 3)
    first: tuple[int, int] = (0, 0)
    last: tuple[int, int] = (0, 0)

    def append(self, b: int, c: int) -> None:
        """Add the totals of the next active hour."""
        if self.row[T]:
            last_b, last_c = self.last
            self.lag[0] += last_b * b
            self.lag[1] += last_b * c + last_c * b
            self.lag[2] += last_c * c
        else:
            self.first = (b, c)
        self.last = (b, c)
        add_unit(b, c, self.row)


class Sums(msgspec.Struct):
    """The sums of one kind of paired loss of one model and one baseline.

    Attributes:
        open: By hour and agent, the baseline's and the model's sums of blocks that may still grow.
        blocks: The row of the closed blocks.
        agents: By agent, the row of its closed blocks.
        waiting: By hour, the totals of its closed blocks, until the hour is closed.
        hours: The closed hours.
    """

    open: dict[int, dict[str, list[int]]] = {}
    blocks: list[int] = msgspec.field(default_factory=lambda: [0] * 6)
    agents: dict[str, list[int]] = {}
    waiting: dict[int, list[int]] = {}
    hours: Hours = msgspec.field(default_factory=Hours)

    def add(self, agent: str, hour: int, baseline: int, model: int) -> None:
        """Add one task, or the sums of several tasks of one block; the block must be open."""
        block = self.open.setdefault(hour, {}).setdefault(agent, [0, 0])
        block[0] += baseline
        block[1] += model

    def close_blocks(self, before_hour: int = NEVER) -> None:
        """Close the blocks of all hours before ``before_hour``: no task of these may follow."""
        for hour in [hour for hour in self.open if hour < before_hour]:
            total = self.waiting.setdefault(hour, [0, 0])
            for agent, (b, c) in self.open.pop(hour).items():
                add_unit(b, c, self.blocks, self.agents.setdefault(agent, [0] * 6))
                total[0] += b
                total[1] += c

    def close_hours(self, before_hour: int = NEVER) -> None:
        """Close the hours before ``before_hour``: no block of these may follow from any partition."""
        self.close_blocks(before_hour)
        for hour in sorted(hour for hour in self.waiting if hour < before_hour):
            b, c = self.waiting.pop(hour)
            self.hours.append(b, c)

    def merge(self, other: "Sums") -> None:
        """Add the sums of another partition; ``other`` is not changed.

        Raises:
            ValueError: One of the two has closed hours.
        """
        if self.hours.row[T] or other.hours.row[T]:
            raise ValueError("hours are closed: merge partitions before their hours are closed")
        for hour, agents in other.open.items():
            for agent, (b, c) in agents.items():
                self.add(agent, hour, b, c)
        add_row(self.blocks, other.blocks)
        for agent, row in other.agents.items():
            add_row(self.agents.setdefault(agent, [0] * 6), row)
        for hour, total in other.waiting.items():
            add_row(self.waiting.setdefault(hour, [0, 0]), total)


def add_unit(b: int, c: int, *rows: list[int]) -> None:
    """Add one block, hour or agent with these totals to each of ``rows``."""
    bb, bc, cc = b * b, b * c, c * c
    for row in rows:
        row[T] += 1
        row[B] += b
        row[C] += c
        row[BB] += bb
        row[BC] += bc
        row[CC] += cc


def add_row(row: list[int], other: list[int]) -> None:
    """Add ``other`` to ``row``, number by number."""
    for index, value in enumerate(other):
        row[index] += value
