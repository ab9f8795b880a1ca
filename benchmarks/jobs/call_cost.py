"""Times one kind of call beside an empty call, or has it done often; prints one line of JSON.

``python call_cost.py timed|bulk TARGET ADDRESS CALLS``, a process of its own each time. Needs only
what TARGET needs. It says ``ready`` when it is set up and has been used once, and goes on when it is
given a line. ``timed``: whatever TARGET keeps has room for all of it, so that what is timed is
never a refusal; it is ``ready`` again after each turn of paced calls, so that several can take
turns. ``bulk``: as it is by default, as fast as it is taken, for processor and memory.
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
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gnomon import Client

PER_S = 2_000
UNPACED = 10_000
"""Calls without a pause, however few are paced: more events than a client keeps by default."""
BLOCK = 100
"""Calls of one kind in a row; the kinds take turns, so that both meet the same noise."""
BULK_BLOCK = 2_000
"""Calls until all that waits is delivered: less than any of them keeps by default."""
FLUSH_S = 60.0
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


class Target(NamedTuple):
    """One kind of call.

    Attributes:
        flush: Waits until what was taken has arrived.
        accepted: How many events were taken so far, where it can be known.
        events: How many a call is.
    """

    call: Call
    flush: Call = lambda: None
    accepted: Callable[[], int] | None = None
    events: int = 1


class Counting(logging.Handler):
    """How many lines a log would have."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += 1


def append(_: str, room: int) -> Target:
    queue: deque[object] = deque(maxlen=room or 10_000)
    return Target(lambda: queue.append((1, 2, 3)))


def _client(address: str, room: int) -> "Client":
    from gnomon import Client

    # Starts are refused from four fifths on; none of these events is reckoned with a KiB.
    bounds = {"max_events": 2 * room, "max_bytes": max(1 << 20, room << 11)} if room else {}
    return Client(address, agent_id="agent-1", **bounds)


def _of_client(client: "Client", call: Call, *, events: int) -> Target:
    return Target(call, lambda: client.flush(FLUSH_S), lambda: client.stats().accepted, events)


def gnomon_emit(address: str, room: int) -> Target:
    from gnomon.events import TaskFinished

    client, event = _client(address, room), TaskFinished(**FIELDS)
    return _of_client(client, lambda: client.emit(event), events=1)


def gnomon_task(address: str, room: int) -> Target:
    client = _client(address, room)

    def call() -> None:
        with client.task("review", estimate_s=2.0):
            pass

    return _of_client(client, call, events=2)


def gnomon_task_context(address: str, room: int) -> Target:
    client = _client(address, room)

    def call() -> None:
        with client.task("review", estimate_s=2.0, context=CONTEXT) as task:
            task.set(code_review_iterations=2)

    return _of_client(client, call, events=2)


def confluent_produce(address: str, room: int) -> Target:
    from confluent_kafka import Producer

    value = json.dumps({**FIELDS, "context": CONTEXT}).encode()
    producer = Producer(
        {
            "bootstrap.servers": address,
            "linger.ms": 20,
            "queue.buffering.max.messages": room or 100_000,
            "queue.buffering.max.kbytes": 2_097_151,
        }
    )
    taken = 0

    def call() -> None:
        nonlocal taken
        try:
            producer.produce("task-events", value, b"agent-1")
            taken += 1
        except BufferError:
            producer.poll(0)

    return Target(call, lambda: producer.flush(FLUSH_S), lambda: taken)


def opentelemetry_span(address: str, room: int) -> Target:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter(f"http://{address}/v1/traces")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=room or 2_048))
    tracer = provider.get_tracer("bench")

    def call() -> None:
        tracer.start_span("review", attributes={**FIELDS, **CONTEXT}).end()

    return Target(call, lambda: provider.force_flush(int(FLUSH_S * 1e3)))


def sentry_capture(address: str, room: int) -> Target:
    import sentry_sdk

    sentry_sdk.init(
        dsn=f"http://key@{address}/1",
        default_integrations=False,
        transport_queue_size=room or BULK_BLOCK,
    )
    return Target(
        lambda: sentry_sdk.capture_event({"message": "review", "extra": {**FIELDS, **CONTEXT}}),
        lambda: sentry_sdk.flush(FLUSH_S),
    )


