"""Tests of ``gnomon broker`` and ``gnomon topics`` as a person runs them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.support.polling import eventually_sync
from tests.support.processes import processes_that_mention

pytestmark = pytest.mark.kafka

GNOMON = [sys.executable, "-c", "import sys; from gnomon.cli.main import main; sys.exit(main())"]
TOPICS = ("topics", "list")


def gnomon(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603
        [*GNOMON, *arguments], capture_output=True, text=True, timeout=100, check=False
    )


@pytest.fixture
def no_kafka_but_ours(kafka: Kafka) -> None:
    """Skip where the session's broker could not be started here."""
    if kafka.broker is None:
        pytest.skip("the tests run against a broker of GNOMON_TEST_BROKERS")


@contextmanager
def running_broker(directory: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """``gnomon broker`` with a process group of its own, as a shell would start it."""
    command = [*GNOMON, "broker", "--port", "0", "--data-dir", str(directory), *options]
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    ) as process:
        yield process


def ends_in_order(directory: Path) -> bool:
    """Return whether no broker runs there any more and Kafka has logged that it closed its files."""
    eventually_sync(lambda: not processes_that_mention(str(directory)), what="all have ended")
    return (directory / "broker" / "data" / ".kafka_cleanshutdown").exists()


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.usefixtures("no_kafka_but_ours")
def test_ctrl_c_ends_the_broker_and_leaves_no_process_behind(tmp_path: Path) -> None:
    with running_broker(tmp_path) as process:
        assert process.stdout is not None
        brokers = process.stdout.readline().strip()
        check = gnomon("topics", "check", "--brokers", brokers)

        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
        _, said = process.communicate(timeout=80)

    assert process.returncode == 0
    assert check.returncode == 0, check.stdout + check.stderr
    assert f"export GNOMON_BROKERS={brokers}" in said
    assert "topics: 16 created" in said
    assert ends_in_order(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.usefixtures("no_kafka_but_ours")
def test_a_secured_broker_says_how_each_role_connects(tmp_path: Path) -> None:
    with running_broker(tmp_path, "--secure") as process:
        assert process.stdout is not None
        brokers = process.stdout.readline().strip()
        security = tmp_path / "secure-broker" / "security"
        listed = {
            role: subprocess.run(  # noqa: S603
                ["/bin/sh", "-c", f'. {security}/{role}.env && exec "$@"', "sh", *GNOMON, *TOPICS],
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
            for role in ("agent", "operator")
        }
        without = gnomon(*TOPICS, "--brokers", brokers)

        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=80)

    assert len(listed["operator"].stdout.splitlines()) == 1 + 16, listed["operator"].stderr
    assert len(listed["agent"].stdout.splitlines()) == 1 + 3, listed["agent"].stderr
    assert without.returncode == 1
    assert "GNOMON_KAFKA_SECURITY_PROTOCOL" in without.stderr
    assert f". {security}/worker.env" in said
    passwords = [path.read_text().strip() for path in security.glob("*.password")]
    assert len(passwords) == 7
    assert not [password for password in passwords if password in said]


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.usefixtures("no_kafka_but_ours")
@pytest.mark.parametrize(("ends_by", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_the_broker_ends_with_its_command(
    tmp_path: Path, ends_by: signal.Signals, status: int
) -> None:
    with running_broker(tmp_path, "--no-topics") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("127.0.0.1:")

        process.send_signal(ends_by)
        assert process.wait(80) == status

    assert ends_in_order(tmp_path)


def test_topics_are_created_listed_and_checked(kafka: Kafka, prefix: str) -> None:
    where = ("--brokers", kafka.brokers, "--prefix", prefix)

    missing = gnomon("topics", "check", *where)
    created = gnomon("topics", "create", "--partitions", "2", *where)
    again = gnomon("topics", "create", "--partitions", "2", *where)
    listed = gnomon("topics", "list", *where)
    fit = gnomon("topics", "check", "--partitions", "2", *where)
    unfit = gnomon("topics", "check", "--partitions", "8", *where)
    others = gnomon("topics", "create", "--partitions", "8", *where)

    assert missing.returncode == 1
    assert missing.stdout.count("is missing") == 16
    assert created.stdout.splitlines()[0] == f"{prefix}task-events"
    assert len(created.stdout.splitlines()) == 16
    assert (again.returncode, again.stdout) == (0, "all topics exist; 'check' compares them\n")
    assert others.returncode == 1
    assert f"{prefix}task-events: partitions is 2, expected 8" in others.stdout
    assert f"{prefix}control" in listed.stdout
    assert (fit.returncode, unfit.returncode) == (0, 1)
    assert f"{prefix}decisions: partitions is 2, expected 8. " in unfit.stdout


@pytest.mark.usefixtures("no_kafka_but_ours")
def test_everything_can_be_fetched_beforehand() -> None:
    done = gnomon("broker", "--download-only")

    assert done.returncode == 0
    assert "ready to start: 46 jars" in done.stderr
