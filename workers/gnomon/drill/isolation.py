"""Does a service feel gnomon's client, while all is well and after all of gnomon has died?

Two services in processes of their own, alike but for the client, get the same requests by turns;
half-way the broker and all workers are killed. What is compared is rounds of one phase, since
they share the machine with the same other processes.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from gnomon.drill.child import Child
from gnomon.drill.figures import Phase, Report, Round, compare, round_of
from gnomon.drill.service import HOST
from gnomon.runtime.stack import LocalStack

LONGEST_ROUND_S: Final = 2.0
FEWEST_ROUNDS: Final = 2
WARM_UP_S: Final = 1.0
SETTLE_S: Final = 0.5
"""After the kill, before the first round of that phase: the machine's own work for it."""
PROCESSES: Final = "gnomon.drill"


class Plan(NamedTuple):
    """How much is measured: ``rounds`` of each service in each phase, by turns."""

    rounds: int
    round_s: float
    rate_per_s: float


def plan(*, seconds: float, rate_per_s: float) -> Plan:
    """Rounds that together take about ``seconds``."""
    fewest = 2 * 2 * FEWEST_ROUNDS
    round_s = min(LONGEST_ROUND_S, seconds / fewest)
    return Plan(max(FEWEST_ROUNDS, round(seconds / (4 * round_s))), round_s, rate_per_s)


class _Service(NamedTuple):
    child: Child
    url: str
    rounds: dict[Phase, list[Round]]


class Isolation:
    """One drill over a running stack, which it kills.

    Args:
        stack: Broker and workers.
        plan: How much is measured.
        progress: Told what is under way.
    """

    def __init__(self, stack: LocalStack, *, plan: Plan, progress: Callable[[str], None]) -> None:
        self._stack, self._plan, self._progress = stack, plan, progress
        settings = stack.settings
        self._where = ("--brokers", settings.brokers, "--prefix", settings.topic_prefix)

    async def run(self, *, at_ms: int) -> Report:
        """Measure, kill, measure again.

        Args:
            at_ms: When the drill began, epoch ms; goes into the report.

        Raises:
            DrillError: A process of the drill itself has ended.
        """
        async with contextlib.AsyncExitStack() as open_ones:
            begin = open_ones.enter_async_context
            load = await begin(Child(f"{PROCESSES}.load"))
            ballast = await begin(Child(f"{PROCESSES}.ballast", *self._where))
            without = await self._service(await begin(Child(f"{PROCESSES}.service")))
            traced = await self._service(await begin(Child(f"{PROCESSES}.service", *self._where)))
            for service in (without, traced):
                await self._ask_load(load, service, seconds=WARM_UP_S)
            self._progress("broker and workers run")
            await self._phase("up", load, ballast, without, traced)
            up = await traced.child.ask({})
            self._progress("killing the broker and every worker")
            await self._stack.kill()
            await ballast.end()
            await asyncio.sleep(SETTLE_S)
            await self._phase("killed", load, None, without, traced)
            ended = [await service.child.ask({}) for service in (without, traced)]
            exit_s = await traced.child.end()
        return self._report((without, traced), figures=(up, *ended), exit_s=exit_s, at_ms=at_ms)

    async def _service(self, child: Child) -> _Service:
        said = await child.ask({})
        return _Service(child, f"http://{HOST}:{said['port']}/answer", {"up": [], "killed": []})

    async def _phase(
        self,
        phase: Phase,
        load: Child,
        ballast: Child | None,
        without: _Service,
        traced: _Service,
    ) -> None:
        for number, turn in enumerate(_turns(self._plan.rounds, without, traced), start=1):
            for service in turn:
                weight = None
                if ballast is not None and service is without:
                    weight = asyncio.create_task(ballast.ask(self._question()))
                service.rounds[phase].append(await self._ask_load(load, service))
                if weight is not None:
                    await weight
            self._progress(f"{phase}: {number} of {self._plan.rounds} rounds each")

    def _question(self, **more: object) -> dict[str, object]:
        return {"rate_per_s": self._plan.rate_per_s, "seconds": self._plan.round_s, **more}

    async def _ask_load(
        self, load: Child, service: _Service, *, seconds: float | None = None
    ) -> Round:
        more = {} if seconds is None else {"seconds": seconds}
        said = await load.ask(self._question(url=service.url, **more))
        return round_of(said["latencies_ms"], errors=said["errors"])

    def _report(
        self,
        services: tuple[_Service, _Service],
        *,
        figures: tuple[Mapping[str, Any], ...],
        exit_s: float | None,
        at_ms: int,
    ) -> Report:
        without, traced = services
        up, ended_without, ended = figures
        compared = {p: compare(without.rounds[p], traced.rounds[p]) for p in without.rounds}
        rounds = [r for service in services for p in service.rounds.values() for r in p]
        request_errors = sum(one.errors for one in rounds)
        service_errors = ended_without["errors"] + ended["errors"]
        quiet = all(one.within_noise for phase in compared.values() for one in phase.values())
        return Report(
            drill="isolation",
            at_ms=at_ms,
            rate_per_s=self._plan.rate_per_s,
            round_s=self._plan.round_s,
            rounds=self._plan.rounds,
            requests=sum(one.requests for one in rounds),
            compared=compared,
            request_errors=request_errors,
            service_errors=service_errors,
            events={"up": up["events"], "end": ended["events"]},
            exit_s=exit_s,
            passed=quiet and not request_errors and not service_errors and exit_s is not None,
        )


def _turns(count: int, without: _Service, traced: _Service) -> Iterator[Sequence[_Service]]:
    """Each first as often as the other, so that a machine that slows down slows both."""
    for number in range(count):
        yield (without, traced) if number % 2 == 0 else (traced, without)
