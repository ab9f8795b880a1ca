"""Compose file and image: they say what the contract and the embedded broker say."""

import itertools
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gnomon.broker.jars import locked_jars
from gnomon.topics import TOPICS

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    text = (ROOT / "docker-compose.kafka.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)["services"]
    return loaded


def created_topics(service: dict[str, Any], directory: Path) -> dict[str, dict[str, str]]:
    """Run the service's script with a tool that writes down what it is asked for."""
    tool = directory / "kafka-topics.sh"
    tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" --- >> {directory}/asked\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    (script,) = service["command"]
    script = script.replace("$$", "$").replace("/opt/kafka/bin/kafka-topics.sh", str(tool))
    environment = {**service["environment"], "PREFIX": "p-", "PATH": "/usr/bin:/bin"}
    subprocess.run([*service["entrypoint"], script], env=environment, check=True)  # noqa: S603
    topics = {}
    for call in (directory / "asked").read_text().split("---\n")[:-1]:
        words = call.splitlines()
        options = dict(itertools.pairwise(words))
        config = [words[i + 1] for i, word in enumerate(words) if word == "--config"]
        topics[options["--topic"]] = {
            "partitions": options["--partitions"],
            "replication": options["--replication-factor"],
            "brokers": options["--bootstrap-server"],
            **dict(setting.split("=", 1) for setting in config),
        }
        assert "--if-not-exists" in words
    return topics


@pytest.mark.parametrize(
    ("service", "replication", "brokers"),
    [
        ("topics", "1", "kafka:19092"),
        ("topics-three", "3", "kafka-1:19092,kafka-2:19092,kafka-3:19092"),
    ],
)
def test_the_topics_are_those_of_the_contract(
    services: dict[str, Any], tmp_path: Path, service: str, replication: str, brokers: str
) -> None:
    created = created_topics(services[service], tmp_path)

    shape = {"partitions": "4", "replication": replication, "brokers": brokers}
    assert created == {f"p-{topic.name}": {**shape, **topic.config()} for topic in TOPICS}


def test_every_service_runs_the_kafka_of_the_embedded_broker(services: dict[str, Any]) -> None:
    (version,) = (jar.version for jar in locked_jars() if jar.artifact == "kafka_2.13")

    assert {service["image"] for service in services.values()} == {f"apache/kafka:{version}"}


def test_by_default_one_node_runs_and_three_by_profile(services: dict[str, Any]) -> None:
    by_profile = {name: service.get("profiles", []) for name, service in services.items()}

    assert {name for name, profiles in by_profile.items() if not profiles} == {"kafka", "topics"}
    three = {"kafka-1", "kafka-2", "kafka-3", "topics-three"}
    assert {name for name, profiles in by_profile.items() if profiles == ["three"]} == three


def test_ports_are_open_to_this_machine_only_and_advertised_as_they_are(
    services: dict[str, Any],
) -> None:
    brokers = {name: s for name, s in services.items() if name.startswith("kafka")}
    for name, service in brokers.items():
        (port,) = service["ports"]
        host, outside, inside = port.split(":")
        assert (host, inside) == ("127.0.0.1", "9092")
        advertised = service["environment"]["KAFKA_ADVERTISED_LISTENERS"]
        assert advertised == f"INSIDE://{name}:19092,HOST://127.0.0.1:{outside}"
        assert service["healthcheck"]["test"][1].count("localhost:19092") == 1

    assert len({service["ports"][0] for service in brokers.values()}) == 4


def test_topics_wait_for_brokers_that_are_healthy(services: dict[str, Any]) -> None:
    for name in ("topics", "topics-three"):
        needed = services[name]["depends_on"]
        wanted = {
            broker.split(":")[0] for broker in services[name]["environment"]["BROKERS"].split(",")
        }
        assert set(needed) == wanted
        assert {how["condition"] for how in needed.values()} == {"service_healthy"}


def test_what_the_image_copies_is_there_and_not_kept_out() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    ignore = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    allowed = {line[1:] for line in ignore.splitlines() if line.startswith("!")}

    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert copied
    assert all((ROOT / source).exists() for source in copied)
    assert set(copied) == allowed


def test_the_image_does_not_run_as_root_and_takes_the_stage_as_argument() -> None:
    lines = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").splitlines()

    final = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM")) :]
    assert [line for line in final if line.startswith("USER")] == ["USER 10001"]
    assert 'ENTRYPOINT ["gnomon"]' in final
    assert 'CMD ["worker"]' in final
