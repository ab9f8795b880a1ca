"""What a person gets wrong on the command line: the exit status, and a message that helps."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.support.commands import gnomon

from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, check_key, create_key_file, load_key

NOBODY = "127.0.0.1:9"
HEAD = "run_id,agent_id,task_type,started_at,finished_at,success\n"
GOOD = "r1,a,build,2025-07-11T19:11:55.399Z,2025-07-11T19:12:55.400Z,True\n"


def one_line(said: str) -> str:
    """Standard error, which must be one line of ours: no traceback, no library's line."""
    (line,) = said.splitlines()
    return line


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("status", "--json"),
        ("tail", "control"),
        ("topics", "create"),
        ("topics", "check"),
    ],
    ids=" ".join,
)
def test_without_a_broker_it_says_how_to_start_one(command: tuple[str, ...]) -> None:
    began_s = time.monotonic()

    done = gnomon(*command, GNOMON_BROKERS=NOBODY)

    assert (done.returncode, done.stdout) == (1, "")
    line = one_line(done.stderr)
    assert line.startswith("gnomon: ")
    assert NOBODY in line
    assert "gnomon broker" in line
    assert "GNOMON_BROKERS" in line
    assert time.monotonic() - began_s < 30


def test_a_worker_without_a_broker_ends_soon(tmp_path: Path) -> None:
    began_s = time.monotonic()

    done = gnomon("worker", "features", GNOMON_BROKERS=NOBODY, GNOMON_DATA_DIR=str(tmp_path))

    assert done.returncode == 3
    assert NOBODY in done.stderr
    assert "start one with 'gnomon broker', or say where one is with GNOMON_BROKERS" in done.stderr
    assert time.monotonic() - began_s < 30


@pytest.mark.kafka
def test_a_worker_without_its_topics_says_how_to_make_them(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    done = gnomon(
        "worker",
        "features",
        GNOMON_BROKERS=kafka.brokers,
        GNOMON_TOPIC_PREFIX=prefix,
        GNOMON_DATA_DIR=str(tmp_path),
    )

    assert done.returncode == 2
    assert f"there is no topic '{prefix}task-events': gnomon topics create" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run_id,agent_id\nr1,a\n", "line 1: no column 'finished_at', 'started_at'"),
        (HEAD + GOOD + GOOD.replace("r1", "r2").replace("12:55", "99:55"), "line 3: finished_at: "),
        (HEAD + GOOD + GOOD.replace("r1", "r2").replace("True", "?"), "line 3: success: "),
        (HEAD, "has no runs"),
    ],
    ids=["columns", "date", "truth", "empty"],
)
def test_a_file_that_cannot_be_replayed_is_named_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "runs.csv").write_text(text)

    done = gnomon(
        "replay",
        str(tmp_path / "runs.csv"),
        GNOMON_BROKERS=NOBODY,
        GNOMON_DATA_DIR=str(tmp_path / "data"),
    )

    assert (done.returncode, done.stdout) == (2, "")
    line = one_line(done.stderr)
    assert "runs.csv" in line
    assert said in line
    assert not (tmp_path / "data").exists()


