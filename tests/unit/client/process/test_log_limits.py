"""Log lines: at most one a minute in a process, whatever the problem and the handlers."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.polling import eventually_sync

from gnomon.client import Client
from gnomon.client.delivery.buffer import Buffer
from gnomon.client.delivery.reporter import Reporter
from gnomon.client.delivery.sealing import Sealer
from gnomon.client.process.log_limits import Limiter, warn
from gnomon.client.records import Record


class Raising(logging.Handler):
    """A handler that raises, as if its server were down, past ``logging``'s own protection."""

    def __init__(self) -> None:
        super().__init__()
        self.handled = 0

    def handle(self, record: logging.LogRecord) -> bool:
        self.handled += 1
        raise RuntimeError("handler")


@pytest.fixture
def raising() -> Iterator[Raising]:
    handler, logger = Raising(), logging.getLogger("gnomon.client")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    ("moments_s", "allowed"),
    [
        ([0.0, 59.0, 61.0], [True, False, True]),
        ([0.0, 61.0, 119.0, 121.0], [True, True, False, True]),
        ([7.0, 66.9, 67.0, 67.0], [True, False, True, False]),
    ],
)
def test_two_log_lines_are_a_minute_apart(moments_s: list[float], allowed: list[bool]) -> None:
    """A refused line does not delay the next one."""
    times = iter(moments_s)
    limiter = Limiter(lambda: next(times))

    assert [limiter.allows() for _ in moments_s] == allowed


def test_all_sources_together_log_one_line_in_the_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Client("nonsense")
    Client.from_env({"GNOMON_BROKERS": "one:9092", "GNOMON_SPOOL_BYTES": "much"})
    Reporter(Buffer(max_events=1, max_bytes=100)).warn("no answer")
    Sealer(str(tmp_path / "missing")).seal([Record(b"k", b'{"context":{"a":1}}')])

    (record,) = caplog.records
    assert (record.name, record.levelname) == ("gnomon.client", "WARNING")
    assert "brokers" in record.message


def test_a_sealer_logs_a_failure_as_soon_as_a_line_is_allowed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sealer, record = Sealer(""), Record(b"k", b'{"context":{"a":1}}')
    now_s = [0.0]
    monkeypatch.setattr(
        "gnomon.client.process.log_limits.PROCESS_LIMITER", Limiter(lambda: now_s[0])
    )
    assert warn("something else")
    sealer.seal([record])
    assert "never sent in clear" not in caplog.text

    now_s[0] = 60.0
    sealer.seal([record])
    now_s[0] = 120.0
    sealer.seal([record])
    assert caplog.text.count("never sent in clear") == 1


def test_a_handler_that_raises_does_not_affect_the_constructor(raising: Raising) -> None:
    assert not Client("nonsense").enabled
    assert raising.handled == 1


def test_a_handler_that_raises_does_not_affect_the_delivery(raising: Raising, memory: Any) -> None:
    with Client("kafka.invalid:9092", agent_id="a", exit_timeout_s=5) as client:
        memory.error = "_TRANSPORT"
        client.start("before")
        eventually_sync(lambda: raising.handled == 1, what="the error is logged")
        client.start("after")
        assert client.flush(5) == 0
        assert [event.task_type for event in memory.events] == ["before", "after"]


def test_events_that_cannot_be_encoded_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    buffer = Buffer(max_events=10, max_bytes=1_000)
    reporter = Reporter(buffer)

    def fail(later: tuple[int, object]) -> Record:
        raise TypeError

    buffer.offer_later((100, fail))
    reporter.check()
    assert not caplog.records
    buffer.take(max_events=1, max_bytes=100)
    reporter.check()
    assert "changed after it was given" in caplog.text
