"""The AsyncAPI document names every topic as it is, and every reference in it leads somewhere."""

import argparse
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import jsonschema
import pytest
from aiokafka.admin import NewTopic
from tests.contract.contract_files import SCHEMAS, TAGS, read

from gnomon.cli.looking import topics as topics_command
from gnomon.connection import aiokafka_clients
from gnomon.operations import topics_admin
from gnomon.settings import Settings
from gnomon.stages import STAGES

DAY_MS = 86_400_000

# Topic: records, cleanup, retention.
TOPICS: dict[str, tuple[set[str], str, int | None]] = {
    "task-events": (
        {"task_started.v1", "task_finished.v1", "task_cancelled.v1"}, "delete", 7 * DAY_MS,
    ),
    "task-features": ({"task_features.v1"}, "delete", 7 * DAY_MS),
    "agent-features": ({"agent_features.v1"}, "compact", None),
    "shadow-predictions": ({"prediction.v1", "prediction_shed.v1"}, "delete", 7 * DAY_MS),
    "comparisons": ({"comparison.v1"}, "delete", 7 * DAY_MS),
    "comparison-metrics": ({"ledger.v1", "model_metrics.v1"}, "compact", None),
    "decisions": ({"sealed_decision.v1"}, "delete", 365 * DAY_MS),
    "audit": ({"audit_event.v1"}, "delete", 3_650 * DAY_MS),
    "dead-letters": ({"dead_letter"}, "delete", 14 * DAY_MS),
    "control": ({"model_intent.v1"}, "compact", None),
    "model-switches": ({"model_switched.v1"}, "delete", 365 * DAY_MS),
    "client-stats": ({"client_stats.v1", "client_seen.v1"}, "compact", None),
    "exposures": ({"exposure.v1"}, "delete", 30 * DAY_MS),
    "interval-corrections": ({"interval_correction.v1"}, "compact", None),
    "verdict-evidence": (
        {"verdict_experiment.v1", "model_evidence.v1", "hour_evidence.v1"},
        "compact",
        None,
    ),
    "vault-roots": ({"vault_root.v1", "vault_head.v1"}, "compact", None),
}  # fmt: skip


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return read(SCHEMAS / "asyncapi.json")


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(reference: str, document: dict[str, Any]) -> Any:
    file, _, pointer = reference.partition("#")
    found: Any = read(SCHEMAS / file) if file else document
    for step in pointer.strip("/").split("/") if pointer else []:
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


def test_it_says_which_asyncapi_it_is(document: dict[str, Any]) -> None:
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= document["info"].keys()


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = list(references(document))
    assert len(found) > len(TOPICS)
    for reference in found:
        assert isinstance(resolve(reference, document), dict), reference


def test_every_topic_is_there_with_its_records_and_settings(document: dict[str, Any]) -> None:
    assert document["channels"].keys() == TOPICS.keys()
    for name, (kinds, cleanup, retention_ms) in TOPICS.items():
        channel = document["channels"][name]
        kafka = channel["bindings"]["kafka"]
        assert (name, channel["address"], kafka["topic"]) == (name, name, name)
        assert channel["messages"].keys() == kinds
        assert kafka["topicConfiguration"]["cleanup.policy"] == [cleanup]
        assert kafka["topicConfiguration"].get("retention.ms") == retention_ms
        assert kafka["partitions"] >= 1


def test_topics_are_co_partitioned(document: dict[str, Any]) -> None:
    """Stages write to the partition number they read from."""
    kafka = [channel["bindings"]["kafka"] for channel in document["channels"].values()]
    assert len({binding["partitions"] for binding in kafka}) == 1


class Admin:
    """Records the topics that a broker is asked to create."""

    asked: ClassVar[list[NewTopic]] = []

    def __init__(self, *_: object, **__: object) -> None:
        self.asked.clear()

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def create_topics(self, topics: list[NewTopic], **_: object) -> SimpleNamespace:
        self.asked.extend(topics)
        return SimpleNamespace(topic_errors=[(topic.name, 0, None) for topic in topics])


