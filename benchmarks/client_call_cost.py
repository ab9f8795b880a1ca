"""What one call of the client costs the agent, beside an empty call: p50 and p99, paced.

python benchmarks/client_call_cost.py 127.0.0.1:9092 [topic prefix]; port 9 is a dead broker.
"""

import sys
import time
from collections.abc import Callable

from gnomon import Client
from gnomon.events import TaskFinished

CALLS, PER_S = 6_000, 2_000
EVENT = TaskFinished(
    agent_id="agent-1",
    task_id="t-1",
    task_type="review",
    started_at_ms=1_700_000_000_000,
    finished_at_ms=1_700_000_001_000,
    duration_s=1.0,
    succeeded=True,
    code_review_iterations=2,
)
CONTEXT = {"size": 12_345, "repo": "core/web", "lang": "py"}


def measure(call: Callable[[], object]) -> tuple[float, float]:
    """p50 and p99 in microseconds; one call a wake-up, since an agent's caches are cold."""
    took_ns, due_s = [], time.perf_counter()
    for _ in range(CALLS):
        due_s += 1 / PER_S
        time.sleep(max(0.0, due_s - time.perf_counter()))
        began_ns = time.perf_counter_ns()
        call()
        took_ns.append(time.perf_counter_ns() - began_ns)
    took_ns.sort()
    return took_ns[CALLS // 2] / 1e3, took_ns[CALLS * 99 // 100] / 1e3


def main() -> None:
    prefix = "".join(sys.argv[2:3])
    with Client(sys.argv[1], topic_prefix=prefix, agent_id="agent-1") as client:

        def task() -> None:
            with client.task("review", context=CONTEXT) as handle:
                handle.set(code_review_iterations=2)

        for name, call in (
            ("empty call", lambda: None),
            ("emit", lambda: client.emit(EVENT)),
            ("with task", task),
        ):
            p50_us, p99_us = measure(call)
            print(f"{name:10s}  p50 {p50_us:6.2f} us  p99 {p99_us:6.2f} us")
        print(client.stats())


if __name__ == "__main__":
    main()
