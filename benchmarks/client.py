"""The cost of a client call for an agent, compared with an empty call and other libraries.

``python -m benchmarks.client [--quick]``: every row is a process of its own that makes its call and
an empty call by turns: first paced (one call a wake-up, 2,000/s, with the caches cold as in an
agent), then unpaced. The backend is up, refuses connections, or is stopped (SIGSTOP: connections
stay open without an answer). For Kafka it is librdkafka's mock cluster, a new one for each row; for
other libraries a server that reads every request and answers 200. The states of one kind of call
take turns of a tenth of a second, paced, so that all of them have the same noise of the machine.
Buffers have room for every event, so that no timed call is a refused one.
Processor time and memory are measured over a million events of gnomon (fewer of slower libraries),
each row in a process with default buffers, as fast as the events are delivered.

Prints the tables and the verdicts, writes ``benchmarks/results/client.json``, and ends with status 1
if a verdict is NO. Takes six to seven minutes; ``--quick`` one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from benchmarks.harness.client_report import (
    REFUSED,
    STOPPED,
    UP,
    Row,
    bulk_table,
    calls_table,
    verdicts,
)
from benchmarks.harness.peers import JOBS, Peer, UnavailableError, command
from benchmarks.harness.ports import free_ports
from tests.support.client.mock_kafka import MockKafka

RESULTS = Path(__file__).parent / "results"
JOB = str(JOBS / "call_cost.py")
CALLS, QUICK_CALLS = 12_000, 1_000
QUICK_SHARE = 50
"""A quick run does one part in so many of ``Row.bulk``."""
MILLION = 1_000_000


def _states(row: Row, *backends: str) -> tuple[Row, ...]:
    """Return ``row`` in each of these states; deliveries are measured only if they can arrive."""
    return tuple(
        replace(row, backend=backend, bulk=row.bulk if backend == UP else 0) for backend in backends
    )


ALL = (UP, REFUSED, STOPPED)
ROWS = (
    Row(name="deque.append", target="append"),
    *_states(Row(name="gnomon emit", target="gnomon_emit", speaks="kafka", bulk=MILLION), *ALL),
    *_states(
        Row(name="gnomon with task", target="gnomon_task", speaks="kafka", events=2, bulk=MILLION),
        *ALL,
    ),
    *_states(
        Row(
            name="... with context and set",
            target="gnomon_task_context",
            speaks="kafka",
            events=2,
            bulk=MILLION,
        ),
        *ALL,
    ),
    *_states(
        Row(name="confluent produce", target="confluent_produce", speaks="kafka", bulk=MILLION),
        *ALL,
    ),
    *_states(
        Row(name="OTel span, OTLP", target="opentelemetry_span", speaks="http", bulk=50_000),
        UP,
        REFUSED,
    ),
    *_states(
        Row(name="Sentry capture_event", target="sentry_capture", speaks="http", bulk=5_000),
        UP,
        REFUSED,
    ),
    *_states(
        Row(
            name="PostHog capture",
            target="posthog_capture",
            speaks="http",
            packages=("posthog==7.91.1",),
            bulk=10_000,
        ),
        UP,
        REFUSED,
    ),
)


class _Taking(BaseHTTPRequestHandler):
    """Reads every request and answers 200."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in two packets would wait for the sender's delayed acknowledgement

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore errors: a measured process may end in the middle of a request."""


@contextmanager
def behind(row: Row) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the address of the backend of ``row``, and a call that brings it into the row's state."""
    if row.backend == REFUSED or not row.speaks:
        yield f"127.0.0.1:{free_ports(1)}", lambda: None
    elif row.speaks == "kafka":
        with MockKafka() as broker:
            yield broker.brokers, broker.stop if row.backend == STOPPED else lambda: None
    else:
        with _Server(("127.0.0.1", 0), _Taking) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"127.0.0.1:{server.server_port}", lambda: None
            server.shutdown()


@dataclass(slots=True)
class _Job:
    """A process that measures one row."""

    process: "subprocess.Popen[str]"
    errors: IO[str]
    last_line: str = ""

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        self.listen()

    def listen(self) -> None:
        assert self.process.stdout is not None
        self.last_line = self.process.stdout.readline()

    @property
    def is_ready(self) -> bool:
        return self.last_line == "ready\n"

    def found(self) -> dict[str, Any]:
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.readlines()
        if not self.last_line:
            status = f"exit status {self.process.returncode}"
            raise UnavailableError(lines[-1].strip() if lines else status)
        found: dict[str, Any] = json.loads(self.last_line)
        found["log_lines"] += len(lines)
        return found


def _started(row: Row, how: str, calls: int, address: str, errors: IO[str]) -> _Job:
    argv: Sequence[str] = [sys.executable, JOB]
    env: Mapping[str, str] = {}
    if row.packages:
        peer = Peer(name=row.target, packages=row.packages, argv=(JOB,), events=0)
        argv, env = command(peer)
    process = subprocess.Popen(
        [*argv, how, row.target, address, str(calls)],
        env={**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    return _Job(process, errors)


def measure(rows: Sequence[Row], how: str, calls: int) -> list[dict[str, Any]]:
    """What ``jobs/call_cost.py`` says of each, ``timed`` or in ``bulk``; they take turns.

    Raises:
        UnavailableError: They cannot be run here.
    """
    with ExitStack() as stack:
        jobs: list[_Job] = []
        for row in rows:
            address, set_state = stack.enter_context(behind(row))
            errors = stack.enter_context(tempfile.TemporaryFile("w+"))
            job = _started(row, how, calls, address, errors)
            stack.enter_context(job.process)
            job.listen()
            set_state()
            jobs.append(job)
        while waiting := [job for job in jobs if job.is_ready]:
            for job in waiting:
                job.go_on()
        return [job.found() for job in jobs]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer calls: noisy")
    parser.add_argument("--only", nargs="*", default=(), help="rows whose target contains this")
    options = parser.parse_args()
    calls, share = (QUICK_CALLS, QUICK_SHARE) if options.quick else (CALLS, 1)
    rows = [r for r in ROWS if not options.only or any(word in r.target for word in options.only)]
    found: dict[str, dict[str, Any]] = {}
    bulk: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    for _, states in groupby(rows, key=lambda row: row.target):
        group = list(states)
        print(f"  {', '.join(row.label for row in group)}", flush=True)
        try:
            for row, timed in zip(group, measure(group, "timed", calls), strict=True):
                found[row.label] = timed
            for row in group:
                if row.bulk:
                    (bulk[row.label],) = measure([row], "bulk", row.bulk // share)
        except UnavailableError as error:
            skipped |= {row.label: str(error) for row in group}
    results = list(verdicts(rows, found))
    lines = [*calls_table(found), "", *bulk_table(bulk)]
    lines += [f"{label:<33} skipped: {why}" for label, why in skipped.items()]
    print("\n".join([*lines, "", *map(str, results)]))
    RESULTS.mkdir(exist_ok=True)
    report = {
        "rows": found,
        "bulk": bulk,
        "skipped": skipped,
        "verdicts": [str(v) for v in results],
    }
    (RESULTS / "client.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 0 if all(verdict.holds for verdict in results) else 1


if __name__ == "__main__":
    sys.exit(main())