@pytest.fixture
def busy_port() -> Iterator[int]:
    """A port that somebody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield int(taken.getsockname()[1])


def test_a_worker_on_a_busy_port_names_it(busy_port: int, tmp_path: Path) -> None:
    done = gnomon(
        *("worker", "features", "--port", str(busy_port)),
        GNOMON_BROKERS=NOBODY,
        GNOMON_DATA_DIR=str(tmp_path),
    )

    assert done.returncode == 2
    assert str(busy_port) in one_line(done.stderr)
    assert "in use" in done.stderr


def test_a_broker_on_a_busy_port_names_it(busy_port: int, kafka: Kafka, tmp_path: Path) -> None:
    """``kafka`` is only asked for so that this skips where Kafka cannot run."""
    assert kafka.brokers

    done = gnomon("broker", "--port", str(busy_port), "--data-dir", str(tmp_path))

    assert done.returncode == 2
    assert f"port {busy_port} is in use" in done.stderr


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    done = gnomon("worker", "features", f"--port={port}")

    assert done.returncode == 2
    assert "--port" in done.stderr
    assert port in done.stderr


def test_a_range_of_ports_that_ends_too_early_is_refused() -> None:
    done = gnomon("worker", "--port", "65533")

    assert done.returncode == 2
    assert one_line(done.stderr) == "gnomon worker: 4 ports from 65533 on exceed 65535"


def test_a_vault_without_a_key_says_how_to_make_one(tmp_path: Path) -> None:
    done = gnomon("worker", "vault", GNOMON_BROKERS=NOBODY, GNOMON_DATA_DIR=str(tmp_path))

    assert done.returncode == 2
    assert "gnomon keys init" in one_line(done.stderr)
    assert not (tmp_path / "store.db").exists()


@pytest.mark.parametrize(
    "command", [("worker", "vault"), ("keys", "check"), ("vault", "read", "x")]
)
def test_the_key_of_another_store_is_refused(
    command: tuple[str, ...], tmp_path: Path, a_store: Path
) -> None:
    create_key_file(tmp_path / "other.key")

    done = gnomon(
        *command,
        GNOMON_BROKERS=NOBODY,
        GNOMON_DATA_DIR=str(a_store),
        GNOMON_KEY_FILE=str(tmp_path / "other.key"),
    )

    assert done.returncode == 2
    assert "key" in one_line(done.stderr)
    assert "store" in done.stderr


@pytest.fixture
def a_store(tmp_path: Path) -> Path:
    """A folder with a store and its key, as the first start of a vault leaves it."""
    folder = tmp_path / "data"
    folder.mkdir()
    create_key_file(folder / "kek.key")
    settings = Settings(data_dir=str(folder))
    store = DecisionStore(settings.store_url)
    store.create()
    check_key(KeyRing(load_key(settings), store.keys), store.canary)
    store.close()
    return folder


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GNOMON_MODEL_POLL_S", "soon"),
        ("GNOMON_LOG_LEVEL", "loud"),
    ],
)
def test_a_variable_with_a_wrong_value_is_named(name: str, value: str) -> None:
    done = gnomon("status", **{"GNOMON_BROKERS": NOBODY, name: value})

    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr).startswith(f"gnomon: {name}: ")


def test_a_stage_that_does_not_exist_is_named_beside_those_that_do() -> None:
    done = gnomon("worker", "features", "oracle")

    assert done.returncode == 2
    line = one_line(done.stderr)
    for word in ("'oracle'", "features", "shadow", "comparison", "vault"):
        assert word in line


def test_a_topic_that_does_not_exist_is_named_beside_those_that_do() -> None:
    done = gnomon("tail", "task-event")

    assert done.returncode == 2
    assert "'task-event'" in done.stderr
    assert "task-events" in done.stderr.splitlines()[-1]


def test_topics_that_were_not_created_say_how_to(kafka: Kafka, prefix: str) -> None:
    for command in (("tail", "control", "--no-follow"), ("status",)):
        done = gnomon(*command, GNOMON_BROKERS=kafka.brokers, GNOMON_TOPIC_PREFIX=prefix)

        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert prefix in done.stderr
        assert "gnomon topics create" in one_line(done.stderr)


@pytest.mark.parametrize(
    "arguments", [("--train-every", "-1"), ("--train-every", "often"), ("--speed", "0")]
)
def test_a_replay_with_a_number_that_makes_no_sense(
    tmp_path: Path, arguments: tuple[str, str]
) -> None:
    (tmp_path / "runs.csv").write_text(HEAD + GOOD)

    done = gnomon("replay", str(tmp_path / "runs.csv"), *arguments)

    assert done.returncode == 2
    assert f"{arguments[0]}: " in done.stderr
