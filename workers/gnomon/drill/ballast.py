"""Events like the service's, from a process of its own, while the service without client is asked.

So the broker and the workers, which share the machine with the service, have as much to do in the
rounds without the client as in those with it, and what differs is the client alone.
"""

import argparse
import sys
import time

from gnomon.client import Client
from gnomon.drill.child import answer, questions
from gnomon.drill.load import arrivals
from gnomon.drill.service import MOST_WAITING, WAIT_S


def publish(client: Client, *, rate_per_s: float, seconds: float) -> int:
    """A round's events; how many tasks."""
    began_s = time.monotonic()
    moments = arrivals(rate_per_s=rate_per_s, seconds=seconds)
    for number, moment in enumerate(moments):
        time.sleep(max(0.0, began_s + moment - time.monotonic()))
        task = client.start(
            "answer",
            agent_id=f"agent-{number % 8}",
            estimate_s=WAIT_S,
            context={"n": str(number)},
        )
        client.finish(task, code_review_iterations=number % 3, duration_s=WAIT_S)
    return len(moments)


def main() -> int:
    """Do the rounds that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m gnomon.drill.ballast", description=__doc__)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--prefix", default="")
    options = parser.parse_args()
    client = Client(options.brokers, topic_prefix=options.prefix, max_events=MOST_WAITING)
    for asked in questions():
        answer({"tasks": publish(client, rate_per_s=asked["rate_per_s"], seconds=asked["seconds"])})
    client.close(0.5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
