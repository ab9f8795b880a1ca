"""One call handles what waits; an error is that of the items of its call."""

import asyncio
from collections.abc import Sequence

import pytest

from gnomon.stages.joining import Joining, Waiting


class Calls:
    """Doubles numbers; a call with 13 raises."""

    def __init__(self, *, at_once: int = 1) -> None:
        self.made: list[list[int]] = []
        self.gate = asyncio.Event()
        self.joining = Joining(self._call, size=lambda number: 1, most=4, at_once=at_once)

    async def _call(self, waiting: Sequence[Waiting[int, int]]) -> None:
        numbers = [each.item for each in waiting]
        self.made.append(numbers)
        await self.gate.wait()
        if 13 in numbers:
            raise ValueError("13")
        for each in waiting:
            if not each.done.done():
                each.done.set_result(2 * each.item)

    def ask(self, *numbers: int) -> "list[asyncio.Task[int]]":
        return [asyncio.create_task(self.joining.result_of(number)) for number in numbers]


async def test_what_is_asked_for_together_is_one_call_of_bounded_size() -> None:
    calls = Calls()
    calls.gate.set()

    found = await asyncio.gather(*calls.ask(1, 2, 3, 4, 5, 6))

    assert found == [2, 4, 6, 8, 10, 12]
    assert calls.made == [[1, 2, 3, 4], [5, 6]]
    assert calls.joining.is_idle


async def test_an_error_is_that_of_the_items_of_its_call() -> None:
    calls = Calls()
    calls.gate.set()

    found = await asyncio.gather(*calls.ask(1, 13, 2, 3, 4, 5), return_exceptions=True)

    assert [repr(each) for each in found] == ["ValueError('13')"] * 4 + ["8", "10"]


async def test_closing_cancels_whoever_waits_and_further_items_are_handled() -> None:
    calls = Calls()
    asked = calls.ask(1, 2, 3, 4, 5)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert calls.made == [[1, 2, 3, 4]]

    calls.joining.close()
    await asyncio.wait(asked)

    for each in asked:
        with pytest.raises(asyncio.CancelledError):
            await each
    calls.gate.set()
    assert await asyncio.gather(*calls.ask(7)) == [14]


async def test_several_calls_may_be_under_way() -> None:
    calls = Calls(at_once=2)
    asked = calls.ask(*range(20, 30))
    for _ in range(3):
        await asyncio.sleep(0)
    assert calls.made == [[20, 21, 22, 23], [24, 25, 26, 27]]

    calls.gate.set()

    assert await asyncio.gather(*asked) == [2 * number for number in range(20, 30)]
    assert calls.made[2:] == [[28, 29]]


async def test_an_item_that_comes_as_a_call_ends_is_handled() -> None:
    calls = Calls()
    calls.gate.set()
    for number in range(50, 60):
        async with asyncio.timeout(5.0):
            assert await calls.joining.result_of(number) == 2 * number
