"""Runs a fleet of small agents that do real work and publish it through ``gnomon.Client``.

There are eight agents with one thread each, which together do about 27 tasks a second. The seed
determines kinds and sizes of the tasks. Durations are measured, and failures are real: a damaged
block does not decompress, a truncated document does not parse, a deadline is missed. One task
computes at a time, so that an agent's durations do not include the work of other agents.

``python -m gnomon.demo.fleet --brokers 127.0.0.1:9092 --seconds 60`` runs the fleet alone;
``GNOMON_KAFKA_*`` say what the brokers ask for.
"""

import argparse
import gzip
import json
import logging
import math
import os
import signal
import statistics
import sys
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random

from gnomon.client import Client
from gnomon.connection import KafkaSecurity
from gnomon.demo import work
from gnomon.demo.work import Kind

logger = logging.getLogger(__name__)

DEADLINE_FACTOR = 2.6
"""Deadline of a task, as a multiple of the time for the middle size, measured at the start."""
FLUSH_S = 10.0


class DeadlineExceededError(Exception):
    """Raised if the work was finished after its deadline."""


FAILURES = (DeadlineExceededError, EOFError, gzip.BadGzipFile, json.JSONDecodeError, zlib.error)
"""Errors of the work itself. Any other exception is a bug of the fleet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent of the fleet.

    Attributes:
        agent_id: Its name.
        kinds: Kinds of tasks that it does.
        estimates: Whether it gives an estimate of the duration at the start.
        has_deadline: Whether a task that takes too long counts as failed.
        tasks_per_s: Tasks that it starts per second, on average.
    """

    agent_id: str
    kinds: tuple[Kind, ...]
    estimates: bool = False
    has_deadline: bool = False
    tasks_per_s: float = 2.6


