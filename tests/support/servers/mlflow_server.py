"""Runs an MLflow server for tests."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.polling import eventually_sync

from gnomon.broker.probe import HOST, free_port


@contextmanager
def mlflow_server(
    *, backend: str, artifacts: str, log: Path, environ: Mapping[str, str]
) -> Iterator[str]:
    """A server that keeps its tables in ``backend`` and passes files on to ``artifacts``; its URL."""
    port = free_port()
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  the server itself
            [
                *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                *("--host", HOST, "--port", str(port)),
                *("--backend-store-uri", backend, "--artifacts-destination", artifacts),
            ],
            stdout=output,
            stderr=output,
            env={
                **os.environ,
                **environ,
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_DISABLE_TELEMETRY": "true",
            },
            start_new_session=True,
        )
    url = f"http://{HOST}:{port}"
    try:
        eventually_sync(lambda: _answers(url, process), timeout_s=100.0, what="MLflow answers")
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(20)


def _answers(url: str, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, "the MLflow server has ended"
    try:
        urllib.request.urlopen(f"{url}/health", timeout=2).close()  # noqa: S310  http on loopback
    except OSError:
        return False
    return True
