"""Configuration of one Kafka node for a small machine: settings, command lines, cluster id."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gnomon.broker.probe import HOST

LOGGING = Path(__file__).with_name("log4j2.properties")

_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "BROKER",
    # One node cannot replicate anything.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Few internal partitions: each costs files and time at start.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    "num.partitions": "4",
    "auto.create.topics.enable": "false",
    "message.max.bytes": "8388608",
    # Start fast: no delay before the first assignment, and short sessions are allowed.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "1000",
    # For a small machine: few threads, little memory, and few wake-ups when idle.
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "2",
    "group.coordinator.threads": "1",
    "share.coordinator.threads": "1",
    "log.cleaner.dedupe.buffer.size": "8388608",
    "metadata.max.idle.interval.ms": "5000",
}

REPAIRING: Final = {"broker.session.timeout.ms": "3000"}
"""For a start after a crash: the node can register again only when its old session has timed out."""

QUICKLY_LOADED_BYTES: Final = 256 << 10
"""About 2,000 committed offsets, which are loaded before any client has found the broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Paths of the files of one broker, all below ``root``."""

    root: Path

    @property
    def settings_file(self) -> Path:
        """Settings that Kafka reads at start."""
        return self.root / "server.properties"

    @property
    def data(self) -> Path:
        """Topics and cluster metadata."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """Logs of Kafka and of its JVM."""
        return self.root / "logs"

    @property
    def lock_file(self) -> Path:
        """File that is locked while a broker uses these files; it contains process ids."""
        return self.root / "lock"

    @property
    def is_formatted(self) -> bool:
        """Whether the data directory has a cluster id already."""
        return (self.data / "meta.properties").is_file()

    @property
    def must_be_stopped_in_order(self) -> bool:
        """Whether the last broker on these files has crashed, and offsets of groups take time to load."""
        if (self.data / ".kafka_cleanshutdown").is_file():
            return False
        sizes = (each.stat().st_size for each in self.data.glob("__consumer_offsets-*/*.log"))
        return sum(sizes) > QUICKLY_LOADED_BYTES

    def settings(
        self,
        *,
        port: int,
        controller_port: int,
        security: Mapping[str, str] | None = None,
        further: Mapping[str, str] | None = None,
    ) -> str:
        """Return the text of the settings file; ``security`` replaces what lets everyone in.

        ``further`` settings come last.

        All ports are on the loopback address only.
        """
        own = {
            "listeners": f"BROKER://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
            "advertised.listeners": f"BROKER://{HOST}:{port}",
            "controller.quorum.voters": f"1@{HOST}:{controller_port}",
            "log.dirs": str(self.data).replace("\\", "\\\\"),
        }
        every = own | _SETTINGS | dict(security or {}) | dict(further or {})
        return "".join(f"{key}={value}\n" for key, value in every.items())

    def format_command(
        self, java: Path, jars: Sequence[Path], *, users_file: Path | None = None
    ) -> list[str]:
        """Return the command that writes a new cluster id, and users, into the empty data directory."""
        return [
            *self._java(java, jars, heap_mb=128, long_running=False),
            *("kafka.tools.StorageTool", "format", "--ignore-formatted"),
            *("--cluster-id", new_cluster_id(), "--config", str(self.settings_file)),
            *([] if users_file is None else [f"@{users_file}"]),
        ]

    def run_command(
        self, java: Path, jars: Sequence[Path], *, heap_mb: int, long_running: bool
    ) -> list[str]:
        """Return the command that runs the node."""
        return [
            *self._java(java, jars, heap_mb=heap_mb, long_running=long_running),
            *("kafka.Kafka", str(self.settings_file)),
        ]

    def _java(
        self, java: Path, jars: Sequence[Path], *, heap_mb: int, long_running: bool
    ) -> list[str]:
        return [
            str(java),
            f"-Xmx{heap_mb}m",
            "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError",
            # Java's second compiler takes most of a core for a minute and then saves a third of
            # Kafka's processor time. Without it Kafka starts in half the time.
            *([] if long_running else ["-XX:TieredStopAtLevel=1"]),
            f"-Dgnomon.logs={self.logs}",
            f"-Dlog4j2.configurationFile={LOGGING}",
            *("-cp", ":".join(map(str, jars))),
        ]


def new_cluster_id() -> str:
    """Return a random cluster id in Kafka's form: 22 characters of URL-safe base64.

    It never begins with ``-``, which would be parsed as a command-line option.
    """
    while True:
        identity = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if not identity.startswith("-"):
            return identity