AGENTS = (
    Agent(agent_id="archivist", kinds=(work.DEFLATE, work.LZMA, work.BZ2)),
    Agent(agent_id="unpacker", kinds=(work.INFLATE,)),
    Agent(agent_id="librarian", kinds=(work.SORT, work.QUERY), estimates=True),
    Agent(agent_id="notary", kinds=(work.DIGEST, work.DERIVE_KEY), estimates=True),
    Agent(
        agent_id="scientist",
        kinds=(work.MULTIPLY, work.SIEVE),
        estimates=True,
        has_deadline=True,
    ),
    Agent(agent_id="scribe", kinds=(work.SEARCH, work.PARSE), has_deadline=True),
    Agent(agent_id="reviewer", kinds=(work.REVISE, work.PARSE)),
    Agent(agent_id="deployer", kinds=(work.BUNDLE, work.INFLATE), estimates=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSummary:
    """Totals of a run. ``seconds`` is its duration, ``busy_s`` the sum of all tasks' durations."""

    seconds: float
    busy_s: float
    tasks: int
    failed: int
    tasks_by_agent: Mapping[str, int]


@dataclass(slots=True)
class _Tally:
    tasks: int = 0
    failed: int = 0
    busy_s: float = 0.0


def run_fleet(
    client: Client,
    *,
    seconds: float,
    seed: int,
    stop: threading.Event,
    agents: Sequence[Agent] = AGENTS,
) -> FleetSummary:
    """Run ``agents`` for ``seconds``, or until ``stop`` is set; then return the totals.

    This blocks the caller. It does not close the client, whose last events may not be delivered yet.
    """
    middle_s = {kind.name: _middle_seconds(kind, seed=seed) for a in agents for kind in a.kinds}
    slot = threading.Lock()
    began_s = time.monotonic()
    with ThreadPoolExecutor(len(agents), thread_name_prefix="agent") as pool:
        running = {
            agent.agent_id: pool.submit(
                _run_agent,
                agent,
                client=client,
                random=Random(f"{seed}/{agent.agent_id}"),  # noqa: S311  it draws work, not keys
                until_s=began_s + seconds,
                stop=stop,
                slot=slot,
                middle_s=middle_s,
            )
            for agent in agents
        }
    tallies = {agent_id: future.result() for agent_id, future in running.items()}
    return FleetSummary(
        seconds=time.monotonic() - began_s,
        busy_s=sum(tally.busy_s for tally in tallies.values()),
        tasks=sum(tally.tasks for tally in tallies.values()),
        failed=sum(tally.failed for tally in tallies.values()),
        tasks_by_agent={agent_id: tally.tasks for agent_id, tally in tallies.items()},
    )


def _run_agent(
    agent: Agent,
    *,
    client: Client,
    random: Random,
    until_s: float,
    stop: threading.Event,
    slot: threading.Lock,
    middle_s: Mapping[str, float],
) -> _Tally:
    """Run one agent: start tasks at random times, and do not skip tasks that are a little late."""
    tally = _Tally()
    due_s = time.monotonic() + random.expovariate(agent.tasks_per_s)
    while due_s < until_s and not stop.wait(max(0.0, due_s - time.monotonic())):
        kind = random.choice(agent.kinds)
        size = kind.draw_size(random)
        job = kind.prepare(random, size)
        with slot:
            took_s, succeeded = _run_task(
                agent, kind, job, client=client, size=size, middle_s=middle_s[kind.name]
            )
        tally.tasks += 1
        tally.failed += not succeeded
        tally.busy_s += took_s
        due_s = max(due_s, time.monotonic() - 1.0) + random.expovariate(agent.tasks_per_s)
    return tally


def _run_task(
    agent: Agent, kind: Kind, job: work.Job, *, client: Client, size: int, middle_s: float
) -> tuple[float, bool]:
    """Do one task and publish it; return the seconds it took and whether it succeeded."""
    # The estimate is proportional to the size, which is wrong for sorting or matrices, for example.
    estimate_s = middle_s * size / _middle(kind) if agent.estimates else None
    began_s = time.perf_counter()
    try:
        with client.task(
            kind.name, agent_id=agent.agent_id, estimate_s=estimate_s, context={"size": size}
        ) as task:
            result = job()
            if kind is work.REVISE and isinstance(result, int):
                task.set(code_review_iterations=result)
            elif kind is work.BUNDLE:
                task.set(deployment_succeeded=bool(result))
            took_s = time.perf_counter() - began_s
            if agent.has_deadline and took_s > DEADLINE_FACTOR * middle_s:
                raise DeadlineExceededError
    except FAILURES:
        return time.perf_counter() - began_s, False
    return took_s, True


def _middle(kind: Kind) -> int:
    """Return the geometric middle of the range of sizes."""
    return math.isqrt(kind.smallest * kind.largest)


def _middle_seconds(kind: Kind, *, seed: int) -> float:
    """Measure how long a task of the middle size takes on this machine: the median of three."""
    times_s = []
    for repeat in range(3):
        random = Random(f"{seed}/{kind.name}/{repeat}")  # noqa: S311  as above
        job = kind.prepare(random, _middle(kind))
        began_s = time.perf_counter()
        try:
            job()
        except FAILURES:
            continue
        times_s.append(time.perf_counter() - began_s)
    return statistics.median(times_s) if times_s else 0.01


def main(argv: Sequence[str] | None = None) -> int:
    """Run the fleet alone; return 0 if every event was delivered, else 1."""
    parser = argparse.ArgumentParser(prog="python -m gnomon.demo.fleet", description=__doc__)
    parser.add_argument("--brokers", required=True, help="host:port, comma-separated")
    parser.add_argument("--prefix", default="", help="prefix of the topic's name")
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    client = Client(
        options.brokers, topic_prefix=options.prefix, security=KafkaSecurity.from_env(os.environ)
    )
    summary = run_fleet(client, seconds=options.seconds, seed=options.seed, stop=stop)
    undelivered = client.close(FLUSH_S)
    logger.info(
        "fleet: %d tasks in %.1f s, %d failed, %.1f s of work, %d events undelivered",
        summary.tasks,
        summary.seconds,
        summary.failed,
        summary.busy_s,
        undelivered,
    )
    return 1 if undelivered or client.stats().dropped else 0


if __name__ == "__main__":
    sys.exit(main())
