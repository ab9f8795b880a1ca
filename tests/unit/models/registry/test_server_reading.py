"""Tests of when a server is asked without MLflow, and of servers that answer in another way."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from gnomon.errors import RegistryUnavailableError
from gnomon.models.registry.server_reading import ServerReader, can_read

URL = "http://mlflow:5000"


@pytest.mark.parametrize(
    ("uri", "environ", "can"),
    [
        (URL, {}, True),
        ("https://mlflow.example", {"PATH": "/bin", "MLFLOW_TRACKING_URI": URL}, True),
        ("http://me:secret@mlflow:5000", {}, False),
        (URL, {"MLFLOW_TRACKING_TOKEN": "t"}, False),
        (URL, {"MLFLOW_TRACKING_USERNAME": "me"}, False),
        (URL, {"MLFLOW_TRACKING_INSECURE_TLS": "true"}, False),
        (URL, {"MLFLOW_WORKSPACE": "w"}, False),
        ("databricks://x", {}, False),
    ],
)
def test_mlflow_is_asked_where_a_login_is_set(
    uri: str, environ: dict[str, str], *, can: bool, tmp_path: Path
) -> None:
    assert can_read(uri, environ, home=tmp_path) is can


def test_mlflow_is_asked_where_there_are_stored_credentials(tmp_path: Path) -> None:
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow" / "credentials").write_text("")
    assert not can_read(URL, {}, home=tmp_path)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (200, b"<html>a login page</html>", "does not answer as MLflow does"),
        (403, b"Invalid Host header", "403"),
        (404, b"no such page", "404"),
        (500, b'{"error_code": "INTERNAL_ERROR"}', "500"),
    ],
)
def test_another_answer_is_a_registry_that_is_unavailable(
    status: int, body: bytes, why: str
) -> None:
    with answering(status, body) as url, pytest.raises(RegistryUnavailableError, match=why):
        ServerReader(url, "gnomon").versions()


def test_nobody_at_the_address_is_a_registry_that_is_unavailable() -> None:
    with pytest.raises(RegistryUnavailableError, match=r"127\.0\.0\.1:9"):
        ServerReader("http://127.0.0.1:9", "gnomon").live()