def test_the_topics_that_the_command_creates_are_as_the_document_says(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def leaders(*_: object) -> None: ...

    monkeypatch.setattr(aiokafka_clients, "admin", Admin)
    monkeypatch.setattr(topics_admin, "_await_leaders", leaders)
    parser = argparse.ArgumentParser()
    topics_command.configure(parser)

    topics_command.run(parser.parse_args(["create"]), Settings.from_env({}))

    stated = {name: channel["bindings"]["kafka"] for name, channel in document["channels"].items()}
    assert {topic.name: topic.num_partitions for topic in Admin.asked} == {
        name: kafka["partitions"] for name, kafka in stated.items()
    }
    for topic in Admin.asked:
        settings = dict(stated[topic.name]["topicConfiguration"])
        (settings["cleanup.policy"],) = settings["cleanup.policy"]
        assert topic.topic_configs == {name: str(value) for name, value in settings.items()}


def test_every_event_is_a_message_whose_payload_is_its_schema(document: dict[str, Any]) -> None:
    messages = document["components"]["messages"]
    assert messages.keys() == {*TAGS, "dead_letter"}
    for tag in TAGS:
        payload = messages[tag]["payload"]
        assert payload["schemaFormat"] == "application/schema+json;version=draft-2020-12"
        referred = resolve(payload["schema"]["$ref"], document)
        assert referred["$id"] == f"urn:gnomon:schema:{tag}"
        assert referred["title"] == messages[tag]["title"]


def test_a_dead_letter_says_where_it_came_from(document: dict[str, Any]) -> None:
    headers = document["components"]["messages"]["dead_letter"]["headers"]
    jsonschema.Draft7Validator.check_schema(headers)
    assert set(headers["required"]) == set(headers["properties"]) == {
        "gnomon-stage", "gnomon-reason", "gnomon-detail", "gnomon-topic", "gnomon-partition",
        "gnomon-offset",
    }  # fmt: skip


def test_an_operation_carries_only_records_of_its_topic(document: dict[str, Any]) -> None:
    for name, operation in document["operations"].items():
        participant, action, topic = name.split(".")
        assert operation["action"] == action
        assert action in {"send", "receive"}
        assert operation["channel"]["$ref"] == f"#/channels/{topic}"
        assert [tag["name"] for tag in operation["tags"]] == [participant]
        carried = {reference["$ref"] for reference in operation["messages"]}
        assert carried == {f"#/channels/{topic}/messages/{kind}" for kind in TOPICS[topic][0]}


def test_every_topic_has_somebody_who_writes_it(document: dict[str, Any]) -> None:
    written = {name.split(".")[2] for name in document["operations"] if ".send." in name}
    assert written == TOPICS.keys()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_what_the_document_says(stage: str, document: dict[str, Any]) -> None:
    module = importlib.import_module(f"gnomon.stages.{stage}")
    inputs = getattr(module, f"{stage.capitalize()}Stage").inputs
    received = {name for name in document["operations"] if name.startswith(f"{stage}.receive.")}
    assert {name.split(".")[2] for name in received} == set(inputs)


def test_the_readme_names_the_same_writers_and_readers(document: dict[str, Any]) -> None:
    """The table of ``schemas/README.md``: topic, key, written by, read by."""
    text = Path(SCHEMAS / "README.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \|([^|]*)\|([^|]*)\|([^|]*)\|", text, re.MULTILINE)
    assert {row[0] for row in rows} == TOPICS.keys()
    for topic, key, writers, readers in rows:
        for cell, action in ((writers, "send"), (readers, "receive")):
            named = set(re.findall(r"`([a-z]+)`", cell))
            stated = {
                name.split(".")[0]
                for name in document["operations"]
                if name.endswith(f".{action}.{topic}")
            }
            assert (topic, action, named) == (topic, action, stated)
        for kind in TOPICS[topic][0]:
            binding = document["components"]["messages"][kind]["bindings"]["kafka"]
            assert binding["key"]["description"] == key.strip().strip("`")
