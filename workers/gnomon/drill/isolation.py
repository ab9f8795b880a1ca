"""The isolation drill: does gnomon's client slow a service down, with gnomon running or killed?

Two services run in processes of their own and differ only in the client. They receive requests at
the same time, so that other load on the machine affects both. Half-way, the broker and all workers
are killed.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from gnomon.drill.child import ChildProcess
from gnomon.drill.report import MAX_EXTRA_MS, Phase, Report, Round, compare, longest, round_of
from gnomon.drill.service import HOST
from gnomon.operations.local_stack import LocalStack

LONGEST_ROUND_S: Final = 2.0
FEWEST_ROUNDS: Final = 2
WARM_UP_S: Final = 1.0
KILLED_AFTER_S: Final = 0.25
"""Time of the kill within the first round of its phase, so that the kill itself is measured too."""
PROCESSES: Final = "gnomon.drill"
NAMES: Final = ("without", "with")


class Plan(NamedTuple):
    """Amount of measurement: ``rounds`` in each phase, ``rate_per_s`` requests to each service."""

    rounds: int
    round_s: float
    rate_per_s: float


def plan(*, seconds: float, rate_per_s: float) -> Plan:
    """Plan rounds that together take about ``seconds``."""
    round_s = min(LONGEST_ROUND_S, seconds / (2 * FEWEST_ROUNDS))
    return Plan(max(FEWEST_ROUNDS, round(seconds / (2 * round_s))), round_s, rate_per_s)


class Isolation:
    """One drill on a running stack, which it kills.

    Args:
        stack: Broker and workers.
        plan: Amount of measurement.
        progress: Called with a line of text for each step.
    """

    def __init__(self, stack: LocalStack, *, plan: Plan, progress: Callable[[str], None]) -> None:
        self._stack, self._plan, self._progress = stack, plan, progress
        self._rounds: dict[Phase, tuple[list[Round], list[Round]]] = {
            "up": ([], []),
            "killed": ([], []),
        }
        self._round_number = 0

    async def run(self, *, at_ms: int) -> Report:
        """Measure with a running stack, kill it, and measure again.

        Args:
            at_ms: When the drill began, epoch milliseconds; for the report.

        Raises:
            DrillError: A process of the drill itself has ended.
        """
        settings = self._stack.settings
        where = ("--brokers", settings.brokers, "--prefix", settings.topic_prefix)
        async with contextlib.AsyncExitStack() as children:
            begin = children.enter_async_context
            load = await begin(ChildProcess(f"{PROCESSES}.load"))
            without = await begin(ChildProcess(f"{PROCESSES}.service"))
            environ = settings.environ_of_child(os.environ)
            traced = await begin(ChildProcess(f"{PROCESSES}.service", *where, environ=environ))
            urls = [await _url(child) for child in (without, traced)]
            await self._round(load, urls, seconds=WARM_UP_S)
            self._progress("broker and workers run")
            for _ in range(self._plan.rounds):
                await self._measure("up", load, urls)
            up = await traced.ask({})
            first = asyncio.create_task(self._measure("killed", load, urls))
            await asyncio.sleep(min(KILLED_AFTER_S, self._plan.round_s / 2))
            self._progress("killing the broker and every worker")
            await self._stack.kill()
            await first
            for _ in range(self._plan.rounds - 1):
                await self._measure("killed", load, urls)
            ended = [await child.ask({}) for child in (without, traced)]
            exit_s = await traced.end()
        return self._report(up=up, ended=ended, exit_s=exit_s, at_ms=at_ms)

    async def _measure(self, phase: Phase, load: ChildProcess, urls: list[str]) -> None:
        measured = await self._round(load, urls, seconds=self._plan.round_s)
        for rounds, one in zip(self._rounds[phase], measured, strict=True):
            rounds.append(one)
        self._progress(f"{phase}: {len(rounds)} of {self._plan.rounds} rounds")

    async def _round(self, load: ChildProcess, urls: list[str], *, seconds: float) -> list[Round]:
        self._round_number += 1
        request = {"rate_per_s": self._plan.rate_per_s, "seconds": seconds, "urls": urls}
        measured = await load.ask({**request, "number": self._round_number})
        return [round_of(one["latencies_ms"], errors=one["errors"]) for one in measured["services"]]

    def _report(
        self,
        *,
        up: Mapping[str, Any],
        ended: list[dict[str, Any]],
        exit_s: float | None,
        at_ms: int,
    ) -> Report:
        compared = {phase: compare(*pair) for phase, pair in self._rounds.items()}
        worst = {
            phase: dict(zip(NAMES, map(longest, pair), strict=True))
            for phase, pair in self._rounds.items()
        }
        every = [one for pair in self._rounds.values() for rounds in pair for one in rounds]
        errors = sum(one.errors for one in every)
        raised = sum(figures["errors"] for figures in ended)
        return Report(
            drill="isolation",
            at_ms=at_ms,
            rate_per_s=self._plan.rate_per_s,
            round_s=self._plan.round_s,
            rounds=self._plan.rounds,
            requests=sum(one.requests for one in every),
            compared=compared,
            longest_ms=worst,
            request_errors=errors,
            service_errors=raised,
            events={"up": up["events"], "end": ended[1]["events"]},
            cpu_s={name: counts["cpu_s"] for name, counts in zip(NAMES, ended, strict=True)},
            exit_s=exit_s,
            passed=errors == raised == 0
            and exit_s is not None
            and all(one.within_noise for phase in compared.values() for one in phase.values())
            and all(one["with"] <= one["without"] + MAX_EXTRA_MS for one in worst.values()),
        )


async def _url(service: ChildProcess) -> str:
    reply = await service.ask({})
    return f"http://{HOST}:{reply['port']}/answer"