def posthog_capture(address: str, room: int) -> Target:
    from posthog import Posthog

    client = Posthog("key", host=f"http://{address}", max_queue_size=room or 10_000)
    properties, taken = {**FIELDS, **CONTEXT}, 0

    def call() -> None:
        nonlocal taken
        if client.capture("review", distinct_id="agent-1", properties=properties) is not None:
            taken += 1

    return Target(call, client.flush, lambda: taken)


TARGETS: dict[str, Callable[[str, int], Target]] = {
    made.__name__: made
    for made in (
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


def await_turn() -> None:
    """Others may be measured meanwhile."""
    print("ready", flush=True)
    sys.stdin.readline()


def by_turns(kinds: dict[str, Call], calls: int, *, pause_s: float) -> dict[str, list[int]]:
    """Nanoseconds of each call: one a wake-up, or one after the other if there is no pause."""
    took: dict[str, list[int]] = {name: [] for name in kinds}
    clock = time.perf_counter_ns
    for _ in range(max(4, calls // BLOCK)):
        if pause_s:
            await_turn()
        for name, call in kinds.items():
            due_s = time.perf_counter()
            for _ in range(BLOCK):
                if pause_s:
                    due_s += pause_s
                    time.sleep(max(0.0, due_s - time.perf_counter()))
                began = clock()
                call()
                took[name].append(clock() - began)
    return took


def resident() -> float:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def shares(took: list[int]) -> dict[str, float]:
    """Percentiles in microseconds."""
    took.sort()
    at = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {name: took[min(len(took) - 1, int(len(took) * q))] / 1e3 for name, q in at.items()}


def times(turns: list[float], others: list[float]) -> float:
    """One call as a multiple of another, told turn by turn: a machine's speed changes meanwhile."""
    return median(one / other for one, other in zip(turns, others, strict=False))


def compared(took: dict[str, list[int]]) -> dict[str, object]:
    """Percentiles of both calls, the multiple, and what it would be of two that are the same."""
    turns = {
        kind: [median(ns[at : at + BLOCK]) for at in range(0, len(ns), BLOCK)]
        for kind, ns in took.items()
    }
    empty = turns["empty"]
    same = times(empty[::2], empty[1::2])
    return {
        "times_empty": times(turns["call"], empty),
        "noise": max(same, 1 / same),
        **{kind: shares(ns) for kind, ns in took.items()},
    }


def timed(target: Target, calls: int) -> dict[str, object]:
    """What calls cost, and whether they were taken."""
    before = target.accepted() if target.accepted else 0
    kinds: dict[str, Call] = {"empty": lambda: None, "call": target.call}
    cold = by_turns(kinds, calls, pause_s=1 / PER_S)
    await_turn()
    hot = by_turns(kinds, UNPACED, pause_s=0.0)
    return {
        "attempts": (len(cold["call"]) + len(hot["call"])) * target.events,
        "accepted": target.accepted() - before if target.accepted else None,
        "paced": compared(cold),
        "unpaced": compared(hot),
    }


def bulk(target: Target, calls: int) -> dict[str, object]:
    """Processor time of all threads, and memory, of calls that were delivered."""
    await_turn()
    target.flush()
    gc.collect()
    before = target.accepted() if target.accepted else 0
    began_s, began_cpu_s, before_mb = time.monotonic(), time.process_time(), resident()
    for done in range(0, calls, BULK_BLOCK):
        for _ in range(min(BULK_BLOCK, calls - done)):
            target.call()
        target.flush()
    cpu_s, took_s = time.process_time() - began_cpu_s, time.monotonic() - began_s
    gc.collect()
    after_mb = resident()
    return {
        "attempts": calls * target.events,
        "accepted": target.accepted() - before if target.accepted else None,
        "cpu_s_a_million": cpu_s * 1e6 / (calls * target.events),
        "mb_before": before_mb,
        "mb_after": after_mb,
        "mb_most": max(after_mb, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6),
        "took_s": took_s,
    }


def main() -> None:
    how, name, address, calls = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    counting = Counting()
    logging.basicConfig(handlers=[counting], level=logging.INFO)
    most_events = 2 * (1 + max(4 * BLOCK, calls) + UNPACED)
    target = TARGETS[name](address, most_events if how == "timed" else 0)
    target.call()
    time.sleep(0.5)
    found = timed(target, calls) if how == "timed" else bulk(target, calls // target.events)
    print(json.dumps({**found, "log_lines": counting.lines}), flush=True)
    os._exit(0)  # how each of them ends is another matter


if __name__ == "__main__":
    main()
