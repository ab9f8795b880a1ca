"""Errors reach Sentry, and nothing of a payload does: checked against a local receiver."""

import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

SECRET = "the-agents-secret"  # noqa: S105  a marker, not a password


class Receiver(HTTPServer):
    """Keeps every envelope it receives."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.envelopes: list[bytes] = []


class Handler(BaseHTTPRequestHandler):
    """Answers as Sentry does."""

    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.envelopes.append(body)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


CODE = f"""
import logging, sys
from gnomon.runtime.process.sentry import init_sentry
import sentry_sdk
init_sentry(sys.argv[1], stage="vault", release="0.1.0")
logger = logging.getLogger("gnomon.test")
def work(payload):
    local = payload
    raise ValueError("cannot handle " + payload)
logger.warning("a line before: {SECRET}")
try:
    work("{SECRET}")
except ValueError:
    logger.exception("worker.ended", extra={{"reason": "{SECRET}", "records": 7}})
sentry_sdk.flush(5)
"""


def test_an_error_arrives_without_payload(receiver: Receiver) -> None:
    dsn = f"http://public@127.0.0.1:{receiver.server_port}/1"

    subprocess.run([sys.executable, "-c", CODE, dsn], check=True, timeout=100)  # noqa: S603

    (event,) = [
        json.loads(line)
        for envelope in receiver.envelopes
        for line in envelope.splitlines()
        if b'"exception"' in line
    ]
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert event["tags"]["stage"] == "vault"
    assert event["extra"]["records"] == 7
    assert SECRET not in json.dumps(event)
    assert all(SECRET.encode() not in envelope for envelope in receiver.envelopes)


def test_without_a_dsn_nothing_is_sent(receiver: Receiver) -> None:
    subprocess.run([sys.executable, "-c", CODE, ""], check=True, timeout=100)  # noqa: S603

    assert receiver.envelopes == []
