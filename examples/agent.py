"""A small agent that publishes its tasks.

Run it with GNOMON_BROKERS=127.0.0.1:9092 python examples/agent.py. Without GNOMON_BROKERS, or with
a broker that is down, it does the same work and publishes nothing.
"""

import hashlib

from gnomon import Client

gnomon = Client.from_env()


@gnomon.task("summarise", agent_id="writer")
def summarise(ticket: str) -> str:
    return ticket[:40]


for number in range(20):
    with gnomon.task("triage", agent_id="router", context={"size": number}) as task:
        digest = hashlib.sha256(b"ticket" * 10_000 * number).hexdigest()
        task.set(code_review_iterations=int(digest[0], 16) % 3)
    summarise(f"ticket {number}: {digest}")

print(gnomon.stats(), "not delivered:", gnomon.flush(timeout_s=5))
