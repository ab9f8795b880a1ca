"""``gnomon verdict --live`` on a real broker says what it says of a file with the same records."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from tests.conftest import Kafka
from tests.unit.experiment.test_verdict import SETTINGS, world
from tests.unit.verdict.build import comparison, simulated

from gnomon import codec
from gnomon.cli import main
from gnomon.operations.judged_experiments import read_judged
from gnomon.operations.topics_admin import create_topics
from gnomon.verdict import LIVE_SETTINGS, LiveEvidence

pytestmark = pytest.mark.kafka
RULES = msgspec.structs.replace(LIVE_SETTINGS, mature_after_s=900.0)
PARTITIONS = 4
Row = tuple[str, int, bytes, bytes | None]
"""Topic, partition, key, value."""


def of(agent: str) -> int:
    return sum(agent.encode()) % PARTITIONS


async def _publish(kafka: Kafka, prefix: str, rows: Iterable[Row]) -> None:
    await create_topics(kafka.connection, prefix=prefix, partitions=PARTITIONS, replication=1)
    async with AIOKafkaProducer(bootstrap_servers=kafka.brokers) as producer:
        for topic, partition, key, value in rows:
            await producer.send(prefix + topic, value, key, partition=partition)


@pytest.fixture
def run(kafka: Kafka, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Run":
    for name, value in {
        "BROKERS": kafka.brokers,
        "TOPIC_PREFIX": prefix,
        "DATA_DIR": str(tmp_path / "data"),
    }.items():
        monkeypatch.setenv(f"GNOMON_{name}", value)
    return Run(kafka, prefix, tmp_path)


class Run:
    """Publishes records, and runs ``gnomon verdict``."""

    def __init__(self, kafka: Kafka, prefix: str, folder: Path) -> None:
        self.kafka, self.prefix, self.folder = kafka, prefix, folder

    def publish(self, rows: Iterable[Row]) -> None:
        asyncio.run(_publish(self.kafka, self.prefix, rows))

    def verdict(self, *arguments: str | Path) -> tuple[int, Any]:
        """Return the exit status and the JSON that was written."""
        out = self.folder / "out.json"
        status = main(["verdict", "--json", str(out), *map(str, arguments)])
        return status, json.loads(out.read_bytes())


def test_a_live_verdict_and_its_page_are_those_of_the_file(run: Run) -> None:
    """The evidence comes from four partitions whose batches each have three decisions."""
    found = simulated(ratio=0.6, hours=40)
    rows: list[Row] = []
    parts = [LiveEvidence(RULES) for _ in range(PARTITIONS)]
    for number, each in enumerate(found):
        partition = of(each.agent_id)
        line = codec.encode(comparison(each))
        rows.append(("comparisons", partition, each.agent_id.encode(), line))
        parts[partition].add(each)
        if number % 3 == 2 or number == len(found) - 1:
            for at, live in enumerate(parts):
                rows += [
                    (
                        "verdict-evidence",
                        at,
                        key.encode(),
                        None if value is None else codec.encode(value),
                    )
                    for key, value in live.close(at)
                ]
    run.publish(rows)
    file, rules = run.folder / "c.jsonl", run.folder / "rules.json"
    file.write_bytes(
        b"".join(line + b"\n" for topic, _, _, line in rows if topic == "comparisons" and line)
    )
    rules.write_bytes(RULES.canonical())
    page = run.folder / "live.html"

    now = ("--now", "2023-12-01")
    status, live = run.verdict("--live", "--html", page, *now)
    offline_status, offline = run.verdict("--comparisons", file, "--settings", rules, *now)

    assert (status, live["records"]) == (offline_status, len(found))
    assert live["models"] == offline["models"]
    assert live["models"][0]["criteria"]["improvement"]["passed"]
    shown = page.read_text()
    assert f"Read from the topic {run.prefix}comparisons" in shown
    offsets = re.findall(r'label="(?:partition|first offset|last offset)">(\d+)<', shown)
    counts = Counter(of(each.agent_id) for each in found)
    assert offsets == [str(n) for at in sorted(counts) for n in (at, 0, counts[at] - 1)]
    assert "sums that the comparison stage has collected" in shown


def test_a_live_experiment_is_judged_and_stopped_like_that_of_files(run: Run) -> None:
    """A variant that harms: its verdict is written into the router's settings."""
    tasks, exposures = world(faster=1.6)
    lines = [codec.encode(task) for task in tasks]
    run.publish(
        [("comparisons", number % PARTITIONS, b"a", line) for number, line in enumerate(lines)]
        + [("exposures", number % PARTITIONS, b"a", line) for number, line in enumerate(exposures)]
    )
    router, rules = run.folder / "router.json", run.folder / "rules.json"
    router.write_text(json.dumps(SETTINGS))
    rules.write_text('{"mature_after_s": 0}')
    for name, of_topic in (("c", lines), ("e", exposures)):
        (run.folder / f"{name}.jsonl").write_bytes(b"\n".join(of_topic))
    common = ("--experiment", "prompts", "--settings", rules)

    files = ("--comparisons", run.folder / "c.jsonl", "--exposures", run.folder / "e.jsonl")
    expected = run.verdict(*common, *files, "--variants", router)
    assert expected[0] == 5
    assert run.verdict(*common, "--live", "--apply", router) == expected
    assert json.loads(router.read_text())["verdict"] == "STOP-HARM"
    (kept,) = read_judged(str(run.folder / "data"))  # for the dashboard
    assert (kept.running, kept.verdict.is_harm) == (True, True)
    assert kept.at_ms > 1_790_000_000_000
