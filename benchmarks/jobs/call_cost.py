"""Times one kind of call beside an empty call, in a process of its own; prints one line of JSON.

``python call_cost.py TARGET ADDRESS CALLS``. Needs only what TARGET needs. It says ``ready`` when
it is set up and has been used once, and begins when it is given a line.
"""

import gc
import json
import logging
import os
import resource
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

PER_S = 2_000
BLOCK = 100
"""Calls of one kind in a row; the kinds take turns, so that both meet the same noise."""
LOAD_PER_S = 5_000
CONTEXT = {"size": 12_345, "repo": "core/web", "lang": "py"}
FIELDS = {
    "agent_id": "agent-1",
    "task_id": "5f1c2d3e4b5a6978-12345",
    "task_type": "review",
    "started_at_ms": 1_700_000_000_000,
    "finished_at_ms": 1_700_000_001_000,
    "duration_s": 1.0,
    "succeeded": True,
    "code_review_iterations": 2,
    "estimate_s": 2.0,
}
"""What all of them have to say."""

Call = Callable[[], object]


class Counting(logging.Handler):
    """How many lines a log would have."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += 1


def empty(_: str) -> Call:
    return lambda: None


def append(_: str) -> Call:
    queue: deque[object] = deque(maxlen=10_000)
    return lambda: queue.append((1, 2, 3))


def gnomon_emit(address: str) -> Call:
    from gnomon import Client
    from gnomon.events import TaskFinished

    client, event = Client(address, agent_id="agent-1"), TaskFinished(**FIELDS)
    return lambda: client.emit(event)


def gnomon_task(address: str) -> Call:
    from gnomon import Client

    client = Client(address, agent_id="agent-1")

    def call() -> None:
        with client.task("review", estimate_s=2.0):
            pass

    return call


def gnomon_task_context(address: str) -> Call:
    from gnomon import Client

    client = Client(address, agent_id="agent-1")

    def call() -> None:
        with client.task("review", estimate_s=2.0, context=CONTEXT) as task:
            task.set(code_review_iterations=2)

    return call


def confluent_produce(address: str) -> Call:
    from confluent_kafka import Producer

    value = json.dumps({**FIELDS, "context": CONTEXT}).encode()
    producer = Producer({"bootstrap.servers": address, "linger.ms": 20})

    def call() -> None:
        try:
            producer.produce("task-events", value, b"agent-1")
        except BufferError:
            producer.poll(0)

    return call


def opentelemetry_span(_: str) -> Call:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Refusing(SpanExporter):
        def export(self, spans: object) -> SpanExportResult:
            return SpanExportResult.FAILURE

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Refusing()))
    tracer = provider.get_tracer("bench")

    def call() -> None:
        tracer.start_span("review", attributes={**FIELDS, **CONTEXT}).end()

    return call


def sentry_capture(address: str) -> Call:
    import sentry_sdk

    sentry_sdk.init(dsn=f"http://key@{address}/1", default_integrations=False)
    return lambda: sentry_sdk.capture_event({"message": "review", "extra": {**FIELDS, **CONTEXT}})


def posthog_capture(address: str) -> Call:
    from posthog import Posthog

    client = Posthog("key", host=f"http://{address}")
    properties = {**FIELDS, **CONTEXT}
    return lambda: client.capture("review", distinct_id="agent-1", properties=properties)


TARGETS: dict[str, Callable[[str], Call]] = {
    made.__name__: made
    for made in (
        empty,
        append,
        gnomon_emit,
        gnomon_task,
        gnomon_task_context,
        confluent_produce,
        opentelemetry_span,
        sentry_capture,
        posthog_capture,
    )
}


def paced(kinds: dict[str, Call], calls: int) -> dict[str, list[int]]:
    """Nanoseconds of each call, one a wake-up, since an agent's caches are cold."""
    took: dict[str, list[int]] = {name: [] for name in kinds}
    clock = time.perf_counter_ns
    for _ in range(max(1, calls // BLOCK)):
        for name, call in kinds.items():
            due_s = time.perf_counter()
            for _ in range(BLOCK):
                due_s += 1 / PER_S
                time.sleep(max(0.0, due_s - time.perf_counter()))
                began = clock()
                call()
                took[name].append(clock() - began)
    return took


def unpaced(call: Call, calls: int) -> list[int]:
    """Nanoseconds of each of some calls in a row."""
    clock, took = time.perf_counter_ns, []
    for _ in range(calls):
        began = clock()
        call()
        took.append(clock() - began)
    return took


def load(call: Call, calls: int) -> tuple[float, float]:
    """Processor seconds and resident bytes that ``calls`` at a steady rate take, all threads'."""
    gc.collect()
    before_s, before_bytes = time.process_time(), resident()
    due_s = time.perf_counter()
    for _ in range(calls // 10):
        due_s += 10 / LOAD_PER_S
        time.sleep(max(0.0, due_s - time.perf_counter()))
        for _ in range(10):
            call()
    return time.process_time() - before_s, resident() - before_bytes


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def shares(took: list[int]) -> dict[str, float]:
    """Percentiles in microseconds."""
    took.sort()
    at = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    return {name: took[min(len(took) - 1, int(len(took) * q))] / 1e3 for name, q in at.items()}


def main() -> None:
    name, address, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
    counting = Counting()
    logging.basicConfig(handlers=[counting], level=logging.INFO)
    idle_s, _ = load(lambda: None, calls)
    call = TARGETS[name](address)
    call()
    time.sleep(1.0)
    print("ready", flush=True)
    sys.stdin.readline()
    took = paced({"empty": lambda: None, "call": call}, calls)
    hot = {kind: unpaced(c, calls) for kind, c in (("empty", lambda: None), ("call", call))}
    cpu_s, size = load(call, calls)
    found = {
        "paced": {kind: shares(ns) for kind, ns in took.items()},
        "unpaced": {kind: shares(ns) for kind, ns in hot.items()},
        "cpu_s_a_million": (cpu_s - idle_s) * 1e6 / calls,
        "mb_a_million": size / 1e6 * 1e6 / calls,
        "calls": calls * 3,
        "log_lines": counting.lines,
    }
    print(json.dumps(found), flush=True)
    os._exit(0)  # how each of them ends is another matter


if __name__ == "__main__":
    main()
