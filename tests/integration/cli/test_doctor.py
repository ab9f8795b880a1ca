"""``gnomon doctor`` on a real cluster: what is missing, what differs, and that it changes nothing."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.support.commands import gnomon

from gnomon.operations.topics_admin import create_topics, describe_topics

pytestmark = pytest.mark.kafka


def levels(kafka: Kafka, prefix: str, folder: Path, **more: str) -> dict[str, set[str]]:
    """The levels of what each check found; the exit status has to fit them."""
    done = gnomon(
        "doctor", "--json", GNOMON_BROKERS=kafka.brokers, GNOMON_TOPIC_PREFIX=prefix,
        GNOMON_DATA_DIR=str(folder / "data"), **more,
    )  # fmt: skip
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert done.returncode == (1 if told["problems"] else 0)
    found: dict[str, set[str]] = {}
    for finding in told["findings"]:
        assert bool(finding["remedy"]) == (finding["level"] != "ok"), finding
        found.setdefault(finding["check"], set()).add(finding["level"])
    return found


def test_topics_are_missing_then_there_then_of_another_number(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    missing = levels(kafka, prefix, tmp_path)
    assert missing["broker"] == {"ok"}
    assert missing["topics"] == missing["key"] == {"problem"}
    assert asyncio.run(describe_topics(kafka.connection, prefix=prefix)) == []
    assert not (tmp_path / "data").exists()

    asyncio.run(create_topics(kafka.connection, prefix=prefix, partitions=4, replication=1))
    assert gnomon("keys", "init", GNOMON_DATA_DIR=str(tmp_path / "data")).returncode == 0
    there = levels(kafka, prefix, tmp_path)
    assert {level for found in there.values() for level in found} <= {"ok", "note"}
    assert there["clock"] == {"ok"}

    other = levels(kafka, prefix, tmp_path, GNOMON_TOPIC_PARTITIONS="8")
    assert other["topics"] == {"problem"}
    shorter = levels(kafka, prefix, tmp_path, GNOMON_TOPIC_RETENTION="task-events=1h")
    assert shorter["topics"] == {"note"}


def test_each_problem_is_told_with_what_to_do(tmp_path: Path) -> None:
    done = gnomon(
        "doctor", GNOMON_BROKERS="127.0.0.1:9", GNOMON_DATA_DIR=str(tmp_path), GNOMON_NISE="3"
    )

    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert sum(line.startswith("problem") for line in lines) == 3
    assert sum("to do: " in line for line in lines) >= 3
    assert lines[-1] == "3 problems"
    assert "Traceback" not in done.stdout + done.stderr
