"""Tests of the garbage collector's thresholds."""

import gc
from collections.abc import Iterator

import pytest

from gnomon.runtime.process.memory import tune_gc


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.parametrize(("given", "then"), [(700, 50_000), (300_000, 300_000)])
def test_young_objects_are_collected_less_often_unless_a_stage_says_still_less(
    given: int, then: int
) -> None:
    gc.set_threshold(given, 10, 10)
    tune_gc()
    assert gc.get_threshold() == (then, 20, 20)
