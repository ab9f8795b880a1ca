"""Any argument of the constructor makes a client that works or does nothing, and no error."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.scripts import IN_MEMORY, run

from gnomon.client import Client, MemoryClient
from gnomon.client.process import log_limits

ARGUMENTS = [
    "brokers",
    "topic",
    "topic_prefix",
    "agent_id",
    "max_events",
    "max_bytes",
    "exit_timeout_s",
    "spool_dir",
    "spool_bytes",
    "seal_to",
    "security",
]
VARIABLES = [
    "GNOMON_BROKERS",
    "GNOMON_DISABLED",
    "GNOMON_TOPIC_PREFIX",
    "GNOMON_AGENT_ID",
    "GNOMON_SPOOL_DIR",
    "GNOMON_SPOOL_BYTES",
    "GNOMON_SEAL_TO",
    "GNOMON_KAFKA_SECURITY_PROTOCOL",
    "GNOMON_KAFKA_SASL_PASSWORD",
    "GNOMON_KAFKA_SSL_CHECK_HOSTNAME",
]
PASTED = "MC4CAQAwBQYDK2VuBCIEIGhwa2U"
"""A value that must not be logged, such as a key that was put in the wrong place."""


class Hostile:
    """An object whose every method raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(PASTED)

    def __repr__(self) -> str:
        raise RuntimeError(PASTED)

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        raise RuntimeError(PASTED)

    def __bool__(self) -> bool:
        raise RuntimeError(PASTED)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError(PASTED)

    def __hash__(self) -> int:
        raise RuntimeError(PASTED)


class HostileText(str):
    """A string whose methods lie or raise."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError(PASTED)

    __repr__ = __str__

    def __contains__(self, part: object) -> bool:
        raise RuntimeError(PASTED)

    def split(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError(PASTED)

    strip = partition = rpartition = lower = split


class HostileNumber(int):
    """A number whose methods lie or raise."""

    def __lt__(self, other: object) -> bool:
        raise RuntimeError(PASTED)

    __le__ = __gt__ = __ge__ = __mul__ = __lt__

    def __repr__(self) -> str:
        raise RuntimeError(PASTED)


VALUES: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "true": lambda: True,
    "0": lambda: 0,
    "-1": lambda: -1,
    "65536": lambda: 65_536,
    "10**400": lambda: 10**400,
    "-10**400": lambda: -(10**400),
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "1e300": lambda: 1e300,
    "half": lambda: 0.5,
    "empty": lambda: "",
    "word": lambda: "word",
    "secret": lambda: PASTED,
    "address": lambda: "127.0.0.1:9",
    "port of 5,000 digits": lambda: "127.0.0.1:" + "9" * 5_000,
    "port of other digits": lambda: "127.0.0.1:٣",
    "5,000 digits": lambda: "9" * 5_000,
    "surrogate": lambda: "\ud800:9",
    "nul": lambda: "a\0b",
    "line": lambda: "a\nb",
    "long": lambda: "x" * 100_000,
    "bytes": lambda: b"127.0.0.1:9",
    "list": lambda: ["127.0.0.1:9"],
    "class": lambda: Hostile,
    "hostile": Hostile,
    "text of its own": lambda: HostileText("127.0.0.1:9"),
    "number of its own": lambda: HostileNumber(100_000),
}
names = st.sampled_from(list(VALUES))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a temporary folder, because many of the values are relative paths."""
    monkeypatch.chdir(tmp_path)


