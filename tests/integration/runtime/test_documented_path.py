"""A batch passes the functions of "The path of one batch" in docs/architecture.md in their order."""

import inspect
import pkgutil
import sys
from types import CodeType, FrameType

import pytest
from tests.integration.runtime.bench import Bench
from tests.unit.runtime.test_documented_path import documented

pytestmark = pytest.mark.kafka


async def test_a_batch_passes_the_documented_functions_in_their_order(bench: Bench) -> None:
    codes = [
        inspect.unwrap(pkgutil.resolve_name(f"gnomon.runtime.{hop}")).__code__
        for hop in documented()
    ]
    passed: list[CodeType] = []

    def note(frame: FrameType, what: str, _argument: object) -> None:
        if what == "call" and frame.f_code in codes:
            passed.append(frame.f_code)

    await bench.start()
    sys.setprofile(note)
    try:
        for batch in range(1, 4):
            await bench.send([b"v"] * 4)
            await bench.expect(batch)
    finally:
        sys.setprofile(None)

    # A coroutine is called again only when it goes on, so the path is found over several batches.
    following = iter(passed)
    assert [code.co_qualname for code in codes if code not in following] == []
