"""Tests of log lines: a constant name with fields, and no flood from a library."""

import json
import logging

from gnomon.telemetry import JsonFormatter, PlainFormatter, RepeatFilter


def a_line(name: str, message: str, *args: object, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.WARNING, "file.py", 1, message, args, None)
    record.__dict__.update(fields)
    return record


def test_json_has_the_event_and_its_fields() -> None:
    line = json.loads(JsonFormatter().format(a_line("gnomon.x", "batch.done", records=7)))

    assert (line["event"], line["records"], line["level"]) == ("batch.done", 7, "warning")


def test_plain_is_one_line_for_a_person() -> None:
    line = PlainFormatter().format(a_line("gnomon.x", "batch.done", records=7, stage="vault"))

    assert line.endswith("batch.done records=7 stage=vault")


def test_an_exception_is_kept_in_both() -> None:
    record = a_line("gnomon.x", "worker.ended")
    record.exc_info = (ValueError, ValueError("why"), None)

    assert "ValueError: why" in json.loads(JsonFormatter().format(record))["exception"]
    assert "ValueError: why" in PlainFormatter().format(record)


def test_a_library_repeats_itself_once_in_a_while() -> None:
    now_s = [0.0]
    repeats = RepeatFilter(every_s=10.0, clock_s=lambda: now_s[0])

    passed = [repeats.filter(a_line("aiokafka", "Unable connect to %s", n)) for n in range(50)]
    now_s[0] = 10.0
    later = a_line("aiokafka", "Unable connect to %s", 1)

    assert passed == [True] + [False] * 49
    assert repeats.filter(later)
    assert later.__dict__["repeated"] == 49


def test_what_is_said_for_the_first_time_passes_and_so_does_all_of_gnomon() -> None:
    repeats = RepeatFilter(clock_s=lambda: 0.0)

    assert repeats.filter(a_line("aiokafka", "one"))
    assert repeats.filter(a_line("aiokafka", "another"))
    assert all(repeats.filter(a_line("gnomon.runtime", "batch.retry")) for _ in range(3))
