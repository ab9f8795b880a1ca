"""How one Kafka node is set up for a small machine: settings, command lines, cluster id."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gnomon.broker.probe import HOST

LOGGING = Path(__file__).with_name("log4j2.properties")

_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "BROKER",
    # One node: nothing can be replicated.
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
    # A person waits: no pause before the first assignment, and short sessions are allowed.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # After a crash the node must outlive its own old session before it may register again.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "1000",
    # A small machine: few threads, little memory, and rarely awake when idle.
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "2",
    "group.coordinator.threads": "1",
    "share.coordinator.threads": "1",
    "log.cleaner.dedupe.buffer.size": "8388608",
    "metadata.max.idle.interval.ms": "5000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Where the files of one broker are; all below ``root``."""

    root: Path

    @property
    def settings_file(self) -> Path:
        """What Kafka reads at start."""
        return self.root / "server.properties"

    @property
    def data(self) -> Path:
        """Topics and cluster metadata."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """What Kafka and its JVM say."""
        return self.root / "logs"

    @property
    def lock_file(self) -> Path:
        """Locked as long as a broker runs on these files; holds its process id."""
        return self.root / "lock"

    @property
    def is_formatted(self) -> bool:
        """Whether the data directory has a cluster id."""
        return (self.data / "meta.properties").is_file()

    def settings(self, *, port: int, controller_port: int) -> str:
        """Text of the settings file. Both ports listen on the loopback address only."""
        own = {
            "listeners": f"BROKER://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
            "advertised.listeners": f"BROKER://{HOST}:{port}",
            "controller.quorum.voters": f"1@{HOST}:{controller_port}",
            "log.dirs": str(self.data).replace("\\", "\\\\"),
        }
        return "".join(f"{key}={value}\n" for key, value in (own | _SETTINGS).items())

    def format_command(self, java: Path, jars: Sequence[Path]) -> list[str]:
        """Write a new cluster id into the empty data directory."""
        return [
            *self._java(java, jars, heap_mb=128, long_running=False),
            *("kafka.tools.StorageTool", "format", "--ignore-formatted"),
            *("--cluster-id", new_cluster_id(), "--config", str(self.settings_file)),
        ]

    def run_command(
        self, java: Path, jars: Sequence[Path], *, heap_mb: int, long_running: bool
    ) -> list[str]:
        """Run the node until it is told to end."""
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
            # The second compiler needs most of a core for a minute, and then saves a third of
            # Kafka's time: worth it only for a broker that stays. Without it, Kafka is up in half
            # the time.
            *([] if long_running else ["-XX:TieredStopAtLevel=1"]),
            f"-Dgnomon.logs={self.logs}",
            f"-Dlog4j2.configurationFile={LOGGING}",
            *("-cp", ":".join(map(str, jars))),
        ]


def new_cluster_id() -> str:
    """A random cluster id as Kafka makes them: 22 letters of URL-safe base64.

    Never begins with ``-``, which a command line would take for an option.
    """
    while True:
        identity = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if not identity.startswith("-"):
            return identity
