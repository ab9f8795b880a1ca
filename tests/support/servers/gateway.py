"""``gnomon gateway`` as a process."""

import json
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.commands import GNOMON, environ
from tests.support.polling import eventually_sync


class Gateway:
    """A running gateway: its output, and its address."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process, self._log = process, log
        found = eventually_sync(lambda: self.said("gateway.serves"), what="the gateway serves")
        self.url = f"http://127.0.0.1:{found[0]['port']}"

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return its log lines with one name."""
        lines = []
        for line in self._log.read_text().splitlines():
            with suppress(ValueError):
                lines.append(json.loads(line))
        return [line for line in lines if line["event"] == event]

    def post(self, path: str, body: bytes) -> int:
        """Return the status of the response."""
        request = urllib.request.Request(self.url + path, data=body)  # noqa: S310  http, loopback
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    def end(self) -> int:
        """Send SIGTERM; return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def gateway(folder: Path, *arguments: str, settings: Mapping[str, str]) -> Iterator[Gateway]:
    log = folder / "gateway.log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603  our own command
            [*GNOMON, "gateway", "--port", "0", *arguments],
            env=environ({**settings, "GNOMON_LOG_FORMAT": "json"}),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield Gateway(process, log)
    finally:
        process.kill()
        process.wait(60)


def some_events(count: int) -> bytes:
    return b"\n".join(
        json.dumps(
            {
                "kind": "task_started.v1",
                "agent_id": f"agent-{number % 5}",
                "task_id": f"t{number}",
                "task_type": "x",
                "started_at_ms": 1_760_000_000_000 + number,
            }
        ).encode()
        for number in range(count)
    )
