"""Tests of what is said about Kafka without one: clocks, certificates, a broker that is away."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gnomon.broker.certificates import Authority
from gnomon.connection import KafkaConnection
from gnomon.errors import NotLetInError
from gnomon.operations.doctor import kafka
from gnomon.settings import Settings

NOBODY = Settings(brokers="127.0.0.1:9")
"""The discard port: no broker listens there."""
NOW = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ahead_ms", "level"), [(-86_400_000, "ok"), (0, "ok"), (5_000, "ok"), (5_001, "problem")]
)
def test_a_broker_whose_clock_is_ahead_is_a_problem(ahead_ms: int, level: str) -> None:
    assert kafka.judged_clock(1_000_000, 1_000_000 + ahead_ms).level == level


def test_without_an_event_clocks_cannot_be_compared() -> None:
    assert kafka.judged_clock(1, None).level == "ok"


def test_a_broker_that_is_away_is_one_problem_and_not_three() -> None:
    (found,) = kafka.broker(NOBODY)

    assert found.level == "problem"
    assert "gnomon up" in found.remedy
    assert list(kafka.topics(NOBODY)) == list(kafka.clock(NOBODY)) == []


def test_a_broker_elsewhere_is_not_one_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(_kafka: KafkaConnection, *, prefix: str) -> None:
        raise NotLetInError(f"kafka.example:9092 answers, but refuses the login{prefix}")

    monkeypatch.setattr("gnomon.operations.topics_admin.describe_topics", refuses)
    (found,) = kafka.broker(Settings(brokers="kafka.example:9092"))

    assert found.level == "problem"
    assert "GNOMON_KAFKA_" in found.remedy
    assert "gnomon up" not in found.remedy


@pytest.mark.parametrize(
    ("days", "level"), [(-1, "problem"), (0, "problem"), (29, "note"), (31, "ok")]
)
def test_a_certificate_is_judged_by_its_end(days: int, level: str) -> None:
    found = kafka.judged_end(Path("c.pem"), NOW + timedelta(days=days), now=NOW)
    assert found.level == level


def test_named_certificates_and_those_of_a_secured_broker_are_read(tmp_path: Path) -> None:
    now = datetime.now(UTC)  # noqa: TID251  of certificates
    authority = Authority.make("test", now=now)
    own = tmp_path / "secure-broker" / "security"
    own.mkdir(parents=True)
    (own / "ca.pem").write_bytes(authority.pem)
    ended = authority.issue("node", now=now, valid=timedelta(days=-2))
    (own / "node.pem").write_bytes(ended.key + ended.certificate)
    (tmp_path / "mine.pem").write_text("no certificate")
    settings = Settings(
        data_dir=str(tmp_path),
        kafka_security_protocol="SSL",
        kafka_ssl_cafile=str(tmp_path / "mine.pem"),
    )

    found = {each.found.split()[0]: each.level for each in kafka.certificates(settings)}

    assert found == {
        str(own / "ca.pem"): "ok",
        str(own / "node.pem"): "problem",
        str(tmp_path / "mine.pem"): "problem",
    }
