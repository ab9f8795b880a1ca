"""Routers whose clocks a test sets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from gnomon.experiment import Router


@dataclass
class Clock:
    """Both clocks of a router."""

    now_s: float = 1_000.0

    def seconds(self) -> float:
        return self.now_s

    def nanoseconds(self) -> int:
        return int(self.now_s * 1e9)


@dataclass
class Source:
    """A function that gives whatever a test puts there, and raises what is an exception."""

    gives: Any
    calls: int = field(default=0)

    def __call__(self) -> object:
        self.calls += 1
        if isinstance(self.gives, BaseException):
            raise self.gives
        return self.gives


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def route(clock: Clock) -> Iterator[Callable[..., Router]]:
    """Makes routers with the test's clock; their threads end with the test."""
    made: list[Router] = []

    def make(*arguments: Any, **named: Any) -> Router:
        clocks = {"clock_s": clock.seconds, "clock_ns": clock.nanoseconds}
        made.append(Router(*arguments, **{**clocks, "refresh_s": 3_600.0, **named}))
        return made[-1]

    yield make
    for router in made:
        router.close()