def no_harm(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Check that the client takes calls, ends in time, and has not logged its arguments."""
    client.stats()
    client.start("x", agent_id="a")
    assert client.close(0.0) <= 1
    assert client.stats().dropped <= 2
    assert PASTED not in caplog.text
    for record in caplog.records:
        assert len(record.getMessage()) < 200
    caplog.clear()


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("name", VALUES)
def test_one_hostile_argument(
    argument: str, name: str, memory: Any, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = {"brokers": "127.0.0.1:9", argument: VALUES[name]()}
    client = Client(**arguments)

    if not client.enabled and (argument, name) != ("brokers", "empty"):
        (record,) = caplog.records
        assert record.getMessage().startswith("gnomon: ")
    no_harm(client, caplog)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(ARGUMENTS), names))
def test_any_hostile_arguments(
    memory: Any, caplog: pytest.LogCaptureFixture, chosen: dict[str, str]
) -> None:
    arguments = {argument: VALUES[name]() for argument, name in chosen.items()}
    no_harm(Client(**{"brokers": "127.0.0.1:9", **arguments}), caplog)


@pytest.mark.parametrize("argument", ["agent_id", "max_events", "max_bytes"])
@pytest.mark.parametrize("name", VALUES)
def test_the_memory_client_accepts_what_the_real_one_accepts(
    argument: str, name: str, memory: Any, caplog: pytest.LogCaptureFixture
) -> None:
    real = Client("127.0.0.1:9", **{argument: VALUES[name]()})
    said = len(caplog.records)
    no_harm(real, caplog)
    log_limits.PROCESS_LIMITER = log_limits.Limiter()
    fake = MemoryClient(**{argument: VALUES[name]()})

    assert (fake.enabled, len(caplog.records)) == (real.enabled, said)
    no_harm(fake, caplog)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(VARIABLES), names))
def test_any_hostile_environment(
    memory: Any, caplog: pytest.LogCaptureFixture, chosen: dict[str, str]
) -> None:
    environ = {variable: VALUES[name]() for variable, name in chosen.items()}
    environ = {"GNOMON_BROKERS": "127.0.0.1:9", **environ}
    for kind in (Client, MemoryClient):
        no_harm(kind.from_env(environ), caplog)


@pytest.mark.parametrize("name", ["none", "list", "hostile"])
@pytest.mark.parametrize("kind", [Client, MemoryClient])
def test_no_environment_at_all(
    kind: type[Client], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = kind.from_env(VALUES[name]())

    assert not client.enabled
    no_harm(client, caplog)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("brokers", "127.0.0.1:" + "9" * 5_000),
        ("topic", None),
        ("topic", "no topic"),
        ("topic_prefix", None),
        ("exit_timeout_s", 10**400),
        ("exit_timeout_s", math.inf),
        ("exit_timeout_s", 3_601),
        ("max_events", 10**400),
        ("spool_bytes", 1 << 60),
        ("seal_to", b"key"),
    ],
)
def test_unusable_arguments_are_not_used(
    argument: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(**{"brokers": "127.0.0.1:9", argument: value})

    assert not client.enabled
    assert argument in caplog.text


def test_a_spool_of_5_000_digits_of_bytes(caplog: pytest.LogCaptureFixture) -> None:
    environ = {"GNOMON_BROKERS": "127.0.0.1:9", "GNOMON_SPOOL_BYTES": "9" * 5_000}

    assert not Client.from_env(environ).enabled
    assert "GNOMON_SPOOL_BYTES" in caplog.text


def test_the_largest_arguments_are_usable(memory: Any) -> None:
    client = Client(
        "h:65535", topic="a" * 240, topic_prefix="._-AZaz09", exit_timeout_s=3_600, max_events=1
    )

    assert client.enabled
    assert client.close(0) == 0


def test_a_relative_spool_is_in_the_folder_where_the_client_was_made(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.hangs = True
    (tmp_path / "later").mkdir()
    monkeypatch.chdir(tmp_path)
    with Client("127.0.0.1:9", agent_id="a", exit_timeout_s=0.3, spool_dir="spool") as client:
        monkeypatch.chdir("later")
        client.start("x")

    assert client.stats().spooled == 1
    assert [path.name for path in tmp_path.rglob("spool")] == ["spool"]
    assert (tmp_path / "spool").is_dir()


@pytest.mark.parametrize("argument", ["spool_dir", "seal_to"])
def test_a_relative_path_without_a_folder_makes_a_client_that_does_nothing(argument: str) -> None:
    done = run(
        f"""
        import os, sys, tempfile
        from gnomon import Client
        with tempfile.TemporaryDirectory() as gone:
            os.chdir(gone)
        print(Client("127.0.0.1:9", {argument}="here").enabled)
        """
    )

    assert (done.returncode, done.stdout) == (0, "False\n")
    assert done.stderr.count("\n") == 1
    assert argument in done.stderr


def test_a_child_without_the_parents_folder_has_a_client_of_its_own() -> None:
    done = run(
        """
        import os, sys, tempfile
        import gnomon.client.capture.intake as outlet
        from gnomon import Client
        from tests.support.client.producers import MemoryProducer, in_place_of_kafka
        memory = MemoryProducer()
        outlet.kafka = in_place_of_kafka(memory)
        with tempfile.TemporaryDirectory() as gone:
            os.chdir(gone)
            client = Client("kafka.invalid:9092", agent_id="a", seal_to="key.pem")
        client.start("parent")
        assert client.flush(5) == 0
        if (pid := os.fork()) == 0:
            client.start("child")
            print(client.flush(5), client.stats().delivered, flush=True)
            sys.exit(0)
        print(os.waitpid(pid, 0)[1])
        """
    )

    assert done.stdout == "0 1\n0\n"
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("gnomon: seal_to")


def test_a_child_in_which_nothing_can_be_set_up_counts_and_does_nothing() -> None:
    done = run(
        IN_MEMORY,
        """
        import os, sys
        client.start("parent")
        assert client.flush(5) == 0
        def no_sender(*_, **__):
            raise MemoryError
        outlet.Sender = no_sender
        if (pid := os.fork()) == 0:
            for _ in range(3):
                with client.task("x"):
                    pass
            client.emit("nonsense")
            left, stats = client.flush(5), client.stats()
            print(left, stats.accepted, stats.dropped_closed, stats.dropped_invalid, client.close())
            sys.exit(0)
        print(os.waitpid(pid, 0)[1], client.close(), flush=True)
        """,
    )

    assert (done.stdout, done.stderr) == ("0 0 6 1 0\n0 0\n", "")


def test_an_absolute_path_needs_no_working_directory() -> None:
    done = run(
        """
        import os, tempfile
        from gnomon import Client
        with tempfile.TemporaryDirectory() as gone:
            os.chdir(gone)
        print(Client("kafka.invalid:9092", spool_dir="/spool").enabled)
        """
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
