"""Only ``gnomon.connection`` makes Kafka clients, and nothing else takes a list of brokers for one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import gnomon

PACKAGE = Path(gnomon.__path__[0])
MAKERS = {
    "AIOKafkaClient",
    "AIOKafkaConsumer",
    "AIOKafkaProducer",
    "AIOKafkaAdminClient",
    "AdminClient",
    "Consumer",
    "Producer",
    "SerializingProducer",
}
HANDLE = "client/delivery/librdkafka.py"
"""Makes the one handle of agents, of the settings that ``librdkafka_settings`` gives."""


def made_clients() -> Iterator[tuple[str, str, ast.Call]]:
    """Yield the file, the name and the call for each Kafka client that the package makes."""
    for path in sorted(PACKAGE.rglob("*.py")):
        where = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in MAKERS:
                    yield where, name, node


def test_clients_are_made_in_one_place() -> None:
    elsewhere = {
        (where, name) for where, name, _ in made_clients() if not where.startswith("connection/")
    }

    assert elsewhere == {(HANDLE, "Producer")}
    assert {name for where, name, _ in made_clients() if where.startswith("connection/")} >= {
        "AIOKafkaClient",
        "AIOKafkaConsumer",
        "AIOKafkaProducer",
        "AIOKafkaAdminClient",
    }


def test_no_function_takes_brokers_alone() -> None:
    """Exceptions: the client of agents, and a connection to others by the same security."""
    takers = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        where = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = node.args
                every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
                if {"brokers", "bootstrap_servers"} & {each.arg for each in every}:
                    takers.add((where, node.name))

    assert takers == {
        ("client/client.py", "__init__"),
        ("client/config.py", "addresses"),
        ("connection/kafka_connection.py", "at"),
        ("replay/isolated.py", "isolated"),
    }
