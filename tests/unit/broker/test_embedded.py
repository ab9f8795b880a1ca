"""Tests of errors at the start of a broker, without Kafka: Java is a shell script here."""

import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.polling import eventually_sync

from gnomon.broker import guard
from gnomon.broker.embedded import EmbeddedBroker
from gnomon.broker.failures import (
    BrokerStartError,
    DataDirInUseError,
    JarsUnavailableError,
    NewerFilesError,
    PortInUseError,
)
from gnomon.broker.jars import Jar
from gnomon.broker.node import Node, new_cluster_id
from gnomon.broker.ownership import DataLock
from gnomon.broker.probe import answers_metadata, free_port, port_is_free


class NoNetwork:
    def fetch(self, jar: Jar, *, into: Path) -> Path:
        raise ConnectionError("network is unreachable")


class Broker(EmbeddedBroker):
    """Return a broker whose Java is a shell script and that needs no jars."""

    def __init__(self, directory: Path, *, java: str, port: int = 0) -> None:
        path = directory / "java"
        path.write_text(f"#!/bin/sh\n{java}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        self._script = path
        super().__init__(data_dir=directory, port=port)

    def prepare(self) -> tuple[Path, list[Path]]:
        return self._script, []


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_busy_port_is_named(tmp_path: Path, busy_port: int) -> None:
    with pytest.raises(PortInUseError, match=f"port {busy_port} is in use.*--port"):
        Broker(tmp_path, java="exit 0", port=busy_port).start()

    assert not port_is_free(busy_port)


def test_a_free_port_is_free_and_outside_what_outgoing_connections_get() -> None:
    port = free_port()

    assert port_is_free(port)
    assert 1024 < port < 32768


def test_a_data_directory_in_use_is_named_with_the_process(tmp_path: Path) -> None:
    lock = DataLock(tmp_path / "broker" / "lock")
    lock.write_holders(broker_pid=4242)

    with pytest.raises(DataDirInUseError, match=r"pid 4242"):
        Broker(tmp_path, java="exit 0").start()
    lock.close()
    with pytest.raises(BrokerStartError):
        Broker(tmp_path, java="exit 1").start()


def test_a_broker_that_is_ending_because_its_owner_died_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "broker" / "lock"
    owner = f"""
import subprocess, pathlib
from gnomon.broker.ownership import DataLock
lock = DataLock(pathlib.Path({str(path)!r}))
subprocess.Popen(["sleep", "1"], pass_fds=[lock.descriptor])
"""
    subprocess.run([sys.executable, "-c", owner], check=True)  # noqa: S603
    with path.open() as probe, pytest.raises(BlockingIOError):
        fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)

    DataLock(path).close()


def test_a_kafka_that_ends_at_once_shows_its_last_lines(tmp_path: Path) -> None:
    broker = Broker(tmp_path, java='case "$*" in *StorageTool*) ;; *) echo no heap; exit 3;; esac')

    with pytest.raises(BrokerStartError) as caught:
        broker.start()

    assert "status 3" in str(caught.value)
    assert "no heap" in str(caught.value)
    assert broker.pid is None


def test_files_of_a_newer_kafka_are_named_with_what_to_do(tmp_path: Path) -> None:
    """The output is that of Kafka 4.2.2 on files that 4.3.1 wrote."""
    error = "org.apache.kafka.server.common.serialization.MetadataParseException: Failed to"
    java = f'case "$*" in *StorageTool*) ;; *) echo "{error}"; echo "  at X"; exit 1;; esac'

    with pytest.raises(NewerFilesError, match="newer version of Kafka") as caught:
        Broker(tmp_path, java=java).start()

    assert f"{tmp_path / 'broker' / 'data'}: move that folder away" in str(caught.value)
    assert "  at X" not in str(caught.value)


def test_data_that_cannot_be_prepared_shows_why(tmp_path: Path) -> None:
    with pytest.raises(BrokerStartError, match="could not prepare") as caught:
        Broker(tmp_path, java="echo disk full; exit 1").start()

    assert "disk full" in str(caught.value)


def test_a_kafka_that_never_answers_is_ended(tmp_path: Path) -> None:
    java = f'case "$*" in *StorageTool*) ;; *) echo $$ > {tmp_path}/pid; exec sleep 60;; esac'
    broker = Broker(tmp_path, java=java)

    with pytest.raises(BrokerStartError, match=r"did not answer within 0.5 s"):
        broker.start(timeout_s=0.5)

    assert not is_running(int((tmp_path / "pid").read_text()))
    DataLock(tmp_path / "broker" / "lock").close()


def test_without_jars_and_network_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    said: list[str] = []
    broker = EmbeddedBroker(
        data_dir=tmp_path, java=lambda: Path("java"), source=NoNetwork(), progress=said.append
    )

    with pytest.raises(JarsUnavailableError, match="and 41 more"):
        broker.start()

    assert said == [f"downloading kafka jars 0/46 to {tmp_path / 'm2'}"]
    assert not (tmp_path / "broker").exists()


@pytest.mark.parametrize("dies_by", [signal.SIGKILL, signal.SIGTERM])
def test_the_program_ends_with_the_process_that_started_it(
    tmp_path: Path, dies_by: signal.Signals
) -> None:
    parent = f"""
import subprocess, sys, time
guard = subprocess.Popen(
    [sys.executable, {guard.__file__!r}, "sleep", "60"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
print(guard.stdout.readline().decode(), end="", flush=True)
time.sleep(60)
"""
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        program = int(process.stdout.readline())
        assert is_running(program)

        process.send_signal(dies_by)

    eventually_sync(lambda: not is_running(program), what="the program ends")


def test_the_program_ends_with_its_guard() -> None:
    with subprocess.Popen(  # noqa: S603
        [sys.executable, guard.__file__, "sleep", "60"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        program = int(process.stdout.readline())

        process.kill()

    eventually_sync(lambda: not is_running(program), what="the program ends")


def test_the_guard_ends_with_its_program_and_passes_its_status_on() -> None:
    with subprocess.Popen(  # noqa: S603
        [sys.executable, guard.__file__, "sh", "-c", "exit 7"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.wait(60) == 7


def test_the_node_listens_on_this_machine_only(tmp_path: Path) -> None:
    text = Node(root=tmp_path).settings(port=1234, controller_port=1235)

    settings = dict(line.split("=", 1) for line in text.splitlines())
    assert settings["listeners"] == "BROKER://127.0.0.1:1234,CONTROLLER://127.0.0.1:1235"
    assert settings["log.dirs"] == str(tmp_path / "data")
    assert settings["auto.create.topics.enable"] == "false"


def test_a_cluster_id_is_a_uuid_that_no_command_line_takes_for_an_option() -> None:
    identities = {new_cluster_id() for _ in range(500)}

    assert len(identities) == 500
    assert {len(identity) for identity in identities} == {22}
    assert not any(identity.startswith("-") for identity in identities)


def test_what_is_no_broker_does_not_answer(busy_port: int) -> None:
    assert not answers_metadata(busy_port, timeout_s=0.1)
    assert not answers_metadata(free_port(), timeout_s=0.1)


def is_running(pid: int) -> bool:
    """Return whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
    except ProcessLookupError:
        return False


def test_is_running_sees_this_process_and_not_one_that_has_ended() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(10)

    assert is_running(os.getpid())
    assert not is_running(ended.pid)
