"""Kafka by a ``server.properties`` of a test's own, where ``gnomon broker`` has no such listener."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.polling import eventually_sync

from gnomon.broker import EmbeddedBroker
from gnomon.broker.guarded_process import GuardedProcess
from gnomon.broker.node import Node


class OwnKafka:
    """Context manager: inside it Kafka answers; it ends with this process.

    Args:
        folder: Where all files go.
        settings: Those of ``server.properties`` that differ from those of ``gnomon broker``.
        options: Options of Java, such as system properties.
        answers: Whether Kafka answers by now.

    Raises:
        ConfigurationError: Java or jars are missing; see ``EmbeddedBroker.prepare``.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        *,
        options: Sequence[str],
        answers: Callable[[], bool],
    ) -> None:
        self._node = Node(root=folder)
        self._settings, self._options, self._answers = settings, options, answers
        self._java, self._jars = EmbeddedBroker(data_dir=folder).prepare()
        self._console = folder / "console.log"
        self._process: GuardedProcess | None = None

    def __enter__(self) -> Self:
        self._node.logs.mkdir(parents=True)
        self._node.settings_file.write_text(
            self._node.settings(port=0, controller_port=0, security=self._settings)
        )
        command = self._node.format_command(self._java, self._jars)
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603  Kafka's own tool
        java, *rest = self._node.run_command(
            self._java, self._jars, heap_mb=512, long_running=False
        )
        self._process = GuardedProcess([java, *self._options, *rest], console=self._console)
        try:
            self._process.read_pid()
            eventually_sync(self._up, timeout_s=60, what=f"Kafka; see {self._node.root}")
        except BaseException:
            self._process.end(b"K", timeout_s=10.0)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.end(b"T", timeout_s=20.0)

    def _up(self) -> bool:
        assert self._process is not None
        assert self._process.running, self._said()
        return self._answers()

    def _said(self) -> str:
        logs = [self._console, *self._node.logs.glob("*.log")]
        return "\n".join(log.read_text(errors="replace") for log in logs if log.is_file())
