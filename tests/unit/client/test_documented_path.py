"""The path of one event in ``docs/architecture.md`` is the one that an event takes."""

import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import CodeType, FrameType

import pytest
from tests.support.client.handles import Opened, background_threads
from tests.support.polling import eventually_sync

from gnomon import Client
from gnomon.client.process import native
from gnomon.events import TaskCancelled

DOCUMENT = Path(__file__).parents[3] / "docs" / "architecture.md"
HOP = re.compile(r"^\| \d \| `(\w+)\.(\w+)` \| `([\w/]+)\.py` \|", re.MULTILINE)


def documented_codes() -> list[CodeType]:
    """Return the code of each function in the table of hops, in its order."""
    found = []
    for kind, name, path in HOP.findall(DOCUMENT.read_text()):
        module = import_module("gnomon.client." + path.replace("/", "."))
        found.append(getattr(getattr(module, kind), name).__code__)
    return found


def test_an_event_passes_the_documented_functions_in_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last hop is left out: the handle of librdkafka is replaced by one in memory."""
    codes = documented_codes()
    passed: list[CodeType] = []

    def note(frame: FrameType, what: str, _argument: object) -> None:
        if what == "call" and frame.f_code in codes and frame.f_code not in passed:
            passed.append(frame.f_code)

    def start_thread(run: Callable[[], None]) -> None:
        def profiled() -> None:
            sys.setprofile(note)
            run()

        native.start_thread(profiled)

    eventually_sync(lambda: background_threads() == 0, what="no thread of an earlier test is left")
    monkeypatch.setattr("gnomon.client.delivery.connections.open_kafka", Opened())
    monkeypatch.setattr("gnomon.client.process.background.start_thread", start_thread)
    with Client("kafka.invalid:9092") as client:
        sys.setprofile(note)
        client.emit(TaskCancelled(agent_id="a", task_id="t", cancelled_at_ms=1))
        sys.setprofile(None)
        assert client.flush(5) == 0

    assert 0 < len(codes) <= 8
    assert passed == codes[:-1]
