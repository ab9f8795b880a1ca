"""Runs a Kafka broker as a child process: start, stop, kill, restart on the same data."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from gnomon.broker.failures import BrokerStartError, PortInUseError, start_failure
from gnomon.broker.guarded_process import GuardedProcess
from gnomon.broker.jars import (
    JarSource,
    MavenSource,
    Progress,
    ensure_jars,
    locked_jars,
    maven_repository,
)
from gnomon.broker.java import find_java
from gnomon.broker.node import REPAIRING, Node
from gnomon.broker.node_files import format_data, write_settings
from gnomon.broker.ownership import DataLock
from gnomon.broker.probe import HOST, answers_metadata, free_port, port_is_free
from gnomon.broker.secured import ADMIN, NODE, SecuredFiles
from gnomon.connection import KafkaConnection
from gnomon.connection.tls import read_context

_STOP_S = 20.0
_KILL_S = 10.0
_POLL_S = 0.05


class EmbeddedBroker:
    """Apache Kafka with one node, reachable from this machine only.

    The broker ends when the process that started it ends, for whatever reason. Not thread-safe.

    Args:
        data_dir: The broker's files are in ``broker/`` below this folder; the next start uses them.
        port: Port to listen on; 0 chooses a free one, which this object then keeps.
        progress: Called with a line of text for each slow step, such as a download.
        heap_mb: Size of Kafka's Java heap.
        long_running: Let Java compile fully: a minute of most of a core at first, and a third
            less processor time afterwards.
        java: Returns the Java executable.
        source: Source of jars that are not on this machine.
        secure: Let nobody in but the users that ``secured`` makes, over TLS only. The files are then in
            ``secure-broker/``.
        settings: Further settings of Kafka.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        port: int = 0,
        progress: Progress | None = None,
        heap_mb: int = 512,
        long_running: bool = False,
        java: Callable[[], Path] | None = None,
        source: JarSource | None = None,
        secure: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._node = Node(root=data_dir.resolve() / ("secure-broker" if secure else "broker"))
        self._secured = SecuredFiles(self._node.root / "security") if secure else None
        self._port, self._mutual_port = port, 0
        self._progress = progress or (lambda _: None)
        self._heap_mb, self._long_running = heap_mb, long_running
        self._find_java = java or (lambda: find_java(os.environ))
        self._source = source or MavenSource()
        self._settings = settings or {}
        self._process: GuardedProcess | None = None
        self._log_start = 0  # size of Kafka's log at the last start, bytes
        self._lock: DataLock | None = None

    @property
    def brokers(self) -> str:
        """Bootstrap address ``host:port``; the port is 0 before the first start if none was given."""
        return f"{HOST}:{self._port}"

    @property
    def connection(self) -> KafkaConnection:
        """How to reach the broker from this machine, with all rights."""
        return KafkaConnection(self.brokers) if self._secured is None else self.as_user(ADMIN)

    def as_user(self, user: str) -> KafkaConnection:
        """Return how a user of a secured broker reaches it: ``admin``, or one named as a role."""
        return self.files.connection(user, port=self._port)

    def by_certificate(self, user: str) -> KafkaConnection:
        """Return how a user of a secured broker reaches it with a certificate instead of a password."""
        return self.files.mutual_connection(user, port=self._mutual_port)

    @property
    def files(self) -> SecuredFiles:
        """Certificates and passwords of a secured broker."""
        if self._secured is None:
            raise RuntimeError("the broker is not secured")
        return self._secured

    @property
    def pid(self) -> int | None:
        """Process id of Kafka's JVM; ``None`` if it is not running."""
        process = self._process
        return process.pid if process is not None and process.running else None

    @property
    def log_file(self) -> Path:
        """File with Kafka's warnings and errors."""
        return self._node.logs / "kafka.log"

    def prepare(self) -> tuple[Path, list[Path]]:
        """Find Java and the jars, and download missing jars. ``start`` does this too.

        Raises:
            JavaMissingError: There is no Java 17 or newer.
            JarsUnavailableError: Jars are missing and cannot be downloaded.
            JarTamperedError: The checksum of a jar differs from the lock file.
            MissingExtraError: Jars are missing and jgo is not installed.
        """
        java = self._find_java()
        repository = maven_repository(os.environ)
        jars = ensure_jars(
            locked_jars(), repository=repository, source=self._source, progress=self._progress
        )
        return java, jars

    def start(self, timeout_s: float = 60.0) -> str:
        """Start Kafka and wait until it answers; do nothing if it is running.

        Args:
            timeout_s: Longest wait for an answer, not counting downloads.

        Returns:
            The bootstrap address, ``127.0.0.1:port``.

        Raises:
            PortInUseError: Another program listens on the port.
            DataDirInUseError: Another broker uses the same files.
            BrokerStartError: Kafka stopped, cannot read its files, or did not answer in time.
            ConfigurationError: See ``prepare``.
        """
        if self.pid is not None:
            return self.brokers
        self.kill()  # clean up after a broker that ended by itself
        java, jars = self.prepare()
        self._lock = DataLock(self._node.lock_file)
        try:
            if self._node.must_be_stopped_in_order:
                self._stop_in_order(java, jars, timeout_s)
            self._launch(java, jars)
            self._await_answer(timeout_s)
        except BaseException:
            self.kill()
            raise
        return self.brokers

    def wait(self) -> int:
        """Block until Kafka ends by itself; return its exit status."""
        return self._running().wait()

    def stop(self) -> None:
        """Stop Kafka in order, or by force after 20 s; do nothing if it is not running."""
        self._end(b"T", timeout_s=_STOP_S)

    def kill(self) -> None:
        """Kill Kafka at once, as a crash would."""
        self._end(b"K", timeout_s=_KILL_S)

    def restart(self, timeout_s: float = 60.0) -> str:
        """Stop Kafka if it is running, and start it on the same port and data. See ``start``."""
        self.stop()
        return self.start(timeout_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _stop_in_order(self, java: Path, jars: list[Path], timeout_s: float) -> None:
        """Start Kafka where no client looks for it, and stop it.

        After a crash, a single broker begins as the leader that it was, and becomes leader anew when its old
        session times out. It then loads the offsets of all groups twice at once and may answer with old ones
        (``docs/transactions.md``). After a stop in order it begins as no leader.
        """
        self._progress("Kafka was not stopped in order: it starts twice, to have all offsets")
        own_port, self._port = self._port, 0
        try:
            self._launch(java, jars, further=REPAIRING)
            self._await_answer(timeout_s)
            self._end_process(b"T", timeout_s=_STOP_S)
        finally:
            self._port = own_port

    def _launch(
        self, java: Path, jars: list[Path], *, further: Mapping[str, str] | None = None
    ) -> None:
        if self._port == 0:
            self._port = free_port()
        elif not port_is_free(self._port):
            raise PortInUseError(self._port)
        self._node.logs.mkdir(exist_ok=True)
        self._log_start = self.log_file.stat().st_size if self.log_file.is_file() else 0
        self._mutual_port = write_settings(
            self._node,
            self._secured,
            port=self._port,
            further={**self._settings, **(further or {})},
        )
        if not self._node.is_formatted and not format_data(
            self._node, self._secured, java, jars, console=self._console()
        ):
            raise self._failed(f"Kafka could not prepare {self._node.data}")
        self._progress("starting Apache Kafka")
        self._process = GuardedProcess(
            self._node.run_command(
                java, jars, heap_mb=self._heap_mb, long_running=self._long_running
            ),
            console=self._console(),
            descriptor=self._data_lock().descriptor,
        )
        if not self._process.read_pid():
            raise self._failed(f"{java} could not be run")
        self._data_lock().write_holders(broker_pid=self._process.pid)

    def _await_answer(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        port, context = self._port, None
        if self._secured is not None:
            port = self._mutual_port
            context = read_context(self._secured.mutual_connection(NODE, port=port).security)
        while not answers_metadata(port, context=context):
            try:
                status = self._running().wait(_POLL_S)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline:
                    continue
                raise self._failed(f"Kafka did not answer within {timeout_s:g} s") from None
            raise self._failed(f"Kafka stopped during its start with status {status}")

    def _end_process(self, command: bytes, *, timeout_s: float) -> None:
        if self._process is not None:
            self._process.end(command, timeout_s=timeout_s)
            self._process = None

    def _end(self, command: bytes, *, timeout_s: float) -> None:
        self._end_process(command, timeout_s=timeout_s)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _running(self) -> GuardedProcess:
        if self._process is None:
            raise RuntimeError("the broker was not started")
        return self._process

    def _data_lock(self) -> DataLock:
        if self._lock is None:
            raise RuntimeError("the data directory is not locked")
        return self._lock

    def _console(self) -> Path:
        return self._node.logs / "console.log"

    def _failed(self, what: str) -> BrokerStartError:
        logs = ((self.log_file, self._log_start), (self._console(), 0))
        return start_failure(what, data=self._node.data, logs=logs)
