"""Sums paired losses over agent-hours, hours and agents: whole numbers, exact in any order.

Records may arrive in any order and be split in any way: states that have read the same records are
equal, byte for byte when encoded. All rows are up to date after each task. A block, the tasks of one
agent predicted in one hour, is remembered until ``close_blocks``, because its square changes with
each of its tasks. An hour's total over all partitions is needed for the correlation from hour to
hour, so hours wait until ``close_hours``, after the partitions are merged.
"""

from collections.abc import Collection, Sequence
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
        blocks: The row of the blocks.
        agents: By agent, the row of its blocks.
        totals: The row of the agents' totals.
        waiting: By hour, the totals of its blocks, until the hour is closed.
        hours: The closed hours.
    """

    open: dict[int, dict[str, list[int]]] = {}
    blocks: list[int] = msgspec.field(default_factory=lambda: [0] * 6)
    agents: dict[str, list[int]] = {}
    totals: list[int] = msgspec.field(default_factory=lambda: [0] * 6)
    waiting: dict[int, list[int]] = {}
    hours: Hours = msgspec.field(default_factory=Hours)

    def add(self, agent: str, hour: int, baseline: int, model: int) -> None:
        """Add one task, or the sums of several tasks of one block; the block must be open."""
        row, totals, blocks = self.agents.get(agent), self.totals, self.blocks
        if row is None:
            row = self.agents[agent] = [0] * 6
            totals[T] += 1
        own_bb, own_bc, own_cc = baseline * baseline, baseline * model, model * model
        # A unit that grows from (b, c) adds (b + baseline)^2 - b^2 to the squares, and so on.
        b, c = row[B], row[C]
        totals[B] += baseline
        totals[C] += model
        totals[BB] += 2 * b * baseline + own_bb
        totals[BC] += b * model + c * baseline + own_bc
        totals[CC] += 2 * c * model + own_cc
        of_hour = self.open.get(hour)
        if of_hour is None:
            of_hour = self.open[hour] = {}
        block = of_hour.get(agent)
        if block is None:
            of_hour[agent] = [baseline, model]
            blocks[T] += 1
            row[T] += 1
        else:
            b, c = block
            own_bb += 2 * b * baseline
            own_bc += b * model + c * baseline
            own_cc += 2 * c * model
            block[0], block[1] = b + baseline, c + model
        for of in (blocks, row):
            of[B] += baseline
            of[C] += model
            of[BB] += own_bb
            of[BC] += own_bc
            of[CC] += own_cc
        total = self.waiting.get(hour)
        if total is None:
            self.waiting[hour] = [baseline, model]
        else:
            total[0] += baseline
            total[1] += model

    def close_blocks(self, before_hour: int = NEVER) -> None:
        """Close the blocks of all hours before ``before_hour``: no task of these may follow."""
        for hour in [hour for hour in self.open if hour < before_hour]:
            del self.open[hour]

    def forget(self, before_hour: int, kept: Collection[tuple[int, str]] = ()) -> None:
        """Forget the blocks and the totals of all hours before ``before_hour``, but for those of ``kept``.

        The totals must be kept elsewhere.

        Args:
            before_hour: No task of an hour before this one follows, except of the blocks ``kept``.
            kept: Hours and agents.
        """
        for hour in [hour for hour in self.open if hour < before_hour]:
            left = {agent: b for agent, b in self.open[hour].items() if (hour, agent) in kept}
            if left:
                self.open[hour] = left
            else:
                del self.open[hour]
        # A decision that is kept may be the first of its block: its hour is not open yet.
        growing = self.open.keys() | {hour for hour, _ in kept}
        for hour in [h for h in self.waiting if h < before_hour and h not in growing]:
            del self.waiting[hour]

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
        # The blocks that are open in both are one block, so its square is not the sum of two.
        for hour, agents in other.open.items():
            for agent, (b, c) in agents.items():
                self.add(agent, hour, b, c)
                add_unit(b, c, self.blocks, self.agents[agent], sign=-1)
                add_row(self.waiting[hour], (-b, -c))
        add_row(self.blocks, other.blocks)
        for agent, row in other.agents.items():
            add_row(self.agents.setdefault(agent, [0] * 6), row)
        for hour, total in other.waiting.items():
            add_row(self.waiting.setdefault(hour, [0, 0]), total)
        self.totals = [0] * 6
        for row in self.agents.values():
            add_unit(row[B], row[C], self.totals)


def add_unit(b: int, c: int, *rows: list[int], sign: int = 1) -> None:
    """Add one block, hour or agent with these totals to each of ``rows``; subtract it if ``sign`` is -1."""
    bb, bc, cc = b * b, b * c, c * c
    for row in rows:
        row[T] += sign
        row[B] += sign * b
        row[C] += sign * c
        row[BB] += sign * bb
        row[BC] += sign * bc
        row[CC] += sign * cc


def add_row(row: list[int], other: Sequence[int]) -> None:
    """Add ``other`` to ``row``, number by number."""
    for index, value in enumerate(other):
        row[index] += value
