"""What a call of an experiment's router costs, beside the simplest thing that could do its work.

    python -m benchmarks.router

The least of many repeats, in microseconds a call, over 1,000 units.
"""

import hashlib
import timeit
from collections.abc import Callable, Iterator

from gnomon import MemoryClient
from gnomon.experiment import Router

UNITS = [f"user-{number}" for number in range(1_000)]
HALVES = {"control": 5_000, "test": 5_000}
REPEATS = 50


def least_us(work: Callable[[], object]) -> float:
    """Microseconds a unit, of the quickest repeat."""
    return min(timeit.repeat(work, number=1, repeat=REPEATS)) / len(UNITS) * 1e6


def simplest() -> None:
    """A look into a dictionary, and a hash of the unit."""
    known: dict[str, str] = {}
    for unit in UNITS:
        known.get(unit)
        int.from_bytes(hashlib.sha256(unit.encode()).digest()[:8], "big")


def first_us() -> float:
    """The first call for a unit, which publishes, by a new router each time."""

    def once() -> float:
        exposed = Router("benchmark", HALVES, client=MemoryClient()).exposed
        return timeit.timeit(lambda: [exposed(unit) for unit in UNITS], number=1)

    return min(once() for _ in range(REPEATS)) / len(UNITS) * 1e6


def rows() -> Iterator[tuple[str, float]]:
    """Name and microseconds of each."""
    router = Router("benchmark", HALVES)
    yield "dict and hashlib", least_us(simplest)
    yield "assign", least_us(lambda: [router.assign(unit) for unit in UNITS])
    yield "exposed, again", least_us(lambda: [router.exposed(unit) for unit in UNITS])
    yield "exposed, first", first_us()
    yield "context", least_us(lambda: [router.context(unit) for unit in UNITS])


def main() -> None:
    """Print a table."""
    for name, cost_us in rows():
        print(f"{name:<18}{cost_us:6.2f} us")


if __name__ == "__main__":
    main()
