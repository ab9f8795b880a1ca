"""Metrics in both formats, read by the parsers of the Prometheus client."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as read_text
from tests.support.servers.tls import Certificates, now

from gnomon import codec
from gnomon.connection import KafkaSecurity
from gnomon.events import TaskStarted
from gnomon.prometheus import BUCKETS
from gnomon.records import DeadLetter, Headers
from gnomon.runtime.batch_metrics import BatchMetrics, start_counters, trace_id_of
from gnomon.runtime.metrics import Metrics

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
# What Prometheus 2.42 sends.
SCRAPER = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


@dataclass(frozen=True)
class Record:
    value: bytes | None
    timestamp: int = 0
    topic: str = "task-events"
    partition: int = 0
    offset: int = 0
    key: bytes | None = None
    headers: Headers = field(default=())


def event(traceparent: str | None) -> bytes:
    return codec.encode(
        TaskStarted(
            agent_id="a",
            task_id="t",
            task_type="review",
            started_at_ms=1,
            traceparent=traceparent,
        )
    )


def committed(metrics: Metrics, *records: Record, now_ms: int, dead: int = 0) -> None:
    BatchMetrics(metrics, stage="features", partition=3, now_ms=lambda: now_ms).committed(
        records,
        counts={"task-events": len(records)},
        offsets={"task-events": 7},
        dead=[DeadLetter(record, "invalid") for record in records[:dead]],
        trace_id=trace_id_of(records[0]),
    )


def values(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a metric, by the values of its labels in the order of the labels' names."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in read_text(metrics.exposition()[0].decode())
        for sample in family.samples
        if sample.name == name
    }


def test_openmetrics_is_for_who_accepts_it_and_has_the_trace_of_an_example() -> None:
    metrics = Metrics()
    record = Record(event(f"00-{TRACE}-00f067aa0ba902b7-01"), timestamp=1_000)

    committed(metrics, record, now_ms=1_300)

    body, content_type = metrics.exposition(SCRAPER)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    (latency,) = (
        family
        for family in read_openmetrics(body.decode())  # type: ignore[no-untyped-call]
        if family.name == "gnomon_stage_latency_seconds"
    )
    (example,) = (sample.exemplar for sample in latency.samples if sample.exemplar)
    assert (example.labels, example.value) == ({"trace_id": TRACE}, pytest.approx(0.3))
    plain, content_type = metrics.exposition("")
    assert content_type.startswith("text/plain; version=0.0.4")
    assert TRACE.encode() not in plain
    assert b"_created" not in plain + body


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        event(None),
        b'{"traceparent":"00-XYZ-1-01"}',
        b'{"traceparent":"00-' + b"a",
    ],
)
def test_a_record_without_a_trace_is_no_example(value: bytes | None) -> None:
    assert trace_id_of(Record(value)) is None


@given(st.binary(max_size=200))
def test_any_bytes_give_hex_digits_or_nothing(value: bytes) -> None:
    found = trace_id_of(Record(b'{"traceparent":"00-' + value))
    assert found is None or (len(found) == 32 and set(found) <= set("0123456789abcdef"))


def test_the_first_dead_letter_is_an_increase() -> None:
    metrics = Metrics()
    start_counters(metrics, "features")
    before = values(metrics, "gnomon_dead_letters_total")["invalid", "features"]

    committed(metrics, Record(b"x"), now_ms=0, dead=1)

    assert before == 0
    assert values(metrics, "gnomon_dead_letters_total")["invalid", "features"] == 1


def test_nothing_is_shown_of_a_partition_that_was_given_up() -> None:
    metrics = Metrics()
    for partition in ("1", "2"):
        metrics.set("gnomon_lag_records", 5, "comparison", partition)
        metrics.set("gnomon_ledger_pending_tasks", 5, partition)
        metrics.count_to("gnomon_ledger_tasks_total", 9, partition, "matched")

    metrics.drop_partition("1")
    metrics.drop_partition("7")

    assert list(values(metrics, "gnomon_lag_records")) == [("2", "comparison")]
    assert list(values(metrics, "gnomon_ledger_pending_tasks")) == [("2",)]
    assert list(values(metrics, "gnomon_ledger_tasks_total")) == [("2", "matched")]

    metrics.set("gnomon_lag_records", 6, "comparison", "1")  # given back
    metrics.count_to("gnomon_ledger_tasks_total", 9, "1", "matched")
    assert values(metrics, "gnomon_lag_records")["1", "comparison"] == 6
    assert values(metrics, "gnomon_ledger_tasks_total")["1", "matched"] == 9

    metrics.drop_partition("1")  # and given up again
    assert list(values(metrics, "gnomon_ledger_tasks_total")) == [("2", "matched")]


def test_a_gauge_that_nobody_set_is_not_shown_as_0() -> None:
    body = Metrics().exposition()[0]
    assert b"gnomon_store_up" not in body
    assert b"gnomon_vault_sealed_total 0.0" in body


def test_certificates_say_when_they_expire_and_a_broken_file_hides_no_other(
    tmp_path: Path,
) -> None:
    certificates = Certificates(tmp_path)
    expected_s = (now() + timedelta(hours=5)).timestamp()
    client = certificates.issue("worker", valid=timedelta(hours=5))
    metrics = Metrics()
    metrics.watch_certificates(
        KafkaSecurity(
            security_protocol="SSL", ssl_cafile=str(certificates.ca), ssl_certfile=str(client)
        )
    )
    name = "gnomon_certificate_expiry_timestamp_seconds"

    found = values(metrics, name)
    certificates.ca.write_text("half of a certificate")

    assert set(found) == {("ca",), ("client",)}
    assert found["client",] == pytest.approx(expected_s, abs=60)
    assert list(values(metrics, name)) == [("client",)]


@given(st.lists(st.floats(0, 400) | st.sampled_from(BUCKETS), max_size=30), st.integers(0, 29))
def test_many_durations_at_once_are_shown_like_one_by_one(
    seconds: list[float], example: int
) -> None:
    """Counts, sum, and in OpenMetrics the trace of one of them."""
    at_once, one_by_one = Metrics(), Metrics()
    traced = seconds[example] if example < len(seconds) else None
    for some in (seconds[:7], seconds[7:]):
        shown = (traced, TRACE) if traced in some and traced is not None else None
        at_once.observe_all("gnomon_end_to_end_seconds", some, example=shown)
    for each in seconds:
        trace_id = TRACE if each == traced else None
        one_by_one.observe("gnomon_end_to_end_seconds", each, trace_id=trace_id)
    assert [*samples(at_once)] == [*samples(one_by_one)]


def samples(metrics: Metrics) -> Iterator[tuple[object, ...]]:
    """Name, labels, value and example of everything that is shown."""
    body, _ = metrics.exposition(SCRAPER)
    for family in read_openmetrics(body.decode()):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            example = sample.exemplar and (sample.exemplar.labels, sample.exemplar.value)
            yield family.type, sample.name, sample.labels, pytest.approx(sample.value), example
