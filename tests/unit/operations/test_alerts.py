"""The alerts of an Alertmanager, and what is said where none answers."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from gnomon.errors import ConfigurationError, TransientError
from gnomon.operations.alerts import read_alerts


class Stub(HTTPServer):
    """Answers every request with ``text``, and remembers the last one."""

    text, path, authorization = "[]", "", ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Stub)
        self.server.path = self.path
        self.server.authorization = self.headers.get("Authorization", "")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it
        """Say nothing."""


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def alert(name: str, severity: str, state: str = "active", **labels: str) -> dict[str, Any]:
    """One alert, as Alertmanager 0.25 tells it."""
    return {
        "annotations": {"summary": "it is wrong", "runbook_url": "docs/operations.md"},
        "endsAt": "2026-11-29T10:05:00.000Z",
        "fingerprint": "0123456789abcdef",
        "receivers": [{"name": "team"}],
        "startsAt": "2026-11-29T10:00:00.250Z",
        "status": {"inhibitedBy": [], "silencedBy": [], "state": state},
        "updatedAt": "2026-11-29T10:01:00.000Z",
        "generatorURL": "http://prometheus:9090/graph",
        "labels": {"alertname": name, "severity": severity, **labels},
    }


def test_the_worst_alert_comes_first(stub: Stub) -> None:
    stub.text = json.dumps(
        [
            alert("GnomonDrift", "info", "suppressed", version="7"),
            alert("GnomonLag", "warning", stage="vault", worker="w"),
            alert("GnomonStoreAway", "critical"),
        ]
    )

    found = read_alerts(f"{stub.url}/")

    assert stub.path == "/api/v2/alerts"
    assert [each.name for each in found] == ["GnomonStoreAway", "GnomonLag", "GnomonDrift"]
    assert [each.of for each in found] == ["", "stage vault, worker w", "version 7"]
    assert [each.silenced for each in found] == [False, False, True]
    assert {each.since_ms for each in found} == {1_795_946_400_250}
    assert found[0].summary == "it is wrong"


def test_a_path_and_a_password_are_sent(stub: Stub) -> None:
    read_alerts(stub.url.replace("http://", "http://ada:p%40ss@") + "/alertmanager")

    assert stub.path == "/alertmanager/api/v2/alerts"
    assert base64.b64decode(stub.authorization.removeprefix("Basic ")) == b"ada:p@ss"


@pytest.mark.parametrize(
    "text", ["", "{", "{}x", '{"a": 1}', "[1]", '[{"labels": {}}]', "[" * 100_000]
)
def test_who_answers_otherwise_is_no_alertmanager(stub: Stub, text: str) -> None:
    stub.text = text

    with pytest.raises(TransientError, match="Alertmanager does not answer"):
        read_alerts(stub.url)


def test_nobody_answers() -> None:
    with pytest.raises(TransientError, match="Alertmanager does not answer") as raised:
        read_alerts("http://ada:secret@127.0.0.1:1")

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "127.0.0.1:9093", "http://"])
def test_a_url_is_needed(url: str) -> None:
    with pytest.raises(ConfigurationError, match="GNOMON_ALERTMANAGER_URL"):
        read_alerts(url)
