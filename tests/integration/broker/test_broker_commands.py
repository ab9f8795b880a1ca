"""``gnomon broker`` and ``gnomon topics`` as a person runs them."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.support.polling import eventually_sync
from tests.support.processes import processes_that_mention

pytestmark = pytest.mark.kafka

GNOMON = [sys.executable, "-c", "import sys; from gnomon.cli.main import main; sys.exit(main())"]


def gnomon(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603
        [*GNOMON, *arguments], capture_output=True, text=True, timeout=50, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("ends_by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_broker_leaves_no_process_behind(
    kafka: Kafka, tmp_path: Path, ends_by: signal.Signals
) -> None:
    if kafka.broker is None:
        pytest.skip("the tests run against a broker of GNOMON_TEST_BROKERS")
    command = [*GNOMON, "broker", "--port", "0", "--data-dir", str(tmp_path)]
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        brokers = process.stdout.readline().strip()
        check = gnomon("topics", "check", "--brokers", brokers)

        process.send_signal(ends_by)
        _, said = process.communicate(timeout=30)

    assert check.returncode == 0, check.stdout + check.stderr
    assert process.returncode == (-signal.SIGKILL if ends_by is signal.SIGKILL else 0)
    assert f"export GNOMON_BROKERS={brokers}" in said
    assert "topics: 9 created" in said
    eventually_sync(
        lambda: not processes_that_mention(str(tmp_path)), timeout_s=12, what="all have ended"
    )


def test_topics_are_created_listed_and_checked(kafka: Kafka, prefix: str) -> None:
    where = ("--brokers", kafka.brokers, "--prefix", prefix)

    missing = gnomon("topics", "check", *where)
    created = gnomon("topics", "create", "--partitions", "2", *where)
    again = gnomon("topics", "create", "--partitions", "2", *where)
    listed = gnomon("topics", "list", *where)
    fit = gnomon("topics", "check", "--partitions", "2", *where)
    unfit = gnomon("topics", "check", "--partitions", "8", *where)

    assert missing.returncode == 1
    assert missing.stdout.count("is missing") == 9
    assert created.stdout.splitlines()[0] == f"{prefix}task-events"
    assert len(created.stdout.splitlines()) == 9
    assert (again.returncode, again.stdout) == (0, "all topics exist; 'check' compares them\n")
    assert f"{prefix}control" in listed.stdout
    assert (fit.returncode, unfit.returncode) == (0, 1)
    assert f"{prefix}decisions: partitions is 2, expected 8. " in unfit.stdout


def test_without_a_broker_a_command_says_how_to_start_one() -> None:
    done = gnomon("topics", "list", "--brokers", "127.0.0.1:9")

    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("gnomon: no Kafka broker answers at 127.0.0.1:9")
    assert "'gnomon broker'" in line


def test_a_busy_port_is_a_mistake_in_the_command(kafka: Kafka, tmp_path: Path) -> None:
    if kafka.broker is None:
        pytest.skip("the tests run against a broker of GNOMON_TEST_BROKERS")
    port = kafka.brokers.rpartition(":")[2]

    done = gnomon("broker", "--port", port, "--data-dir", str(tmp_path))

    assert done.returncode == 2
    assert f"port {port} is in use" in done.stderr


def test_everything_can_be_fetched_beforehand(kafka: Kafka) -> None:
    done = gnomon("broker", "--download-only")

    assert done.returncode == 0
    assert "ready to start: 46 jars" in done.stderr
