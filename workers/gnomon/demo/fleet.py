"""A fleet of small agents that do real work and publish it through ``gnomon.Client``.

Eight agents, one thread each, about 27 tasks a second together. Kinds and sizes follow from the
seed; durations are measured, and failures are the work's own: a damaged block that does not
decompress, a document that was cut off, a deadline that was missed. One task computes at a time,
so that an agent's durations are of its own work and not of waiting for the others'.

``python -m gnomon.demo.fleet --brokers 127.0.0.1:9092 --seconds 60`` runs it by itself.
"""

import argparse
import gzip
import json
import logging
import math
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
from gnomon.demo import work
from gnomon.demo.work import Kind

logger = logging.getLogger(__name__)

DEADLINE_FACTOR = 2.6
"""A deadline, as a multiple of the time that the middle size took as the fleet started."""
FLUSH_S = 10.0


class DeadlineExceededError(Exception):
    """The work was done, but too late to be of use."""


FAILURES = (DeadlineExceededError, EOFError, gzip.BadGzipFile, json.JSONDecodeError, zlib.error)
"""What may go wrong with the work itself. Anything else is a fault of the fleet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One member of the fleet.

    Attributes:
        estimates: Whether it says beforehand how long it thinks it will take.
        has_deadline: Whether a task that takes too long counts as failed.
        tasks_per_s: How many tasks it begins a second, on average.
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
    """What a fleet has done. ``seconds`` is how long it ran, ``busy_s`` the work of all tasks."""

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
    """Run ``agents`` for ``seconds``, or until ``stop`` is set; then return what they did.

    Blocks the caller. The client is left open, with events perhaps still on their way.
    """
    middle_s = {kind.name: _middle_seconds(kind, seed=seed) for a in agents for kind in a.kinds}
    slot = threading.Lock()
    began_s = time.monotonic()
    with ThreadPoolExecutor(len(agents), thread_name_prefix="agent") as pool:
        running = {
            agent.agent_id: pool.submit(
                _live,
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


def _live(
    agent: Agent,
    *,
    client: Client,
    random: Random,
    until_s: float,
    stop: threading.Event,
    slot: threading.Lock,
    middle_s: Mapping[str, float],
) -> _Tally:
    """One agent's life: tasks at random moments, none skipped for being behind a little."""
    tally = _Tally()
    due_s = time.monotonic() + random.expovariate(agent.tasks_per_s)
    while due_s < until_s and not stop.wait(max(0.0, due_s - time.monotonic())):
        kind = random.choice(agent.kinds)
        size = kind.draw_size(random)
        job = kind.prepare(random, size)
        with slot:
            took_s, succeeded = _do(
                agent, kind, job, client=client, size=size, middle_s=middle_s[kind.name]
            )
        tally.tasks += 1
        tally.failed += not succeeded
        tally.busy_s += took_s
        due_s = max(due_s, time.monotonic() - 1.0) + random.expovariate(agent.tasks_per_s)
    return tally


def _do(
    agent: Agent, kind: Kind, job: work.Job, *, client: Client, size: int, middle_s: float
) -> tuple[float, bool]:
    """Do one task and publish it; returns the seconds it took and whether it succeeded."""
    # The agent thinks in proportion to the size, which is not how sorting or matrices behave.
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
    """The size in the middle of the range, in octaves."""
    return math.isqrt(kind.smallest * kind.largest)


def _middle_seconds(kind: Kind, *, seed: int) -> float:
    """How long the middle size takes on this machine: the median of three."""
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
    """Run the fleet by itself; 0 when every event has arrived, else 1."""
    parser = argparse.ArgumentParser(prog="python -m gnomon.demo.fleet", description=__doc__)
    parser.add_argument("--brokers", required=True, help="host:port, comma-separated")
    parser.add_argument("--prefix", default="", help="put before the topic's name")
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    client = Client(options.brokers, topic_prefix=options.prefix)
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
